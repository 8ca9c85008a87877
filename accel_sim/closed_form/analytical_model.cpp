#include "accel_sim/closed_form/analytical_model.hpp"

#include <algorithm>
#include <cmath>

#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/instructions.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

// One RoCC command from the CPU, operands included, when nothing blocks (an estimate).
constexpr int kRoccCommandCycles = 4;
// A store moves up to 64 bytes of a row: four 16-byte blocks (MAX_BYTES, GemminiConfigs.scala).
constexpr int kBlocksPerStore = 4;
// A store of n blocks through the normaliser occupies n + 3 cycles (ReservationStation.scala L378:
// a store waits until the previous one is complete).
constexpr int kStoreOverheadCycles = 3;

Cycles whole_cycles(double cycles) {
  if (!(cycles < 0x1.0p63)) cost_arithmetic::overflow();
  return Cycles(static_cast<std::int64_t>(std::ceil(cycles)));
}

// Cycles of one call of the C library before and after the overlapped part.
Cycles call_cycles(const Call& call, const Target& target) {
  return Cycles(prologue_cycles(call, target)) +
         Cycles(std::min(kFenceCycles, target.call_overhead_cycles)) +
         Cycles(target.dram_latency_cycles);
}

std::int64_t elements(const Operator& op) {
  return static_cast<std::int64_t>(op.rows) * op.columns;
}

// Elements of the memory rows that hold `op`: the last one of each row is padded to array_size.
std::int64_t padded_elements(const Operator& op, const Target& target) {
  return op.rows * ceil_divide(op.columns, target.array_size) * target.array_size;
}

// What a matmul does in all: blocks of array_size^3 and of weights, words, bytes, loops.
struct MatmulWork {
  std::int64_t macs = 0, steps = 0, weights = 0, results = 0;
  std::int64_t loaded = 0;  // elements of int8 operands
  std::int64_t saved = 0;   // bytes of these that int4 weights have less
  std::int64_t biases = 0;  // bytes
  std::int64_t stored = 0;  // elements
  std::int64_t loops = 0;
};

MatmulWork work_of(const Call& call, const Target& target) {
  const Operator& op = call.op;
  const MatmulTile whole = blocks(op, target);
  const MatmulTile& tile = call.schedule->tile;
  const std::int64_t loops_down = ceil_divide(whole.rows, tile.rows);
  const std::int64_t loops_in = ceil_divide(whole.inner, tile.inner);
  const std::int64_t loops_across = ceil_divide(whole.columns, tile.columns);
  const std::int64_t left_reads = loops_down * loops_in <= 2 ? 1 : loops_across;
  const std::int64_t right_reads = loops_across * loops_in <= 2 ? 1 : loops_down;
  MatmulWork work;
  work.macs = statistics(op).macs;
  work.steps = std::int64_t{whole.rows} * whole.inner * whole.columns;
  // The weights of a block are loaded once for every row of tiles, and kept for all its rows.
  work.weights = std::int64_t{whole.inner} * whole.columns * loops_down;
  work.results = std::int64_t{whole.rows} * whole.columns;
  work.loaded = std::int64_t{op.rows} * op.inner * left_reads +
                std::int64_t{op.inner} * op.columns * right_reads;
  work.saved = (std::int64_t{op.inner} * op.columns - right_bytes(op)) * right_reads;
  // The first tile of a result loads its own part; a row is loaded by every row of tiles.
  work.biases = bias_bytes(op) * (op.bias == Bias::kRow ? loops_down : 1);
  work.stored = elements(op);
  work.loops = loops_down * loops_in * loops_across;
  return work;
}

// Every block loads the keys that it sees anew.
MatmulWork work_of_row_blocks(const Call& call) {
  const Operator& op = call.op;
  const int size = call.block_size;
  MatmulWork work;
  for (const RowBlock& block : row_blocks(call)) {
    const std::int64_t inner = std::int64_t{op.inner} + block.rows;
    const std::int64_t down = ceil_divide(block.rows, size),
                       in = ceil_divide(op.inner, size) + down;
    const std::int64_t across = ceil_divide(block.columns, size);
    work.macs += block.rows * inner * block.columns;
    work.steps += down * in * across;
    work.weights += in * across;
    work.results += down * across;
    work.loaded += inner * (block.rows + block.columns);
    work.stored += std::int64_t{block.rows} * block.columns;
    const int depth = call.schedule->tile.inner;
    work.loops += ceil_divide(ceil_divide(op.inner, size), depth) + ceil_divide(down, depth);
  }
  return work;
}

