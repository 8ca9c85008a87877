// Where the losses of candidates come from: a supernet, or a record of one.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/evaluation.hpp"

namespace paretoformer::nas {

struct LossSource {
  int quarter = 0;    // sequences in Subset::kQuarter
  int sequences = 0;  // in both subsets
  // As Evaluator::loss_sums().
  std::function<std::vector<double>(std::span<const Architecture>, supernet::Subset)> sums;

  int size(supernet::Subset subset) const {
    return subset == supernet::Subset::kQuarter ? quarter : sequences - quarter;
  }
};

}  // namespace paretoformer::nas
