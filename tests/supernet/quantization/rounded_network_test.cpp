// Training as int8 numbers see it: the fold and its transpose, a pass that rounds against the
// integer network and against a plain one, and its straight-through gradients.
#include "supernet/quantization/rounded_network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "supernet/kernels/kernels.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/training/trainer.hpp"
#include "support/random.hpp"
#include "tests/supernet/model/plain_network.hpp"
#include "tests/supernet/random_text.hpp"

namespace paretoformer::supernet {
namespace {

using reference::Table;

const Architecture kRoundedNetwork{12, 4, 11, {{3, 20}, {2, 14}}};

// Of which every one shows in the loss, gains and biases included.
std::vector<double> lively_parameters(const ParameterLayout& layout) {
  Random random(22);
  std::vector<double> parameters(layout.size());
  for (double& parameter : parameters) parameter = static_cast<float>(0.3 * random.normal());
  for (const Tensor& tensor : layout.tensors())
    if (tensor.name.ends_with("norm.weight"))
      for (std::size_t i = 0; i < tensor.size(); ++i) parameters[tensor.offset + i] += 1;
  return parameters;
}

// A parameter of each tensor, or a few.
std::vector<std::size_t> sample_of(const ParameterLayout& layout, int each) {
  Random random(23);
  std::vector<std::size_t> sample;
  for (const Tensor& tensor : layout.tensors())
    for (int i = 0; i < each; ++i) sample.push_back(tensor.offset + random.below(tensor.size()));
  return sample;
}

double difference_at(const std::function<double(const std::vector<double>&)>& function,
                     std::vector<double> x, std::size_t i) {
  constexpr double kStep = 1e-5;
  const double middle = x[i];
  x[i] = middle + kStep;
  const double up = function(x);
  x[i] = middle - kStep;
  return (up - function(x)) / (2 * kStep);
}

Trainer<double> trainer_of(const ParameterLayout& layout, const std::vector<double>& parameters,
                           const Batch& batch, Arithmetic arithmetic = Arithmetic::fp32) {
  TrainingConfig config;
  config.batch = batch.sequences;
  config.context = batch.length;
  TrainingState<double> state;
  state.parameters = parameters;
  return {layout, config, std::move(state), arithmetic};
}

const ParameterLayout kOwn(kRoundedNetwork, kLongContext);
const ParameterLayout kFolded(kRoundedNetwork, kLongContext, Head::untied);

TEST(Fold, ItsTransposeGivesItsDerivative) {
  const std::vector<double> parameters = lively_parameters(kOwn);
  Random random(24);
  std::vector<double> weights(kFolded.size());
  for (double& weight : weights) weight = random.normal();
  const auto function = [&](const std::vector<double>& x) {
    std::vector<double> folded(kFolded.size());
    fold(kOwn, x.data(), kFolded, folded.data());
    double sum = 0;
    for (std::size_t i = 0; i < folded.size(); ++i) sum += weights[i] * folded[i];
    return sum;
  };
  std::vector<double> gradient(kOwn.size(), 1e9);  // all is written
  fold_backward(kOwn, parameters.data(), kFolded, weights.data(), gradient.data());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    ASSERT_NEAR(gradient[i], difference_at(function, parameters, i), 1e-6) << i;
}

TEST(Fold, AnUntiedPassOverItHasTheSameLossAndGradient) {
  const RandomText text(21, kTwoTasks, kLongContext, kRoundedNetwork.vocabulary);
  const std::vector<double> parameters = lively_parameters(kOwn);
  Trainer<double> own = trainer_of(kOwn, parameters, text.batch);
  std::vector<double> weights(kFolded.size());
  fold(kOwn, parameters.data(), kFolded, weights.data());
  Trainer<double> folded = trainer_of(kFolded, weights, text.batch);
  const double loss = own.compute_gradients(text.batch, {&kRoundedNetwork, 1})[0];
  EXPECT_NEAR(folded.compute_gradients(text.batch, {&kRoundedNetwork, 1})[0], loss, 1e-12 * loss);
  std::vector<double> gradient(kOwn.size());
  fold_backward(kOwn, parameters.data(), kFolded, folded.gradient().data(), gradient.data());
  const std::vector<double> of_own = own.gradient();
  double largest = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    ASSERT_NEAR(gradient[i], of_own[i], 1e-12) << i;
    largest = std::max(largest, std::abs(gradient[i]));
  }
  EXPECT_GT(largest, 1e-3);
}

std::vector<float> scales_of(const QuantizedNetwork& network, float factor) {
  QuantizedNetwork copy = network;
  std::vector<float> scales;
  for (const float* scale : copy.scales.all()) scales.push_back(*scale * factor);
  return scales;
}

struct Quantized {
  explicit Quantized(const Batch& batch) : parameters(lively_parameters(kOwn)) {
    const std::vector<float> single(parameters.begin(), parameters.end());
    folded = fold(kOwn, single.data(), kRoundedNetwork);
    network = calibrated(folded, batch);
  }
  std::vector<double> parameters;
  FoldedNetwork folded;
  QuantizedNetwork network;
};

// The step of every folded weight in the arena; 0 of vectors.
std::vector<double> steps_of(const QuantizedNetwork& network) {
  std::vector<double> steps(kFolded.size());
  const auto fill = [&](std::size_t offset, int rows, int columns, double step) {
    std::fill_n(steps.begin() + static_cast<std::ptrdiff_t>(offset), area(rows, columns), step);
  };
  const int d = kRoundedNetwork.model_width, hd = kRoundedNetwork.head_width;
  fill(kFolded.token_embedding, kRoundedNetwork.vocabulary, d, network.scales.tokens);
  fill(kFolded.position_embedding, kLongContext, d, network.scales.positions);
  fill(kFolded.head, kRoundedNetwork.vocabulary, d, network.head.weight_scale);
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const LayerOffsets& o = kFolded.layer(static_cast<int>(l));
    const IntegerLayer& layer = network.layers[l];
    const float parts[] = {layer.query.weight_scale, layer.key.weight_scale,
                           layer.value.weight_scale};
    for (int part = 0; part < 3 * layer.heads; ++part)
      fill(o.qkv + area(part * hd, d), hd, d, parts[part % 3]);
    fill(o.output, d, o.attention_width, layer.output.weight_scale);
    fill(o.up, o.ffn_width, d, layer.up.weight_scale);
    fill(o.down, d, o.ffn_width, layer.down.weight_scale);
  }
  return steps;
}

