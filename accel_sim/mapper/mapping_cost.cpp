#include "accel_sim/mapper/mapping_cost.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "accel_sim/hardware/timing.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

enum Tensor { kInputs, kWeights, kOutputs };
// The one tensor that lacks a dimension: P and Q the weights, K the inputs, C, R and S the outputs.
constexpr PerDimension<Tensor> kWithout{kWeights, kWeights, kOutputs, kInputs, kOutputs, kOutputs};

// Sum over all pairs of tiles of rows of inputs, of `outputs` outputs in `output_tiles` tiles and
// `taps` taps of the kernel in `tap_tiles`: each pair touches (its outputs - 1) * stride + its
// taps.
double touched(int outputs, int output_tiles, int taps, int tap_tiles, int stride) {
  return static_cast<double>(stride) * (outputs - output_tiles) * tap_tiles +
         static_cast<double>(taps) * output_tiles;
}

constexpr int kLine = kLineBytes;

// The largest power of two that divides all numbers of which `bits` has the bits.
int alignment_of(int bits) { return bits & -bits; }

// What the DMA asks for, per byte of rows of a tile: each `width` bytes, beginning `stride` bytes
// apart. On average over the alignments that rows can have, one touches 1 + (width - alignment) /
// 64 lines, and so does each of its pieces, a command's, by itself.
struct RequestsPerByte {
  RequestsPerByte(int width, int stride, int piece = kLine) {
    const double alignment = alignment_of(width | stride | kLine);
    rows = 1.0 / width;
    // Divided, not multiplied by `rows`, so that all widths of whole lines have exactly the same.
    lines = (1 + (width - alignment) / kLine) / width;
    const int pieces = ceil_divide(width, piece);
    const int whole_lines = width / kLine;
    const double inside =
        alignment == kLine ? pieces - whole_lines : (pieces - 1) * (1 - alignment / kLine);
    all = lines + inside * rows;
    // Pieces of a row that begins with a line are whole ones, but for the last; no others are.
    whole = alignment / kLine * whole_lines * rows;
  }
  double rows;
  double lines;  // touched for the first time
  double all;    // and those in which the piece before ended, inside a line
  double whole;  // requests for a whole line
};

// Extents of pieces: `whole` of full size and perhaps a smaller one.
struct Pieces {
  Pieces(int extent, int size) : size(size), whole(extent / size), rest(extent % size) {}
  double count() const { return whole + (rest > 0 ? 1 : 0); }

  int size, whole, rest;
};

// Blocks of channels: every tile has its own.
std::int64_t blocks(int extent, int tile, int size) {
  return std::int64_t{extent / tile} * ceil_divide(tile, size) + ceil_divide(extent % tile, size);
}

bool is_int4(const Workpiece& work) { return work.weight_bits != kInt8Bits; }

// Bytes of so many weights next to each other.
int weight_row_bytes(int weights, const Workpiece& work) {
  return is_int4(work) ? static_cast<int>(int4_bytes(weights)) : weights;
}

// Rows of multipliers that come with the weights of all tiles along C: with each block of `size`
// rows those of all groups of which it has a row.
double multiplier_rows(int tile, int size, const Workpiece& work) {
  if (!is_int4(work)) return 0;
  const int extent = work.extent[kC];
  const auto count = static_cast<double>(blocks(extent, tile, size));
  // On average over the places in a group where a block can begin, as lines of rows.
  const int alignment = alignment_of((tile == extent ? 0 : tile) | size | kInt4Group);
  return count + std::max(extent - count * alignment, 0.0) / kInt4Group;
}

// Bytes of the weights of all tiles, each once.
double weight_bytes(const PerDimension<int>& tile, int size, const Workpiece& work) {
  const int columns = work.extent[kK];
  const int whole_tiles = columns / tile[kK];
  const double row = static_cast<double>(whole_tiles) * weight_row_bytes(tile[kK], work) +
                     weight_row_bytes(columns % tile[kK], work);
  const double taps = static_cast<double>(work.extent[kR]) * work.extent[kS];
  return (work.extent[kC] + multiplier_rows(tile[kC], size, work)) * row * taps;
}

