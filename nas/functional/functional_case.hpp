// One call on random operands: executed by the interpreter, and by the direct integer operators.
#pragma once

#include <cstdint>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/program.hpp"
#include "nas/functional/interpreter.hpp"

namespace paretoformer::nas {

struct FunctionalCase {
  accel_sim::Program program;
  CallConstants constants;
  MainMemory before;    // with the operands
  MainMemory expected;  // and with what the direct operators make of them
  accel_sim::Matrix result;
  int rows = 0, columns = 0;       // of the result
  accel_sim::Matrix partial_sums;  // which are left somewhere, and not compared
  std::int64_t partial_bytes = 0;
};

// Operands are random int8, scales such that most results are within their range; with some seeds
// the operands have their whole range and sums wrap, which has to come out equal too. Throws
// InputError for a call that has no program of its own, and what lower() throws.
FunctionalCase random_case(const accel_sim::Call& call, const accel_sim::Target& target,
                           std::uint64_t seed);

struct FunctionalResult {
  bool equal = false;          // the whole of DRAM, bit for bit
  std::uint64_t checksum = 0;  // of the result's bytes, row by row
};
// Throws what Interpreter::run() throws.
FunctionalResult run(const FunctionalCase& functional, const accel_sim::Hardware& hardware);

}  // namespace paretoformer::nas
