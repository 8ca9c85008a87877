#include "accel_sim/mapper/mapping_cost.hpp"

#include <algorithm>

#include "accel_sim/timing.hpp"
#include "support/error.hpp"

namespace paretoformer {
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

// The DMA's requests for `bytes` in rows of a tile, each `width` bytes of rows of `stride`: a piece
// of 64 bytes or less touches one line, and the one after as often as its alignment has it (on
// average (piece - alignment) / 64).
double requests(double bytes, int width, int stride) {
  constexpr int kLine = 64;
  const int aligned = width | stride | kLine;
  const int alignment = aligned & -aligned;
  const double pieces = ceil_divide(width, kLine);
  return bytes / width * (pieces + (width - pieces * alignment) / kLine);
}

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

MappingCostModel::MappingCostModel(const Workpiece& work, const Hardware& hardware, CostRules rules)
    : work_(work),
      hardware_(hardware),
      energies_(hardware),
      rules_(rules),
      macs_(work.macs()),
      weights_(work.weights()),
      outputs_(work.outputs()),
      bytes_per_cycle_(hardware.dram_bytes_per_cycle),
      cycles_per_request_(rules == CostRules::kGemmini
                              ? static_cast<double>(hardware.bus_latency_cycles +
                                                    hardware.l2_hit_cycles +
                                                    hardware.dram_latency_cycles) /
                                    hardware.requests_in_flight
                              : 0),
      fixed_cycles_(hardware.call_overhead_cycles + hardware.dram_latency_cycles +
                    array_latency(hardware.array_size)) {
  if (hardware.dataflow != Dataflow::kWeightStationary)
    throw InputError("the mapper knows weight-stationary arrays: expected dataflow " +
                     std::string("weight_stationary"));
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
  if (hardware_.operand_reuse) {
    const double deep = static_cast<double>(tiles[kC]) * tiles[kR] * tiles[kS];
    if (deep * tiles[kP] * tiles[kQ] <= 2) times[kInputs] = 1;
    if (deep * tiles[kK] <= 2) times[kWeights] = 1;
  }
  return {times[kInputs], times[kWeights], times[kOutputs]};
}

MappingCost MappingCostModel::operator()(const Mapping& mapping) const {
  const auto& extent = work_.extent;
  const auto& tile = mapping.tile;
  const int stride = work_.stride;
  PerDimension<int> tiles;
  for (int d = 0; d < kDimensions; ++d) tiles[d] = ceil_divide(extent[d], tile[d]);
  const Visits times = visits(mapping, tiles);

  const double inputs = touched(extent[kP], tiles[kP], extent[kR], tiles[kR], stride) *
                        touched(extent[kQ], tiles[kQ], extent[kS], tiles[kS], stride) * extent[kC] *
                        times.inputs;
  const double weights = weights_ * times.weights;
  const double loaded = inputs + weights;
  const double spilled = outputs_ * (times.outputs - 1);  // sums, out and in again

  // Words of a row of the scratchpad and of the accumulator, and the shortest stream of outputs.
  const bool whole_rows = rules_ == CostRules::kGemmini;
  const double input_words = whole_rows ? hardware_.array_size : mapping.inner[kC];
  const double output_words = whole_rows ? hardware_.array_size : mapping.inner[kK];
  const double shortest = whole_rows ? hardware_.array_size : 1;
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
  // Channels lie next to each other: rows of inputs are C wide, those of weights and sums K.
  const double read_requests = requests(inputs, tile[kC], extent[kC]) +
                               requests(weights, tile[kK], extent[kK]) +
                               requests(4 * spilled, 4 * tile[kK], 4 * extent[kK]);
  const double write_requests = requests(outputs_, tile[kK], extent[kK]) +
                                requests(4 * spilled, 4 * tile[kK], 4 * extent[kK]);
  cost.memory = std::max(cost.dram_bytes / bytes_per_cycle_,
                         std::max(read_requests, write_requests) * cycles_per_request_);

  const int first_block = std::min(tile[kC], hardware_.array_size);
  const double first_loads =
      first_block * (touched(tile[kP], 1, 1, 1, stride) * touched(tile[kQ], 1, 1, 1, stride) +
                     static_cast<double>(tile[kK]));
  const double last_stores = static_cast<double>(tile[kP]) * tile[kQ] * tile[kK];
  cost.cycles = fixed_cycles_ + std::max(cost.compute, cost.memory) +
                (first_loads + last_stores) / bytes_per_cycle_;

  cost.energy_pj = macs_ * energies_.mac + (macs_ + preloaded) * energies_.pe_register +
                   (streamed * input_words + preloaded + loaded) * energies_.scratchpad +
                   (2 * streamed * output_words + outputs_ + 2 * spilled) * energies_.accumulator +
                   cost.dram_bytes * energies_.dram_byte +
                   cost.cycles * hardware_.static_pj_per_cycle;
  return cost;
}

}  // namespace paretoformer
