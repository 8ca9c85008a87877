#include "latency_predictor/learned/learned_features.hpp"

#include <algorithm>
#include <cmath>

#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/instructions.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "latency_predictor/learned/learned_transfers.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr int kLine = accel_sim::kLineBytes;
// So many sweeps over a matmul's results are followed one by one; later ones are alike.
constexpr int kSweeps = 3;
// A store waits until the one before is complete (ReservationStation.scala L378).
constexpr double kStoreOverheadCycles = 3;

// Everything that takes time, in cycles; what overlaps is apart.
struct Times {
  double array = 0;
  double bus = 0;     // mvins receiving
  double window = 0;  // mvins waiting with all requests in flight
  double dram = 0;    // L2's miss registers and the outer bus
  double serial = 0;  // mvins one after the other
  double pages = 0;   // opening DRAM pages
  double store = 0;
  double sums = 0;        // loading a full bias, which nothing overlaps
  double issue = 0;       // of the host
  double normaliser = 0;  // three passes over the rows
  double first = 0;       // before the array, or the normaliser, can begin
  double last = 0;        // after it ends
  double tiles = 1;
  double width = 1;  // of a tile, in columns of results
  double depth = 1;  // of a tile, in inner elements
};

// Nearly the longest of what overlaps; more when two are alike, as each waits for the other at
// times.
double overlap(double a, double b, double c, double d) {
  const double longest = std::max({a, b, c, d});
  const auto part = [longest](double cycles) {
    const double ratio = cycles / longest, square = ratio * ratio;
    return square * square;
  };
  return longest * std::sqrt(std::sqrt(part(a) + part(b) + part(c) + part(d)));
}

// An operand on its way in: so many passes over it, of whose lines L2 lacks so many.
struct Stream {
  Transfer once;
  double passes = 1;
  double misses = 0;
  double new_pages = 1;  // of the pages of an mvin, the share that is not open
};

// Mvins go along strips of `depth` blocks of rows, in steps of a line; a bank keeps one page open.
// So pages are new at the first step, when the strip lies in more pages than there are banks, and
// when the other operand took the bank meanwhile.
double new_pages(const Stream& stream, int depth, int tile_bytes, const Stream& rival,
                 const accel_sim::Target& hardware) {
  const double banks = hardware.dram_banks;
  const double pages = stream.once.pages * depth;
  const double steps = accel_sim::ceil_divide(tile_bytes, kLine);
  const double too_many = std::clamp(2 * (pages - banks) / pages, 0.0, 1.0);
  const double turns =
      std::min(1.0, rival.once.mvins * rival.passes / (stream.once.mvins * stream.passes));
  const double taken = std::min(1.0, rival.once.pages / banks) * turns;
  return std::min(1.0, 1 / steps + too_many + taken);
}

// Streams that take turns. Fetches begin in order, and a miss register (of ten) is taken until its
// line is back: ten lines take a latency, and the opening of a page if one of them needs it
// (memory_system.hpp). So few mvins are under way at once (LoadController.scala L84) that their
// own latencies count.
void time_loads(const Stream* streams, std::size_t count, const accel_sim::Target& hardware,
                Times& times) {
  const double hit = hardware.bus_latency_cycles + hardware.l2_hit_cycles;
  const double miss = hardware.bus_latency_cycles + hardware.dram_latency_cycles;
  const double line = kLine / hardware.dram_bytes_per_cycle;
  const double turn = hardware.l2_misses_in_flight;
  const double per_turn = std::max<double>(hardware.dram_latency_cycles, line * turn);
  const double opening =
      std::max(0.0, hardware.dram_latency_cycles + hardware.dram_page_miss_cycles - per_turn);
  const int commands =
      std::min(hardware.requests_in_flight / hardware.array_size + 1, hardware.load_entries);
  double occupied = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [once, passes, misses, new_pages] = streams[i];
    const double requests = once.requests * passes, cycles = once.cycles * passes;
    const double mvins = once.mvins * passes;
    const double missing = std::min(misses, requests);
    times.bus += cycles;
    occupied += (requests - missing) * hit + missing * miss + cycles;
    const double lines = missing / mvins;
    const double turns = lines / turn;
    const double pages = std::min(once.pages, lines);
    times.dram += mvins * (turns * per_turn + new_pages * std::min(pages, turns) * opening);
    times.pages += mvins * pages * new_pages * hardware.dram_page_miss_cycles;
    const double fetched = std::ceil(turns) * per_turn + hardware.bus_latency_cycles +
                           new_pages * std::min(pages, std::ceil(turns)) * opening;
    const double per_request = hit + cycles / requests;
    const double received =
        std::max({hit + cycles / mvins, hit + requests / mvins,
                  std::ceil(requests / mvins / hardware.requests_in_flight) * per_request});
    times.serial += mvins * (std::max(fetched, received) + accel_sim::kLoadPipelineCycles + 1);
  }
  times.window = occupied / hardware.requests_in_flight;
  times.serial /= commands;
}

