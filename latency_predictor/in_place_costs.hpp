// What operators cost at their places in networks: earlier operators leave their results in L2, and
// heads lie in rows of all heads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/workload/operators.hpp"
#include "support/random.hpp"

namespace paretoformer::latency_predictor {

// An operator at a place where it runs `repeat` times (as many heads lie in one row of queries), in
// the first layer, which finds nothing of its buffers in L2, or elsewhere.
struct PlacedOperator {
  accel_sim::Operator op;
  std::int64_t repeat = 1;
  bool first = false;

  bool operator==(const PlacedOperator&) const = default;
};
// The place of an operator of transformer_operators().
inline PlacedOperator placed(const accel_sim::TransformerOperator& item) {
  return {item.op, item.repeat, item.layer == 0};
}
struct PlacedOperatorHash {
  std::size_t operator()(const PlacedOperator& at) const {
    return mix64(accel_sim::OperatorHash{}(at.op) ^ static_cast<std::uint64_t>(at.repeat) << 1 ^
                 static_cast<std::uint64_t>(at.first));
  }
};

// The cost of one run, by role, where it is known.
struct InPlaceCosts
    : std::map<std::string,
               std::unordered_map<PlacedOperator, accel_sim::HardwareCost, PlacedOperatorHash>,
               std::less<>> {};

}  // namespace paretoformer::latency_predictor
