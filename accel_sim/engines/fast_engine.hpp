// The engine that everything uses: completion times of instructions, each from those it waits for.
#pragma once

#include "accel_sim/engines/engine.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/lowering/program.hpp"

namespace paretoformer::accel_sim {

// Runs the program from a cold L2. With `trace`, appends a span for every mvin, mvout, run of
// computes and prologue. The time it takes grows with the lines moved and the blocks of weights,
// not with the cycles.
EngineResult run_fast_engine(const Program& program, const Hardware& hardware,
                             Trace* trace = nullptr);

// The same with the memory that earlier calls left; it must span the program's addresses.
EngineResult run_fast_engine(const Program& program, const Hardware& hardware, MemorySystem& memory,
                             Trace* trace = nullptr);

}  // namespace paretoformer::accel_sim
