// The engine that the tests take as the truth: the accelerator of fast_engine.hpp, stepped cycle by
// cycle, unit by unit.
#pragma once

#include <cstdint>

#include "accel_sim/engines/engine.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/lowering/program.hpp"

namespace paretoformer::accel_sim {

inline constexpr std::int64_t kDefaultCycleLimit = 1'000'000'000;

// Runs the program from a cold L2, and answers what run_fast_engine() answers; with `trace`,
// appends the same kinds of spans. Throws Error with the state of the queues when nothing moves for
// a long time, or when `cycle_limit` is passed.
EngineResult run_reference_engine(const Program& program, const Hardware& hardware,
                                  std::int64_t cycle_limit = kDefaultCycleLimit,
                                  Trace* trace = nullptr);

// The same with the memory that earlier calls left; it must span the program's addresses.
EngineResult run_reference_engine(const Program& program, const Hardware& hardware,
                                  MemorySystem& memory,
                                  std::int64_t cycle_limit = kDefaultCycleLimit,
                                  Trace* trace = nullptr);

}  // namespace paretoformer::accel_sim
