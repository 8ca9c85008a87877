// Where the losses of candidates come from: a supernet, or a record of one.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/evaluation.hpp"

namespace paretoformer {

class ProxyTask;

struct LossSource {
  int quarter = 0;    // sequences in Subset::kQuarter
  int sequences = 0;  // in both subsets
  // As Evaluator::loss_sums().
  std::function<std::vector<double>(std::span<const Architecture>, Subset)> sums;

  int size(Subset subset) const {
    return subset == Subset::kQuarter ? quarter : sequences - quarter;
  }
};

// The validation losses of slices of the supernet, which must have weights and outlive the result.
LossSource supernet_losses(ProxyTask& proxy);

// A hash of what these depend on but the network: weights, text, sequences and products.
std::uint64_t loss_key(ProxyTask& proxy);

}  // namespace paretoformer
