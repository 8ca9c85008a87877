// What weights of four bits lose on a trained supernet, by how many of them share a multiplier and
// how they are rounded: perplexity in integers over that in fp32.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/command_main.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "nas/run/supernet_losses.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/quantization/int4_weights.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;
using supernet::FoldedLayer;
using supernet::IntegerLayer;
using supernet::IntegerLinear;
using supernet::LayerMoments;
using supernet::Linear;
using supernet::SecondMoments;

constexpr int kRandom = 6;
constexpr int kSeed = 1;

Architecture with_bits(Architecture network, int bits) {
  for (Layer& layer : network.layers) layer.weight_bits = bits;
  return network;
}

// The largest and the smallest network and some random ones.
std::vector<Architecture> networks_of(const SearchSpace& space) {
  std::vector<Architecture> networks{space.largest(), space.smallest()};
  Random random(kSeed);
  for (int i = 0; i < kRandom; ++i) networks.push_back(space.sample(random));
  return networks;
}

// Nothing but the weights depends on the group: the largest weight is 7 * 16 steps in any case.
void round_again(supernet::QuantizedNetwork& quantized, const supernet::FoldedNetwork& folded,
                 const std::vector<LayerMoments>& moments, int group, bool nearest) {
  const SecondMoments none;
  for (std::size_t l = 0; l < folded.layers.size(); ++l) {
    const FoldedLayer& from = folded.layers[l];
    IntegerLayer& to = quantized.layers[l];
    const auto round = [&](const Linear& linear, const SecondMoments& inputs,
                           IntegerLinear& result) {
      result.weight = to_int4(linear, nearest ? none : inputs, group).weight;
    };
    round(from.query, moments[l].norm1, to.query);
    round(from.key, moments[l].norm1, to.key);
    round(from.value, moments[l].norm1, to.value);
    round(from.output, moments[l].context, to.output);
    round(from.up, moments[l].norm2, to.up);
    round(from.down, moments[l].gelu, to.down);
  }
}

class Table {
 public:
  // With weights.
  explicit Table(nas::ProxyTask& proxy) : proxy_(proxy) {}

  void print() {
    std::string largest = describe(networks_[0]), smallest = describe(networks_[1]);
    std::printf("| | group | bits per weight | mean | %s | %s | worst of %d random |\n",
                largest.c_str(), smallest.c_str(), kRandom);
    std::printf("|---|---|---|---|---|---|---|\n");
    row("int8", "", 8, [&](const Architecture& network) { return quantized(network); });
    for (const bool nearest : {true, false})
      for (const int group : {8, 16, 32, 64, 128})
        row(nearest ? "int4, nearest" : "int4, GPTQ", std::to_string(group), 4 + 4.0 / group,
            [&](const Architecture& network) {
              const Architecture four = with_bits(network, 4);
              const supernet::FoldedNetwork folded = fold_of(four);
              supernet::QuantizedNetwork result = quantized(four);
              round_again(result, folded, moments_of(folded, calibration_.batch()), group, nearest);
              return result;
            });
  }

 private:
  supernet::FoldedNetwork fold_of(const Architecture& network) const {
    return fold(proxy_.layout(), proxy_.weights().data(), network);
  }
  supernet::QuantizedNetwork quantized(const Architecture& network) const {
    return calibrated(fold_of(network), calibration_.batch());
  }

  template <class Quantize>
  void row(const char* what, const std::string& group, double bits, const Quantize& quantize) {
    std::vector<double> more;
    for (std::size_t i = 0; i < networks_.size(); ++i)
      more.push_back(100 *
                     std::expm1(integer_loss(quantize(networks_[i]), scored_.batch()) - fp32_[i]));
    double sum = 0;
    for (const double each : more) sum += each;
    std::printf("| %s | %s | %.4g | %+.2f %% | %+.2f %% | %+.2f %% | %+.2f %% |\n", what,
                group.c_str(), bits, sum / static_cast<double>(more.size()), more[0], more[1],
                *std::max_element(more.begin() + 2, more.end()));
  }

  nas::ProxyTask& proxy_;
  std::vector<Architecture> networks_ = networks_of(proxy_.space());
  supernet::Evaluator calibration_ = nas::calibration_sequences(proxy_);
  supernet::Evaluator& scored_ = proxy_.evaluator();
  std::vector<double> fp32_ = scored_.losses(networks_);
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: int4_group_bench RUN\n");
    return EXIT_FAILURE;
  }
  return paretoformer::command_main("int4_group_bench", [&] {
    const nas::RunFolder folder = nas::RunFolder::read(arguments[1]);
    nas::ProxyTask proxy(folder.config(), folder.cache());
    proxy.load_weights(folder);
    Table(proxy).print();
    return EXIT_SUCCESS;
  });
}