// By how many bytes int4 weights are more for the bus and the scratchpad's port than they are: a
// cycle takes a beat of the bus or, unpacked, a row of the scratchpad.
double unpacked_bytes(const Workpiece& work, const Target& target) {
  if (!is_int4(work)) return 0;
  const int bus = target.bus_bytes_per_cycle, size = target.array_size;
  return work.weights() * (std::max(0.5 / bus, 1.0 / size) * std::min(bus, size) - 0.5);
}

// Cycles per line of int4 weights in which the DRAM has nothing to do, as few commands are under
// way at a time. A command asks for half a line of each row. When all rows begin alike, one command
// misses and the next one does not; else each does for half of its rows.
double idle_cycles(const Workpiece& work, const Target& target, const LineCost& line) {
  if (!is_int4(work)) return 0;
  const int size = target.array_size;
  const bool alike = weight_row_bytes(work.extent[kK], work) % kLine == 0;
  const int commands = std::min(target.requests_in_flight / size + 1, target.load_entries);
  const double missing = alike ? std::max(commands / 2.0, 1.0) : commands;
  const double lines = (size + ceil_divide(size, kInt4Group)) * (alike ? 1 : 0.5);
  const double under_way = target.bus_latency_cycles + target.dram_latency_cycles +
                           (lines - 1) * line.fetched + kLoadPipelineCycles;
  return std::max(under_way / missing / lines - line.fetched, 0.0);
}

// Cycles in which all outputs stream past blocks of weights, piece by piece.
double streaming_cycles(const Pieces& p, const Pieces& q, double least) {
  const auto piece = [least](int rows, int columns) {
    return std::max(static_cast<double>(rows) * columns, least);
  };
  double cycles = static_cast<double>(p.whole) * q.whole * piece(p.size, q.size);
  if (p.rest > 0) cycles += q.whole * piece(p.rest, q.size);
  if (q.rest > 0) cycles += p.whole * piece(p.size, q.rest);
  if (p.rest > 0 && q.rest > 0) cycles += piece(p.rest, q.rest);
  return cycles;
}

// Of L2, for a line of others that leaves.
double release_cycles(const Hardware& hardware) {
  if (hardware.l2_releases_in_flight == 0) return 0;
  const int clean = l2_release_cycles(false, hardware.l2_banks);
  const int dirty = l2_release_cycles(true, hardware.l2_banks);
  return clean + static_cast<double>(dirty - clean) / kOthersPerWritten;
}

}  // namespace

MappingCostModel::MappingCostModel(const Workpiece& work, const Target& target, CostRules rules)
    : work_(work),
      target_(target),
      energies_(target),
      rules_(rules),
      macs_(work.macs()),
      weights_(work.weights()),
      outputs_(work.outputs()),
      unpacked_(unpacked_bytes(work, target)),
      line_(target),
      hit_share_(static_cast<double>(target.bus_latency_cycles + target.l2_hit_cycles) /
                 target.requests_in_flight),
      miss_share_(static_cast<double>(target.bus_latency_cycles + target.dram_latency_cycles) /
                  target.requests_in_flight),
      byte_share_(1.0 / target.bus_bytes_per_cycle / target.requests_in_flight),
      read_cycles_(1.0 / std::min(target.bus_bytes_per_cycle, target.array_size)),
      line_write_cycles_(std::max(kLine / target.bus_bytes_per_cycle, 1) + kL2TurnCycles),
      refill_cycles_(l2_refill_cycles(target.dram_bytes_per_cycle, target.l2_banks) +
                     release_cycles(target)),
      replace_cycles_(release_cycles(target) > 0 ? kL2ReplacingCycles + release_cycles(target) : 0),
      acknowledged_share_(static_cast<double>(target.write_latency_cycles) /
                          target.requests_in_flight),
      result_cycles_(static_cast<double>(read_ticks(target.array_size, kStoreTicks)) / kCycleTicks /
                     target.array_size),
      l2_bytes_(1024.0 * target.l2_kib),
      turns_per_line_(1.0 / target.l2_misses_in_flight),
      page_wait_(std::max(target.dram_latency_cycles + target.dram_page_miss_cycles -
                              line_.fetched * target.l2_misses_in_flight,
                          0.0)),
      input_rows_(rows_of(work.inputs(), work.extent[kC])),
      weight_rows_(rows_of(weight_bytes(work.extent, target.array_size, work),
                           weight_row_bytes(work.extent[kK], work),
                           idle_cycles(work, target, line_))),
      sum_rows_(rows_of(4 * outputs_, 4 * work.extent[kK])),
      fixed_cycles_(target.call_overhead_cycles + target.loop_issue_cycles +
                    target.result_issue_cycles + target.dram_latency_cycles +
                    array_latency(target.array_size)) {
  if (target.dataflow != Dataflow::kWeightStationary)
    throw InputError("the mapper knows weight-stationary arrays: expected dataflow " +
                     std::string("weight_stationary"));
  if (is_int4(work) && !target.int4_weights)
    throw InputError("the hardware has nothing that unpacks weights of four bits: expected " +
                     std::string("int4_weights true"));
}

