// How a matmul is cut into tiles that fit the double-buffered memories, as Gemmini's C library does
// it or otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {

template <typename A, typename B>
constexpr auto ceil_divide(A a, B b) {
  return (a + b - 1) / b;
}

// Extents in blocks of array_size: results of rows x columns blocks, summed over inner blocks.
struct MatmulTile {
  int rows = 0;
  int inner = 0;
  int columns = 0;

  bool operator==(const MatmulTile&) const = default;
};

// A loop over tiles.
enum class MatmulLoop : std::uint8_t { kRows, kColumns, kInner };

// How a matmul is run.
struct MatmulSchedule {
  // As the library runs it with that tile (tiled_matmul_outer, gemmini.h L692-834).
  MatmulSchedule(const MatmulTile& its_tile) : tile(its_tile) {}  // NOLINT: a tile says it all

  MatmulTile tile;
  // Outermost first. Where a loop over tiles lies inside that over `inner`, sums leave unfinished,
  // and come back for the next tile.
  std::array<MatmulLoop, 3> order{MatmulLoop::kRows, MatmulLoop::kColumns, MatmulLoop::kInner};
  // Both operands of every tile are loaded even when the tile before had the same one (but see
  // Library::operand_reuse).
  bool reloads = true;

  bool operator==(const MatmulSchedule&) const = default;
};

// The extents of the whole matmul in blocks, each rounded up.
MatmulTile blocks(const Operator& matmul, const Hardware& hardware);

// 2 when a tile has half of each memory to itself while the other half is loaded or stored, which
// weight-stationary tiles always have (gemmini.h L1231); 1 for output-stationary ones.
int buffers_per_memory(const Target& target);

// Whether the rows x columns results of the tile fit a buffer of the accumulator, or all of it, and
// its two inputs a buffer of the scratchpad, as far as the library's tiling rule knows of them.
bool fits(const MatmulTile& tile, const Target& target, bool whole_accumulator = false);

// Extents of a tile worth trying along one of `whole` blocks: for every number of tiles the
// smallest, all about as large, and the largest, which leaves the least for the last. Rising.
std::vector<int> tile_extents(int whole);

// The rule of tiled_matmul_auto (gemmini.h L1231-1345): start from a square of results and grow
// columns, rows and inner in turn by one block while the tile fits. Where the square leaves no room
// for inner blocks (a scratchpad far smaller than the accumulator, on which the C code would divide
// by zero), the square shrinks first.
MatmulTile greedy_tile(const Operator& matmul, const Target& target);

// By how many blocks, along whatever extent, the library's search makes the tile larger than its
// first guess: greedy_tile()'s or, for whole rows, whole_row_tile()'s.
int tile_search_steps(const Operator& matmul, const MatmulTile& found, bool whole_rows,
                      const Target& target);

// The tile for a matmul whose softmax is fused: whole rows of results stay in the accumulator, so
// the start is one row of blocks (gemmini.h L1188-1195). Nothing when a row does not fit: a buffer
// of the accumulator, or all of it.
std::optional<MatmulTile> whole_row_tile(const Operator& matmul, const Target& target,
                                         bool whole_accumulator = false);

}  // namespace paretoformer::accel_sim