std::vector<float> multiplied_out(const std::vector<std::int8_t>& x, float scale) {
  std::vector<float> values;
  for (const std::int8_t each : x) values.push_back(static_cast<float>(each) * scale);
  return values;
}

TEST(RoundedNetwork, HasTheWeightsOfTheQuantisedOne) {
  const RandomText text(21, kTwoTasks, kLongContext, kRoundedNetwork.vocabulary);
  const Quantized q(text.batch);
  RoundedNetwork<float> rounded(kOwn, text.batch.rows());
  rounded.set_scales(scales_of(q.network, 1));
  rounded.round({q.parameters.begin(), q.parameters.end()});
  const std::vector<float> arena(rounded.weights(), rounded.weights() + kFolded.size());
  const FoldedNetwork weights = folded_network(kFolded, arena);
  EXPECT_EQ(weights.tokens, multiplied_out(q.network.tokens, q.network.scales.tokens));
  EXPECT_EQ(weights.positions, multiplied_out(q.network.positions, q.network.scales.positions));
  const auto expect_same = [](const Linear& is, const Linear& folded, const IntegerLinear& wanted) {
    EXPECT_EQ(is.weight, multiplied_out(wanted.weight, wanted.weight_scale));
    EXPECT_EQ(is.bias, folded.bias);
  };
  expect_same(weights.head, q.folded.head, q.network.head);
  for (std::size_t l = 0; l < weights.layers.size(); ++l) {
    const FoldedLayer& layer = weights.layers[l];
    const FoldedLayer& folded = q.folded.layers[l];
    const IntegerLayer& wanted = q.network.layers[l];
    expect_same(layer.query, folded.query, wanted.query);
    expect_same(layer.key, folded.key, wanted.key);
    expect_same(layer.value, folded.value, wanted.value);
    expect_same(layer.output, folded.output, wanted.output);
    expect_same(layer.up, folded.up, wanted.up);
    expect_same(layer.down, folded.down, wanted.down);
  }
}

