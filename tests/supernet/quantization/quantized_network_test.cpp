// The quantised sub-network: the folding before it, its pass in integers against a plain one, and
// how near it is to fp32.
#include "supernet/quantization/quantized_network.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/quantization/smoothing.hpp"
#include "support/error.hpp"
#include "support/random.hpp"
#include "tests/supernet/quantization/scalar_operators.hpp"
#include "tests/supernet/random_text.hpp"

namespace paretoformer::supernet {
namespace {

using testing::HasSubstr;

// A supernet, and a slice that is smaller in every respect.
const Architecture kSliced{24, 8, 31, {{3, 40}, {2, 56}, {3, 40}}};
const Architecture kSlice{16, 8, 31, {{2, 24}, {1, 40}}};

RandomText text_of(std::uint64_t seed) { return {seed, kTwoTasks, kLongContext, 31}; }

// Random weights of which every one shows in the logits, gains and biases included.
struct RandomSupernet {
  RandomSupernet() : layout(kSliced, kLongContext), parameters(layout.size()) {
    Random random(5);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      parameters[i] = static_cast<float>(0.25 * random.normal());
    for (const Tensor& tensor : layout.tensors())
      if (tensor.name.ends_with("norm.weight"))
        for (std::size_t i = 0; i < tensor.size(); ++i) parameters[tensor.offset + i] += 1;
  }
  FoldedNetwork folded(const Architecture& network) const {
    return fold(layout, parameters.data(), network);
  }

  ParameterLayout layout;
  std::vector<float> parameters;
};

// Logits of the first row task.
std::vector<float> engine_logits(const RandomSupernet& net, const Architecture& network,
                                 const Batch& batch) {
  Activations<float> activations(net.layout, batch.sequences, batch.length,
                                 Activations<float>::Keep::nothing);
  const Pass<float> pass{net.layout, net.parameters.data(), network, batch, activations};
  forward(pass, 0);
  const float* logits = logits_of(pass);
  return {logits, logits + sequences_per_task(batch) * batch.length * net.layout.vocabulary()};
}

std::span<const std::int32_t> first_task(const Batch& batch) {
  return {batch.tokens, static_cast<std::size_t>(sequences_per_task(batch) * batch.length)};
}

double largest_size(const std::vector<float>& values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

double root_mean_square_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - b[i], 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

TEST(FoldedNetwork, ComputesTheSame) {
  const RandomSupernet net;
  const RandomText text = text_of(6);
  for (const Architecture& network : {kSliced, kSlice}) {
    const FoldedNetwork folded = net.folded(network);
    std::vector<float> logits;
    mixed_logits({folded}, first_task(text.batch), kLongContext, logits);
    const std::vector<float> expected = engine_logits(net, network, text.batch);
    ASSERT_EQ(logits.size(), expected.size());
    // Rounding of fp32, some hundred operations deep.
    EXPECT_LT(root_mean_square_difference(logits, expected), 1e-5 * largest_size(expected));
  }
}

TEST(Smoothing, ComputesTheSameWithChannelsOfOtherSizes) {
  const RandomSupernet net;
  const RandomText text = text_of(6);
  const FoldedNetwork folded = net.folded(kSliced);
  std::vector<float> exact;
  mixed_logits({folded}, first_task(text.batch), kLongContext, exact);
  const std::vector<ChannelSizes> before = channel_sizes(folded, text.batch);
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const FoldedNetwork network = smoothed(folded, text.batch, alpha);
    std::vector<float> logits;
    mixed_logits({network}, first_task(text.batch), kLongContext, logits);
    EXPECT_LT(root_mean_square_difference(logits, exact), 1e-5 * largest_size(exact)) << alpha;
    // What was divided by |a|^alpha / |b|^(1 - alpha) is |a|^(1 - alpha) |b|^(1 - alpha) large.
    const std::vector<ChannelSizes> after = channel_sizes(network, text.batch);
    for (std::size_t l = 0; l < after.size(); ++l)
      for (std::size_t c = 0; c < after[l].query.size(); ++c) {
        const double q = before[l].query[c], k = before[l].key[c];
        EXPECT_NEAR(after[l].query[c] / std::pow(q * k, 1 - alpha), 1, 1e-3);
        EXPECT_NEAR(after[l].key[c] / std::pow(q * k, alpha), 1, 1e-3);
        float column = 0;
        for (int o = 0; o < folded.layers[l].output.outputs; ++o)
          column = std::max(
              column,
              std::abs(
                  folded.layers[l].output.weight[area(o, folded.layers[l].output.inputs) + c]));
        const double product = double{before[l].context[c]} * column;
        EXPECT_NEAR(after[l].context[c] / std::pow(product, 1 - alpha), 1, 1e-3);
      }
  }
}

// A channel that is always 0 stays as it is.
TEST(Smoothing, LeavesWhatIsZeroAlone) {
  const RandomSupernet net;
  FoldedNetwork folded = net.folded(kSlice);
  std::vector<ChannelSizes> sizes(2);
  for (std::size_t l = 0; l < 2; ++l) {
    const auto width = static_cast<std::size_t>(folded.layers[l].query.outputs);
    sizes[l] = {std::vector<float>(width, 0), std::vector<float>(width, 1),
                std::vector<float>(width, 0)};
  }
  const FoldedNetwork same = smoothed(folded, sizes, 0.5);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(same.layers[l].query.weight, folded.layers[l].query.weight);
    EXPECT_EQ(same.layers[l].value.weight, folded.layers[l].value.weight);
    EXPECT_EQ(same.layers[l].output.weight, folded.layers[l].output.weight);
  }
}

TEST(FoldedNetwork, WritesNoMeanToTheStream) {
  const FoldedNetwork folded = RandomSupernet().folded(kSlice);
  const int d = kSlice.model_width;
  for (const FoldedLayer& layer : folded.layers)
    for (const Linear* linear : {&layer.output, &layer.down})
      for (int i = 0; i < linear->inputs; ++i) {
        double sum = 0;
        for (int o = 0; o < d; ++o)
          sum += linear->weight[static_cast<std::size_t>(o * linear->inputs + i)];
        EXPECT_NEAR(sum, 0, 1e-6);
      }
}

// The pass written down plainly, with the scalar operators, whole rows of scores at once and a
// mask of the whole sequence.
struct PlainPass {
  using Bytes = std::vector<std::int8_t>;
  using Sums = std::vector<std::int32_t>;

