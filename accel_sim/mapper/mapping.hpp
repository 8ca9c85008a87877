// What is mapped, the loop nest of a convolution or a matmul, and how: which part of it is on the
// accelerator at a time, and in which order the parts follow one another.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/tiling.hpp"

namespace paretoformer::accel_sim {

// The loops of a convolution at batch 1, by Timeloop's names: output rows and columns, input and
// output channels, rows and columns of the kernel.
enum Dimension { kP, kQ, kC, kK, kR, kS };
inline constexpr int kDimensions = 6;
inline constexpr const char* kDimensionNames = "PQCKRS";

template <typename T>
using PerDimension = std::array<T, kDimensions>;

// One loop nest. A matmul of M x K times K x N is the one of P = M, C = K, K = N and units.
struct Workpiece {
  PerDimension<int> extent{1, 1, 1, 1, 1, 1};
  int stride = 1;               // of both axes
  int weight_bits = kInt8Bits;  // in DRAM, of a matmul: 8, or 4, which are unpacked on the way in

  bool operator==(const Workpiece&) const = default;

  bool is_matmul() const {
    return extent[kQ] == 1 && extent[kR] == 1 && extent[kS] == 1 && stride == 1;
  }
  double macs() const;
  // Elements of the three tensors, each once. An input is as large as the outputs make it, edges of
  // zeros included, as in Timeloop.
  double inputs() const;
  double weights() const;
  double outputs() const;
};

Workpiece matmul_workpiece(int rows, int inner, int columns, int weight_bits = kInt8Bits);
Workpiece matmul_workpiece(const Operator& matmul);
Operator matmul_of(const Workpiece& work);

// A mapping to Gemmini's two levels (DRAM; scratchpad and accumulator) and its weight-stationary
// array, whose rows take input channels and whose columns take output channels.
struct Mapping {
  // Elements of each dimension in a tile: what one half of the double-buffered memories holds. The
  // last tile of a dimension may be smaller.
  PerDimension<int> tile{1, 1, 1, 1, 1, 1};
  // What the array does with one block of weights. P and Q: the outputs that stream past it. C and
  // K: the spatial factors, at most array_size; the last block of a tile may be smaller. R and
  // S: 1. The blocks of a tile follow one another in any order: no memory lies between the array
  // and the scratchpad for it to matter.
  PerDimension<int> inner{1, 1, 1, 1, 1, 1};
  // The loops over tiles in DRAM, outermost first.
  PerDimension<std::uint8_t> order{kP, kQ, kC, kK, kR, kS};
  // Both inputs of every tile are loaded even when the tile before had the same one, as Gemmini's C
  // library does (gemmini.h L692-834; but see Library::operand_reuse).
  bool reloads = false;

  bool operator==(const Mapping&) const = default;
};

// All outputs of the tile stream past each block of weights, of as many channels as there are.
void fill_array(Mapping& mapping, int array_size);

// Rows of array_size words that a tile takes in the scratchpad and the accumulator, as the library
// counts them. A matmul lies there in whole blocks (tiling.hpp), a convolution pixel by pixel, with
// inputs of P * stride + R - 1 rows (tiled_conv_total_spad_rows, gemmini.h L1791-1831).
struct TileRows {
  std::int64_t inputs = 0, weights = 0, results = 0;
};
TileRows tile_rows(const PerDimension<int>& tile, const Workpiece& work, int array_size);

// Whether inputs and weights of the tile fit a half of the scratchpad, and its int32 sums one of
// the accumulator; for a matmul the same as fits() of tiling.hpp.
bool fits(const PerDimension<int>& tile, const Workpiece& work, const Target& target);

// Whether it is a mapping of the workpiece to the hardware, and its tile fits.
bool is_valid(const Mapping& mapping, const Workpiece& work, const Target& target);

// "DRAM P4 K8 C2 | tile P128 C384 K96 | array P128 C16x K16x": number of tiles per loop, outermost
// first; elements; rows past a block of weights, and spatial factors (x). Unit factors are left
// out.
std::string describe(const Mapping& mapping, const Workpiece& work);

}  // namespace paretoformer::accel_sim