// As in the analytical model, two rows at a time: a pass lasts until its stores are through.
double normaliser_cycles(const accel_sim::Operator& op, accel_sim::Normalisation normalisation,
                         const accel_sim::Target& hardware) {
  const int blocks = accel_sim::ceil_divide(op.columns, hardware.array_size);
  const int stores = accel_sim::ceil_divide(blocks, blocks_per_dma(1, hardware));
  double pair = 0;
  for (const accel_sim::PassTiming& pass : pass_timings(normalisation)) {
    const double row = 1 + blocks * accel_sim::read_ticks(hardware.array_size, pass.ticks) / 16.0 +
                       kStoreOverheadCycles * stores;
    pair += op.rows > 1 ? std::max(2 * row, row + pass.tail) : row + pass.tail;
  }
  return accel_sim::ceil_divide(op.rows, 2) * pair;
}

// Lines fetched when the tiles of a matmul go down, across and deep: a line that is read again is
// still in L2 with exp(-fills / capacity), as random replacement has it (memory_system.hpp).
void count_misses(Stream& left, Stream& right, double stored, const accel_sim::MatmulTile& loops,
                  bool transposed, const accel_sim::Target& hardware) {
  const double capacity = hardware.l2_kib * 1024.0 / kLine;
  // 1 - exp(-x), to 0.01; a library's exp() would take a tenth of a prediction's time.
  const auto lost = [capacity](double fills) {
    const double x = fills / capacity, root = 1 + x * (0.25 + x * 0.03125);
    return 1 - 1 / (root * root * root * root);
  };
  const double panel = left.once.lines / loops.rows;
  const double out = stored / loops.rows;
  double again_right = 1, left_now = 0, right_now = 0;
  const int sweeps = std::min(loops.rows, kSweeps);
  for (int i = 0; i < sweeps; ++i) {
    right_now = right.once.lines * (i == 0 ? 1 : (right.passes > 1 ? again_right : 0));
    const double column = (right_now + out) / loops.columns + panel * 0.5;
    const double again_left = left.passes > 1 ? lost(column) : 0;
    left_now = panel * (1 + (left.passes - 1) * again_left);
    // What two tiles share, the second reads after a tile, or a column of them.
    const double tile = (panel + right_now / loops.columns) / loops.inner;
    if (left.once.shared > 0) left_now += left.once.shared / loops.rows * left.passes * lost(tile);
    if (right.once.shared > 0 && (i == 0 || right.passes > 1))
      right_now += right.once.shared * lost(transposed ? tile : column + panel * 0.5);
    left.misses += left_now;
    right.misses += right_now;
    if (right.passes > 1) again_right = lost(left_now + right_now + out);
  }
  left.misses += (loops.rows - sweeps) * left_now;
  right.misses += (loops.rows - sweeps) * right_now;
}

OperatorGroup group_of_matmul(const accel_sim::Operator& op, bool fused, int bytes) {
  if (has_weights(op)) return OperatorGroup::kProjection;
  if (op.right == accel_sim::RightOperand::kActivations) return OperatorGroup::kContext;
  if (fused) return OperatorGroup::kFusedScores;
  return bytes == 4 ? OperatorGroup::kSpilledScores : OperatorGroup::kPlainScores;
}

struct Draft {
  OperatorEstimate estimate;
  Times times;
};

void set_group(OperatorGroup group, const accel_sim::Operator& op, OperatorEstimate& features) {
  features.group = 2 * static_cast<int>(group) + (op.rows == 1 ? 1 : 0);
}

