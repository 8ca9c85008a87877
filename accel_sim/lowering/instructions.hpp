// The accelerator's instructions (mvin, preload + compute, mvout), and the order in which its loop
// unroller, or the C library on the host, makes them from a tile.
#pragma once

#include <cstdint>
#include <optional>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/lowering/program.hpp"

namespace paretoformer::accel_sim {

enum class Memory { kScratchpad, kAccumulator };

// A place in a local memory, in blocks of array_size rows from its beginning.
struct LocalBlock {
  Memory memory = Memory::kScratchpad;
  int index = 0;
};

// DRAM -> `blocks` consecutive blocks: `rows` rows of `row_bytes` each. Of int4 weights there are
// rows of multipliers before them, as many as they have groups, as long and as far apart, which
// stay in the unit that unpacks the rows after them: of every block of rows that comes in, they
// come anew.
struct Mvin {
  std::int64_t address = 0;
  std::int64_t stride = 0;
  int rows = 0;
  int rows_beyond = 0;  // the last of them, which the matrix does not have
  int row_bytes = 0;
  int element_bytes = 1;  // in DRAM
  int blocks = 0;
  LocalBlock target;
  int first_row = 0;        // of these blocks
  int copies = 1;           // rows written for each that is read: a stride of 0 reads a row once
                            // and writes it as often as there are rows (LoadController.scala L76)
  bool accumulate = false;  // added to what the accumulator holds
  bool scaled = false;      // through the scaling units
  bool int4 = false;        // two elements in a byte
  int multiplier_rows = 0;
  int first_in_group = 0;        // the first of `rows`
  std::int64_t multipliers = 0;  // address

  int dram_rows() const { return multiplier_rows + rows; }
  // Of these, the multipliers' first.
  std::int64_t row_address(int row) const {
    return row < multiplier_rows ? multipliers + row * stride
                                 : address + (row - multiplier_rows) * stride;
  }
  // What becomes a row of a block, in DRAM.
  int block_row_bytes(int size) const { return int4 ? size / 2 : element_bytes * size; }
};

// Whether the mvin waits until the computes of the loop before are done: those of a full int32 bias
// do. In RTL a causal mask of 256 x 256 costs what its lines take on top of all else, cold and
// warm, while a row of biases is hidden; what holds the mvins up is not known.
inline bool waits_for_computes(const Mvin& mvin) {
  return mvin.target.memory == Memory::kAccumulator && mvin.element_bytes == 4 && mvin.copies == 1;
}

// PRELOAD and COMPUTE of one block: result (+)= left * right.
struct Execute {
  int left = 0;    // blocks of the scratchpad
  int right = 0;   // used when `flip`
  int result = 0;  // block of the accumulator; -1: the sums stay in the array (output-stationary)
  int rows = 0;    // rows of `left` fed
  // What takes part of both operands: the array has zeros beyond (PRELOAD and COMPUTE say so).
  int inner = 0;
  int columns = 0;
  bool flip = false;  // new weights (weight-stationary) or new sums (output-stationary)
  bool accumulate = false;
  bool transposer = false;  // an operand passes the transposer: every step takes array_size cycles
};

// A pass of the normaliser over a row (LoopMatmul.scala L571-678).
enum class NormPass { kNone, kFirst, kSecond, kWrite };

// Blocks of a local memory -> DRAM, `rows` rows of `row_bytes` each; in the first two passes of the
// normaliser nothing is written.
struct Mvout {
  std::int64_t address = 0;
  std::int64_t stride = 0;
  int rows = 0;
  int row_bytes = 0;
  int element_bytes = 1;  // in DRAM
  int blocks = 0;
  LocalBlock source;
  int first_row = 0;  // of these blocks
  NormPass pass = NormPass::kNone;
  Normalisation normalisation = Normalisation::kNone;
  int statistics = 0;          // which of the two sets of statistics
  bool first_of_pass = false;  // a config_norm precedes it
  bool last_of_pass = false;

  bool from_scratchpad() const { return source.memory == Memory::kScratchpad; }
  // Passes the scaling units.
  bool scaled() const { return element_bytes == 1 && !from_scratchpad(); }
};

// Blocks a DMA command moves per row: 64 bytes (MAX_BYTES, GemminiConfigs.scala L350-362).
int blocks_per_dma(int element_bytes, const Hardware& hardware);

// Where a tile's operands lie (LoopMatmul.scala L1128-1299): left from the beginning of its half of
// the scratchpad, row by row; right up to the end of its half; results from the beginning of their
// half of the accumulator. Residual adds and normalisations load into the place of the results.
struct TileLayout {
  TileLayout(const Tile& tile, const Hardware& hardware);

