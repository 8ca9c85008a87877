#include "bench/dosa_model.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <utility>

#include "accel_sim/mapper/mapspace.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr double kMacPj = 0.5608, kRegisterPj = 0.48746, kDramPj = 100;
constexpr double kDramWords = 8, kScratchpadWordsPerEdge = 2, kAccumulatorWordsPerColumn = 2;

bool touches_weights(int d) { return d != kP && d != kQ; }
bool touches_inputs(int d) { return d != kK; }
bool touches_outputs(int d) { return d == kP || d == kQ || d == kK; }

// How often a tensor's tiles are visited: by all loops outside the innermost of its own.
double visits(const Mapping& mapping, const PerDimension<double>& tiles, bool (*touches)(int)) {
  double times = 1;
  bool inside = true;
  for (std::size_t i = kDimensions; i-- > 0;) {
    const int d = mapping.order[i];
    inside = inside && (tiles[d] == 1 || !touches(d));
    if (!inside) times *= tiles[d];
  }
  return times;
}

// The innermost loop of more than one tile; -1: none.
int innermost_loop(const Mapping& mapping, const PerDimension<double>& tiles) {
  for (std::size_t i = kDimensions; i-- > 0;)
    if (tiles[mapping.order[i]] > 1) return mapping.order[i];
  return -1;
}

// Outputs for which a block of weights stays in the array.
double weight_reuse(const Mapping& mapping, const PerDimension<double>& tiles) {
  const auto& tile = mapping.tile;
  double reuse = static_cast<double>(tile[kP]) * tile[kQ];
  if (tile[kC] > mapping.inner[kC] || tile[kK] > mapping.inner[kK] || tile[kR] * tile[kS] > 1)
    return reuse;
  for (std::size_t i = kDimensions; i-- > 0;) {
    const int d = mapping.order[i];
    if (tiles[d] > 1 && touches_weights(d)) break;
    reuse *= tiles[d];
  }
  return reuse;
}

int largest_divisor(int number, int most) {
  int divisor = std::min(number, most);
  while (number % divisor != 0) --divisor;
  return divisor;
}

// One order for each innermost loop; the others of its group, which the same tensor lacks, follow.
constexpr std::array<PerDimension<std::uint8_t>, 6> kOrders{{{kC, kK, kR, kS, kQ, kP},
                                                             {kC, kK, kR, kS, kP, kQ},
                                                             {kP, kQ, kC, kR, kS, kK},
                                                             {kP, kQ, kK, kR, kS, kC},
                                                             {kP, kQ, kK, kC, kS, kR},
                                                             {kP, kQ, kK, kC, kR, kS}}};

template <typename Visit>
void for_each_tile(const Workpiece& work, const Visit& visit) {
  PerDimension<std::vector<int>> factors;
  for (int d = 0; d < kDimensions; ++d) factors[d] = divisors(work.extent[d]);
  PerDimension<std::size_t> at{};
  for (int d = 0; d < kDimensions;) {
    PerDimension<int> tile;
    for (int i = 0; i < kDimensions; ++i) tile[i] = factors[i][at[i]];
    visit(tile);
    for (d = 0; d < kDimensions && ++at[d] == factors[d].size(); ++d) at[d] = 0;
  }
}

struct Point {
  double cycles, energy;
};

double cross(const Point& a, const Point& b, const Point& c) {
  return (b.cycles - a.cycles) * (c.energy - a.energy) -
         (b.energy - a.energy) * (c.cycles - a.cycles);
}

// The corners of the lower left hull strictly between a and b, from a's side.
void add_corners(const Point& a, const Point& b, const std::vector<Point>& points,
                 std::vector<Point>& corners) {
  std::vector<Point> below;
  const Point* lowest = nullptr;
  double most = 0;
  for (const Point& point : points) {
    const double distance = -cross(a, b, point);
    if (distance <= 0) continue;
    below.push_back(point);
    if (distance > most) most = distance, lowest = &point;
  }
  if (!lowest) return;
  const Point corner = *lowest;
  add_corners(a, corner, below, corners);
  corners.push_back(corner);
  add_corners(corner, b, below, corners);
}

// From the fewest cycles to the least energy.
std::vector<Point> lower_hull(const std::vector<Point>& points) {
  if (points.empty()) return {};
  const auto by = [](auto first, auto second) {
    return [=](const Point& a, const Point& b) {
      return std::pair(a.*first, a.*second) < std::pair(b.*first, b.*second);
    };
  };
  const Point fast =
      *std::min_element(points.begin(), points.end(), by(&Point::cycles, &Point::energy));
  const Point frugal =
      *std::min_element(points.begin(), points.end(), by(&Point::energy, &Point::cycles));
  std::vector<Point> corners{fast};
  add_corners(fast, frugal, points, corners);
  if (frugal.cycles > fast.cycles) corners.push_back(frugal);
  return corners;
}

}  // namespace

