// What the host hands to the accelerator for one operator: tiles, in the order in which the loops
// of Gemmini's C library issue them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {

// A matrix in DRAM, row by row: byte address of its first element, bytes between rows, and bytes
// per element (1 for int8, 4 for int32 sums), or two int4 in a byte.
struct Matrix {
  std::int64_t address = 0;
  std::int64_t stride = 0;
  int element_bytes = 1;
  bool int4 = false;  // `element_bytes` is that of what they are unpacked to

  std::int64_t bytes(std::int64_t elements) const {
    return int4 ? int4_bytes(elements) : elements * element_bytes;
  }
  // The part that begins at that row and column, an even one of int4.
  Matrix at(std::int64_t row, std::int64_t column) const {
    return {address + row * stride + bytes(column), stride, element_bytes, int4};
  }
};

enum class TileKind {
  kMatmul,       // result = left * right, weight-stationary: one LOOP_WS
  kHostMatmul,   // the same, output-stationary: unrolled by the host (sp_tiled_matmul_os)
  kResidualAdd,  // result = left + right, both scaled: one LOOP_WS with is_resadd; without right,
                 // left through the accumulator and its activation unit
  kNormalise,    // result = norm(left): unrolled by the host (tiled_norm)
  kGather,       // result = left + a row of right for each, found by the host, which unrolls it
  kCopy,         // result = rows of left, through the scratchpad
};

struct Tile {
  TileKind kind = TileKind::kMatmul;
  Normalisation normalisation = Normalisation::kNone;
  // Elements: rows x columns results, summed over `inner`.
  int rows = 0;
  int inner = 0;
  int columns = 0;
  Matrix left, right, result;
  // Of int4 weights: a row for each group of kInt4Group rows of the whole `right`, of which the
  // tile begins at row `depth`.
  Matrix multipliers;
  int depth = 0;
  // What the results of a weight-stationary matmul begin with (LOOP_WS's D): comes into the
  // accumulator before the first product is added, which `accumulate` must say. int32 as it is,
  // int8 through the scaling units (low_D).
  Matrix sums;
  bool load_sums = false;
  int reads = 1;          // of `left`, those after the first added to it: of a normalisation
  bool load_left = true;  // false: in the scratchpad from an earlier tile
  bool load_right = true;
  bool transposed_right = false;  // `right` is stored columns x inner
  bool scaled = true;             // both operands of a residual add go through the scaling units
  // Begins when the loop before has left the unroller: its results take the same place.
  bool takes_turns = false;
  bool accumulate = false;     // onto what the accumulator holds: of an earlier tile, or `sums`
  bool begins_results = true;  // no earlier tile has added to them
  bool store = true;           // false: the sums stay there for the next tile
  // Which half of the double-buffered memories.
  int left_half = 0;
  int right_half = 0;
  int result_half = 0;
};

inline bool is_matmul(const Tile& tile) {
  return tile.kind == TileKind::kMatmul || tile.kind == TileKind::kHostMatmul;
}

// Where the matrices of one call lie. `right` is the second operand of a matmul or a residual add.
struct Placement {
  Matrix left, right, result;
  std::int64_t bytes = 0;    // all addresses are below
  Matrix partial_sums = {};  // of a matmul that spills_sums(): rows x columns of int32
  // Of a matmul that has one: int32, rows 0 bytes apart when one is there for all
  // (gemmini_repeating_bias, gemmini.h L684-685).
  Matrix bias = {};
  // Of scores in row blocks (Bias::kTriangle), int8: 127 times the identity, and, transposed as
  // keys are, 0 for all blocks of keys but the last and -127 for its later ones. Rows are as far
  // apart as those of `left` and `right`.
  Matrix identity = {}, triangle = {};
  Matrix multipliers = {};  // of int4 weights, as many columns as `right`
};

// Matrices of the `program` of a call one behind the other, from address 0.
Placement packed(const Call& call, const Target& target);

// The tiles of one call of the library, and the bytes of DRAM that its matrices span from address
// 0.
struct Program {
  std::vector<Tile> tiles;
  std::int64_t bytes = 0;
  std::int64_t prologue_cycles = 0;  // of the host, before its first command
};

// Whether unfinished sums go to DRAM and come back.
bool spills_sums(const MatmulSchedule& schedule, const Operator& matmul, const Target& target);

// Lowers the `program` of a call. Rows of every matrix are packed (a stride of their length; but
// see Call::right_stride), matrices begin at multiples of 64 bytes, as heads do in the published
// program. Throws InputError when a matmul's tile does not fit the memories, when its loops are not
// the library's with an output-stationary array, when it asks for a LayerNorm that is not fused,
// when the matrices span more than 2 GiB, or when there are more than 2^22 tiles. With a placement,
// which must give every matrix its strides and element sizes, they lie there.
Program lower(const Call& call, const Target& target, const Placement* placement = nullptr);

// The same of compile(op, hardware, schedule).
Program lower(const Operator& op, const Target& target,
              const std::optional<MatmulSchedule>& schedule = std::nullopt);

// Matrices one behind the other, each at a multiple of 64 bytes.
class AddressSpace {
 public:
  // Rows are `stride` bytes apart, or packed. Throws InputError when they span more than 2 GiB.
  Matrix place(std::int64_t rows, std::int64_t columns, int element_bytes = 1,
               std::int64_t stride = 0);
  // Of int4: a row of columns in half as many bytes.
  Matrix place_int4(std::int64_t rows, std::int64_t columns);
  // The bias of a matmul that loads one.
  Matrix place_bias(const Operator& matmul);
  // The constants of scores in row blocks, whose operands `placement` says.
  void place_triangle(const Call& scores, Placement& placement);
  std::int64_t bytes() const { return end_; }

 private:
  std::int64_t end_ = 0;
};

// What a call takes on the host before its first command: the library searches for a matmul's tile
// unless its schedule is given. (Residual adds halve theirs a few times at most.)
std::int64_t prologue_cycles(const Call& call, const Hardware& hardware);

// Whether the host issues every command of the tile.
inline bool is_unrolled_by_host(const Tile& tile) {
  return tile.kind == TileKind::kHostMatmul || tile.kind == TileKind::kNormalise ||
         tile.kind == TileKind::kGather;
}

// What it takes for each of them; for a pass of the normaliser's config beside its mvouts.
struct HostCommandCycles {
  int mvin = 0, execute = 0, mvout = 0, config = 0;
};
HostCommandCycles host_command_cycles(const Tile& tile, const Hardware& hardware);
// Of the tiles of a call that normalises, or gathers, by itself.
HostCommandCycles host_command_cycles(const Call& call, const Hardware& hardware);

// Of the loop that runs the tile: what the host takes to issue it.
inline int loop_issue_cycles(const Tile& tile, const Hardware& hardware) {
  if (tile.kind == TileKind::kResidualAdd) return hardware.residual_issue_cycles;
  return hardware.loop_issue_cycles + (tile.begins_results ? hardware.result_issue_cycles : 0);
}

// What an operator takes on the host (RunsIn::kHost), its conversions from and to int8 included.
double host_cycles_per_element(OperatorKind kind, const Hardware& hardware);

}  // namespace paretoformer::accel_sim
