// How much mappings differ: the costs of uniformly drawn ones.
#pragma once

#include <cstdint>
#include <vector>

#include "accel_sim/mapper/mapping_cost.hpp"
#include "accel_sim/mapper/mapspace.hpp"

namespace paretoformer::accel_sim {

// Of the objective over random valid mappings. What the survey prints (Sec. 5.5) is relative to the
// best of the samples.
struct MappingSpread {
  std::vector<double> costs;  // rising
  std::int64_t draws = 0;     // of which so many samples were valid

  double best() const { return costs.front(); }
  double worst() const { return costs.back(); }
  // The cost that a tenth of the samples does not exceed, over `reference`.
  double tenth_percentile_over(double reference) const;
  // Share of samples that cost at most `factor` times the reference.
  double share_within(double factor, double reference) const;
  // Decimal logarithm of worst over best.
  double orders_of_magnitude() const;
};

// There is a sample at least.
MappingSpread mapping_spread(const Mapspace& mapspace, MappingObjective objective,
                             std::int64_t samples, std::uint64_t seed,
                             CostRules rules = CostRules::kGemmini, const ShareDone& done = {});

}  // namespace paretoformer::accel_sim
