#include "latency_predictor/lookup_table.hpp"

#include <tbb/concurrent_unordered_map.h>

#include <algorithm>
#include <utility>

#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer::latency_predictor {

double latency_in(TimeUnit unit, const accel_sim::HardwareCost& cost) {
  constexpr double kFemtosecondsPerNanosecond = 1e6;
  const auto count = static_cast<double>(cost.latency.value());
  return unit == TimeUnit::kFemtoseconds ? count / kFemtosecondsPerNanosecond : count;
}

// A cache: two threads that miss together compute the same price twice, and one copy stays.
struct LookupTable::Entries
    : tbb::concurrent_unordered_map<accel_sim::Operator, accel_sim::HardwareCost,
                                    accel_sim::OperatorHash> {};

LookupTable::LookupTable(std::uint64_t hardware_hash, std::string model,
                         accel_sim::OperatorPricer pricer, TimeUnit time_unit)
    : hardware_hash_(hardware_hash),
      model_(std::move(model)),
      pricer_(std::move(pricer)),
      time_unit_(time_unit),
      entries_(new Entries) {}

LookupTable::LookupTable(const LookupTable& other) = default;
LookupTable::LookupTable(LookupTable&& other) noexcept = default;
LookupTable& LookupTable::operator=(const LookupTable& other) = default;
LookupTable& LookupTable::operator=(LookupTable&& other) noexcept = default;
LookupTable::~LookupTable() = default;

std::size_t LookupTable::size() const { return entries_->size(); }

accel_sim::HardwareCost LookupTable::cost(const accel_sim::Operator& op) const {
  if (const auto entry = entries_->find(op); entry != entries_->end()) return entry->second;
  if (!pricer_)
    throw Error("the look-up table for hardware " + hex(hardware_hash_) + " has no entry for \"" +
                describe(op) + "\" and no model to compute one");
  return entries_->emplace(op, pricer_(op)).first->second;
}

bool LookupTable::insert(const accel_sim::Operator& op, const accel_sim::HardwareCost& cost) {
  return entries_->emplace(op, cost).second;
}

std::vector<std::pair<accel_sim::Operator, accel_sim::HardwareCost>> LookupTable::entries() const {
  std::vector<std::pair<accel_sim::Operator, accel_sim::HardwareCost>> sorted(entries_->begin(),
                                                                              entries_->end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return describe(a.first) < describe(b.first); });
  return sorted;
}

}  // namespace paretoformer::latency_predictor
