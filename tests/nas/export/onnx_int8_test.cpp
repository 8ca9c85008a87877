// The int8 network as ONNX, run by ONNX Runtime, against the same computation in double precision:
// every int8 tensor rounded to its scale, softmax, GELU and LayerNorm as they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "nas/export/onnx_network.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/random.hpp"
#include "tests/nas/export/onnx_runtime.hpp"

namespace paretoformer::nas {
namespace {

using supernet::IntegerLinear;
using supernet::QuantizedNetwork;

using Row = std::vector<double>;
using Rows = std::vector<Row>;

Rows rounded(Rows rows, double scale) {
  for (Row& row : rows)
    for (double& x : row) x = scale * std::clamp(std::nearbyint(x / scale), -128.0, 127.0);
  return rows;
}

Rows norm(Rows rows) {
  for (Row& row : rows) {
    double mean = 0, square = 0;
    for (const double x : row) mean += x / static_cast<double>(row.size());
    for (const double x : row) square += (x - mean) * (x - mean) / static_cast<double>(row.size());
    for (double& x : row) x = (x - mean) / std::sqrt(square + 1e-5);
  }
  return rows;
}

Rows product(const IntegerLinear& linear, const Rows& x, double x_scale) {
  Rows y;
  for (const Row& row : x) {
    Row& out = y.emplace_back();
    for (int o = 0; o < linear.outputs; ++o) {
      double sum = 0;
      for (int i = 0; i < linear.inputs; ++i)
        sum += row[static_cast<std::size_t>(i)] *
               linear.weight[static_cast<std::size_t>(o * linear.inputs + i)];
      out.push_back(linear.weight_scale *
                    (sum + x_scale * linear.bias[static_cast<std::size_t>(o)]));
    }
  }
  return y;
}

Rows sum(Rows a, const Rows& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].size(); ++j) a[i][j] += b[i][j];
  return a;
}

Rows gelu(Rows rows) {
  for (Row& row : rows)
    for (double& x : row)
      x *= 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  return rows;
}

// Of all heads, one after the other in the columns.
Rows attention(const Rows& q, const Rows& k, const Rows& v, std::size_t width) {
  Rows context(q.size(), Row(q[0].size()));
  for (std::size_t first = 0; first < q[0].size(); first += width)
    for (std::size_t i = 0; i < q.size(); ++i) {
      Row p(i + 1);
      double most = -INFINITY, total = 0;
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t c = first; c < first + width; ++c) p[j] += q[i][c] * k[j][c];
        p[j] /= std::sqrt(static_cast<double>(width));
        most = std::max(most, p[j]);
      }
      for (double& each : p) total += each = std::exp(each - most);
      for (double& each : p) each /= total;
      p = rounded({p}, 1.0 / 127)[0];
      for (std::size_t j = 0; j <= i; ++j)
        for (std::size_t c = first; c < first + width; ++c) context[i][c] += p[j] * v[j][c];
    }
  return context;
}

double loss_sum(const QuantizedNetwork& network, const std::vector<std::int32_t>& tokens) {
  const auto d = static_cast<std::size_t>(network.network.model_width);
  Rows x;
  for (std::size_t p = 0; p + 1 < tokens.size(); ++p) {
    Row& row = x.emplace_back();
    for (std::size_t i = 0; i < d; ++i)
      row.push_back(network.scales.tokens *
                        network.tokens[static_cast<std::size_t>(tokens[p]) * d + i] +
                    network.scales.positions * network.positions[p * d + i]);
  }
  x = rounded(x, network.scales.input);
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const supernet::IntegerLayer& layer = network.layers[l];
    const supernet::LayerSites<float>& s = network.scales.layers[l];
    Rows n = rounded(norm(x), s.norm1);
    const Rows context = attention(rounded(product(layer.query, n, s.norm1), s.query),
                                   rounded(product(layer.key, n, s.norm1), s.key),
                                   rounded(product(layer.value, n, s.norm1), s.value),
                                   static_cast<std::size_t>(network.network.head_width));
    x = rounded(
        sum(x, rounded(product(layer.output, rounded(context, s.context), s.context), s.attention)),
        s.middle);
    n = rounded(norm(x), s.norm2);
    const Rows up = rounded(product(layer.up, n, s.norm2), s.up);
    x = rounded(sum(x, rounded(product(layer.down, rounded(gelu(up), s.gelu), s.gelu), s.ffn)),
                s.output);
  }
  const double scale = network.scales.norm;
  const Rows logits = product(network.head, rounded(norm(x), scale), scale);
  double total = 0;
  for (std::size_t p = 0; p < logits.size(); ++p) {
    double exponentials = 0;
    for (const double logit : logits[p]) exponentials += std::exp(logit);
    total += std::log(exponentials) - logits[p][static_cast<std::size_t>(tokens[p + 1])];
  }
  return total;
}

// With random weights, calibrated on random text; four bits where a space has them.
TEST(OnnxInt8, GivesTheSameLossesInOnnxRuntime) {
  if (!has_onnx_runtime()) GTEST_SKIP() << kNoOnnxRuntime;
  constexpr int kContext = 24, kVocabulary = 97, kSequences = 4;
  const TemporaryFolder folder;
  Random random(11);
  std::vector<QuantizedNetwork> networks;
  std::vector<RunSequences> runs;
  for (const char* name : {"quickstart", "quickstart_int4", "enumerable"})
    for (int i = 0; i < 10; ++i) {
      const SearchSpace space = SearchSpace::find(name).with_vocabulary(kVocabulary);
      const supernet::ParameterLayout layout(space.largest(), kContext);
      std::vector<float> weights(layout.size());
      for (float& weight : weights) weight = static_cast<float>(0.2 * random.normal());
      std::vector<std::int32_t> text;
      for (int t = 0; t < kSequences * kContext + 1; ++t)
        text.push_back(static_cast<std::int32_t>(random.below(kVocabulary)));
      networks.push_back(calibrated(fold(layout, weights.data(), space.sample(random)),
                                    {text.data(), text.data() + 1, kSequences, kContext}));
      runs.push_back({folder / (name + std::to_string(i) + ".onnx"), {}});
      for (int s = 0; s < 2; ++s)
        runs.back().sequences.emplace_back(text.begin() + 5 * s, text.begin() + 5 * s + 20);
      std::ofstream(runs.back().model, std::ios::binary) << onnx_network(networks.back(), {});
    }
  const std::vector<double> losses = losses_in_onnx_runtime(runs);
  std::size_t at = 0, close = 0;
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (const std::vector<std::int32_t>& tokens : runs[i].sequences) {
      const double expected = loss_sum(networks[i], tokens);
      const double difference = std::abs(losses.at(at++) - expected) / expected;
      // A number that fp32 rounds to the neighbouring step, of some ten thousand in a pass.
      EXPECT_LT(difference, 1e-3) << describe(networks[i].network);
      close += difference < 1e-6;
    }
  EXPECT_GE(close, 2 * at / 3);  // of most passes none
}

}  // namespace
}  // namespace paretoformer::nas
