#include "accel_sim/mapper/mapping_search.hpp"

#include <limits>
#include <utility>

#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

// The best mapping so far.
class Best {
 public:
  Best(const Mapspace& mapspace, MappingObjective objective)
      : model_(mapspace.work(), mapspace.target()), objective_(objective) {}

  // Keeps it if it is better than all before; returns what it costs.
  double offer(const Mapping& mapping) {
    ++found_.evaluations;
    const MappingCost cost = model_(mapping);
    const double value = cost.of(objective_);
    if (value < lowest_) {
      lowest_ = value;
      found_.mapping = mapping;
      found_.cost = cost;
    }
    return value;
  }

  const FoundMapping& found() const { return found_; }

 private:
  MappingCostModel model_;
  MappingObjective objective_;
  double lowest_ = std::numeric_limits<double>::infinity();
  FoundMapping found_;
};

// Per dimension each tile once, with its largest inner factor.
PerDimension<std::vector<Split>> largest_inner(const Mapspace& mapspace) {
  PerDimension<std::vector<Split>> result;
  for (int d = 0; d < kDimensions; ++d)
    for (const Split& split : mapspace.splits(static_cast<Dimension>(d))) {
      if (!result[d].empty() && result[d].back().tile == split.tile) result[d].pop_back();
      result[d].push_back(split);
    }
  return result;
}

// Passes on every hundredth of a mapspace, and no more: a loop may report as often as it likes.
class Shares {
 public:
  explicit Shares(const ShareDone& done)
      : done_(done), next_(done ? kStep : std::numeric_limits<double>::infinity()) {}

  void report(double share) {
    if (share < next_ || share >= 1) return;  // end() tells of the whole
    next_ = share + kStep;
    done_(share);
  }
  void end() {
    if (done_) done_(1);
  }

 private:
  static constexpr double kStep = 0.01;
  const ShareDone& done_;
  double next_;
};

// Calls `visit` with every tile that fits. Dimensions from `d` on have their smallest split; what
// they have is the part of the mapspace from the share `begin` on that is `width` wide.
template <typename Visit>
void for_each_tile(const Mapspace& mapspace, const PerDimension<std::vector<Split>>& splits,
                   Mapping& mapping, int d, double begin, double width, Shares& shares,
                   const Visit& visit) {
  if (d == kDimensions) return visit(mapping);
  width /= static_cast<double>(splits[d].size());
  for (const Split& split : splits[d]) {
    split.set(mapping, d);
    if (!fits(mapping.tile, mapspace.work(), mapspace.target())) break;
    for_each_tile(mapspace, splits, mapping, d + 1, begin, width, shares, visit);
    shares.report(begin += width);
  }
  splits[d].front().set(mapping, d);
}

template <typename Visit>
void for_each_tile(const Mapspace& mapspace, const ShareDone& done, const Visit& visit) {
  const auto splits = largest_inner(mapspace);
  Mapping mapping;
  for (int d = 0; d < kDimensions; ++d) splits[d].front().set(mapping, d);
  Shares shares(done);
  for_each_tile(mapspace, splits, mapping, 0, 0, 1, shares, visit);
  shares.end();
}

// The innermost group is that of the tensor which stays.
constexpr std::array<PerDimension<std::uint8_t>, 3> kGroupOrders{{
    {kK, kC, kR, kS, kP, kQ},  // weights stay
    {kP, kQ, kC, kR, kS, kK},  // inputs stay
    {kP, kQ, kK, kC, kR, kS},  // outputs stay
}};

}  // namespace

FoundMapping best_mapping(const Mapspace& mapspace, MappingObjective objective,
                          const ShareDone& done) {
  Best best(mapspace, objective);
  for_each_tile(mapspace, done, [&](Mapping mapping) {
    for (const auto& order : kGroupOrders) {
      mapping.order = order;
      best.offer(mapping);
    }
  });
  return best.found();
}

FoundMapping best_library_mapping(const Mapspace& mapspace, MappingObjective objective,
                                  bool whole_lines) {
  if (!mapspace.work().is_matmul() || mapspace.factors() != Factors::kBlocks)
    throw InputError("mappings of the library: expected a matmul and whole blocks");
  Best best(mapspace, objective);
  const Workpiece& work = mapspace.work();
  const auto in_whole_lines = [&](const Mapping& mapping, Dimension d) {
    const int bits = d == kK ? work.weight_bits : kInt8Bits;
    return mapping.tile[d] % (kLineBytes * 8 / bits) == 0 || mapping.tile[d] == work.extent[d];
  };
  for_each_tile(mapspace, {}, [&](const Mapping& mapping) {
    if (whole_lines && !(in_whole_lines(mapping, kC) && in_whole_lines(mapping, kK))) return;
    const int size = mapspace.target().array_size;
    best.offer(
        library_mapping({ceil_divide(mapping.tile[kP], size), ceil_divide(mapping.tile[kC], size),
                         ceil_divide(mapping.tile[kK], size)},
                        work, mapspace.target()));
  });
  return best.found();
}

}  // namespace paretoformer::accel_sim
