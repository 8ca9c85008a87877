// Hardware that a search may choose: values for some parameters of a target, in any combination.
#pragma once

#include <string>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::accel_sim {

// A combination is the number of a value, from 1, for every key in turn; keys are in the order of
// the target's parameters, whatever theirs in the file. Without keys there is nothing to choose.
class HardwareSpace {
 public:
  // Combinations that are accepted: each has a predictor of its own where a search meets it.
  static constexpr std::int64_t kMost = 4096;

  HardwareSpace() = default;
  // Reads {"array_size": [8, 16], "nonlinear_units": ["host", "on_chip"]}, over `base`. Throws
  // InputError, also when a combination is no target: all of them are checked.
  static HardwareSpace from_json(const JsonNode& node, const Target& base);
  Json to_json() const;
  static Json schema();

  bool empty() const { return keys_.empty(); }
  // How many values there are of every key.
  std::vector<int> choices() const;
  std::vector<std::vector<int>> combinations() const;

  // The target of a combination. Throws Error for what is none.
  Target at(const std::vector<int>& combination) const;
  // {"array_size": 16, "nonlinear_units": "host"}
  Json values(const std::vector<int>& combination) const;
  // "array_size 16, nonlinear_units host"
  std::string describe(const std::vector<int>& combination) const;

 private:
  struct Key {
    std::string name;
    std::vector<std::string> values;  // as JSON
  };

  Target base_;
  std::vector<Key> keys_;
};

}  // namespace paretoformer::accel_sim
