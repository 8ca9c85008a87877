#include "latency_predictor/lookup_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "support/error.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kHardware = 0x1234;

accel_sim::HardwareCost made_up_price(const accel_sim::Operator& op) {
  return {accel_sim::Cycles(op.rows * 1000 + op.columns), accel_sim::Picojoules(op.inner + 0.125)};
}

TEST(LookupTable, FillsOnDemandAndOnce) {
  int calls = 0;
  const LookupTable table(kHardware, "made_up", [&calls](const accel_sim::Operator& op) {
    ++calls;
    return made_up_price(op);
  });
  const accel_sim::Operator op = accel_sim::matmul(32, 64, 48);
  EXPECT_EQ(table.cost(op), made_up_price(op));
  EXPECT_EQ(table.cost(op), made_up_price(op));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(table.size(), 1U);
}

TEST(LookupTable, UnknownOperatorsAreNeverFree) {
  const LookupTable table(kHardware, "made_up");
  try {
    table.cost(accel_sim::matmul(32, 64, 48));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("matmul weights - 32 64 48"));
  }
}

TEST(LookupTable, AnInsertedPriceStays) {
  LookupTable table(kHardware, "measured");
  const accel_sim::Operator op = accel_sim::matmul(32, 64, 48),
                            other = accel_sim::matmul(16, 64, 48);
  EXPECT_TRUE(table.insert(op, made_up_price(op)));
  EXPECT_FALSE(table.insert(op, {}));
  EXPECT_TRUE(table.insert(other, made_up_price(other)));
  EXPECT_EQ(table.cost(op), made_up_price(op));
  const auto entries = table.entries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].first, other);  // "... 16 ..." before "... 32 ..."
  EXPECT_EQ(entries[1].first, op);
}

TEST(LookupTable, CopiesAreApartAndWhatWasMovedFromMayBeAssigned) {
  const accel_sim::Operator op = accel_sim::matmul(32, 64, 48),
                            other = accel_sim::matmul(16, 64, 48);
  LookupTable table(kHardware, "measured");
  table.insert(op, made_up_price(op));
  LookupTable copy = table;
  copy.insert(other, made_up_price(other));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(copy.size(), 2U);
  const LookupTable moved = std::move(copy);
  EXPECT_EQ(moved.cost(other), made_up_price(other));
  copy = moved;
  EXPECT_EQ(copy.cost(op), made_up_price(op));
  table = std::move(copy);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.model(), "measured");
}

}  // namespace
}  // namespace paretoformer::latency_predictor