// How a matmul is cut, and what of it moves.
struct MatmulPlan {
  MatmulPlan(const accel_sim::Call& call, const accel_sim::Target& hardware);

  bool fused;  // with its softmax, as one run
  bool transposed = false;
  bool has_bias;
  int bytes;  // of a result
  accel_sim::MatmulTile tile;
  accel_sim::MatmulTile whole;  // in blocks
  accel_sim::MatmulTile loops;  // tiles along each extent
  Stream operands[3];           // the third only with `has_bias`
  Stream& left() { return operands[0]; }
  Stream& right() { return operands[1]; }
  Stream& bias() { return operands[2]; }
  Transfer out;
};

MatmulPlan::MatmulPlan(const accel_sim::Call& call, const accel_sim::Target& hardware)
    : fused(call.fused != accel_sim::Normalisation::kNone),
      transposed(call.program.right == accel_sim::RightOperand::kTransposedActivations),
      has_bias(loads_bias(call.program)),
      bytes(call.result_bytes),
      tile(call.schedule->tile),
      whole(blocks(call.program, hardware)) {
  const accel_sim::Operator& op = call.program;
  loops = {accel_sim::ceil_divide(whole.rows, tile.rows),
           accel_sim::ceil_divide(whole.inner, tile.inner),
           accel_sim::ceil_divide(whole.columns, tile.columns)};
  const int size = hardware.array_size, depth = tile.inner * size, width = tile.columns * size;
  const auto passes = [&](int along, int across) {
    return hardware.operand_reuse && along * loops.inner <= 2 ? 1 : across;
  };
  left().passes = passes(loops.rows, loops.columns);
  right().passes = passes(loops.columns, loops.rows);
  left().once = transfer(op.rows, op.inner, depth, 1, hardware);
  const bool int4 = op.right == accel_sim::RightOperand::kInt4Weights;
  const int right_width = int4 ? static_cast<int>(accel_sim::int4_bytes(width)) : width;
  right().once = int4         ? transfer_of_int4(op.inner, op.columns, width, hardware)
                 : transposed ? transfer(op.columns, op.inner, depth, 1, hardware)
                              : transfer(op.inner, op.columns, width, 1, hardware);
  out = transfer(op.rows, op.columns, width, bytes, hardware);
  count_misses(left(), right(), out.lines, loops, transposed, hardware);
  left().new_pages = new_pages(left(), tile.rows, depth, right(), hardware);
  right().new_pages = transposed ? new_pages(right(), tile.columns, depth, left(), hardware)
                                 : new_pages(right(), 1, right_width, left(), hardware);
  if (!has_bias) return;
  // A row of it is read again for every row of tiles, from L2.
  const bool is_row = op.bias == accel_sim::Bias::kRow;
  bias().once = transfer(is_row ? 1 : op.rows, op.columns, width, accel_sim::kSumBytes, hardware);
  bias().passes = is_row ? loops.rows : 1;
  bias().misses = bias().once.lines;
  bias().new_pages =
      new_pages(bias(), is_row ? 1 : tile.rows, width * accel_sim::kSumBytes, left(), hardware);
}

// As the engine counts them (fast_engine.cpp).
void count_matmul(const accel_sim::Operator& op, MatmulPlan& plan,
                  const accel_sim::Target& hardware, OperatorEstimate& f) {
  const double size = hardware.array_size, rows = op.rows;
  const double inner = plan.whole.inner, columns = plan.whole.columns;
  const Stream &left = plan.left(), &right = plan.right();
  const double weights = inner * columns * plan.loops.rows * size * size;
  const double right_elements = inner * columns * size * size;  // in whole blocks
  const double loaded = rows * inner * size * left.passes + right_elements * right.passes;
  f.accesses.macs = statistics(op).macs;
  f.accesses.pe_register = f.accesses.macs + static_cast<std::int64_t>(weights);
  f.accesses.scratchpad =
      static_cast<std::int64_t>(rows * inner * columns * size + weights + loaded);
  // The first sum is written, others are read and written, and all are read on the way out. A bias
  // is written before the first, which is then read, too.
  f.accesses.accumulator =
      static_cast<std::int64_t>(rows * size * columns * (2 * inner + (plan.has_bias ? 2 : 0)));
  f.written_bytes = rows * op.columns * plan.bytes;
  // A line written in part is fetched, once.
  f.fetches =
      left.misses + right.misses + plan.bias().misses + std::min(plan.out.partial, plan.out.lines);
  f.accesses.l2_bytes =
      static_cast<std::int64_t>((left.once.beats * left.passes + right.once.beats * right.passes +
                                 plan.bias().once.beats * plan.bias().passes + plan.out.beats) *
                                hardware.bus_bytes_per_cycle);
}

