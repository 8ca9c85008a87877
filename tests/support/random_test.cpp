#include "support/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace paretoformer {
namespace {

// The sequence of SplitMix64 from the state 1234567, as it is published with several libraries (the
// algorithm: Vigna, prng.di.unimi.it/splitmix64.c): the n-th number is mix64() of the state plus n
// times the golden gamma.
TEST(Random, MixesAsSplitMix64) {
  std::uint64_t state = 1234567;
  for (const std::uint64_t expected :
       {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
        4593380528125082431ULL, 16408922859458223821ULL})
    EXPECT_EQ(mix64(state += 0x9e3779b97f4a7c15ULL), expected);
}

// Everything random in every run so far came from these numbers: those of SplitMix64 from a state
// that seed and stream were mixed into, calculated by a program of its own in another language.
TEST(Random, NumbersStayWhatTheyAre) {
  Random plain(7);
  for (const std::uint64_t expected :
       {0xb8b4c2977eabce45ULL, 0xa65305fd338ec8feULL, 0x8ca3cbb6ca63129bULL})
    EXPECT_EQ(plain.next(), expected);
  Random stream(7, {1, 2});
  for (const std::uint64_t expected :
       {0x6f5fde03c42e070eULL, 0x84f0a08c12ba5180ULL, 0x2a6fca6e122b0fe6ULL})
    EXPECT_EQ(stream.next(), expected);
}

TEST(Random, UniformIsTheUpper53Bits) {
  Random numbers(3), bits(3);
  for (int i = 0; i < 100; ++i) {
    const double value = numbers.uniform();
    EXPECT_EQ(value, static_cast<double>(bits.next() >> 11) / 9007199254740992.0);
    EXPECT_LT(value, 1);
  }
}

// Of three quarters of 2^64 a plain remainder would give the lower third twice as often.
TEST(Random, BelowHasNoBiasTowardsSmallNumbers) {
  constexpr std::uint64_t kThird = std::uint64_t{1} << 62;
  Random random(5);
  std::array<int, 3> thirds{};
  for (int i = 0; i < 30000; ++i) ++thirds[random.below(3 * kThird) / kThird];
  for (int count : thirds) EXPECT_NEAR(count, 10000, 410);  // 5 standard deviations
}

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