AnalyticalEstimate estimate_matmul(const Call& call, const Target& target) {
  const Operator& op = call.op;
  const std::int64_t size = target.array_size;
  const MatmulWork work =
      op.bias == Bias::kTriangle ? work_of_row_blocks(call) : work_of(call, target);
  const bool transposed = op.right == RightOperand::kTransposedActivations;
  AnalyticalEstimate result;
  result.latency.compute = Cycles((work.steps + (transposed ? work.weights : 0)) * size);
  result.latency.issue = Cycles(work.loops) * target.loop_issue_cycles;
  result.latency.fixed = call_cycles(call, target) + Cycles(array_latency(static_cast<int>(size)));

  const std::int64_t block = size * size;
  AccessCounts& accesses = result.accesses;
  accesses.macs = work.macs;
  accesses.pe_register = accesses.macs + work.weights * block;
  accesses.scratchpad = (work.steps + work.weights) * block + work.loaded;
  accesses.accumulator = (2 * work.steps + work.results * (work.biases > 0 ? 2 : 1)) * block;
  accesses.dram_bytes = work.loaded - work.saved + work.biases + work.stored * call.result_bytes;
  return result;
}

// Three passes over every row, two rows at a time (the unit keeps two sets of statistics); a pass
// lasts until its stores are through, or one row's stores and the tail behind them.
Cycles normaliser_cycles(const Operator& op, const Target& target) {
  const bool softmax = op.kind == OperatorKind::kSoftmax;
  const std::int64_t row_blocks = ceil_divide(op.columns, target.array_size);
  const std::int64_t stores = ceil_divide(row_blocks, kBlocksPerStore);
  std::int64_t pair = 0;
  for (const PassTiming& pass :
       pass_timings(softmax ? Normalisation::kSoftmax : Normalisation::kLayerNorm)) {
    const std::int64_t row = 1 +
                             row_blocks * read_ticks(target.array_size, pass.ticks) / kCycleTicks +
                             kStoreOverheadCycles * stores;
    pair += std::max(2 * row, row + pass.tail);
  }
  return Cycles(ceil_divide(op.rows, 2)) * pair;
}

// Whole matrix in, normalised matrix out (tiled_norm, gemmini.h L3416-3586): per row and pass, one
// configuration and one command per store, each issued by the CPU.
AnalyticalEstimate estimate_tiled_norm(const Call& call, const Target& target) {
  const Operator& op = call.op;
  const std::int64_t row_blocks = ceil_divide(op.columns, target.array_size);
  const std::int64_t passes = std::int64_t{op.rows} * kNormaliserPasses;
  const std::int64_t commands = passes * ceil_divide(row_blocks, kBlocksPerStore);
  AnalyticalEstimate result;
  // The first read is written, those after it are added.
  const std::int64_t loads = 2 * call.reads - 1;
  result.accesses.accumulator = (loads + kNormaliserPasses) * padded_elements(op, target);
  result.accesses.dram_bytes = elements(op) * (call.operand_bytes + 1);
  result.latency.compute = normaliser_cycles(op, target);
  const HostCommandCycles host = host_command_cycles(call, target);
  result.latency.issue = Cycles(commands) * host.mvout + Cycles(passes) * host.config;
  result.latency.fixed = call_cycles(call, target);
  return result;
}

AnalyticalEstimate estimate_norm(const Call& call, const Target& target) {
  const Operator& op = call.op;
  bool fused = call.runs_in == RunsIn::kFusedRun;
  // Nothing else said, a softmax by itself is that of scores that it may be fused with.
  if (op.kind == OperatorKind::kSoftmax && op.inner == 0 && target.fusion == Fusion::kLibrary)
    fused = rows_can_be_fused(matmul(op.rows, 1, op.columns, RightOperand::kTransposedActivations),
                              target);
  if (!fused) return estimate_tiled_norm(call, target);
  AnalyticalEstimate result;
  // The last pass is the matmul's own way out of the accumulator.
  const auto add = [&](const Operator& rows) {
    result.latency.compute += normaliser_cycles(rows, target);
    result.accesses.accumulator += (kNormaliserPasses - 1) * padded_elements(rows, target);
  };
  if (op.bias != Bias::kTriangle)
    add(op);
  else
    for (const RowBlock& block : row_blocks(call))
      add(elementwise(op.kind, block.rows, block.columns));
  return result;
}