// Rounding that has happened once is repeated as a translation, or, where it clipped, as a
// constant: the function whose gradient the straight-through estimator is.
class Roundings {
 public:
  // From the next one on, those that have happened are repeated.
  void again() { next_ = 0, repeating_ = true; }
  double clipped_share() const {
    double clipped = 0;
    for (const Rounding& r : kept_) clipped += !r.inside;
    return clipped / static_cast<double>(kept_.size());
  }

  double round(double x, double scale) {
    if (!repeating_) {
      const double steps = std::nearbyint(x / scale);
      const double y = std::clamp(steps, -128.0, 127.0);
      kept_.push_back({y * scale - x, y * scale, steps == y});
      return y * scale;
    }
    const Rounding& r = kept_[next_++];
    return r.inside ? x + r.moved : r.y;
  }
  void round(Table& x, double scale) {
    for (double& value : x.values) value = round(value, scale);
  }
  // What it was the first time.
  double constant(double x) {
    if (!repeating_) kept_.push_back({0, x, true});
    return repeating_ ? kept_[next_++].y : x;
  }

 private:
  struct Rounding {
    double moved, y;
    bool inside;
  };
  std::vector<Rounding> kept_;
  std::size_t next_ = 0;
  bool repeating_ = false;
};

// A pass that rounds, written down plainly.
class PlainRounded {
 public:
  PlainRounded(const std::vector<float>& scales, const std::vector<double>& steps)
      : sites_(kRoundedNetwork.layers.size()), steps_(steps) {
    const std::vector<double*> sites = sites_.all();
    for (std::size_t i = 0; i < sites.size(); ++i) *sites[i] = double{scales[i]};
  }

  double loss(const std::vector<double>& parameters, const Batch& batch) {
    w_.resize(kFolded.size());
    fold(kOwn, parameters.data(), kFolded, w_.data());
    for (std::size_t i = 0; i < w_.size(); ++i)
      if (steps_[i] > 0) w_[i] = roundings.round(w_[i], steps_[i]);
    double sum = 0;
    for (int s = 0; s < batch.sequences; ++s)
      sum += sequence_loss(batch.tokens + s * batch.length, batch.targets + s * batch.length);
    return sum / batch.rows();
  }

  Roundings roundings;

 private:
  reference::Weight weight(std::size_t offset, int stride) const {
    return {w_.data() + offset, nullptr, stride};
  }

  // Mean and root in whole steps; both move with x as those of exact arithmetic would at the
  // rounded root.
  Table norm(const Table& x, double step, double scale) {
    Table y(x.rows, x.columns);
    const int n = x.columns;
    for (int r = 0; r < x.rows; ++r) {
      std::vector<double> x0;
      double sum = 0;
      for (int i = 0; i < n; ++i) sum += x0.emplace_back(roundings.constant(x(r, i)));
      const double m0 = roundings.constant(std::trunc(std::nearbyint(sum / step) / n));
      double squares = 0;
      for (const double each : x0) squares += std::pow(each / step - m0, 2);
      const double root0 =
          roundings.constant(step * std::max(1.0, std::floor(std::sqrt(std::floor(squares / n)))));
      double mean = m0 * step, root = root0;
      for (int i = 0; i < n; ++i) {
        const double moved = x(r, i) - x0[static_cast<std::size_t>(i)];
        mean += moved / n;
        root += moved * (x0[static_cast<std::size_t>(i)] - m0 * step) / (n * root0);
      }
      for (int i = 0; i < n; ++i) y(r, i) = roundings.round((x(r, i) - mean) / root, scale);
    }
    return y;
  }

  Table linear(const Table& x, int outputs, std::size_t offset, std::size_t bias) const {
    return reference::linear(x, outputs, weight(offset, x.columns), w_.data() + bias);
  }

  // x + added, which are rounded to one step before.
  Table sum_of(const Table& x, Table added, double added_scale, double sum_scale) {
    roundings.round(added, added_scale);
    for (std::size_t i = 0; i < x.values.size(); ++i)
      added.values[i] += roundings.round(x.values[i], added_scale);
    roundings.round(added, sum_scale);
    return added;
  }

