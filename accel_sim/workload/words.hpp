// Words for what is in operators.hpp, in files and on the command line.
#pragma once

#include "accel_sim/workload/operators.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {

inline constexpr Words<Mode, 2> kModeWords{
    {{Mode::kPrefill, "prefill"}, {Mode::kDecode, "decode"}}};

inline constexpr Words<Mask, 2> kMaskWords{{{Mask::kNone, "none"}, {Mask::kCausal, "causal"}}};

inline constexpr Words<bool, 2> kBiasesWords{{{false, "off"}, {true, "on"}}};

inline constexpr Words<NonlinearInputs, 2> kNonlinearInputsWords{
    {{NonlinearInputs::kSums, "sums"}, {NonlinearInputs::kInt8, "int8"}}};

}  // namespace paretoformer::accel_sim
