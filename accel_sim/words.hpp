// Words for what is in simulator.hpp, on the command line.
#pragma once

#include "accel_sim/simulator.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {

inline constexpr Words<Engine, 2> kEngineWords{
    {{Engine::kFast, "fast"}, {Engine::kReference, "reference"}}};

}  // namespace paretoformer::accel_sim