  const QuantizedNetwork& net;
  int length;
  int d = net.network.model_width;

  Sums product(const IntegerLinear& w, const Bytes& x) const {
    const int rows = static_cast<int>(x.size()) / w.inputs;
    Sums sums(static_cast<std::size_t>(rows * w.outputs));
    scalar::integer_matmul(rows, w.outputs, w.inputs, {x.data(), w.inputs, 1},
                           {w.weight.data(), 1, w.inputs}, {w.bias.data(), 0},
                           {sums.data(), w.outputs});
    return sums;
  }
  Bytes linear(const IntegerLinear& w, const Bytes& x) const {
    const Sums sums = product(w, x);
    Bytes y(sums.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = requantize(sums[i], w.scale);
    return y;
  }
  Bytes norm(const Bytes& x, float scale) const {
    Sums wide(x.begin(), x.end());
    for (std::int32_t& value : wide) value *= net.norm_reads;
    Bytes y(x.size());
    scalar::integer_layer_norm(static_cast<int>(x.size()) / d, d, {wide.data(), d}, scale,
                               {y.data(), d});
    return y;
  }
  Bytes add(const Bytes& a, const Bytes& b, const ResidualScales& scales) const {
    Bytes y(a.size());
    scalar::residual_add(1, static_cast<int>(a.size()), {a.data(), 0}, {b.data(), 0}, scales,
                         {y.data(), 0});
    return y;
  }
  Bytes attention(const IntegerLayer& layer, const Bytes& q, const Bytes& k, const Bytes& v) const {
    const int hd = net.network.head_width;
    const int width = layer.heads * hd;
    Sums mask(static_cast<std::size_t>(length * length)), scores(mask.size());
    for (int i = 0; i < length; ++i)
      for (int j = i + 1; j < length; ++j) mask[static_cast<std::size_t>(i * length + j)] = kMasked;
    Bytes p(scores.size()), context(q.size());
    Sums sums(static_cast<std::size_t>(length * hd));
    for (int h = 0; h < layer.heads; ++h) {
      const std::ptrdiff_t at = std::ptrdiff_t{h} * hd;
      scalar::integer_matmul(length, length, hd, {q.data() + at, width, 1},
                             {k.data() + at, 1, width}, {mask.data(), length},
                             {scores.data(), length});
      scalar::integer_softmax(length, length, {scores.data(), length}, layer.softmax, 1,
                              {p.data(), length});
      scalar::integer_matmul(length, hd, length, {p.data(), length, 1}, {v.data() + at, width, 1},
                             {}, {sums.data(), hd});
      scalar::requantize_rows(length, hd, {sums.data(), hd}, layer.context,
                              {context.data() + at, width});
    }
    return context;
  }
  // Of one sequence.
  Sums logits(std::span<const std::int32_t> tokens) const {
    Bytes x;
    for (int row = 0; row < length; ++row) {
      const auto token = net.tokens.begin() + tokens[static_cast<std::size_t>(row)] * d;
      const auto position = net.positions.begin() + row * d;
      const Bytes sum = add({token, token + d}, {position, position + d}, net.embedding);
      x.insert(x.end(), sum.begin(), sum.end());
    }
    for (const IntegerLayer& layer : net.layers) {
      const Bytes n = norm(x, layer.norm1);
      const Bytes context =
          attention(layer, linear(layer.query, n), linear(layer.key, n), linear(layer.value, n));
      x = add(x, linear(layer.output, context), layer.attention_add);
      const Bytes up = linear(layer.up, norm(x, layer.norm2));
      Bytes gelu(up.size());
      for (std::size_t i = 0; i < up.size(); ++i)
        gelu[i] = requantize(i_gelu(up[i], layer.gelu), layer.gelu_scale);
      x = add(x, linear(layer.down, gelu), layer.ffn_add);
    }
    return product(net.head, norm(x, net.norm));
  }
};

TEST(QuantizedNetwork, IsThePlainPassBitForBit) {
  const RandomSupernet net;
  const RandomText text = text_of(7);
  for (const Architecture& network : {kSliced, kSlice})
    for (const int length : {1, 17, kLongContext}) {
      const QuantizedNetwork quantized = calibrated(net.folded(network), text.batch);
      constexpr int kCount = 3;
      const auto tokens = std::span(text.tokens).first(static_cast<std::size_t>(kCount * length));
      IntegerActivations activations(quantized, kCount * length + 5);
      std::vector<std::int32_t> logits(tokens.size() * 31);
      integer_logits(quantized, tokens, length, activations, logits.data());
      std::vector<std::int32_t> expected;
      for (int s = 0; s < kCount; ++s) {
        const std::vector<std::int32_t> sums = PlainPass{quantized, length}.logits(
            tokens.subspan(static_cast<std::size_t>(s * length), static_cast<std::size_t>(length)));
        expected.insert(expected.end(), sums.begin(), sums.end());
      }
      EXPECT_EQ(logits, expected) << length;
    }
}

// Every operator in integers one after the other, with fp32 in between, is the same pass; only
// scores and logits are rounded to fp32, which holds their sums exactly at these sizes.
TEST(QuantizedNetwork, IsTheMixedPassWithAllOperators) {
  const RandomSupernet net;
  const RandomText text = text_of(8);
  const FoldedNetwork folded = net.folded(kSlice);
  const QuantizedNetwork quantized = calibrated(folded, text.batch);
  const auto tokens = first_task(text.batch);
  std::vector<float> mixed;
  mixed_logits({folded, &quantized, OperatorSet::all(), nullptr}, tokens, kLongContext, mixed);
  IntegerActivations activations(quantized, static_cast<int>(tokens.size()));
  std::vector<std::int32_t> sums(mixed.size());
  integer_logits(quantized, tokens, kLongContext, activations, sums.data());
  for (std::size_t i = 0; i < sums.size(); ++i)
    ASSERT_EQ(mixed[i], static_cast<float>(sums[i]) * quantized.logit_scale) << i;
}

// Rounding to a step S leaves an error of S / sqrt 12 in the root mean square. A network without
// layers has it in both tables and their sum, which the LayerNorm divides by the deviation of the
// row; there its root is up to a step of a read too small, which n of mean square 1 grows with;
// then in n and in the weights. Errors are taken as independent, their sum with a margin of half of
// it.
TEST(QuantizedNetwork, ErrorFollowsFromItsSteps) {
  const RandomSupernet net;
  const RandomText text = text_of(9);
  FoldedNetwork folded = net.folded(kSlice);
  folded.layers.clear();
  folded.network.layers.clear();
  QuantizationConfig config;
  config.activations = config.weights = Calibration::kMinMax;
  const QuantizedNetwork quantized = calibrated(folded, text.batch, config);
  const auto tokens = first_task(text.batch);
  const auto d = static_cast<std::size_t>(kSlice.model_width);
  double inverse_variance = 0;  // mean over the rows
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    double squares = 0;
    for (std::size_t i = 0; i < d; ++i)
      squares += std::pow(double{folded.tokens[static_cast<std::size_t>(tokens[row]) * d + i]} +
                              folded.positions[row % kLongContext * d + i],
                          2);
    inverse_variance += static_cast<double>(d) / squares / static_cast<double>(tokens.size());
  }
  const auto square = [](double x) { return x * x; };
  const Sites<float>& s = quantized.scales;
  const double stream = (2 * square(s.tokens) + square(s.input)) / 12;
  const double root = square(s.input / quantized.norm_reads) / 3;  // from 0 to a step
  const double norm = (stream + root) * inverse_variance + square(s.norm) / 12;
  double weights = 0;  // mean over the logits of the sum of squares
  for (const float w : folded.head.weight) weights += square(w) / 31;
  const double expected =
      std::sqrt(weights * norm + static_cast<double>(d) * square(quantized.head.weight_scale) / 12);
  std::vector<float> exact;
  mixed_logits({folded}, tokens, kLongContext, exact);
  IntegerActivations activations(quantized, static_cast<int>(tokens.size()));
  std::vector<std::int32_t> sums(exact.size());
  integer_logits(quantized, tokens, kLongContext, activations, sums.data());
  std::vector<float> logits;
  for (const std::int32_t sum : sums)
    logits.push_back(static_cast<float>(sum) * quantized.logit_scale);
  const double error = root_mean_square_difference(logits, exact);
  EXPECT_LT(error, 1.5 * expected);
  EXPECT_GT(error, 0.5 * expected);
}

// The target for trained networks, on one whose weights are larger and whose text is noise.
TEST(QuantizedNetwork, LossIsNearThatOfFp32) {
  const RandomSupernet net;
  const RandomText text = text_of(10);
  for (const Architecture& network : {kSliced, kSlice}) {
    const FoldedNetwork folded = net.folded(network);
    const double exact = mixed_loss({folded}, text.batch);
    const QuantizedNetwork quantized = calibrated(folded, text.batch);
    EXPECT_NEAR(integer_loss(quantized, text.batch), exact, 0.02 * exact);
    for (const OperatorLoss& each : operator_losses(folded, quantized, text.batch))
      EXPECT_NEAR(each.loss, exact, 0.02 * exact) << kIntegerOperatorWords.word_of(each.kind);
  }
}

TEST(QuantizedNetwork, DoesNotDependOnThreads) {
  const RandomSupernet net;
  const RandomText text = text_of(11);
  const FoldedNetwork folded = net.folded(kSlice);
  const auto all = [&](std::size_t threads) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const QuantizedNetwork quantized = calibrated(folded, text.batch);
    std::vector<double> losses{integer_loss(quantized, text.batch)};
    for (const OperatorLoss& each : operator_losses(folded, quantized, text.batch))
      losses.push_back(each.loss);
    return losses;
  };
  EXPECT_EQ(all(1), all(4));
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(QuantizedNetwork, BadScalesAreNamed) {
  const FoldedNetwork folded = RandomSupernet().folded(kSlice);
  const Sites<float> scales = scales_of(observe(folded, text_of(12).batch), Calibration::kMinMax);
  const auto with = [&](auto change) {
    Sites<float> changed = scales;
    change(changed);
    return refusal([&] { quantize(folded, changed); });
  };
  EXPECT_EQ(with([](auto&) {}), "accepted");
  EXPECT_THAT(with([](auto& s) { s.layers[1].up = 0; }),
              HasSubstr("layer 1, up: its scale is 0.000000, expected a positive number"));
  EXPECT_THAT(with([](auto& s) { s.layers[0].middle = -1; }), HasSubstr("layer 0, middle: "));
  EXPECT_THAT(with([](auto& s) { s.input = std::numeric_limits<float>::infinity(); }),
              HasSubstr("input: its scale is inf"));
  EXPECT_THAT(with([](auto& s) { s.norm = std::numeric_limits<float>::quiet_NaN(); }),
              HasSubstr("final norm: its scale is nan"));
  EXPECT_THAT(with([](auto& s) { s.layers[0].norm1 = 1e-30F; }),
              HasSubstr("layer 0, query bias: "));
  EXPECT_THAT(with([](auto& s) { s.layers[0].query = s.layers[0].key = 10; }),
              HasSubstr("layer 0, softmax: scores have steps of 35.355"));
}

// Scales as fine as these are made coarser until no sum can wrap.
TEST(QuantizedNetwork, FineScalesAreMadeSafe) {
  const FoldedNetwork folded = RandomSupernet().folded(kSlice);
  Sites<float> scales = scales_of(observe(folded, text_of(13).batch), Calibration::kMinMax);
  scales.layers[0].query = scales.layers[0].key = scales.layers[1].up = 1e-5F;
  const QuantizedNetwork quantized = quantize(folded, scales);
  EXPECT_NO_THROW(require_safe(quantized));
  EXPECT_GT(quantized.scales.layers[0].query, 1e-3F);
  EXPECT_GT(quantized.scales.layers[1].up, 5e-4F);
}

TEST(QuantizedNetwork, WhatMayWrapIsRefusedAtRunTime) {
  const RandomSupernet net;
  const RandomText text = text_of(14);
  const QuantizedNetwork good = calibrated(net.folded(kSlice), text.batch);
  const auto with = [&](auto change) {
    QuantizedNetwork changed = good;
    change(changed);
    return refusal([&] { integer_loss(changed, text.batch); });
  };
  EXPECT_EQ(with([](auto&) {}), "accepted");
  EXPECT_THAT(with([](auto& q) { q.layers[1].softmax = exp_constants(1e-4F); }),
              HasSubstr("layer 1, softmax: "));
  EXPECT_THAT(with([](auto& q) { q.layers[0].gelu = gelu_constants(1e-4F); }),
              HasSubstr("layer 0, gelu: "));
  EXPECT_THAT(with([](auto& q) { q.norm_reads = 200; }), HasSubstr("are read 200 times"));
  EXPECT_THAT(with([](auto& q) { q.head.bias[3] = std::numeric_limits<std::int32_t>::min(); }),
              HasSubstr("head: sums of 16 products"));
  EXPECT_THAT(with([](auto& q) { q.network.head_width = 1 << 20; }),
              HasSubstr("heads of width 1048576: in int8 at most 16383"));
  const std::vector<std::int32_t> unknown{3, 31};
  IntegerActivations activations(good, 2);
  std::vector<std::int32_t> logits(2 * 31);
  EXPECT_THAT(refusal([&] { integer_logits(good, unknown, 2, activations, logits.data()); }),
              HasSubstr("token 31: expected 0 to 30"));
  EXPECT_THAT(
      refusal([&] { integer_logits(good, unknown, kLongContext + 1, activations, logits.data()); }),
      HasSubstr("expected 1 to 70"));
}

}  // namespace
}  // namespace paretoformer::supernet
