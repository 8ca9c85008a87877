// The README's C++ example: a program of its own, on the installed package.
#include <cstdio>

#include "latency_predictor/latency_predictor.hpp"

int main() {
#include "readme.cpp"
  std::printf("%lld cycles, %.3f pJ\n", static_cast<long long>(cost.latency.value()),
              cost.energy.value());
  return cost.latency.value() > 0 ? 0 : 1;
}
