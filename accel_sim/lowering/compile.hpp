// What runs where: the operators of a Transformer as a list of calls, each decided once, for all
// that price, place or report them. Pairs may run together (survey Sec. 5.5): whole rows of a
// matmul's results stay in the accumulator for the softmax or the LayerNorm after it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

// Where the work of an operator is done.
enum class RunsIn {
  kHost,        // in floating point on the CPU: nothing is lowered
  kStores,      // a GELU as its matmul's results leave: only constants are set
  kFusedRun,    // a part of the run of the matmul before
  kOwnProgram,  // a program of its own, that of a matmul with all that is fused with it
};

// An operator and how it runs.
struct Call : TransformerOperator {
  RunsIn runs_in = RunsIn::kOwnProgram;
  Operator program;  // what is lowered: `op`, or the matmul of whose run it is a part
  // Of a `program` that is a matmul:
  std::optional<MatmulSchedule> schedule = {};
  int block_size = 1;                          // elements along a side of its tile's blocks
  Normalisation fused = Normalisation::kNone;  // what the normaliser does in its run
  bool takes_turns = false;  // a tile's results take all of the accumulator, not half of it
  int result_bytes = 1;      // per element: 4 for scores that the normaliser reads back as sums
  int search_steps = -1;     // tile_search_steps(); -1 when the schedule is given
  // Bytes between rows of the right operand in DRAM, when the call is placed by itself; 0: packed.
  std::int64_t right_stride = 0;
  // Of other programs:
  int operand_bytes = 1;  // per element of what is read: 4 of the sums that tiled_norm reads
  int reads = 1;          // how often that is added up in the accumulator
  bool scaled = true;     // a residual add's scales are not 1, which its scaling units would bypass

  // For which the host need not search then, even if it is the library's own.
  void give_schedule(const MatmulSchedule& given) {
    schedule = given;
    search_steps = -1;
  }
};

// Of causal scores in row blocks (Bias::kTriangle): so many rows, over as many keys as the last of
// them may see.
struct RowBlock {
  int first, rows, columns;
};

// A row of the scores' tiles each, the last one perhaps of fewer rows.
std::vector<RowBlock> row_blocks(const Call& scores);
int row_block_height(const Call& scores);

// Bytes of the two constants in DRAM that mask what blocks have above the diagonal: height x
// height, and height columns for all keys.
std::int64_t triangle_bytes(const Call& scores);

// Blocks of array_size rows that a row block may have: it is no higher than heads are wide, so that
// the constants' rows can lie as far apart in DRAM as those of queries and keys, whatever these
// are; for a change of strides waits until no loop is in the unroller (LoopMatmul.scala). 0: there
// are no row blocks.
int highest_row_block(const Operator& scores, const Hardware& hardware);

// An operator by itself, in no role and no layer. `schedule` is a matmul's; without one it is the
// library's: whole rows for a matmul that something is fused with, else greedy_tile().
//
// A softmax or a LayerNorm is fused when it is a part of a matmul's run (matmul_of()) and
// rows_can_be_fused(). Scores whose softmax is not go to DRAM as int32 sums and come back, where
// the normaliser can work on them. A softmax or a LayerNorm by itself is the library's tiled_norm,
// which reads int32 only (gemmini.h L3416); one that reads_int8() is the same loop with mvins of
// int8 into the accumulator, as the library's residual adds have them (config_ld's `shrunk`). Rows
// too long for the accumulator are the host's, even with the units on the chip. Pure, allocates
// nothing.
Call compile(const Operator& op, const Target& target,
             const std::optional<MatmulSchedule>& schedule = std::nullopt);

// A cost model: the price of running an operator once. Must be a pure function, and callable from
// several threads at once.
using OperatorPricer = std::function<HardwareCost(const Operator&)>;

// Another schedule than the library's for the run of a matmul, asked for once per shape; where
// something is fused with it, of whole rows. It is passed in because the mapper, which has better
// ones, stands above this room.
using MatmulScheduler = std::function<MatmulSchedule(const Call& librarys)>;

// A network's scheduled_operators(), compiled, in the order in which they run. Throws what that and
// `scheduler` throw.
std::vector<Call> compile(const Architecture& architecture, const Workload& workload,
                          const Target& target, const OperatorPricer& price = {},
                          const MatmulScheduler& scheduler = {});

// The same for part of transformer_operators(). Without a target, as for a device that was
// measured, they are called as they are.
std::vector<Call> compile(std::vector<TransformerOperator> list,
                          const std::optional<Target>& target, const OperatorPricer& price = {},
                          const MatmulScheduler& scheduler = {});

// The first step of compile(), for what needs no more: transformer_operators(), as Library::fusion
// and Library::masking have them run. There are as many, in the same order and the same roles; what
// is fused has the matmul's shape as well (softmax_of(), layer_norm_of()) and is
// priced for what it adds to the matmul's run. Pairs are
//
// - scores and their softmax: fused, or the scores leave as int32 sums and come back (tiled_norm);
// - the output projection, or FFN down, with the residual add and the LayerNorm after it, which may
//   be the next layer's or the final one: as in the library's transformer.c, which normalises
//   before it adds. Fused, the products leave normalised; otherwise, where the normaliser can work
//   on the rows, as int32 sums for it. The residual add is a call of its own.
//
// Gemmini's library fuses the softmax whenever whole rows fit (Fusion::kLibrary), and never the
// LayerNorm. Fusion::kBest fuses a pair whose energy-delay product, that of the sum of its
// operators by `price`, is lower for it; of equal ones it fuses neither.
//
// A causal mask is an int32 bias of all scores (Bias::kFull), which every head loads anew. A fused
// softmax lets a block of rows take part with the keys up to its last row's own alone
// (Bias::kTriangle): nothing is loaded, about half of the products and of the normaliser's work is
// left out, and results above the diagonal blocks stay the zeros that their buffer has begun with.
// Library::masking says which; Masking::kBest, the lower energy-delay product, and of equal ones
// the bias, which is also what a quantised network has, one whose LayerNorms read int8: what
// triangles add does not hide every score that int8 can have.
//
// What is not "best" needs no `price`. Rows that do not fit the accumulator, and hardware without
// normaliser or with an output-stationary array, leave nothing to choose. Throws what
// transformer_operators() and `price` throw, and Error where there is none and must be.
std::vector<TransformerOperator> scheduled_operators(const Architecture& architecture,
                                                     const Workload& workload, const Target& target,
                                                     const OperatorPricer& price = {});

// Every operator that scheduled_operators() may answer or price for the network, some more than
// once.
std::vector<Operator> operators_to_schedule(const Architecture& architecture,
                                            const Workload& workload, const Target& target);

// What keeps a compiled call of a quantised network from being executed as it is priced, to the bit
// of its integer operators; nothing for most. And from being in a C program for Gemmini's library:
// the same, or what the library has no call for. Scores and their softmax in no form that such a
// program can have are never the best ones of a quantised network, unless all forms are.
std::string_view obstacle_to_execution(const Call& call, const Target& target);
std::string_view obstacle_to_export(const Call& call, const Target& target);

// Whether the normaliser can work on whole rows of a matmul's results as they leave the
// accumulator: it is on the chip, and the rows fit half the accumulator. Unless fusion is left to
// the library, they may also take all of it: then computes and normaliser take turns.
bool rows_can_be_fused(const Operator& matmul, const Target& target);

}  // namespace paretoformer::accel_sim
