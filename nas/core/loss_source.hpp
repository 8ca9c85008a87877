// Where the losses of candidates come from: a supernet, or a record of one.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"

namespace paretoformer::nas {

// What of a network's losses is asked for. In fp32: on a quarter of the validation sequences that
// score candidates, on the rest of them, or on what a search does not see of the text. In the
// accelerator's integers: on all that score candidates, or on the whole text.
enum class LossPart { kQuarter, kRest, kInt8, kUnseen, kWholeInt8 };
inline constexpr std::size_t kLossParts = 5;

struct LossSource {
  int quarter = 0;    // sequences in the quarter
  int sequences = 0;  // that score candidates
  // For each network the sum, over the part's sequences, of mean losses (nats per token).
  std::function<std::vector<double>(std::span<const Architecture>, LossPart)> sums;
  bool int8 = false;  // whether candidates are scored in integers, too
  // Machines that measure side by side what is asked for at a time; empty: this one.
  std::function<std::size_t()> measurers = {};
  int unseen = 0;  // sequences of the text that a search does not see

  int size(LossPart part) const {
    switch (part) {
      case LossPart::kQuarter:
        return quarter;
      case LossPart::kRest:
        return sequences - quarter;
      case LossPart::kInt8:
        return sequences;
      case LossPart::kUnseen:
        return unseen;
      case LossPart::kWholeInt8:
        break;
    }
    return sequences + unseen;
  }
};

}  // namespace paretoformer::nas
