// The extreme sums of integer arithmetic.
#pragma once

#include <cstdint>
#include <limits>

namespace paretoformer::supernet {

inline constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
inline constexpr std::int32_t kHighest = std::numeric_limits<std::int32_t>::max();

}  // namespace paretoformer::supernet
