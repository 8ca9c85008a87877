// Executes the instruction stream that the engines time, with values: LoadSequence,
// ExecuteSequence and StoreSequence of every tile, on int8 and int32 numbers as Gemmini computes
// them (supernet/quantization/integer_arithmetic.hpp).
//
// It also checks the lowering: what reads a place of a local memory that nothing has written, or
// leaves DRAM, is an Error. One instruction ends before the next begins: that the station holds
// back those that depend on one another is the engines' matter.
//
// It is a room of nas because the rooms below may not see one another: accel_sim knows no values,
// supernet no accelerator.
#pragma once

#include <cstdint>
#include <vector>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/lowering/instructions.hpp"
#include "accel_sim/lowering/program.hpp"
#include "nas/functional/memories.hpp"
#include "nas/functional/normaliser.hpp"
#include "supernet/quantization/integer_arithmetic.hpp"

namespace paretoformer::nas {

// What int8 results pass on their way out, where the normaliser does nothing.
enum class StoreActivation { kNone, kRelu, kGelu };

// What the host configures before a call's tiles.
struct CallConstants {
  // Of mvins of int8. Into the accumulator other scales than 1 are only for those that go through
  // the scaling units (Mvin::scaled).
  float left_scale = 1, right_scale = 1, sums_scale = 1;
  float scale = 1;  // of int8 results
  StoreActivation activation = StoreActivation::kNone;
  supernet::GeluConstants gelu{};
  supernet::ExpConstants exp{};  // of a softmax
  // Which row of the right operand a gather adds to each row of results; empty: as many, in order.
  std::vector<std::int32_t> gathered{};
};

class Interpreter {
 public:
  // `memory` must outlive it.
  Interpreter(const accel_sim::Hardware& hardware, MainMemory& memory);

  // Nothing is left in the local memories of a program before. Throws Error for a program that
  // reads what is not there, or asks for what the units cannot do.
  void run(const accel_sim::Program& program, const CallConstants& constants);

 private:
  // `first_row`: of the call's results.
  void run(const accel_sim::Tile& tile, const CallConstants& constants, std::int64_t first_row);
  void mvin(const accel_sim::Mvin& mvin, float scale);
  void mvin_int4(const accel_sim::Mvin& mvin);
  void mvin_row(const accel_sim::Mvin& mvin, float scale, int block, int row, int columns,
                std::int64_t address);
  void execute(const accel_sim::Execute& execute, const accel_sim::ExecuteSequence& sequence,
               bool transposed);
  void load_weights(const accel_sim::Execute& execute, bool transposed);
  void multiply(const accel_sim::Execute& execute);
  void add_results(const accel_sim::Execute& execute);
  void mvout(const accel_sim::Mvout& mvout, const CallConstants& constants, Normaliser& norm);
  void gather(const accel_sim::Mvout& mvout, int row);

  accel_sim::Hardware hardware_;
  MainMemory* memory_;
  int size_;
  LocalMemory<std::int8_t> scratchpad_;
  LocalMemory<std::int32_t> accumulator_;
  std::vector<std::int8_t> weights_;  // in the array, size x size
  std::vector<std::int32_t> sums_;    // on their way out of it, or staying there, size x size
  std::vector<std::int32_t> row_;     // what a mvout takes of a row
};

}  // namespace paretoformer::nas
