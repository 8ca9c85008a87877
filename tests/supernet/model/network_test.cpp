#include "supernet/model/network.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "supernet/kernels/kernels.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/training/cpu_backend.hpp"
#include "supernet/training/trainer.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "tests/supernet/lively_parameters.hpp"
#include "tests/supernet/random_text.hpp"

namespace paretoformer::supernet {
namespace {

// A supernet small enough for finite differences.
const Architecture kTinySupernet{12, 4, 11, {{3, 20}, {3, 20}}};
constexpr int kSequences = 2;

template <class T>
double mean_loss(const ParameterLayout& layout, const std::vector<T>& parameters,
                 const Architecture& network, const Batch& batch) {
  Activations<T> activations(layout, batch.sequences, batch.length, Activations<T>::Keep::nothing);
  const Pass<T> pass{layout, parameters.data(), network, batch, activations};
  std::vector<double> losses(static_cast<std::size_t>(batch.sequences));
  for (int task = 0; task < row_tasks(batch); ++task) {
    const auto first = static_cast<std::size_t>(task * sequences_per_task(batch));
    sequence_losses(pass, task, std::span(losses).subspan(first));
  }
  double sum = 0;
  for (double loss : losses) sum += loss;
  return sum / batch.rows();
}

TrainingConfig config_for(const Batch& batch) {
  TrainingConfig config;
  config.batch = batch.sequences;
  config.context = batch.length;
  config.distillation = 0;
  return config;
}

// Every tensor, three entries in each, inside and outside the slice.
void expect_gradient_of(const Architecture& network, int sequences = kSequences,
                        int context = kLongContext) {
  const ParameterLayout layout(kTinySupernet, context);
  const RandomText text(21, sequences, context, kTinySupernet.vocabulary);
  TrainingState<double> state{0, lively_parameters<double>(layout), {}, {}};
  const std::vector<double> parameters = state.parameters;
  Trainer<double> trainer(layout, config_for(text.batch), std::move(state));
  // The first network must be the largest: subtract its share to get the slice's own gradient.
  std::vector<Architecture> networks{kTinySupernet};
  trainer.compute_gradients(text.batch, networks);
  const std::vector<double> of_largest = trainer.gradient();
  networks.push_back(network);
  std::vector<std::int32_t> tokens, targets;  // the same text for both
  for (int i = 0; i < 2; ++i) {
    tokens.insert(tokens.end(), text.batch.tokens, text.batch.tokens + text.batch.rows());
    targets.insert(targets.end(), text.batch.targets, text.batch.targets + text.batch.rows());
  }
  trainer.compute_gradients(
      {tokens.data(), targets.data(), 2 * text.batch.sequences, text.batch.length}, networks);

  const std::vector<double> of_both = trainer.gradient();

  Random random(23);
  int nonzero = 0;
  for (const Tensor& tensor : layout.tensors())
    for (int sample = 0; sample < 4; ++sample) {
      const std::size_t i = tensor.offset + random.below(tensor.size());
      const double gradient = of_both[i] - of_largest[i];
      constexpr double kStep = 1e-5;
      std::vector<double> moved = parameters;
      moved[i] = parameters[i] + kStep;
      const double up = mean_loss(layout, moved, network, text.batch);
      moved[i] = parameters[i] - kStep;
      const double down = mean_loss(layout, moved, network, text.batch);
      const double difference = (up - down) / (2 * kStep);
      nonzero += std::abs(difference) > 1e-6;
      EXPECT_NEAR(gradient, difference, 1e-8 * std::max(1.0, std::abs(difference)))
          << tensor.name << " entry " << i - tensor.offset;
    }
  EXPECT_GT(nonzero, 40);  // the check must have seen real gradients
}

TEST(NetworkGradient, Largest) { expect_gradient_of(kTinySupernet); }
TEST(NetworkGradient, NarrowModel) { expect_gradient_of({7, 4, 11, {{3, 20}, {3, 20}}}); }
TEST(NetworkGradient, FewerHeads) { expect_gradient_of({12, 4, 11, {{1, 20}, {2, 20}}}); }
TEST(NetworkGradient, NarrowFfn) { expect_gradient_of({12, 4, 11, {{3, 5}, {3, 17}}}); }
TEST(NetworkGradient, Shallow) { expect_gradient_of({12, 4, 11, {{3, 20}}}); }
TEST(NetworkGradient, RowBlocksWithinASequence) {
  expect_gradient_of({9, 4, 11, {{2, 13}}}, 1, 150);
}
TEST(NetworkGradient, SequencesThatShareABlock) {
  expect_gradient_of({9, 4, 11, {{2, 13}}}, 5, 20);
}
TEST(NetworkGradient, AllAtOnce) { expect_gradient_of({9, 4, 11, {{2, 13}}}); }

// Of the losses of a step of both, whose masks are the same each time.
TEST(NetworkGradient, WithDropout) {
  const ParameterLayout layout(kTinySupernet, kLongContext);
  const std::vector<Architecture> networks{kTinySupernet, {9, 4, 11, {{2, 13}}}};
  RandomText text(21, 2 * kSequences, kLongContext, kTinySupernet.vocabulary);
  TrainingConfig config = config_for(text.batch);
  config.batch = kSequences;
  config.dropout = 0.4;
  text.batch.dropout = Dropout::of_step(config.dropout, 1, 2);
  TrainingState<double> state{0, lively_parameters<double>(layout), {}, {}};
  CpuBackend<double> backend(layout, config, state, Arithmetic::fp32);
  const auto loss = [&] {
    const auto losses = backend.gradients(text.batch, networks);
    return losses[0] + losses[1];
  };
  loss();
  const auto found = backend.gradient();
  const std::vector<double> gradient(found.begin(), found.end());
  Random random(23);
  int nonzero = 0;
  for (const Tensor& tensor : layout.tensors())
    for (int sample = 0; sample < 4; ++sample) {
      const std::size_t i = tensor.offset + random.below(tensor.size());
      constexpr double kStep = 1e-5;
      const double here = state.parameters[i];
      state.parameters[i] = here + kStep;
      const double up = loss();
      state.parameters[i] = here - kStep;
      const double difference = (up - loss()) / (2 * kStep);
      state.parameters[i] = here;
      nonzero += std::abs(difference) > 1e-6;
      EXPECT_NEAR(gradient[i], difference, 1e-8 * std::max(1.0, std::abs(difference)))
          << tensor.name << " entry " << i - tensor.offset;
    }
  EXPECT_GT(nonzero, 40);
}

TEST(Network, ASliceEqualsTheExtractedNetwork) {
  const ParameterLayout layout(kTinySupernet, kLongContext);
  const std::vector<double> parameters = lively_parameters<double>(layout);
  const RandomText text(21, kSequences, kLongContext, kTinySupernet.vocabulary);
  const Architecture slice{9, 4, 11, {{2, 13}, {1, 20}}};
  const ParameterLayout own(slice, kLongContext);
  EXPECT_EQ(mean_loss(layout, parameters, slice, text.batch),
            mean_loss(own, extract(layout, parameters, own), slice, text.batch));
}

// Networks of other widths and depths have other LayerNorms; extraction takes the right ones.
TEST(Network, LayerNormsBelongToAWidthAndTheFinalOneToADepthAsWell) {
  const Json json = parse_json(R"({"head_width": 4, "vocabulary": 11, "depth": [1, 2],
                                   "model_width": [8, 12], "heads": [1, 3], "ffn_width": [5, 20]})",
                               "space.json");
  const SearchSpace space = SearchSpace::from_json(JsonNode(json, "space.json"));
  const ParameterLayout layout(space, kLongContext);
  const std::vector<double> parameters = lively_parameters<double>(layout);
  const RandomText text(21, kSequences, kLongContext, 11);
  std::set<std::pair<std::size_t, std::size_t>> rows;
  for (const Architecture& network : space.extremes()) {
    rows.insert({layout.norm_row(network), layout.final_norm_row(network)});
    const ParameterLayout own(network, kLongContext);
    EXPECT_EQ(mean_loss(layout, parameters, network, text.batch),
              mean_loss(own, extract(layout, parameters, own), network, text.batch))
        << describe(network);
  }
  EXPECT_EQ(rows,
            (std::set<std::pair<std::size_t, std::size_t>>{{0, 0}, {0, 12}, {12, 24}, {12, 36}}));
  EXPECT_EQ(layout.size(), ParameterLayout(space.largest(), kLongContext).size() + 2 * 4 * 12 +
                               2 * 3 * 12);  // 2 x 4 vectors of layers, 2 final
}

