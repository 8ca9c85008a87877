// The fields of a workload, as files have them.
#pragma once

#include <tuple>

#include "accel_sim/workload/words.hpp"
#include "support/fields.hpp"

namespace paretoformer::accel_sim {

inline constexpr int kLargestBatch = 1 << 16;

inline constexpr std::tuple kWorkloadFields{
    Field{"sequence_length", &Workload::sequence_length, Range{1, 1 << 20},
          "positions for which a network is priced; absent: `training.context`"},
    Field{"mode", &Workload::mode, AnyWord(kModeWords),
          "`prefill` (all positions at once) or `decode` (one token, keys and values cached)"},
    Field{"mask", &Workload::mask, AnyWord(kMaskWords),
          "`causal`: a position sees itself and earlier ones; `none`"},
    Field{"biases", &Workload::biases, AnyFlag{}, "whether projections and FFN add their biases"},
    Field{"nonlinear_inputs", &Workload::nonlinear_inputs, AnyWord(kNonlinearInputsWords),
          "what LayerNorms and GELUs read: `int8`, as the quantised network has it, or the int32 "
          "`sums` of the product before, as Gemmini's library has it"},
    Field{"batch", &Workload::batch, RangeUnless{1, kLargestBatch, 1},
          "sequences computed together: one inference, of which all prices are"}};

}  // namespace paretoformer::accel_sim
