#include "accel_sim/mapper/mapping_cost.hpp"

#include <algorithm>
#include <cmath>

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
    repeated = (ceil_divide(width, kLine) - 1) * (1 - alignment / kLine) * rows;
  }
  double all() const { return lines + repeated; }

  double rows;
  double lines;     // touched for the first time
  double repeated;  // lines in which the piece before ended
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
      cycles_per_byte_(1 / target.dram_bytes_per_cycle),
      hit_share_(static_cast<double>(target.bus_latency_cycles + target.l2_hit_cycles) /
                 target.requests_in_flight),
      miss_share_(static_cast<double>(target.bus_latency_cycles + target.dram_latency_cycles) /
                  target.requests_in_flight),
      byte_share_(1.0 / target.bus_bytes_per_cycle / target.requests_in_flight),
      turns_per_line_(1.0 / target.l2_misses_in_flight),
      cycles_per_line_(
          std::max(kLine * cycles_per_byte_, target.dram_latency_cycles * turns_per_line_)),
      page_wait_(std::max(target.dram_latency_cycles + target.dram_page_miss_cycles -
                              cycles_per_line_ * target.l2_misses_in_flight,
                          0.0)),
      input_reuse_(target, work.inputs(), work.extent[kC]),
      weight_reuse_(target, weights_, work.extent[kK]),
      fixed_cycles_(target.call_overhead_cycles + target.dram_latency_cycles +
                    array_latency(target.array_size)) {
  if (target.dataflow != Dataflow::kWeightStationary)
    throw InputError("the mapper knows weight-stationary arrays: expected dataflow " +
                     std::string("weight_stationary"));
}

MappingCostModel::CacheReuse::CacheReuse(const Target& target, double bytes, int stride)
    : fetched_again(1 - std::exp(-bytes / (1024.0 * target.l2_kib))),
      opened_again(bytes <= 1024.0 * target.last_level_kib ? 0 : fetched_again),
      pages_per_row(std::min(static_cast<double>(stride) / target.dram_page_bytes, 1.0)) {}

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

double MappingCostModel::memory_cycles(const PerDimension<int>& tile, const Traffic& traffic,
                                       const Visits& times) const {
  // Channels lie next to each other: rows of inputs are C wide, those of weights and results K.
  const auto& extent = work_.extent;
  const RequestsPerByte of_inputs(tile[kC], extent[kC]), of_weights(tile[kK], extent[kK]);
  const double inputs = traffic.inputs * times.inputs;
  const double weights = weights_ * times.weights;
  double lines = inputs * of_inputs.lines + weights * of_weights.lines;
  double repeated = inputs * of_inputs.repeated + weights * of_weights.repeated;
  double written = outputs_ * of_weights.all();  // whose rows are as wide and as far apart
  const double sums = 4 * traffic.spilled;
  if (sums > 0) {
    const RequestsPerByte of_sums(4 * tile[kK], 4 * extent[kK]);
    lines += sums * of_sums.lines;
    repeated += sums * of_sums.repeated;
    written += sums * of_sums.all();
  }
  const double uncached = lines * cycles_per_line_ + (outputs_ + sums) * cycles_per_byte_;

  const auto visited = [](double bytes, double visits, double share) {
    return bytes * (1 + (visits - 1) * share);
  };
  const double fetched =
      visited(traffic.inputs, times.inputs, input_reuse_.fetched_again) * of_inputs.lines +
      visited(weights_, times.weights, weight_reuse_.fetched_again) * of_weights.lines;
  const double opened = visited(traffic.inputs, times.inputs, input_reuse_.opened_again) *
                            input_reuse_.pages_per_row * of_inputs.rows +
                        visited(weights_, times.weights, weight_reuse_.opened_again) *
                            weight_reuse_.pages_per_row * of_weights.rows;
  const double cached =
      fetched * cycles_per_line_ + std::min(opened, fetched * turns_per_line_) * page_wait_;

  const double reads =
      lines * miss_share_ + repeated * hit_share_ + (inputs + weights + sums) * byte_share_;
  return std::max({uncached, cached, reads, written * miss_share_});
}

double MappingCostModel::burst_cycles(const Operand& operand, double hidden) const {
  const RequestsPerByte requests(operand.width, operand.stride);
  const double lines = operand.bytes * requests.lines;
  const double uncached = lines * cycles_per_line_;
  const double reads =
      lines * miss_share_ + operand.bytes * (requests.repeated * hit_share_ + byte_share_);
  const double pages = operand.bytes * operand.reuse.pages_per_row * requests.rows;
  // Of a visit for which so many shares of lines and pages come from DRAM.
  const auto visit = [&](double fetched, double opened) {
    const double waits = std::min(opened * pages, fetched * lines * turns_per_line_) * page_wait_;
    return std::max({uncached, fetched * uncached + waits, reads});
  };
  const double again = visit(operand.reuse.fetched_again, operand.reuse.opened_again);
  return std::max(visit(1, 1) - hidden, 0.0) + (operand.times - 1) * std::max(again - hidden, 0.0);
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
  cost.memory = rules_ == CostRules::kGemmini ? memory_cycles(tile, {inputs, spilled}, times)
                                              : cost.dram_bytes * cycles_per_byte_;

  const int first_block = std::min(tile[kC], target_.array_size);
  const double first_loads =
      first_block * (touched(tile[kP], 1, 1, 1, stride) * touched(tile[kQ], 1, 1, 1, stride) +
                     static_cast<double>(tile[kK]));
  const double last_stores = static_cast<double>(tile[kP]) * tile[kQ] * tile[kK];
  if (rules_ == CostRules::kGemmini) {
    const double along = static_cast<double>(tiles[kP]) * tiles[kQ];
    const double deep = static_cast<double>(tiles[kC]) * tiles[kR] * tiles[kS];
    const double per_tile = cost.compute / (along * deep * tiles[kK]);
    cost.stall =
        std::max(burst_cycles({inputs, times.inputs, tile[kC], extent[kC], input_reuse_},
                              along * deep * per_tile),
                 burst_cycles({weights_, times.weights, tile[kK], extent[kK], weight_reuse_},
                              deep * tiles[kK] * per_tile));
  }
  cost.cycles = fixed_cycles_ + std::max(cost.compute + cost.stall, cost.memory) +
                (first_loads + last_stores) * cycles_per_byte_;

  cost.energy_pj = macs_ * energies_.mac + (macs_ + preloaded) * energies_.pe_register +
                   (streamed * input_words + preloaded + loaded) * energies_.scratchpad +
                   (2 * streamed * output_words + outputs_ + 2 * spilled) * energies_.accumulator +
                   cost.dram_bytes * energies_.dram_byte +
                   cost.cycles * target_.static_pj_per_cycle;
  return cost;
}

}  // namespace paretoformer::accel_sim