TEST(Network, FloatAgreesWithDouble) {
  const ParameterLayout layout(kTinySupernet, kLongContext);
  const std::vector<double> parameters = lively_parameters<double>(layout);
  const std::vector<float> single(parameters.begin(), parameters.end());
  const RandomText text(21, kSequences, kLongContext, kTinySupernet.vocabulary);
  EXPECT_NEAR(mean_loss(layout, single, kTinySupernet, text.batch),
              mean_loss(layout, parameters, kTinySupernet, text.batch), 1e-5);
}

template <class T>
std::vector<T> logits_with(const PackedWeights<T>* packed, const ParameterLayout& layout,
                           const std::vector<T>& parameters, const Architecture& network,
                           const Batch& batch, Products products) {
  Activations<T> activations(layout, batch.sequences, batch.length, Activations<T>::Keep::nothing);
  const Pass<T> pass{layout,      parameters.data(), network, batch,
                     activations, products,          nullptr, packed};
  forward(pass, 0);
  return {activations.logits, activations.logits + batch.rows() * network.vocabulary};
}

TEST(Network, PackedWeightsGiveTheSameBits) {
  for (const Head head : {Head::tied, Head::untied})
    for (const Products products : {Products::fp32, Products::bf16}) {
      if (products == Products::bf16 && bf16_unit() == Bf16Unit::none) continue;
      const ParameterLayout layout(kTinySupernet, kLongContext, head);
      const std::vector<float> parameters = lively_parameters<float>(layout);
      const RandomText text(21, kSequences, kLongContext, kTinySupernet.vocabulary);
      PackedWeights<float> packed(layout, products);
      packed.pack(std::vector<float>(parameters.size(), 7.0F).data());  // those of another step
      packed.pack(parameters.data());
      for (const Architecture& network :
           {kTinySupernet, Architecture{12, 4, 11, {{1, 17}, {2, 5}}}})
        EXPECT_EQ(logits_with(&packed, layout, parameters, network, text.batch, products),
                  logits_with<float>(nullptr, layout, parameters, network, text.batch, products));
    }
}

