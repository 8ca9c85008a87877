// The README's C++ example: a program of its own, on the installed package.
#include <cstdio>

#include "latency_predictor/latency_predictor.hpp"

// It compiles in about twice the time of the standard containers: that header brings none of
// these along: a JSON parser, oneTBB, file systems, regular expressions, streams (the last three as
// libstdc++ marks them).
#if defined(INCLUDE_NLOHMANN_JSON_HPP_) || defined(__TBB_detail__config_H) || \
    defined(_GLIBCXX_FILESYSTEM) || defined(_GLIBCXX_REGEX) || defined(_GLIBCXX_IOSTREAM)
#error "latency_predictor/latency_predictor.hpp includes a heavy header"
#endif

int main() {
#include "readme.cpp"
  std::printf("%lld cycles, %.3f pJ\n", static_cast<long long>(cost.latency.value()),
              cost.energy.value());
  return cost.latency.value() > 0 ? 0 : 1;
}
