// Where the losses of candidates come from: a supernet, or a record of one.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/evaluation.hpp"

namespace paretoformer {

struct LossSource {
  int quarter = 0;    // sequences in Subset::kQuarter
  int sequences = 0;  // in both subsets
  // As Evaluator::loss_sums().
  std::function<std::vector<double>(std::span<const Architecture>, Subset)> sums;

  int size(Subset subset) const {
    return subset == Subset::kQuarter ? quarter : sequences - quarter;
  }
};

}  // namespace paretoformer