TEST(Network, NoPositionSeesTheFuture) {
  const ParameterLayout layout(kTinySupernet, kLongContext);
  const std::vector<double> parameters = lively_parameters<double>(layout);
  RandomText text(21, 1, kLongContext, kTinySupernet.vocabulary);
  Activations<double> activations(layout, 1, kLongContext, Activations<double>::Keep::nothing);
  const Pass<double> pass{layout, parameters.data(), kTinySupernet, text.batch, activations};
  forward(pass, 0);
  const std::vector<double> before(activations.logits, activations.logits + 66 * 11);
  text.tokens[66] = (text.tokens[66] + 1) % 11;
  forward(pass, 0);
  EXPECT_EQ(before, std::vector<double>(activations.logits, activations.logits + 66 * 11));
}

// Normalised activations against embeddings of variance 1 / (2 d) give logits of variance 1/2, and
// log-sum-exp of n such logits exceeds log(n) by half their variance.
TEST(Network, InitialLossIsNearThatOfAUniformGuess) {
  const ParameterLayout layout(kTinySupernet, kLongContext);
  const RandomText text(21, kSequences, kLongContext, kTinySupernet.vocabulary);
  EXPECT_NEAR(mean_loss(layout, initial_parameters<double>(layout, 1), kTinySupernet, text.batch),
              std::log(11.0) + 0.25, 0.2);
}

}  // namespace
}  // namespace paretoformer::supernet
