// Asks the latency predictor what a network costs on an accelerator: all of it, and its first layer
// operator by operator. predict.c and predict.py ask the same in C and in Python.
//
// usage: predict_cpp [HARDWARE]    a preset (gemmini_transformer) or a hardware file
#include <cinttypes>
#include <cstdio>
#include <exception>

#include "latency_predictor/latency_predictor.hpp"

int main(int argc, char** argv) try {
  using namespace paretoformer;

  // What for: this hardware, and 128 tokens that go through the network at once. Operators are
  // simulated when they are first met, a few milliseconds each, and remembered.
  const Target hardware = find_target(argc > 1 ? argv[1] : "gemmini_transformer");
  const LatencyPredictor predictor(hardware, Workload{128, Mode::kPrefill});

  // Two layers, of 4 heads and 2, on vectors of 256 numbers; a head is 64 wide. Without a
  // vocabulary neither embedding nor language-model head are counted.
  Architecture network;
  network.model_width = 256;
  network.layers = {{.heads = 4, .ffn_width = 1024}, {.heads = 2, .ffn_width = 512}};

  // A cost is exact: cycles of the accelerator's clock, and energy in femtojoules.
  const HardwareCost cost = predictor.predict(network);
  std::printf("network: %" PRId64 " cycles, %.1f pJ\n", cost.latency.value(), cost.energy.value());

  // The same, taken apart. What runs once per head is one line with a count.
  for (const auto& part : predictor.breakdown(network))
    if (part.layer == 0)
      std::printf("%dx %.*s: %" PRId64 " cycles\n", static_cast<int>(part.repeat),
                  static_cast<int>(part.role.size()), part.role.data(), part.cost.latency.value());
} catch (const std::exception& error) {
  // Every error is one line that says what was given and what was expected.
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