// One LOOP_WS in its residual-add form (gemmini.h L3135-3305): one operand is written to the
// accumulator, the other added to it, the sum read. A GELU of int8 has one operand, not scaled.
AnalyticalEstimate estimate_residual_add(const Call& call, const Target& target) {
  const Operator& op = call.op;
  const bool adds = op.kind == OperatorKind::kResidualAdd;
  AnalyticalEstimate result;
  result.accesses.accumulator = (adds ? 4 : 2) * padded_elements(op, target);
  result.accesses.dram_bytes = (adds ? 3 : 2) * elements(op);
  if (adds)
    result.latency.compute =
        Cycles(ceil_divide(2 * elements(op), target.mvin_scale_elements_per_cycle));
  result.latency.fixed = call_cycles(call, target);
  return result;
}

// Rows of the table through the scratchpad to where the activations are, or through the accumulator
// onto those of the positions.
AnalyticalEstimate estimate_embedding(const Call& call, const Target& target) {
  const Operator& op = call.op;
  AnalyticalEstimate result;
  if (reads_int8(op)) {
    const int commands =
        ceil_divide(ceil_divide(op.columns, target.array_size), blocks_per_dma(1, target));
    result.accesses.accumulator = 4 * padded_elements(op, target);
    result.accesses.dram_bytes = 3 * elements(op);
    result.latency.issue =
        Cycles(std::int64_t{op.rows} * commands) * host_command_cycles(call, target).mvin;
  } else {
    result.accesses.scratchpad = 2 * padded_elements(op, target);
    result.accesses.dram_bytes = 2 * elements(op);
  }
  result.latency.fixed = call_cycles(call, target);
  return result;
}

// On the CPU: int8 operands are read and dequantised, results quantised and written.
AnalyticalEstimate estimate_on_host(const Operator& op, const Target& target) {
  AnalyticalEstimate result;
  const double per_element = host_cycles_per_element(op.kind, target);
  result.accesses.dram_bytes = statistics(op).bytes;
  result.latency.compute = whole_cycles(static_cast<double>(elements(op)) * per_element);
  return result;
}

AnalyticalEstimate estimate(const Call& call, const Target& target) {
  if (call.runs_in == RunsIn::kHost) return estimate_on_host(call.op, target);
  switch (call.op.kind) {
    case OperatorKind::kMatmul:
      return estimate_matmul(call, target);
    case OperatorKind::kEmbedding:
      return estimate_embedding(call, target);
    case OperatorKind::kSoftmax:
    case OperatorKind::kLayerNorm:
      return estimate_norm(call, target);
    case OperatorKind::kResidualAdd:
      return estimate_residual_add(call, target);
    case OperatorKind::kGelu: {
      if (reads_int8(call.op)) return estimate_residual_add(call, target);
      // The activation unit works at the rate of the matmul's stores: only constants are set.
      AnalyticalEstimate result;
      result.latency.issue = Cycles(kRoccCommandCycles);
      return result;
    }
    case OperatorKind::kRmsNorm:
    case OperatorKind::kSilu:
    case OperatorKind::kRotary:
    case OperatorKind::kArithmetic:
      break;  // the host's
  }
  throw Error("no analytical model for this kind of operator");
}

}  // namespace

Cycles AnalyticalLatency::total() const { return fixed + std::max({compute, memory, issue}); }

AnalyticalEstimate analytical_estimate(const Operator& op, const Target& target) {
  const Call call = compile(op, target);
  AnalyticalEstimate result = estimate(call, target);
  result.latency.memory =
      whole_cycles(static_cast<double>(result.accesses.dram_bytes) / target.dram_bytes_per_cycle);
  const Cycles total = result.latency.total();
  const Cycles host = call.runs_in == RunsIn::kHost ? total : Cycles();
  result.cost = {total, energy(result.accesses, total, host, target)};
  return result;
}

HardwareCost analytical_cost(const Operator& op, const Target& target) {
  return analytical_estimate(op, target).cost;
}

}  // namespace paretoformer::accel_sim