// The share of lines that leave L2 while so many bytes come: each takes the way of any other.
double MappingCostModel::lost(double bytes) const { return 1 - std::exp(-bytes / l2_bytes_); }

// Rows whose distance has a factor in common with the number of L2's sets meet in few of them.
MappingCostModel::Rows MappingCostModel::rows_of(double bytes, int stride, double idle) const {
  const int lines = target_.l2_kib * 1024 / kLine;
  const int sets = std::max(lines / (target_.l2_ways > 0 ? target_.l2_ways : lines), 1);
  Rows rows;
  rows.stride = stride;
  rows.idle = idle;
  rows.again = lost(bytes);
  rows.pages_again = bytes <= 1024.0 * target_.last_level_kib ? 0 : rows.again;
  rows.per_page = static_cast<double>(stride) / target_.dram_page_bytes;
  rows.set_bytes = kLine * (stride % kLine == 0 ? std::gcd(stride / kLine, sets) : 1);
  return rows;
}

// How often a tile opens the pages of its rows. Mvins go along a strip of rows, a line of each at a
// time; the next lines lie in the same pages, but these are closed when the strip has more of them
// than the DRAM has banks, or when the other operand's mvins took the bank meanwhile.
double MappingCostModel::page_turns(const TileRows& tile) const {
  if (page_wait_ == 0) return 1;
  const double steps = ceil_divide(tile.width, kLine);
  const double banks = target_.dram_banks;
  const double pages = std::max(tile.strip * tile.rows->per_page, 1.0);
  const double too_many = std::clamp(2 - 2 * banks / pages, 0.0, 1.0);
  const double rival = std::max(target_.array_size * tile.rival->per_page, 1.0);
  const double taken = std::min(rival / banks, 1.0) * std::min(tile.rival_mvins, 1.0);
  // Multipliers come with every command: where theirs is the bank, they take it and lose it again.
  const double multipliers = is_int4(work_) && tile.rows == &weight_rows_ ? 2 / banks : 0;
  return std::min(steps, 1 + steps * (too_many + taken)) + steps * multipliers;
}

MappingCostModel::Operand MappingCostModel::operand(double bytes, double times,
                                                    const TileRows& tile) const {
  const RequestsPerByte requests(tile.width, tile.rows->stride, tile.piece);
  Operand result;
  result.moved = bytes;
  result.times = times;
  result.requests = bytes * requests.all;
  result.pages = bytes * requests.rows * std::min(tile.rows->per_page, 1.0) * page_turns(tile);
  const double own = bytes / kLine;
  // Whole rows follow one another: tiles share no line.
  const double touched =
      tile.width == tile.rows->stride ? own : std::max(bytes * requests.lines, own);
  result.lines = own;
  if (touched > own)
    result.lines +=
        (touched - own) * lost(std::max(tile.between, tile.count * tile.rows->set_bytes));
  result.first_tiles = result.lines / touched;
  result.idle = tile.rows->idle;
  result.again = tile.rows->again;
  result.pages_again = tile.rows->pages_again;
  return result;
}

// Of visits to all of its tiles, for so many shares of which lines and pages come from DRAM.
MappingCostModel::Reads MappingCostModel::reads(const Operand& operand, double visits,
                                                double fetched, double opened) const {
  Reads result;
  result.fetched = operand.lines * fetched;
  result.pages = std::min(operand.pages * opened, result.fetched * turns_per_line_);
  result.idle = result.fetched * operand.idle;
  result.requests = operand.requests * visits;
  result.moved = operand.moved * visits;
  return result;
}