DosaCost dosa_cost(const Workpiece& work, const Mapping& mapping, int array_size) {
  const auto& tile = mapping.tile;
  PerDimension<double> tiles;
  for (int d = 0; d < kDimensions; ++d)
    tiles[d] = static_cast<double>(work.extent[d]) / static_cast<double>(tile[d]);
  const double down = static_cast<double>(tile[kP] - 1) * work.stride + tile[kR];
  const double across = static_cast<double>(tile[kQ] - 1) * work.stride + tile[kS];
  const double weight_tile = static_cast<double>(tile[kR]) * tile[kS] * tile[kC] * tile[kK];
  const double input_tile = down * across * tile[kC];
  const double output_tile = static_cast<double>(tile[kP]) * tile[kQ] * tile[kK];

  const double weights = weight_tile * visits(mapping, tiles, touches_weights);
  double inputs = input_tile * visits(mapping, tiles, touches_inputs);
  const int innermost = innermost_loop(mapping, tiles);
  if (innermost == kP || innermost == kQ || innermost == kR || innermost == kS) {
    const double window = innermost == kP || innermost == kR ? down : across;
    const bool over_outputs = innermost == kP || innermost == kQ;
    const double shift = static_cast<double>(tile[innermost]) * (over_outputs ? work.stride : 1);
    const double count = tiles[innermost];
    inputs *= (window + (count - 1) * std::min(shift, window)) / (count * window);
  }
  const double stored = output_tile * visits(mapping, tiles, touches_outputs);
  const double macs = work.macs(), outputs = work.outputs();
  const double preloaded = macs / weight_reuse(mapping, tiles);
  const double dram = weights + inputs + 2 * stored - outputs;

  DosaCost cost;
  cost.scratchpad_bytes = weight_tile + input_tile;
  cost.column_words = output_tile / mapping.inner[kK];
  cost.scratchpad = preloaded + macs / mapping.inner[kK] + weights + inputs;
  cost.accumulator = 2 * macs / mapping.inner[kC] - outputs + stored;
  cost.fixed_pj = kMacPj * macs + kRegisterPj * (macs + preloaded) + kDramPj * dram;
  cost.cycles = std::max({macs / mapping.inner[kC] / mapping.inner[kK], dram / kDramWords,
                          cost.scratchpad / (kScratchpadWordsPerEdge * array_size),
                          cost.accumulator / (kAccumulatorWordsPerColumn * mapping.inner[kK])});
  return cost;
}

std::vector<DosaCost> dosa_mappings(const Workpiece& work, int array_size) {
  std::vector<DosaCost> costs;
  for_each_tile(work, [&](const PerDimension<int>& tile) {
    Mapping mapping;
    mapping.tile = tile;
    for (const Dimension d : {kC, kK}) mapping.inner[d] = largest_divisor(tile[d], array_size);
    for (const auto& order : kOrders) {
      if (work.extent[order.back()] == tile[order.back()] && &order != &kOrders.back()) continue;
      mapping.order = order;
      costs.push_back(dosa_cost(work, mapping, array_size));
    }
  });
  return costs;
}

DosaTotal best_total(const std::vector<std::vector<DosaCost>>& mappings,
                     const std::vector<int>& counts, const DosaHardware& hardware) {
  struct Step {
    double cycles, energy;  // of going to the next corner: more, and less
  };
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  DosaTotal total;
  std::vector<Step> steps;
  std::vector<Point> points;
  for (std::size_t layer = 0; layer < mappings.size(); ++layer) {
    points.clear();
    for (const DosaCost& cost : mappings[layer])
      if (cost.fits(hardware)) points.push_back({cost.cycles, cost.energy_pj(hardware)});
    const std::vector<Point> hull = lower_hull(points);
    if (hull.empty()) return {kInfinite, kInfinite};
    const int count = counts[layer];
    total.cycles += count * hull[0].cycles;
    total.energy_pj += count * hull[0].energy;
    for (std::size_t i = 1; i < hull.size(); ++i)
      steps.push_back({count * (hull[i].cycles - hull[i - 1].cycles),
                       count * (hull[i - 1].energy - hull[i].energy)});
  }
  // What saves the most energy for a cycle comes first: the corners of the sum, in turn.
  std::sort(steps.begin(), steps.end(),
            [](const Step& a, const Step& b) { return a.energy * b.cycles > b.energy * a.cycles; });
  DosaTotal best = total;
  for (const Step& step : steps) {
    total.cycles += step.cycles;
    total.energy_pj -= step.energy;
    if (total.edp() < best.edp()) best = total;
  }
  return best;
}

std::vector<DosaCost> random_dosa_mappings(const Workpiece& work, const DosaHardware& hardware,
                                           int count, Random& random) {
  struct Split {
    int tile, inner;
  };
  PerDimension<std::vector<Split>> splits;
  for (int d = 0; d < kDimensions; ++d)
    for (const int tile : divisors(work.extent[d]))
      for (const int inner : divisors(d == kC || d == kK ? tile : 1))
        if (inner <= hardware.array_size) splits[d].push_back({tile, inner});
  std::vector<DosaCost> costs;
  while (costs.size() < static_cast<std::size_t>(count)) {
    Mapping mapping;
    for (int d = 0; d < kDimensions; ++d) {
      const Split& split = splits[d][random.below(splits[d].size())];
      mapping.tile[d] = split.tile;
      mapping.inner[d] = split.inner;
    }
    for (std::size_t i = kDimensions - 1; i > 0; --i)
      std::swap(mapping.order[i], mapping.order[random.below(i + 1)]);
    const DosaCost cost = dosa_cost(work, mapping, hardware.array_size);
    if (cost.fits(hardware)) costs.push_back(cost);
  }
  return costs;
}

}  // namespace paretoformer::accel_sim
