#include "accel_sim/mapper/mapspace.hpp"

#include <algorithm>

namespace paretoformer {
namespace {

std::vector<int> divisors(int n) {
  std::vector<int> low, high;
  for (int d = 1; d <= n / d; ++d) {
    if (n % d != 0) continue;
    low.push_back(d);
    if (d != n / d) high.push_back(n / d);
  }
  low.insert(low.end(), high.rbegin(), high.rend());
  return low;
}

std::vector<Split> perfect_splits(Dimension d, int extent, int array_size) {
  std::vector<Split> splits;
  for (const int tile : divisors(extent)) {
    if (d == kR || d == kS) {
      splits.push_back({tile, 1});
      continue;
    }
    const bool spatial = d == kC || d == kK;
    for (const int inner : divisors(tile))
      if (!spatial || inner <= array_size) splits.push_back({tile, inner});
  }
  return splits;
}

// For each number of tiles the smallest tile, of whole units: about 2 sqrt(extent / unit) tiles.
std::vector<Split> block_splits(Dimension d, int extent, int array_size) {
  const bool spatial = d == kC || d == kK;
  const int unit = spatial ? array_size : 1;
  const int units = ceil_divide(extent, unit);
  std::vector<Split> splits;
  for (int size = 1; size <= units;) {
    const int tiles = ceil_divide(units, size);
    const int smallest = ceil_divide(units, tiles);
    const int tile =
        static_cast<int>(std::min<std::int64_t>(std::int64_t{smallest} * unit, extent));
    const int inner = d == kR || d == kS ? 1 : spatial ? std::min(unit, tile) : tile;
    splits.push_back({tile, inner});
    if (tiles == 1) break;
    size = ceil_divide(units, tiles - 1);
  }
  return splits;
}

}  // namespace

const char* name(Factors factors) { return factors == Factors::kPerfect ? "perfect" : "blocks"; }

Mapspace::Mapspace(const Workpiece& work, const Hardware& hardware, Factors factors)
    : work_(work), hardware_(hardware), factors_(factors) {
  std::vector<std::uint8_t> still, loops;
  for (int i = 0; i < kDimensions; ++i) {
    const auto d = static_cast<Dimension>(i);
    splits_[d] = (factors == Factors::kPerfect ? perfect_splits : block_splits)(
        d, work.extent[d], hardware.array_size);
    (work.extent[d] == 1 ? still : loops).push_back(d);
  }
  do {
    PerDimension<std::uint8_t> order;
    std::copy(loops.begin(), loops.end(), std::copy(still.begin(), still.end(), order.begin()));
    orders_.push_back(order);
  } while (std::next_permutation(loops.begin(), loops.end()));
}

double Mapspace::size() const {
  auto mappings = static_cast<double>(orders_.size());
  for (const auto& splits : splits_) mappings *= static_cast<double>(splits.size());
  return mappings;
}

Mapping Mapspace::draw(Random& random) const {
  Mapping mapping;
  for (int d = 0; d < kDimensions; ++d) {
    if (splits_[d].size() == 1) {
      mapping.tile[d] = splits_[d][0].tile;
      mapping.inner[d] = splits_[d][0].inner;
      continue;
    }
    const Split& split = splits_[d][random.below(splits_[d].size())];
    mapping.tile[d] = split.tile;
    mapping.inner[d] = split.inner;
  }
  mapping.order = orders_[random.below(orders_.size())];
  return mapping;
}

Mapping Mapspace::sample(Random& random, std::int64_t* draws) const {
  Mapping mapping;
  do {
    if (draws != nullptr) ++*draws;
    mapping = draw(random);
  } while (!fits(mapping.tile, work_, hardware_));
  return mapping;
}

}  // namespace paretoformer