// Before and after what a call of the library overlaps.
double library_call_cycles(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  return static_cast<double>(prologue_cycles(call, hardware)) +
         std::min(accel_sim::kFenceCycles, hardware.call_overhead_cycles);
}

void time_matmul(const accel_sim::Call& call, const MatmulPlan& plan,
                 const accel_sim::Target& hardware, Times& t, OperatorEstimate& f) {
  const accel_sim::Operator& op = call.program;
  const int size = hardware.array_size;
  const accel_sim::MatmulTile& whole = plan.whole;
  const double strips = static_cast<double>(whole.inner) * whole.columns;
  // A row of biases is hidden; a full one waits for the computes (waits_for_computes()).
  const bool waits = op.bias == accel_sim::Bias::kFull;
  time_loads(plan.operands, plan.has_bias && !waits ? 3 : 2, hardware, t);
  if (waits) {
    Times sums;
    time_loads(&plan.operands[2], 1, hardware, sums);
    t.sums = std::max({sums.bus, sums.window, sums.dram, sums.serial});
  }
  t.array = strips * size * (whole.rows + (plan.transposed ? plan.loops.rows : 0));
  t.store = std::max(plan.out.beats, static_cast<double>(op.rows) * whole.columns) +
            plan.out.mvins * kStoreOverheadCycles;
  const double stored_tiles = static_cast<double>(plan.loops.rows) * plan.loops.columns;
  t.tiles = stored_tiles * plan.loops.inner;
  t.width = std::min(plan.tile.columns * size, op.columns);
  t.depth = std::min(plan.tile.inner * size, op.inner);
  t.issue = t.tiles * hardware.loop_issue_cycles + stored_tiles * hardware.result_issue_cycles;
  if (plan.fused)
    t.normaliser = normaliser_cycles(op, accel_sim::Normalisation::kSoftmax, hardware);
  const double load = std::max({t.bus, t.window, t.dram, t.serial});
  t.first = load / t.tiles;
  t.last = std::max(t.store, t.normaliser) / stored_tiles;
  // The array begins with the first blocks of a tile; what it waits for comes with the last ones.
  const double begin = std::min(
      t.first, 2.0 * (hardware.dram_latency_cycles + hardware.dram_page_miss_cycles + size));
  f.cycles = library_call_cycles(call, hardware) + begin + t.sums +
             overlap(t.array, load, t.store, t.issue) + (plan.fused ? 0 : t.last) +
             accel_sim::array_latency(size);
}

// Of scores and softmax that are fused, the scores' part.
Draft draft_matmul(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  const accel_sim::Operator& op = call.program;
  MatmulPlan plan(call, hardware);
  Draft draft;
  set_group(group_of_matmul(op, plan.fused, plan.bytes), op, draft.estimate);
  count_matmul(op, plan, hardware, draft.estimate);
  time_matmul(call, plan, hardware, draft.times, draft.estimate);
  return draft;
}

void count_elementwise(const accel_sim::Operator& op, const Transfer& in, int bytes, double loads,
                       const Transfer& out, const accel_sim::Target& hardware, Draft& draft) {
  OperatorEstimate& f = draft.estimate;
  f.written_bytes = static_cast<double>(op.rows) * op.columns;
  const double write_fetches = std::min(out.partial, out.lines);
  f.fetches = in.lines * loads + write_fetches;
  f.accesses.l2_bytes =
      static_cast<std::int64_t>((in.beats * loads + out.beats) * hardware.bus_bytes_per_cycle);
  Stream stream{in, loads, in.lines * loads};
  stream.new_pages = new_pages(stream, 1, op.columns * bytes, stream, hardware);
  time_loads(&stream, 1, hardware, draft.times);
  draft.times.store = std::max(out.beats, out.lines * kLine / hardware.array_size) +
                      out.mvins * kStoreOverheadCycles;
}

