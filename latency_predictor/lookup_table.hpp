// What every operator costs on one accelerator, filled on demand from a model or from measurements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/workload/operators.hpp"
#include "support/owned.hpp"

namespace paretoformer::latency_predictor {

// What the latencies of a table count: cycles of the accelerator, or the time that a device took.
// Both are whole numbers, so that sums are exact.
enum class TimeUnit { kCycles, kFemtoseconds };

// The latency of a cost that is counted in `unit`: cycles, or nanoseconds of what took time.
double latency_in(TimeUnit unit, const accel_sim::HardwareCost& cost);

class LookupTable {
 public:
  // A table of prices from the model named `model` (one word) for the hardware of that hash.
  // Without a pricer it holds what is inserted and nothing else.
  LookupTable(std::uint64_t hardware_hash, std::string model,
              accel_sim::OperatorPricer pricer = nullptr, TimeUnit time_unit = TimeUnit::kCycles);
  // A table that was moved from may be assigned or destroyed.
  LookupTable(const LookupTable& other);
  LookupTable(LookupTable&& other) noexcept;
  LookupTable& operator=(const LookupTable& other);
  LookupTable& operator=(LookupTable&& other) noexcept;
  ~LookupTable();

  // The price of `op`, from the table or else from the pricer. Threads may call it at any time;
  // what is in the table is found without a lock or an allocation. Throws Error naming the operator
  // when it is in neither.
  accel_sim::HardwareCost cost(const accel_sim::Operator& op) const;

  // Adds a price. False, and nothing changed, when the operator has one.
  bool insert(const accel_sim::Operator& op, const accel_sim::HardwareCost& cost);

  std::uint64_t hardware_hash() const { return hardware_hash_; }
  const std::string& model() const { return model_; }
  TimeUnit time_unit() const { return time_unit_; }
  std::size_t size() const;
  // Sorted by description; not while others fill it.
  std::vector<std::pair<accel_sim::Operator, accel_sim::HardwareCost>> entries() const;

 private:
  struct Entries;  // in the source, for the sake of those who include this

  std::uint64_t hardware_hash_;
  std::string model_;
  accel_sim::OperatorPricer pricer_;
  TimeUnit time_unit_;
  Owned<Entries> entries_;
};

}  // namespace paretoformer::latency_predictor
