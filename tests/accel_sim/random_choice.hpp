// Random shapes and hardware, number by number.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "support/random.hpp"

namespace paretoformer::accel_sim {

template <typename T>
T pick(Random& random, std::initializer_list<T> values) {
  return *(values.begin() + random.below(values.size()));
}

// From `low` to `high`, both included.
inline int between(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

}  // namespace paretoformer::accel_sim
