// What the exact search of mappings is held against.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "accel_sim/mapper/mapping_search.hpp"

namespace paretoformer::accel_sim {

inline void set(Mapping& mapping, int d, const Split& split) {
  mapping.tile[d] = split.tile;
  mapping.inner[d] = split.inner;
}

// The best mapping so far.
class BestFound {
 public:
  BestFound(const Mapspace& mapspace, MappingObjective objective)
      : model_(mapspace.work(), mapspace.target()), objective_(objective) {}

  double offer(const Mapping& mapping) {
    const MappingCost cost = model_(mapping);
    const double value = cost.of(objective_);
    if (found_.evaluations++ == 0 || value < found_.cost.of(objective_)) {
      found_.mapping = mapping;
      found_.cost = cost;
    }
    return value;
  }

  const FoundMapping& found() const { return found_; }

 private:
  MappingCostModel model_;
  MappingObjective objective_;
  FoundMapping found_;
};

// Every choice of one split per dimension, valid or not.
template <typename Visit>
void for_each_choice(const Mapspace& mapspace, Mapping& mapping, int d, const Visit& visit) {
  if (d == kDimensions) return visit(mapping);
  for (const Split& split : mapspace.splits(static_cast<Dimension>(d))) {
    set(mapping, d, split);
    for_each_choice(mapspace, mapping, d + 1, visit);
  }
}

// Offers the neighbours of the mapping at `at` (an index per dimension and one of the order) until
// one is better, and moves there.
class Neighbourhood {
 public:
  using Place = std::array<std::size_t, kDimensions + 1>;

  Neighbourhood(const Mapspace& mapspace, BestFound& best, std::int64_t evaluations)
      : mapspace_(mapspace), best_(best), evaluations_(evaluations) {}

  bool exhausted() const { return best_.found().evaluations >= evaluations_; }

  void descend(Place at) {
    double cost = best_.offer(mapping_at(at));
    for (bool moved = true; moved && !exhausted();) {
      moved = false;
      for (int d = 0; d <= kDimensions && !moved; ++d) moved = move(at, d, cost);
    }
  }

  Place random_place(Random& random) const {
    Place at;
    do {
      for (int d = 0; d <= kDimensions; ++d) at[d] = random.below(choices(d));
    } while (!fits(mapping_at(at).tile, mapspace_.work(), mapspace_.target()));
    return at;
  }

 private:
  std::size_t choices(int d) const {
    return d == kDimensions ? mapspace_.orders().size()
                            : mapspace_.splits(static_cast<Dimension>(d)).size();
  }

  Mapping mapping_at(const Place& at) const {
    Mapping mapping;
    for (int d = 0; d < kDimensions; ++d)
      set(mapping, d, mapspace_.splits(static_cast<Dimension>(d))[at[d]]);
    mapping.order = mapspace_.orders()[at[kDimensions]];
    return mapping;
  }

  bool take_if_better(Place& at, const Place& next, double& cost) {
    const Mapping mapping = mapping_at(next);
    if (exhausted() || !fits(mapping.tile, mapspace_.work(), mapspace_.target())) return false;
    const double there = best_.offer(mapping);
    if (!(there < cost)) return false;
    at = next;
    cost = there;
    return true;
  }

  // Any other order; the split before or after.
  bool move(Place& at, int d, double& cost) {
    for (std::size_t choice = 0; choice < choices(d); ++choice) {
      const bool neighbour = d == kDimensions || choice + 1 == at[d] || choice == at[d] + 1;
      if (!neighbour || choice == at[d]) continue;
      Place next = at;
      next[d] = choice;
      if (take_if_better(at, next, cost)) return true;
    }
    return false;
  }

  const Mapspace& mapspace_;
  BestFound& best_;
  std::int64_t evaluations_;
};

// By cost alone: every mapping of the mapspace, one by one.
inline FoundMapping best_by_brute_force(const Mapspace& mapspace, MappingObjective objective) {
  BestFound best(mapspace, objective);
  Mapping choice;
  for_each_choice(mapspace, choice, 0, [&](Mapping mapping) {
    if (!fits(mapping.tile, mapspace.work(), mapspace.target())) return;
    for (const auto& order : mapspace.orders()) {
      mapping.order = order;
      best.offer(mapping);
    }
  });
  return best.found();
}

// From uniform samples, downhill: the first better neighbour is taken, where neighbours have the
// next smaller or larger split of one dimension or another order of loops; from a mapping without
// better ones it starts anew. At most so many evaluations.
inline FoundMapping local_search(const Mapspace& mapspace, MappingObjective objective,
                                 std::int64_t evaluations, std::uint64_t seed) {
  BestFound best(mapspace, objective);
  Neighbourhood neighbourhood(mapspace, best, evaluations);
  Random random(seed);
  while (!neighbourhood.exhausted()) neighbourhood.descend(neighbourhood.random_place(random));
  return best.found();
}

}  // namespace paretoformer::accel_sim
