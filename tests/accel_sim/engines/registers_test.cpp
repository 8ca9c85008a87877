#include "accel_sim/engines/registers.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

// Whatever the order in which requests end.
TEST(Registers, TheNextRequestTakesTheOneThatIsFreeFirst) {
  for (const int size : {1, 2, 7}) {
    Registers registers(size);
    std::multiset<std::int64_t> free;
    for (int i = 0; i < size; ++i) free.insert(0);
    Random random(2);
    for (int i = 0; i < 300; ++i) {
      ASSERT_EQ(registers.first(), *free.begin());
      const auto until = static_cast<std::int64_t>(10 * i + random.below(200));
      registers.take(until);
      free.erase(free.begin());
      free.insert(until);
    }
  }
}

// Those that are taken until nobody knows when are none of the free ones, in whatever order it is
// said then.
TEST(Registers, MayBeTakenBeforeItIsKnownUntilWhen) {
  constexpr int kSize = 5;
  Registers registers(kSize);
  std::multiset<std::int64_t> free{0, 0, 0, 0, 0};
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const bool take = free.size() == kSize || (!free.empty() && random.chance(0.5));
    if (take) {
      ASSERT_EQ(registers.first(), *free.begin());
      registers.take();
      free.erase(free.begin());
    } else {
      const auto until = static_cast<std::int64_t>(10 * i + random.below(200));
      registers.give(until);
      free.insert(until);
    }
    ASSERT_EQ(registers.none(), free.empty());
  }
  registers.clear();
  EXPECT_EQ(registers.first(), 0);
}

}  // namespace
}  // namespace paretoformer::accel_sim
