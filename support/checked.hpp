// Products of sizes that come from outside, where an overflow is an error and not another number.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "support/error.hpp"

namespace paretoformer {

// The product of factors >= 0 (1 of none). Throws InputError naming `what` when it, or that of the
// first few of them, is beyond 2^63 - 1.
constexpr std::int64_t checked_product(std::span<const std::int64_t> factors,
                                       std::string_view what) {
  std::int64_t product = 1;
  for (const std::int64_t factor : factors) {
    if (product > 0 && factor > INT64_MAX / product)
      throw InputError(std::string(what) +
                       " is too large: its sizes multiply to more than 2^63 - 1");
    product *= factor;
  }
  return product;
}

}  // namespace paretoformer
