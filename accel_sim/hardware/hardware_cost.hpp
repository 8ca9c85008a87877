// What running something on the accelerator costs: cycles, and energy in picojoules.
#pragma once

#include <compare>
#include <cstdint>

namespace paretoformer::accel_sim {

// Both quantities are 64-bit integers underneath, so that sums are exact: the same in any order, on
// any number of threads and after a round trip through a file. Arithmetic that would overflow
// throws Error instead of wrapping.
namespace cost_arithmetic {

[[noreturn]] void overflow();

inline std::int64_t sum(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) overflow();
  return result;
}

inline std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) overflow();
  return result;
}

}  // namespace cost_arithmetic

// Clock cycles of the accelerator.
class Cycles {
 public:
  constexpr Cycles() = default;
  constexpr explicit Cycles(std::int64_t count) : count_(count) {}

  constexpr std::int64_t value() const { return count_; }

  Cycles& operator+=(Cycles other) {
    count_ = cost_arithmetic::sum(count_, other.count_);
    return *this;
  }
  friend Cycles operator+(Cycles a, Cycles b) { return a += b; }
  friend Cycles operator*(Cycles a, std::int64_t times) {
    return Cycles(cost_arithmetic::product(a.count_, times));
  }
  auto operator<=>(const Cycles&) const = default;

 private:
  std::int64_t count_ = 0;
};

// Energy, kept as a whole number of femtojoules (the finest constant in use, a MAC, is 560.8 fJ).
class Picojoules {
 public:
  constexpr Picojoules() = default;
  // Rounds to the nearest femtojoule. Throws Error beyond about 9e15 pJ.
  explicit Picojoules(double picojoules) {
    const double femtojoules =
        __builtin_round(picojoules * 1000.0);  // <cmath> takes as long as all
    if (!(__builtin_fabs(femtojoules) < 0x1.0p63)) cost_arithmetic::overflow();
    femtojoules_ = static_cast<std::int64_t>(femtojoules);
  }
  static constexpr Picojoules from_femtojoules(std::int64_t femtojoules) {
    Picojoules result;
    result.femtojoules_ = femtojoules;
    return result;
  }

  constexpr double value() const { return static_cast<double>(femtojoules_) / 1000.0; }
  constexpr std::int64_t femtojoules() const { return femtojoules_; }

  Picojoules& operator+=(Picojoules other) {
    femtojoules_ = cost_arithmetic::sum(femtojoules_, other.femtojoules_);
    return *this;
  }
  friend Picojoules operator+(Picojoules a, Picojoules b) { return a += b; }
  friend Picojoules operator*(Picojoules a, std::int64_t times) {
    return from_femtojoules(cost_arithmetic::product(a.femtojoules_, times));
  }
  auto operator<=>(const Picojoules&) const = default;

 private:
  std::int64_t femtojoules_ = 0;
};

// Energy times latency, in picojoule-cycles: what the published search minimises (survey Sec. 6.4).
class EnergyDelayProduct {
 public:
  constexpr EnergyDelayProduct() = default;
  constexpr explicit EnergyDelayProduct(double picojoule_cycles) : value_(picojoule_cycles) {}

  constexpr double value() const { return value_; }
  auto operator<=>(const EnergyDelayProduct&) const = default;

 private:
  double value_ = 0;
};

struct HardwareCost {
  Cycles latency;
  Picojoules energy;

  // In picojoule-cycles. Not additive: take it of a sum, never sum it.
  EnergyDelayProduct energy_delay_product() const {
    return EnergyDelayProduct(energy.value() * static_cast<double>(latency.value()));
  }

  HardwareCost& operator+=(const HardwareCost& other) {
    latency += other.latency;
    energy += other.energy;
    return *this;
  }
  friend HardwareCost operator+(HardwareCost a, const HardwareCost& b) { return a += b; }
  // One after the other, `times` times.
  friend HardwareCost operator*(const HardwareCost& a, std::int64_t times) {
    return {a.latency * times, a.energy * times};
  }
  bool operator==(const HardwareCost&) const = default;
};

}  // namespace paretoformer::accel_sim