double MappingCostModel::cycles(const Reads& reads) const {
  const double dram = reads.fetched * line_.fetched + reads.idle + reads.pages * page_wait_;
  const double in_flight = reads.fetched * miss_share_ +
                           (reads.requests - reads.fetched) * hit_share_ +
                           reads.moved * byte_share_;
  return std::max({dram, in_flight, reads.moved * read_cycles_});
}

MappingCostModel::Visits MappingCostModel::visits(const Mapping& mapping,
                                                  const PerDimension<int>& tiles) const {
  std::array<double, 3> times{1, 1, 1};
  if (mapping.reloads) {
    times[kInputs] = tiles[kK];
    times[kWeights] = static_cast<double>(tiles[kP]) * tiles[kQ];
  }
  std::array<bool, 3> own_loop_inside{};
  for (int i = kDimensions - 1; i >= 0; --i) {
    const int d = mapping.order[i];
    if (tiles[d] == 1) continue;
    const Tensor without = kWithout[d];
    if (own_loop_inside[without] && (without == kOutputs || !mapping.reloads))
      times[without] *= tiles[d];
    for (const Tensor tensor : {kInputs, kWeights, kOutputs})
      own_loop_inside[tensor] |= tensor != without;
  }
  if (target_.operand_reuse) {
    const double deep = static_cast<double>(tiles[kC]) * tiles[kR] * tiles[kS];
    if (deep * tiles[kP] * tiles[kQ] <= 2) times[kInputs] = 1;
    if (deep * tiles[kK] <= 2) times[kWeights] = 1;
  }
  return {times[kInputs], times[kWeights], times[kOutputs]};
}

MappingCostModel::Writes MappingCostModel::writes(double bytes, int width, int stride) const {
  const RequestsPerByte requests(width, stride);
  Writes result;
  result.requests = bytes * requests.all;
  result.whole = bytes * requests.whole;
  result.partial = std::max(bytes / kLine - result.whole, 0.0);
  return result;
}

double MappingCostModel::memory_cycles(const Operand& inputs, const Operand& weights,
                                       const Writes& results) const {
  Reads all;
  for (const Operand* operand : {&inputs, &weights}) {
    const double again = operand->times - 1;
    const Reads one = reads(*operand, operand->times, 1 + again * operand->again,
                            1 + again * operand->pages_again);
    all.fetched += one.fetched;
    all.idle += one.idle;
    all.pages += one.pages;
    all.requests += one.requests;
    all.moved += one.moved;
  }
  const double fetched = all.fetched + results.partial;
  const double l2 = all.moved * read_cycles_ + fetched * refill_cycles_ +
                    results.requests * line_write_cycles_ + results.whole * replace_cycles_;
  const double dram = std::max(fetched * line_.fetched + all.idle + all.pages * page_wait_,
                               (fetched + results.whole) * line_.released);
  const double written = results.requests * acknowledged_share_ + results.partial * miss_share_;
  return std::max({cycles(all), l2, dram, written});
}

double MappingCostModel::burst_cycles(const Operand& operand, double hidden) const {
  const double first = cycles(reads(operand, 1, 1, 1));
  const double again = cycles(reads(operand, 1, operand.again, operand.pages_again));
  hidden *= operand.first_tiles;
  return std::max(first - hidden, 0.0) + (operand.times - 1) * std::max(again - hidden, 0.0);
}

// The array waits for room in the accumulator while lines that are written in part are fetched.
// That is when the first of the tiles that share them leaves; the others find them in L2.
double MappingCostModel::store_cycles(const Writes& results, int width, double compute) const {
  const double first_tiles = std::min(static_cast<double>(width) / kLine, 1.0);
  const double partial = results.partial * kLine / outputs_;
  return std::max(results.partial * line_.fetched - compute * partial * first_tiles, 0.0);
}

