// A counter-based random generator: the n-th number of a stream is a pure function of (seed,
// stream, n), so any step of any run can be redrawn without replaying what came before.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace paretoformer {

// SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection with full avalanche.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

class Random {
 public:
  // `stream` separates independent uses of one seed, e.g. {kBatchStream, step}.
  explicit Random(std::uint64_t seed, std::initializer_list<std::uint64_t> stream = {})
      : key_(mix64(seed + 0x9e3779b97f4a7c15ULL)) {
    for (std::uint64_t part : stream) key_ = mix64(key_ ^ (part + 0x9e3779b97f4a7c15ULL));
  }

  std::uint64_t next() { return mix64(key_ + 0x9e3779b97f4a7c15ULL * ++counter_); }

  // Uniform in [0, n), n >= 1: the 2^64 mod n lowest draws are rejected against modulo bias. Few
  // draws are below n, so that the remainder is seldom worked out.
  std::uint64_t below(std::uint64_t n) {
    std::uint64_t draw = next();
    while (draw < n && draw < (0 - n) % n) draw = next();
    return draw % n;
  }

  // Uniform in [0, 1) with 53 random bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  bool chance(double probability) { return uniform() < probability; }

  // Standard normal (Box-Muller, one of the pair).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

}  // namespace paretoformer
