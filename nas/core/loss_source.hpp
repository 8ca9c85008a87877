// Where the losses of candidates come from: a supernet, or a record of one.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"

namespace paretoformer::nas {

// What of a network's losses is asked for: those in fp32 on a quarter of the validation sequences,
// or on the others; or those in the accelerator's integers, on all of them.
enum class LossPart { kQuarter, kRest, kInt8 };

struct LossSource {
  int quarter = 0;    // sequences in the quarter
  int sequences = 0;  // in all
  // For each network the sum, over the part's sequences, of mean losses (nats per token).
  std::function<std::vector<double>(std::span<const Architecture>, LossPart)> sums;
  bool int8 = false;  // whether LossPart::kInt8 may be asked for
  // Machines that measure side by side what is asked for at a time; empty: this one.
  std::function<std::size_t()> measurers = {};

  int size(LossPart part) const {
    return part == LossPart::kQuarter ? quarter
           : part == LossPart::kRest  ? sequences - quarter
                                      : sequences;
  }
};

}  // namespace paretoformer::nas