// Of sums that come back for so many visits but one: each tile's wait until the computes before
// them are done, while others are still written, and its operands wait for them.
double MappingCostModel::sum_cycles(const PerDimension<int>& tile, double visits) const {
  const int width = 4 * tile[kK];
  const double strip = static_cast<double>(tile[kP]) * tile[kQ];
  const Operand sums =
      operand(4 * outputs_, visits, {&sum_rows_, &sum_rows_, width, kLine, 0, 0, strip, 0});
  const double again = visits - 1;
  return cycles(reads(sums, again, again * sums.again, again * sums.pages_again)) +
         again * writes(4 * outputs_, width, sum_rows_.stride).requests * line_write_cycles_;
}

// Before the array begins, a line of each row of the first channels comes; the rest of the first
// tile's `loads` comes while it is computed, for which the array takes `least` cycles at least.
double MappingCostModel::first_load_cycles(const PerDimension<int>& tile, double loads,
                                           double least) const {
  const double rows =
      touched(tile[kP], 1, 1, 1, work_.stride) * touched(tile[kQ], 1, 1, 1, work_.stride) +
      std::min(tile[kC], target_.array_size) +
      (is_int4(work_) ? ceil_divide(target_.array_size, kInt4Group) : 0);
  const double group = rows * line_.fetched;
  return group + std::max(loads - group - least, 0.0);
}

// Cycles in which the array waits for weights in the bank of the inputs' last rows, which take
// turns at its port: so many more per block of weights. Inputs lie from the beginning of a half of
// the scratchpad and weights up to its end (TileLayout). When one operand stays, the other one
// changes between the halves, and meets it in every other tile.
double MappingCostModel::bank_conflicts(const PerDimension<int>& tile,
                                        const PerDimension<int>& tiles, const Visits& times) const {
  if (!work_.is_matmul()) return 0;
  const int size = target_.array_size;
  const int deep = ceil_divide(tile[kC], size);
  const double rows = ceil_divide(tile[kP], size), across = ceil_divide(tile[kK], size);
  const int half = target_.scratchpad_blocks() / 2;
  const double bank = std::max(target_.scratchpad_blocks() / target_.scratchpad_banks, 1);
  // Shares of the inputs' last rows and of the weights that lie in the last bank; their last ones.
  const double inputs = std::clamp((rows * deep - (half - bank)) / deep, 0.0, 1.0);
  const double weights = std::min(bank / (deep * across), 1.0);
  double meeting = std::min(inputs, weights);
  if (target_.scratchpad_banks <= 4) meeting += std::min(1 - inputs, 1 - weights);
  const int whole_tiles = work_.extent[kC] / tile[kC];
  const double in_whole_tiles = static_cast<double>(whole_tiles) * deep;
  const bool both_change = times.inputs == tiles[kK] && times.weights == tiles[kP];
  return meeting * (both_change ? 1 : 0.5) * in_whole_tiles *
         static_cast<double>(blocks(work_.extent[kK], tile[kK], size)) * tiles[kP] * size;
}

