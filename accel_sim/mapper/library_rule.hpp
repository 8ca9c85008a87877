// The mapping that Gemmini's C library takes, and those that it could be given.
#pragma once

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "accel_sim/mapper/mapping.hpp"

namespace paretoformer::accel_sim {

// How the library runs a matmul with a tile: loops over rows, columns and inner from outside to
// inside (tiled_matmul_outer, gemmini.h L692-834), all rows of the tile past each block of weights.
Mapping library_mapping(const MatmulTile& tile, const Workpiece& matmul, const Target& target);

// The mapping of a matmul as the cycle simulator runs it. Throws InputError unless the workpiece is
// a matmul, tiles are of whole blocks or reach the end, and the array is full in every block.
MatmulSchedule schedule_of(const Mapping& mapping, const Workpiece& work, const Target& target);

// What it takes without being told. A matmul's tile is greedy_tile(). A convolution's starts as
// the whole, of which the largest dimension is cut until it fits (channels by blocks, and columns
// of at most a block only when there is one row); then columns, and then everything, grows while it
// fits (tiled_conv_stride_auto, gemmini.h). Loops: rows, columns, output channels, kernel, input
// channels (tiled_conv). Its downsampling form of strided 1 x 1 kernels is left out.
Mapping greedy_mapping(const Workpiece& work, const Target& target);

}  // namespace paretoformer::accel_sim
