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

// What the DMA asks for, per byte of rows of a tile: each `width` bytes, beginning `stride` bytes
// apart. On average over the alignments that rows can have, one touches 1 + (width - alignment) /
// 64 lines, and so does each of its pieces of 64 bytes by itself.
struct RequestsPerByte {
  RequestsPerByte(int width, int stride) {
    const int aligned = width | stride | kLine;
    const double alignment = aligned & -aligned;
    rows = 1.0 / width;
    // Divided, not multiplied by `rows`, so that all widths of whole lines have exactly the same.
    lines = (1 + (width - alignment) / kLine) / width;
    all = lines + (ceil_divide(width, kLine) - 1) * (1 - alignment / kLine) * rows;
    // Pieces of a row that begins with a line are whole ones, but for the last; no others are.
    whole = alignment / kLine * (width / kLine) * rows;
  }
  double rows;
  double lines;  // touched for the first time
  double all;    // and those in which the piece before ended
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

}  // namespace

MappingCostModel::MappingCostModel(const Workpiece& work, const Target& target, CostRules rules)
    : work_(work),
      target_(target),
      energies_(target),
      rules_(rules),
      macs_(work.macs()),
      weights_(work.weights()),
      outputs_(work.outputs()),
      line_(target),
      hit_share_(static_cast<double>(target.bus_latency_cycles + target.l2_hit_cycles) /
                 target.requests_in_flight),
      miss_share_(static_cast<double>(target.bus_latency_cycles + target.dram_latency_cycles) /
                  target.requests_in_flight),
      byte_share_(1.0 / target.bus_bytes_per_cycle / target.requests_in_flight),
      read_cycles_(1.0 / std::min(target.bus_bytes_per_cycle, target.array_size)),
      line_write_cycles_(l2_write_cycles(std::max(kLine / target.bus_bytes_per_cycle, 1))),
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
      weight_rows_(rows_of(weights_, work.extent[kK])),
      sum_rows_(rows_of(4 * outputs_, 4 * work.extent[kK])),
      fixed_cycles_(target.call_overhead_cycles + target.loop_issue_cycles +
                    target.result_issue_cycles + target.dram_latency_cycles +
                    array_latency(target.array_size)) {
  if (target.dataflow != Dataflow::kWeightStationary)
    throw InputError("the mapper knows weight-stationary arrays: expected dataflow " +
                     std::string("weight_stationary"));
}

// The share of lines that leave L2 while so many bytes come: each takes the way of any other.
double MappingCostModel::lost(double bytes) const { return 1 - std::exp(-bytes / l2_bytes_); }

// Rows whose distance has a factor in common with the number of L2's sets meet in few of them.
MappingCostModel::Rows MappingCostModel::rows_of(double bytes, int stride) const {
  const int lines = target_.l2_kib * 1024 / kLine;
  const int sets = std::max(lines / (target_.l2_ways > 0 ? target_.l2_ways : lines), 1);
  Rows rows;
  rows.stride = stride;
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
  return std::min(steps, 1 + steps * (too_many + taken));
}

MappingCostModel::Operand MappingCostModel::operand(double bytes, double times,
                                                    const TileRows& tile) const {
  const RequestsPerByte requests(tile.width, tile.rows->stride);
  Operand result;
  result.bytes = bytes;
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
  result.requests = operand.requests * visits;
  result.bytes = operand.bytes * visits;
  return result;
}

double MappingCostModel::cycles(const Reads& reads) const {
  const double dram = reads.fetched * line_.fetched + reads.pages * page_wait_;
  const double in_flight = reads.fetched * miss_share_ +
                           (reads.requests - reads.fetched) * hit_share_ +
                           reads.bytes * byte_share_;
  return std::max({dram, in_flight, reads.bytes * read_cycles_});
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
    all.pages += one.pages;
    all.requests += one.requests;
    all.bytes += one.bytes;
  }
  const double l2 = all.bytes * read_cycles_ + results.requests * line_write_cycles_;
  const double dram = (all.fetched + results.partial) * line_.fetched +
                      results.whole * line_.written + all.pages * page_wait_;
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
      operand(4 * outputs_, visits, {&sum_rows_, &sum_rows_, width, 0, 0, strip, 0});
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
      std::min(tile[kC], target_.array_size);
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
  const double half = target_.scratchpad_blocks() / 2;
  const double bank = std::max(target_.scratchpad_blocks() / target_.scratchpad_banks, 1);
  // Shares of the inputs' last rows and of the weights that lie in the last bank; their last ones.
  const double inputs = std::clamp((rows * deep - (half - bank)) / deep, 0.0, 1.0);
  const double weights = std::min(bank / (deep * across), 1.0);
  double meeting = std::min(inputs, weights);
  if (target_.scratchpad_banks <= 4) meeting += std::min(1 - inputs, 1 - weights);
  const double in_whole_tiles = static_cast<double>(work_.extent[kC] / tile[kC]) * deep;
  const bool both_change = times.inputs == tiles[kK] && times.weights == tiles[kP];
  return meeting * (both_change ? 1 : 0.5) * in_whole_tiles *
         static_cast<double>(blocks(work_.extent[kK], tile[kK], size)) * tiles[kP] *
         (tile[kP] - (rows - 1) * size);
}

void MappingCostModel::time_transfers(const Mapping& mapping, const PerDimension<int>& tiles,
                                      const Visits& times, double inputs, double spilled,
                                      MappingCost& cost) const {
  const auto& extent = work_.extent;
  const auto& tile = mapping.tile;
  const double along = static_cast<double>(tiles[kP]) * tiles[kQ];
  const double deep = static_cast<double>(tiles[kC]) * tiles[kR] * tiles[kS];
  const double count = along * deep * tiles[kK];
  // Channels lie next to each other: rows of inputs are C wide, those of weights and results K.
  const double input_tile = inputs / (along * tiles[kC]);
  const double weight_tile = weights_ / (deep * tiles[kK]);
  const double input_mvins = input_tile / tile[kC] * ceil_divide(tile[kC], kLine);
  const double weight_mvins = weight_tile / tile[kK] * ceil_divide(tile[kK], kLine);
  const Operand of_inputs =
      operand(inputs, times.inputs,
              {&input_rows_, &weight_rows_, tile[kC], input_tile / tile[kC],
               input_tile + weight_tile, input_tile / tile[kC], weight_mvins / input_mvins});
  const Operand of_weights =
      operand(weights_, times.weights,
              {&weight_rows_, &input_rows_, tile[kK], static_cast<double>(tile[kC]),
               weights_ / tiles[kK] + inputs / along, static_cast<double>(target_.array_size),
               input_mvins / weight_mvins});
  const Writes results = writes(outputs_, tile[kK], extent[kK]);
  cost.memory = memory_cycles(of_inputs, of_weights, results);

  const double per_tile = cost.compute / count;
  cost.stall = std::max({burst_cycles(of_inputs, along * deep * per_tile),
                         burst_cycles(of_weights, deep * tiles[kK] * per_tile),
                         store_cycles(results, tile[kK], cost.compute)}) +
               bank_conflicts(tile, tiles, times);

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
  cost.dram_bytes = loaded + 8 * spilled + outputs_;
  cost.compute = passes * streaming_cycles(rows, columns, shortest);
  cost.memory = cost.dram_bytes / target_.dram_bytes_per_cycle;
  if (rules_ == CostRules::kGemmini)
    time_transfers(mapping, tiles, times, inputs, spilled, cost);
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
