// Finding good mappings: the best of a mapspace, proven.
#pragma once

#include <cstdint>

#include "accel_sim/mapper/mapping_cost.hpp"
#include "accel_sim/mapper/mapspace.hpp"

namespace paretoformer::accel_sim {

struct FoundMapping {
  Mapping mapping;
  MappingCost cost;
  std::int64_t evaluations = 0;
};

// The best valid mapping of the mapspace; of equally good ones the first found. It looks at every
// tile that fits, and leaves out only what cannot be better:
// - For one tile, the largest spatial factors and all outputs of the tile streaming past each block
//   of weights: no cost of MappingCostModel falls when one of them is made smaller, as there are
//   more passes, preloads and short pieces then. Of a burst more is hidden then, but never more
//   than the array takes longer, as an operand comes in no more bursts than there are tiles; what
//   the first tile hides is counted as if the array were full.
// - Of the orders three, as no cost falls when a tensor is visited more often (each visit adds
//   lines, requests and sums, no other gets cheaper by it), and orders matter to visits alone: with
//   P and Q, with K, or with C, R and S innermost. The innermost loop of more than one tile is in
//   one of these groups. The tensor that lacks the group is kept at best, and with the whole group
//   innermost it is; the loop is one of the two other tensors' own, so that all their other loops
//   multiply already.
// - Tiles grow in each dimension until one does not fit: larger ones do not either.
FoundMapping best_mapping(const Mapspace& mapspace, MappingObjective objective,
                          const ShareDone& done = {});

// The same with the loops and loads of Gemmini's library (library_mapping()). For matmuls and
// Factors::kBlocks. With `whole_lines`, among tiles whose rows of both operands are whole lines of
// L2, or all of a row: neighbouring tiles share none, nor depend on what L2 keeps of them. There
// may be none that fits (`evaluations` is 0).
FoundMapping best_library_mapping(const Mapspace& mapspace, MappingObjective objective,
                                  bool whole_lines = false);

}  // namespace paretoformer::accel_sim
