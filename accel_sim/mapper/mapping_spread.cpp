#include "accel_sim/mapper/mapping_spread.hpp"

#include <algorithm>
#include <cmath>

namespace paretoformer::accel_sim {
namespace {

constexpr std::int64_t kSamplesPerReport = 4096;

}  // namespace

double MappingSpread::tenth_percentile_over(double reference) const {
  return costs[(costs.size() - 1) / 10] / reference;
}

double MappingSpread::share_within(double factor, double reference) const {
  const auto end = std::upper_bound(costs.begin(), costs.end(), factor * reference);
  return static_cast<double>(end - costs.begin()) / static_cast<double>(costs.size());
}

double MappingSpread::orders_of_magnitude() const { return std::log10(worst() / best()); }

MappingSpread mapping_spread(const Mapspace& mapspace, MappingObjective objective,
                             std::int64_t samples, std::uint64_t seed, CostRules rules,
                             const ShareDone& done) {
  const MappingCostModel model(mapspace.work(), mapspace.target(), rules);
  Random random(seed);
  MappingSpread spread;
  spread.costs.reserve(static_cast<std::size_t>(samples));
  for (std::int64_t i = 0; i < samples; ++i) {
    if (done && i % kSamplesPerReport == 0)
      done(static_cast<double>(i) / static_cast<double>(samples));
    spread.costs.push_back(model(mapspace.sample(random, &spread.draws)).of(objective));
  }
  if (done) done(1);
  std::sort(spread.costs.begin(), spread.costs.end());
  return spread;
}

}  // namespace paretoformer::accel_sim
