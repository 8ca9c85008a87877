// What a network costs on the preset accelerator: a program of its own, on the installed package.
#include <cstdio>

#include "latency_predictor/latency_predictor.hpp"

int main() {
  using namespace paretoformer;
  const LatencyPredictor predictor(find_hardware("gemmini_transformer"),
                                   {.sequence_length = 512, .mode = Mode::kPrefill});
  Architecture network;
  network.model_width = 768;
  network.layers.assign(12, {.heads = 12, .ffn_width = 3072});
  const HardwareCost cost = predictor.predict(network);
  std::printf("%lld cycles\n", static_cast<long long>(cost.latency.value()));
  return cost.latency.value() > 0 ? 0 : 1;
}
