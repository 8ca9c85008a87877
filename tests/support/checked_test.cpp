#include "support/checked.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace paretoformer {
namespace {

std::int64_t product(const std::vector<std::int64_t>& factors) {
  return checked_product(factors, "tensor a");
}

TEST(CheckedProduct, IsExactUpToTheLargestInteger) {
  static_assert(checked_product(std::array<std::int64_t, 3>{2, 3, 7}, "") == 42);
  EXPECT_EQ(product({}), 1);
  EXPECT_EQ(product({INT64_MAX}), INT64_MAX);
  EXPECT_EQ(product({1, INT64_MAX, 1}), INT64_MAX);
  EXPECT_EQ(product({std::int64_t{1} << 31, std::int64_t{1} << 31}), std::int64_t{1} << 62);
  EXPECT_EQ(product({0, INT64_MAX, INT64_MAX}), 0);
  EXPECT_EQ(product({INT64_MAX, 0}), 0);
}

TEST(CheckedProduct, NamesWhatIsTooLarge) {
  for (const std::vector<std::int64_t>& factors :
       {std::vector<std::int64_t>{65536, 65536, 65536, 65536},  // 2^64, 0 in 64 bits
        {std::int64_t{1} << 32, std::int64_t{1} << 31},
        {3, INT64_MAX / 2},
        {INT64_MAX, INT64_MAX, 0}}) {
    try {
      product(factors);
      ADD_FAILURE() << "no error";
    } catch (const InputError& error) {
      EXPECT_STREQ(error.what(), "tensor a is too large: its sizes multiply to more than 2^63 - 1");
    }
  }
}

}  // namespace
}  // namespace paretoformer
