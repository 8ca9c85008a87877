#include "accel_sim/tiling.hpp"

#include <algorithm>

namespace paretoformer {
namespace {

// floor(sqrt(n)), without floating point.
int integer_root(int n) {
  int root = 1;
  while ((root + 1) * (root + 1) <= n) ++root;
  return root;
}

// One pass tries columns, rows and inner, in this order, until nothing grows any more.
MatmulTile grow(MatmulTile tile, const MatmulTile& whole, const Hardware& hardware) {
  const auto grow_one = [&](int MatmulTile::*extent) {
    MatmulTile larger = tile;
    ++(larger.*extent);
    if (larger.*extent > whole.*extent || !fits(larger, hardware)) return false;
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

}  // namespace

MatmulTile blocks(const Operator& matmul, const Hardware& hardware) {
  const int size = hardware.array_size;
  return {ceil_divide(matmul.rows, size), ceil_divide(matmul.inner, size),
          ceil_divide(matmul.columns, size)};
}

int buffers_per_memory(const Hardware& hardware) {
  return hardware.dataflow == Dataflow::kWeightStationary ? 2 : 1;
}

bool fits(const MatmulTile& tile, const Hardware& hardware) {
  const int buffers = buffers_per_memory(hardware);
  const auto rows = static_cast<std::int64_t>(tile.rows);
  return rows * tile.columns <= hardware.tiling_accumulator_blocks() / buffers &&
         (rows + tile.columns) * tile.inner <= hardware.tiling_scratchpad_blocks() / buffers;
}

MatmulTile greedy_tile(const Operator& matmul, const Hardware& hardware) {
  const MatmulTile whole = blocks(matmul, hardware);
  const int buffers = buffers_per_memory(hardware);
  const int side = integer_root(hardware.tiling_accumulator_blocks() / buffers);
  const int inner = std::max(hardware.tiling_scratchpad_blocks() / 2 / buffers / side, 1);
  MatmulTile start{std::min(whole.rows, side), std::min(whole.inner, inner),
                   std::min(whole.columns, side)};
  while (!fits(start, hardware)) --(start.rows >= start.columns ? start.rows : start.columns);
  return grow(start, whole, hardware);
}

std::optional<MatmulTile> whole_row_tile(const Operator& matmul, const Hardware& hardware) {
  const MatmulTile whole = blocks(matmul, hardware);
  const MatmulTile start{1, 1, whole.columns};
  if (!fits(start, hardware)) return std::nullopt;
  return grow(start, whole, hardware);
}

}  // namespace paretoformer