  Table attention(const Table& qkv, int heads) {
    const int w = kRoundedNetwork.head_width;
    Table y(qkv.rows, heads * w);
    for (int h = 0; h < heads; ++h) {
      const Table p = reference::probabilities(qkv, h, w);
      for (int i = 0; i < qkv.rows; ++i)
        for (int j = 0; j <= i; ++j) {
          const double weight = roundings.round(p(i, j), 1.0 / 127);
          for (int c = 0; c < w; ++c) y(i, h * w + c) += weight * qkv(j, (3 * h + 2) * w + c);
        }
    }
    return y;
  }

  // I-BERT's, whose two halves do not meet smoothly at 0.
  double gelu(double x) {
    const double sign = roundings.constant(x < 0 ? -1 : 1);
    const double part = std::min(sign * x / std::sqrt(2.0), 1.769) - 1.769;
    return 0.5 * x * (1 + sign * (-0.2888 * part * part + 1));
  }

  Table layer(const Table& x, std::size_t l, double x_scale) {
    const LayerSites<double>& s = sites_.layers[l];
    const LayerOffsets& o = kFolded.layer(static_cast<int>(l));
    const int d = kRoundedNetwork.model_width;
    Table qkv =
        linear(norm(x, x_scale / kNormReads, s.norm1), 3 * o.attention_width, o.qkv, o.qkv_bias);
    const double parts[] = {s.query, s.key, s.value};
    for (int r = 0; r < qkv.rows; ++r)
      for (int i = 0; i < qkv.columns; ++i)
        qkv(r, i) = roundings.round(qkv(r, i), parts[i / kRoundedNetwork.head_width % 3]);
    Table context = attention(qkv, kRoundedNetwork.layers[l].heads);
    roundings.round(context, s.context);
    const Table middle =
        sum_of(x, linear(context, d, o.output, o.output_bias), s.attention, s.middle);
    Table up = linear(norm(middle, s.middle / kNormReads, s.norm2), o.ffn_width, o.up, o.up_bias);
    roundings.round(up, s.up);
    for (double& value : up.values) value = gelu(value);
    roundings.round(up, s.gelu);
    return sum_of(middle, linear(up, d, o.down, o.down_bias), s.ffn, s.output);
  }

  double sequence_loss(const std::int32_t* tokens, const std::int32_t* targets) {
    const int d = kRoundedNetwork.model_width;
    Table x(kLongContext, d);
    for (int t = 0; t < kLongContext; ++t)
      for (int i = 0; i < d; ++i)
        x(t, i) = roundings.round(
            w_[kFolded.token_embedding + area(tokens[t], d) + static_cast<std::size_t>(i)] +
                w_[kFolded.position_embedding + area(t, d) + static_cast<std::size_t>(i)],
            sites_.input);
    double scale = sites_.input;
    for (std::size_t l = 0; l < sites_.layers.size(); ++l) {
      x = layer(x, l, scale);
      scale = sites_.layers[l].output;
    }
    const Table logits = linear(norm(x, scale / kNormReads, sites_.norm),
                                kRoundedNetwork.vocabulary, kFolded.head, kFolded.head_bias);
    double loss = 0;
    for (int t = 0; t < kLongContext; ++t) {
      double sum = 0;
      for (int j = 0; j < logits.columns; ++j) sum += std::exp(logits(t, j));
      loss += std::log(sum) - logits(t, targets[t]);
    }
    return loss;
  }

  Sites<double> sites_;
  std::vector<double> steps_;
  std::vector<double> w_;
};

// With scales so fine that some values of every kind are clipped.
TEST(RoundedNetwork, HasStraightThroughGradients) {
  const RandomText text(21, 2, kLongContext, kRoundedNetwork.vocabulary);
  const Quantized q(text.batch);
  const std::vector<float> scales = scales_of(q.network, 0.5);
  Trainer<double> trainer = trainer_of(kOwn, q.parameters, text.batch, Arithmetic::int8);
  trainer.set_scales(scales);
  const double loss = trainer.compute_gradients(text.batch, {&kRoundedNetwork, 1})[0];
  PlainRounded plain(scales, steps_of(q.network));
  ASSERT_NEAR(loss, plain.loss(q.parameters, text.batch), 1e-9);
  EXPECT_GT(plain.roundings.clipped_share(), 0.01);
  const auto function = [&](const std::vector<double>& parameters) {
    plain.roundings.again();
    return plain.loss(parameters, text.batch);
  };
  EXPECT_NEAR(loss, function(q.parameters), 1e-9);
  const std::vector<double> gradient = trainer.gradient();
  int nonzero = 0;
  for (const std::size_t i : sample_of(kOwn, 2)) {
    const double difference = difference_at(function, q.parameters, i);
    EXPECT_NEAR(gradient[i], difference, 1e-8 * std::max(1.0, std::abs(difference))) << i;
    nonzero += std::abs(difference) > 1e-6;
  }
  EXPECT_GT(nonzero, 30);
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += std::pow(double{a[i]} - b[i], 2);
  return std::sqrt(squares);
}

