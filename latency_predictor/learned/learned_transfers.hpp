// A matrix on its way through the DMA: what the learned model's features count of it.
#pragma once

#include "accel_sim/hardware/target.hpp"

namespace paretoformer::latency_predictor {

// Its way once.
struct Transfer {
  double lines = 0;     // of its bytes
  double shared = 0;    // lines that a row has in two tiles
  double requests = 0;  // one per line touched by a command and row
  double beats = 0;
  double cycles = 0;   // to receive it: beats, or rows of the local memory
  double partial = 0;  // requests for part of a line
  double mvins = 0;
  double pages = 0;  // DRAM pages that the rows of one mvin lie in
};

// `rows` x `columns` elements in tiles of so many columns, packed rows.
Transfer transfer(double rows, int columns, int tile_columns, int element_bytes,
                  const accel_sim::Target& hardware);

// Int4 weights: a row of multipliers with every block of rows, and two columns in a byte.
Transfer transfer_of_int4(int rows, int columns, int tile_columns,
                          const accel_sim::Target& hardware);

}  // namespace paretoformer::latency_predictor
