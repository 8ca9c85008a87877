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
      entries_(std::make_unique<Entries>()) {}

LookupTable::LookupTable(const LookupTable& other)
    : hardware_hash_(other.hardware_hash_),
      model_(other.model_),
      pricer_(other.pricer_),
      time_unit_(other.time_unit_),
      entries_(std::make_unique<Entries>(*other.entries_)) {}

LookupTable::LookupTable(LookupTable&& other)
    : hardware_hash_(other.hardware_hash_),
      model_(std::move(other.model_)),
      pricer_(std::move(other.pricer_)),
      time_unit_(other.time_unit_),
      entries_(std::exchange(other.entries_, std::make_unique<Entries>())) {}

LookupTable& LookupTable::operator=(LookupTable other) noexcept {
  std::swap(hardware_hash_, other.hardware_hash_);
  std::swap(model_, other.model_);
  std::swap(pricer_, other.pricer_);
  std::swap(time_unit_, other.time_unit_);
  std::swap(entries_, other.entries_);
  return *this;
}

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