void MappingCostModel::time_transfers(const Mapping& mapping, const PerDimension<int>& tiles,
                                      const Visits& times, double inputs, double weights,
                                      double spilled, MappingCost& cost) const {
  const auto& extent = work_.extent;
  const auto& tile = mapping.tile;
  const double along = static_cast<double>(tiles[kP]) * tiles[kQ];
  const double deep = static_cast<double>(tiles[kC]) * tiles[kR] * tiles[kS];
  const double count = along * deep * tiles[kK];
  // Channels lie next to each other: rows of inputs are C wide, those of weights and results K.
  const int weight_width = weight_row_bytes(tile[kK], work_);
  const double input_tile = inputs / (along * tiles[kC]);
  const double weight_tile = weights / (deep * tiles[kK]);
  const double input_mvins = input_tile / tile[kC] * ceil_divide(tile[kC], kLine);
  const double weight_mvins = weight_tile / weight_width * ceil_divide(weight_width, kLine);
  const Operand of_inputs =
      operand(inputs, times.inputs,
              {&input_rows_, &weight_rows_, tile[kC], kLine, input_tile / tile[kC],
               input_tile + weight_tile, input_tile / tile[kC], weight_mvins / input_mvins});
  Operand of_weights =
      operand(weights, times.weights,
              {&weight_rows_, &input_rows_, weight_width, weight_row_bytes(kLine, work_),
               static_cast<double>(tile[kC]), weights / tiles[kK] + inputs / along,
               static_cast<double>(target_.array_size), input_mvins / weight_mvins});
  of_weights.moved += unpacked_;
  const Writes results = writes(outputs_, tile[kK], extent[kK]);
  cost.memory = memory_cycles(of_inputs, of_weights, results);

  // What the array waits for its own port is no time in which it waits for loads.
  const double conflicts = bank_conflicts(tile, tiles, times);
  const double busy = cost.compute + conflicts, per_tile = busy / count;
  cost.stall = std::max({burst_cycles(of_inputs, along * deep * per_tile),
                         burst_cycles(of_weights, deep * tiles[kK] * per_tile),
                         store_cycles(results, tile[kK], busy)}) +
               conflicts;

  const double least = macs_ / count / target_.array_size / target_.array_size;
  const double loads =
      cycles(reads(of_inputs, 1, 1, 1)) / (along * tiles[kC] * of_inputs.first_tiles) +
      cycles(reads(of_weights, 1, 1, 1)) / (deep * tiles[kK] * of_weights.first_tiles);
  const double sums = spilled > 0 ? sum_cycles(tile, times.outputs) : 0;
  const double last_stores = static_cast<double>(tile[kP]) * tile[kQ] * tile[kK] * result_cycles_;
  const double issued = count * target_.loop_issue_cycles;
  cost.cycles = fixed_cycles_ + first_load_cycles(tile, loads, least) + sums +
                std::max({cost.compute + cost.stall, cost.memory, issued}) + last_stores;
}

MappingCost MappingCostModel::operator()(const Mapping& mapping) const {
  const auto& extent = work_.extent;
  const auto& tile = mapping.tile;
  const int stride = work_.stride;
  PerDimension<int> tiles;
  for (int d = 0; d < kDimensions; ++d) tiles[d] = ceil_divide(extent[d], tile[d]);
  const Visits times = visits(mapping, tiles);

  const double inputs = touched(extent[kP], tiles[kP], extent[kR], tiles[kR], stride) *
                        touched(extent[kQ], tiles[kQ], extent[kS], tiles[kS], stride) * extent[kC];
  const double loaded = inputs * times.inputs + weights_ * times.weights;
  const double weights = weight_bytes(tile, target_.array_size, work_);
  const double spilled = outputs_ * (times.outputs - 1);  // sums, out and in again

  // Words of a row of the scratchpad and of the accumulator, and the shortest stream of outputs.
  const bool whole_rows = rules_ == CostRules::kGemmini;
  const double input_words = whole_rows ? target_.array_size : mapping.inner[kC];
  const double output_words = whole_rows ? target_.array_size : mapping.inner[kK];
  const double shortest = whole_rows ? target_.array_size : 1;
  const Pieces rows(extent[kP], mapping.inner[kP]);
  const Pieces columns(extent[kQ], mapping.inner[kQ]);
  const double passes = static_cast<double>(blocks(extent[kC], tile[kC], mapping.inner[kC]) *
                                            blocks(extent[kK], tile[kK], mapping.inner[kK])) *
                        extent[kR] * extent[kS];
  const double streamed = passes * extent[kP] * extent[kQ];
  const double preloaded = passes * rows.count() * columns.count() * input_words * output_words;

  MappingCost cost;
  cost.dram_bytes = loaded + (weights - weights_) * times.weights + 8 * spilled + outputs_;
  cost.compute = passes * streaming_cycles(rows, columns, shortest);
  cost.memory = cost.dram_bytes / target_.dram_bytes_per_cycle;
  if (rules_ == CostRules::kGemmini)
    time_transfers(mapping, tiles, times, inputs, weights, spilled, cost);
  else
    cost.cycles = std::max(cost.compute, cost.memory);

  cost.energy_pj = macs_ * energies_.mac + (macs_ + preloaded) * energies_.pe_register +
                   (streamed * input_words + preloaded + loaded) * energies_.scratchpad +
                   (2 * streamed * output_words + outputs_ + 2 * spilled) * energies_.accumulator +
                   cost.dram_bytes * energies_.dram_byte +
                   cost.cycles * target_.static_pj_per_cycle;
  return cost;
}

}  // namespace paretoformer::accel_sim