double padded(const accel_sim::Operator& op, const accel_sim::Target& hardware) {
  return static_cast<double>(op.rows) * accel_sim::ceil_divide(op.columns, hardware.array_size) *
         hardware.array_size;
}

// Or a GELU of int8, which has one operand, not scaled.
Draft draft_residual_add(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  const accel_sim::Operator& op = call.op;
  const bool adds = op.kind == accel_sim::OperatorKind::kResidualAdd;
  Draft draft;
  set_group(adds ? OperatorGroup::kResidualAdd : OperatorGroup::kGelu, op, draft.estimate);
  const Transfer each = transfer(op.rows, op.columns, op.columns, 1, hardware);
  count_elementwise(op, each, 1, adds ? 2 : 1, each, hardware, draft);
  Times& t = draft.times;
  if (adds)
    t.bus = std::max(t.bus, 2.0 * op.rows * op.columns / hardware.mvin_scale_elements_per_cycle);
  draft.estimate.accesses.accumulator =
      static_cast<std::int64_t>((adds ? 4 : 2) * padded(op, hardware));
  t.tiles = std::max(1.0, padded(op, hardware) * 8 / (hardware.accumulator_kib * 1024.0));
  t.issue = t.tiles * hardware.loop_issue_cycles;
  draft.estimate.cycles = library_call_cycles(call, hardware) +
                          std::max({t.bus, t.window, t.dram, t.serial, t.store}) +
                          t.issue / t.tiles;
  return draft;
}

Draft draft_embedding(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  const accel_sim::Operator& op = call.op;
  Draft draft;
  set_group(OperatorGroup::kEmbedding, op, draft.estimate);
  const Transfer each = transfer(op.rows, op.columns, op.columns, 1, hardware);
  const bool adds = reads_int8(op);
  count_elementwise(op, each, 1, adds ? 2 : 1, each, hardware, draft);
  Times& t = draft.times;
  (adds ? draft.estimate.accesses.accumulator : draft.estimate.accesses.scratchpad) =
      static_cast<std::int64_t>((adds ? 4 : 2) * padded(op, hardware));
  t.issue = adds ? each.mvins * hardware.array_size * host_command_cycles(call, hardware).mvin
                 : hardware.loop_issue_cycles;
  draft.estimate.cycles = library_call_cycles(call, hardware) +
                          std::max({t.bus, t.window, t.dram, t.serial, t.store}) + t.issue;
  return draft;
}

// tiled_norm: the host issues every command.
Draft draft_normalise(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  const accel_sim::Operator& op = call.op;
  const bool softmax = op.kind == accel_sim::OperatorKind::kSoftmax;
  Draft draft;
  set_group(softmax ? OperatorGroup::kSoftmax : OperatorGroup::kLayerNorm, op, draft.estimate);
  const int bytes = call.operand_bytes;
  const Transfer in = transfer(op.rows, op.columns, op.columns, bytes, hardware);
  const Transfer out = transfer(op.rows, op.columns, op.columns, 1, hardware);
  count_elementwise(op, in, bytes, call.reads, out, hardware, draft);
  draft.estimate.fetches -= in.lines * (call.reads - 1);  // which L2 still has
  draft.estimate.accesses.accumulator =
      static_cast<std::int64_t>((2 * call.reads + 2) * padded(op, hardware));
  Times& t = draft.times;
  const accel_sim::Normalisation kind =
      softmax ? accel_sim::Normalisation::kSoftmax : accel_sim::Normalisation::kLayerNorm;
  t.normaliser = normaliser_cycles(op, kind, hardware);
  const int commands = accel_sim::ceil_divide(
      accel_sim::ceil_divide(op.columns, hardware.array_size), blocks_per_dma(1, hardware));
  const accel_sim::HostCommandCycles host = host_command_cycles(call, hardware);
  t.issue = 3.0 * op.rows * commands * host.mvout + in.mvins * call.reads * host.mvin +
            3.0 * op.rows * host.config;
  draft.estimate.cycles =
      library_call_cycles(call, hardware) +
      std::max({t.bus, t.window, t.dram, t.serial, t.store, t.issue, t.normaliser}) +
      hardware.dram_latency_cycles;
  return draft;
}