  int left_block(int i, int k) const { return left + i * inner + k; }
  // Transposed keys are stored as they come: columns x inner.
  int right_block(int k, int j) const {
    return right + (transposed ? j * inner + k : k * columns + j);
  }
  int result_block(int i, int j) const { return result + i * columns + j; }

  int rows, inner, columns;             // blocks
  int left = 0, right = 0, result = 0;  // first blocks
  bool transposed;
};

// The mvins of a tile, in the order of their emission. For a weight-stationary matmul the operands
// take turns as the unroller's arbiter decides (WeightedArbiter.scala): left goes down the rows,
// then along `inner` in steps of a DMA command; right along its rows in such steps; right is next
// when it is behind. The host loads all of right, then all of left (sp_tiled_matmul_os). A residual
// add loads and adds step by step, of one operand down the rows first (LoopMatmul.scala L98-115); a
// normalisation reads each step as often as it says. Sums come before all of them, down the rows,
// then along the columns (LoopMatmulLdD; ldD goes before ldA and ldB, LoopMatmul.scala L960-965). A
// gather loads the left operand's part of a row of blocks, then the right operand's rows there, one
// by one.
class LoadSequence {
 public:
  LoadSequence(const Tile& tile, const Hardware& hardware);

  // Which operand the next mvin loads, and which of its blocks.
  enum class Operand { kLeft, kRight, kSums };
  struct Step {
    Operand operand = Operand::kLeft;
    int row = 0;     // of blocks, as stored
    int column = 0;  // first of `blocks` along that row
    int blocks = 0;
    bool again = false;  // not the first of the tile's `reads`
    int only_row = -1;   // of the blocks, if it is one alone
  };
  std::optional<Step> next();  // nothing when all are made
  int steps() const;           // of the left operand, before the first, read once
  Mvin mvin(const Step& step) const;

 private:
  // A walk over a grid of blocks in steps of `step` columns.
  struct Walk {
    int rows = 0, columns = 0, step = 1;
    bool down_first = false;  // rows are the inner loop
    bool active = false;
    int row = 0, column = 0;

    Step take(Operand operand);
  };
  bool right_is_next() const;
  Step take_left();
  Step take_right();
  void add_multipliers(const Step& step, Mvin& mvin) const;

  const Tile* tile_;
  const Hardware* hardware_;
  TileLayout layout_;
  Walk left_, right_, sums_;
  int reads_ = 0;     // of the next step of `left_`, so far
  int gathered_ = 0;  // row of blocks whose rows of the right operand are next
};

// The steps of a matmul tile, in the order of their emission: weight-stationary with rows
// innermost, new weights for the first (LoopMatmul.scala L412-484); output-stationary with `inner`
// innermost, new sums for the first (gemmini.h L380-505).
class ExecuteSequence {
 public:
  ExecuteSequence(const Tile& tile, const Hardware& hardware);

  bool done() const { return done_; }
  // The next step: PRELOAD and COMPUTE of row i and column j of the results' blocks.
  Execute execute() const;
  int i() const { return i_; }
  int j() const { return j_; }
  int k() const { return k_; }
  void advance();

  // Whether everything has been emitted for that block of results.
  bool is_past(int i, int j) const {
    return done_ || (k_ == layout_.inner - 1 && (j_ > j || (j_ == j && i_ > i)));
  }
  bool output_stationary() const { return output_stationary_; }

 private:
  const Tile* tile_;
  TileLayout layout_;
  int size_;
  bool output_stationary_, done_;
  int i_ = 0, j_ = 0, k_ = 0;
};

// The mvouts of a tile: rows of blocks in turn within columns in steps of a DMA command; or, with a
// normalisation, per pair of rows three passes of one-row mvouts for either row in turn. Of a
// gather, columns within rows of blocks.
class StoreSequence {
 public:
  StoreSequence(const Tile& tile, const Hardware& hardware);
  std::optional<Mvout> next();

 private:
  Mvout mvout(int row, int rows) const;
  std::optional<Mvout> next_normalised();

  const Tile* tile_;
  const Hardware* hardware_;
  TileLayout layout_;
  int step_;        // blocks of a DMA command
  int row_ = 0;     // of elements
  int column_ = 0;  // of blocks
  int pass_ = 0, statistics_ = 0;
};

}  // namespace paretoformer::accel_sim
