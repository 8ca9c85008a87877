#include "accel_sim/lowering/tiling.hpp"

#include <algorithm>

namespace paretoformer::accel_sim {
namespace {

// floor(sqrt(n)), without floating point.
int integer_root(int n) {
  int root = 1;
  while ((root + 1) * (root + 1) <= n) ++root;
  return root;
}

// Blocks of a buffer of either memory.
struct Room {
  explicit Room(const Target& target, bool whole_accumulator = false)
      : results(target.tiling_accumulator_blocks() /
                (whole_accumulator ? 1 : buffers_per_memory(target))),
        inputs(target.tiling_scratchpad_blocks() / buffers_per_memory(target)) {}

  bool holds(const MatmulTile& tile) const {
    const auto rows = static_cast<std::int64_t>(tile.rows);
    return rows * tile.columns <= results && (rows + tile.columns) * tile.inner <= inputs;
  }

  int results, inputs;
};

// One pass tries columns, rows and inner, in this order, until nothing grows any more.
MatmulTile grow(MatmulTile tile, const MatmulTile& whole, const Room& room) {
  const auto grow_one = [&](int MatmulTile::*extent) {
    MatmulTile larger = tile;
    ++(larger.*extent);
    if (larger.*extent > whole.*extent || !room.holds(larger)) return false;
    tile = larger;
    return true;
  };
  bool grown = true;
  while (grown) {
    grown = grow_one(&MatmulTile::columns);
    grown = grow_one(&MatmulTile::rows) || grown;
    grown = grow_one(&MatmulTile::inner) || grown;
  }
  return tile;
}

// What greedy_tile() begins with.
MatmulTile first_guess(const MatmulTile& whole, const Room& room) {
  const int side = integer_root(room.results);
  const int inner = std::max(room.inputs / 2 / side, 1);
  MatmulTile start{std::min(whole.rows, side), std::min(whole.inner, inner),
                   std::min(whole.columns, side)};
  while (!room.holds(start)) --(start.rows >= start.columns ? start.rows : start.columns);
  return start;
}

}  // namespace

MatmulTile blocks(const Operator& matmul, const Hardware& hardware) {
  const int size = hardware.array_size;
  return {ceil_divide(matmul.rows, size), ceil_divide(matmul.inner, size),
          ceil_divide(matmul.columns, size)};
}

int buffers_per_memory(const Target& target) {
  return target.dataflow == Dataflow::kWeightStationary ? 2 : 1;
}

bool fits(const MatmulTile& tile, const Target& target, bool whole_accumulator) {
  return Room(target, whole_accumulator).holds(tile);
}

std::vector<int> tile_extents(int whole) {
  std::vector<int> extents;
  for (int extent = 1; extent <= whole; ++extent) {
    const int tiles = ceil_divide(whole, extent);
    const bool smallest = extent == 1 || ceil_divide(whole, extent - 1) > tiles;
    if (smallest || ceil_divide(whole, extent + 1) < tiles) extents.push_back(extent);
  }
  return extents;
}

MatmulTile greedy_tile(const Operator& matmul, const Target& target) {
  const MatmulTile whole = blocks(matmul, target);
  const Room room(target);
  return grow(first_guess(whole, room), whole, room);
}

int tile_search_steps(const Operator& matmul, const MatmulTile& found, bool whole_rows,
                      const Target& target) {
  const MatmulTile whole = blocks(matmul, target);
  const MatmulTile start =
      whole_rows ? MatmulTile{1, 1, whole.columns} : first_guess(whole, Room(target));
  return found.rows - start.rows + found.inner - start.inner + found.columns - start.columns;
}

std::optional<MatmulTile> whole_row_tile(const Operator& matmul, const Target& target,
                                         bool whole_accumulator) {
  const MatmulTile whole = blocks(matmul, target);
  const MatmulTile start{1, 1, whole.columns};
  const Room room(target, whole_accumulator);
  if (!room.holds(start)) return std::nullopt;
  return grow(start, whole, room);
}

}  // namespace paretoformer::accel_sim
