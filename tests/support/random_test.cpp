#include "support/random.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace paretoformer {
namespace {

TEST(Random, SameSeedAndStreamGiveTheSameNumbers) {
  Random a(7, {1, 2});
  Random b(7, {1, 2});
  Random c(7, {2, 1});
  Random d(8, {1, 2});
  int equal_c = 0;
  int equal_d = 0;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    equal_c += value == c.next();
    equal_d += value == d.next();
  }
  EXPECT_EQ(equal_c, 0);
  EXPECT_EQ(equal_d, 0);
}

TEST(Random, BelowIsUniform) {
  // 60 000 throws of a die: each face 10 000 +- 91 (one standard deviation); 5 are allowed.
  Random random(1);
  std::vector<int> faces(6);
  for (int i = 0; i < 60000; ++i) ++faces[random.below(6)];
  for (int count : faces) EXPECT_NEAR(count, 10000, 460);
}

TEST(Random, NormalHasMeanZeroAndVarianceOne) {
  Random random(2);
  double sum = 0;
  double squares = 0;
  const int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double value = random.normal();
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / n, 0.0, 0.016);  // 5 / sqrt(n)
  EXPECT_NEAR(squares / n, 1.0, 0.023);
}

}  // namespace
}  // namespace paretoformer
