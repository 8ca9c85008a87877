// What every operator costs on one hardware, filled on demand from a model and kept in a file.
#pragma once

#include <tbb/concurrent_unordered_map.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "accel_sim/hardware_cost.hpp"
#include "accel_sim/operators.hpp"

namespace paretoformer {

// A cost model: the price of running an operator once. Must be a pure function, and callable from
// several threads at once.
using OperatorPricer = std::function<HardwareCost(const Operator&)>;

class LookupTable {
 public:
  // A table of prices from the model named `model` (one word) for the hardware of that hash.
  // Without a pricer it holds what read() finds and nothing else.
  LookupTable(std::uint64_t hardware_hash, std::string model, OperatorPricer pricer = nullptr);

  // The price of `op`, from the table or else from the pricer. Threads may call it at any time.
  // Throws Error when the operator is in neither.
  HardwareCost cost(const Operator& op) const;

  std::uint64_t hardware_hash() const { return hardware_hash_; }
  const std::string& model() const { return model_; }
  std::size_t size() const { return entries_.size(); }

  // A text file: version, model, hardware, units and number of entries; a line per operator,
  // sorted; a checksum. Equal tables give equal files. Throws Error naming the path when it cannot.
  void write(const std::filesystem::path& path) const;

  // Adds the entries of a file. Throws InputError naming it, and changes nothing, when it was made
  // for other hardware or by another model, or was cut short or edited.
  void read(const std::filesystem::path& path);

 private:
  std::uint64_t hardware_hash_;
  std::string model_;
  OperatorPricer pricer_;
  // A cache: two threads that miss together compute the same price twice, and one copy stays.
  mutable tbb::concurrent_unordered_map<Operator, HardwareCost, OperatorHash> entries_;
};

}  // namespace paretoformer