// The softmax's part of the common run: its share of the accesses, and what it makes the array
// wait.
Draft draft_fused_softmax(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  Draft draft = draft_matmul(call, hardware);
  const double two_passes = 2 * padded(call.op, hardware);
  accel_sim::AccessCounts accesses;
  accesses.accumulator = static_cast<std::int64_t>(two_passes);
  draft.estimate.accesses = accesses;
  draft.estimate.fetches = draft.estimate.written_bytes = 0;
  set_group(OperatorGroup::kFusedSoftmax, call.op, draft.estimate);
  const Times& t = draft.times;
  const double rest = std::max({t.array, t.bus, t.window, t.dram, t.serial, t.issue});
  draft.estimate.cycles = std::max(t.normaliser - rest * (1 - 1 / t.tiles), t.normaliser / t.tiles);
  return draft;
}

Draft draft_of(const accel_sim::Call& call, const accel_sim::Target& hardware) {
  if (call.runs_in == accel_sim::RunsIn::kHost) return {};
  if (call.runs_in == accel_sim::RunsIn::kFusedRun) return draft_fused_softmax(call, hardware);
  switch (call.op.kind) {
    case accel_sim::OperatorKind::kMatmul:
      return draft_matmul(call, hardware);
    case accel_sim::OperatorKind::kSoftmax:
    case accel_sim::OperatorKind::kLayerNorm:
      return draft_normalise(call, hardware);
    case accel_sim::OperatorKind::kResidualAdd:
      return draft_residual_add(call, hardware);
    case accel_sim::OperatorKind::kEmbedding:
      return draft_embedding(call, hardware);
    case accel_sim::OperatorKind::kGelu:
      return reads_int8(call.op) ? draft_residual_add(call, hardware) : Draft{};
    case accel_sim::OperatorKind::kRmsNorm:
    case accel_sim::OperatorKind::kSilu:
    case accel_sim::OperatorKind::kRotary:
    case accel_sim::OperatorKind::kArithmetic:
      break;  // the host's
  }
  return {};
}

// What the estimate is made of, as shares of it, with the squares and products of what overlaps:
// where two parts are alike, the estimate is least to be trusted.
void fill(const Times& t, OperatorFeatures& f) {
  const double total = f.cycles;
  const auto share = [total](double cycles) { return std::min(cycles / total, 4.0); };
  const double array = share(t.array), bus = share(t.bus), window = share(t.window);
  const double serial = share(t.serial);
  const double dram = share(t.dram), store = share(t.store), normaliser = share(t.normaliser);
  f.x = {1,
         array,
         bus,
         window,
         dram,
         serial,
         share(t.pages),
         store,
         share(t.issue),
         normaliser,
         share(t.first),
         share(t.last),
         std::log(t.tiles),
         std::log(total) * 0.1,
         array * array,
         bus * bus,
         dram * dram,
         array * bus,
         array * dram,
         array * store,
         array * normaliser,
         array * window,
         normaliser * normaliser,
         store * store,
         std::log(t.width),
         std::log(t.depth),
         serial * serial,
         array * serial,
         share(t.sums)};
}

}  // namespace

std::string learned_group_name(int group) {
  static constexpr std::array<const char*, kOperatorGroups> kNames = {
      "exact",         "projection", "fused_scores", "spilled_scores", "plain_scores", "context",
      "fused_softmax", "softmax",    "layer_norm",   "residual_add",   "embedding",    "gelu"};
  return std::string(kNames[static_cast<std::size_t>(group / 2)]) +
         (group % 2 == 1 ? "_of_one_row" : "");
}

OperatorFeatures operator_features(const accel_sim::Operator& op,
                                   const accel_sim::Target& hardware) {
  const Draft draft = draft_of(compile(op, hardware), hardware);
  OperatorFeatures f;
  static_cast<OperatorEstimate&>(f) = draft.estimate;
  if (f.exact()) return f;
  f.accesses.dram_bytes = static_cast<std::int64_t>(f.fetches * kLine + f.written_bytes);
  fill(draft.times, f);
  return f;
}

}  // namespace paretoformer::latency_predictor
