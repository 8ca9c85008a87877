#include "accel_sim/mapper/mapspace.hpp"

#include <algorithm>

namespace paretoformer::accel_sim {

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

namespace {

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

// Tiles of every number of whole blocks.
std::vector<int> whole_blocks(int extent, int size) {
  std::vector<int> tiles;
  for (int tile = size; tile < extent; tile += size) tiles.push_back(tile);
  tiles.push_back(extent);
  return tiles;
}

// For each number of tiles the smallest: about 2 sqrt(extent).
std::vector<int> smallest_tiles(int extent) {
  std::vector<int> tiles;
  for (int count = extent; count > 0;) {
    const int tile = ceil_divide(extent, count);
    tiles.push_back(tile);
    if (tile == extent) break;
    count = ceil_divide(extent, tile) - 1;
  }
  return tiles;
}

std::vector<Split> block_splits(Dimension d, const Workpiece& work, int array_size) {
  const int extent = work.extent[d];
  const bool channels = d == kC || d == kK;
  const bool blocks = channels || (d == kP && work.is_matmul());
  std::vector<Split> splits;
  for (const int tile : blocks ? whole_blocks(extent, array_size) : smallest_tiles(extent)) {
    const int inner = channels ? std::min(array_size, tile) : d == kP || d == kQ ? tile : 1;
    splits.push_back({tile, inner});
  }
  return splits;
}

}  // namespace

Mapspace::Mapspace(const Workpiece& work, const Target& target, Factors factors)
    : work_(work), target_(target), factors_(factors) {
  std::vector<std::uint8_t> still, loops;
  for (int i = 0; i < kDimensions; ++i) {
    const auto d = static_cast<Dimension>(i);
    splits_[d] = factors == Factors::kPerfect ? perfect_splits(d, work.extent[d], target.array_size)
                                              : block_splits(d, work, target.array_size);
    (work.extent[d] == 1 ? still : loops).push_back(d);
  }
  drop_hopeless_splits();
  do {
    PerDimension<std::uint8_t> order;
    std::copy(loops.begin(), loops.end(), std::copy(still.begin(), still.end(), order.begin()));
    orders_.push_back(order);
  } while (std::next_permutation(loops.begin(), loops.end()));
}

void Mapspace::drop_hopeless_splits() {
  PerDimension<int> smallest;
  for (int d = 0; d < kDimensions; ++d) smallest[d] = splits_[d].front().tile;
  for (int d = 0; d < kDimensions; ++d)
    std::erase_if(splits_[d], [&](const Split& split) {
      PerDimension<int> tile = smallest;
      tile[d] = split.tile;
      return !fits(tile, work_, target_);
    });
}

double Mapspace::size() const {
  auto mappings = static_cast<double>(orders_.size());
  for (const auto& splits : splits_) mappings *= static_cast<double>(splits.size());
  return mappings;
}

Mapping Mapspace::draw(Random& random) const {
  Mapping mapping;
  for (int d = 0; d < kDimensions; ++d) {
    const std::size_t count = splits_[d].size();
    splits_[d][count == 1 ? 0 : random.below(count)].set(mapping, d);
  }
  mapping.order = orders_[random.below(orders_.size())];
  return mapping;
}

Mapping Mapspace::sample(Random& random, std::int64_t* draws) const {
  Mapping mapping;
  do {
    if (draws != nullptr) ++*draws;
    mapping = draw(random);
  } while (!fits(mapping.tile, work_, target_));
  return mapping;
}

}  // namespace paretoformer::accel_sim
