// Words for what is in simulator.hpp, on the command line.
#pragma once

#include "accel_sim/simulator.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {

inline constexpr Words<Engine, 2> kEngineWords{
    {{Engine::kFast, "fast"}, {Engine::kReference, "reference"}}};

inline constexpr Words<CacheState, 3> kCacheStateWords{
    {{CacheState::kEmpty, "empty"}, {CacheState::kCold, "cold"}, {CacheState::kWarm, "warm"}}};

}  // namespace paretoformer::accel_sim