// All but the softmax in integers. What is left between them are biases rounded to int32 and the
// truncated constants of GELU, for which some numbers are rounded to the other side. A share p of
// them adds p S^2 to rounding's own S^2 / 12: two in a hundred are a quarter of it.
TEST(RoundedNetwork, HasTheLogitsOfTheIntegerNetworkButForSoftmax) {
  const RandomText text(21, 1, kLongContext, kRoundedNetwork.vocabulary);
  const Quantized q(text.batch);
  OperatorSet operators = OperatorSet::all();
  operators.integer[static_cast<std::size_t>(IntegerOperator::kSoftmax)] = false;
  std::vector<float> exact, integer;
  mixed_logits({q.folded}, text.tokens, kLongContext, exact);
  mixed_logits({q.folded, &q.network, operators}, text.tokens, kLongContext, integer);

  RoundedNetwork<float> rounded(kOwn, text.batch.rows());
  rounded.set_scales(scales_of(q.network, 1));
  rounded.round({q.parameters.begin(), q.parameters.end()});
  Activations<float> activations(rounded.layout(), 1, kLongContext,
                                 Activations<float>::Keep::nothing);
  const Pass<float> pass{rounded.layout(), rounded.weights(), kRoundedNetwork,    text.batch,
                         activations,      Products::fp32,    &rounded.rounding()};
  forward(pass, 0);
  const std::vector<float> logits(logits_of(pass), logits_of(pass) + exact.size());
  EXPECT_LT(distance(logits, integer), 0.5 * distance(exact, integer));
}

// Eight sequences are a block of rows each, one alone is two: the passes have the same bits, and
// sums of gradients another order.
TEST(RoundedNetwork, ABlockOfRowsMayEndWithinASequence) {
  constexpr int kLength = 150, kMany = 8;
  const ParameterLayout layout(kRoundedNetwork, kLength);
  std::vector<std::int32_t> tokens, targets;
  Random random(31);
  for (int i = 0; i < kMany * kLength; ++i) {
    tokens.push_back(static_cast<std::int32_t>(random.below(kRoundedNetwork.vocabulary)));
    targets.push_back(static_cast<std::int32_t>(random.below(kRoundedNetwork.vocabulary)));
  }
  const Batch batch{tokens.data(), targets.data(), kMany, kLength};
  const std::vector<double> parameters = lively_parameters(layout);
  const std::vector<float> single(parameters.begin(), parameters.end());
  const std::vector<float> scales =
      scales_of(calibrated(fold(layout, single.data(), kRoundedNetwork), batch), 1);
  const auto gradient_of = [&](int at_a_time) {
    TrainingConfig config;
    config.batch = at_a_time;
    config.accumulation = kMany / at_a_time;
    config.context = kLength;
    TrainingState<double> state;
    state.parameters = parameters;
    Trainer<double> trainer(layout, config, std::move(state), Arithmetic::int8);
    trainer.set_scales(scales);
    trainer.compute_gradients(batch, {&kRoundedNetwork, 1});
    return trainer.gradient();
  };
  const std::vector<double> whole = gradient_of(kMany), cut = gradient_of(1);
  double largest = 0;
  for (const double g : whole) largest = std::max(largest, std::abs(g));
  EXPECT_GT(largest, 1e-3);
  for (std::size_t i = 0; i < whole.size(); ++i)
    ASSERT_NEAR(cut[i], whole[i], 1e-12 * largest) << i;
}

// Steps of the pass against the accelerator's, row by row.
TEST(RoundedSteps, AreThoseOfTheIntegerUnits) {
  constexpr int kRows = 7, kWidth = 48, kCount = kRows * kWidth;
  Random random(7);
  std::vector<std::int8_t> x(kCount), added(kCount), y(kCount);
  for (std::int8_t& each : x) each = static_cast<std::int8_t>(std::lround(30 * random.normal()));
  for (std::int8_t& each : added)
    each = static_cast<std::int8_t>(std::lround(40 * random.normal()));
  std::vector<std::int32_t> sums(kCount);
  std::vector<std::uint8_t> inside(kCount), sum_inside(kCount);
  std::vector<double> result(kCount), mean(kRows), deviation(kRows);
  const auto values = [](const std::vector<std::int8_t>& numbers, double scale) {
    std::vector<double> all;
    for (const std::int8_t number : numbers) all.push_back(number * scale);
    return all;
  };
  const auto expect_numbers = [&](double scale, const char* name) {
    for (std::size_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(std::lround(result[i] / scale), y[i]) << name << " " << i;
  };
  constexpr double kX = 0.0625, kNorm = 0.03125;

  integer_norm(kRows, kWidth, x.data(), kNormReads, 1 / kNorm, sums.data(), y.data());
  rounded_layer_norm<double>(kRows, kWidth, values(x, kX).data(), kX / kNormReads, kNorm,
                             result.data(), mean.data(), deviation.data(), inside.data());
  expect_numbers(kNorm, "norm");

  const ResidualScales scales{0.5F, 1, 0.8F};  // x / added, 1, added / sum
  residual_add(kRows, kWidth, {x.data(), kWidth}, {added.data(), kWidth}, scales,
               {y.data(), kWidth});
  result = values(added, 2 * kX);
  rounded_residual<double>(kRows, kWidth, values(x, kX).data(), std::vector<double>(kWidth).data(),
                           2 * kX, 2 * kX / double{0.8F}, result.data(), inside.data(),
                           sum_inside.data());
  expect_numbers(2 * kX / double{0.8F}, "sum");

  const float up = 1.769F * std::sqrt(2.0F) / 60, gelu = 0.05F;  // the knee is a whole step
  for (std::size_t i = 0; i < x.size(); ++i) sums[i] = x[i];
  integer_gelu(kRows, kWidth, {sums.data(), kWidth}, gelu_constants(up),
               static_cast<float>(-0.2888 / 4 * up * up * up / gelu), {y.data(), kWidth});
  std::vector<double> u = values(x, up);
  rounded_gelu<double>(kRows, kWidth, std::vector<double>(kWidth).data(), up, gelu, u.data(),
                       result.data());
  int off = 0;  // the constants of integers are truncated
  for (std::size_t i = 0; i < y.size(); ++i) {
    const long difference = std::lround(result[i] / double{gelu}) - y[i];
    ASSERT_LE(std::abs(difference), 1) << i;
    off += difference != 0;
  }
  EXPECT_LT(off, kCount / 50);
}

// Ties go to even numbers; beyond 127.5 and below -128.5 there is no gradient.
TEST(RoundedSteps, ToInt8AndWhereThatClips) {
  std::vector<double> x{0.5, 1.5, -0.5, -1.5, 127.4, 127.6, 1e30, -128.4, -128.6, -1e30, 7, NAN};
  const std::vector<double> rounded{0, 2, 0, -2, 127, 127, 127, -128, -128, -128, 7};
  for (double& each : x) each *= 0.25;
  std::vector<std::uint8_t> inside(x.size());
  std::vector<double> dx(x.size(), 3), kept(x.size());
  round_to_int8<double>(1, static_cast<int>(x.size()), 0, 0.25, x.data(), inside.data());
  for (std::size_t i = 0; i < rounded.size(); ++i) EXPECT_EQ(x[i], 0.25 * rounded[i]) << i;
  EXPECT_TRUE(std::isnan(x.back()));  // a training that diverges shows
  EXPECT_EQ(inside, (std::vector<std::uint8_t>{1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0}));
  where_inside(x.size(), inside.data(), dx.data(), kept.data());
  EXPECT_EQ(kept, (std::vector<double>{3, 3, 3, 3, 3, 0, 0, 3, 0, 0, 3, 0}));
}

}  // namespace
}  // namespace paretoformer::supernet
