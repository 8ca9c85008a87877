// What is the CUDA back end's own: parts of a batch where memory is short, and what it refuses. The
// rest is the list of tests/supernet/training/backend_test.cpp.
#include "supernet/training/cuda/training.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supernet/training/cuda_backend.hpp"
#include "support/error.hpp"
#include "support/random.hpp"
#include "tests/supernet/lively_parameters.hpp"

namespace paretoformer::supernet::cuda {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

const Architecture kNetwork{16, 8, 31, {{2, 24}}};
constexpr int kContext = 9;
constexpr int kBatch = 5;

// As much memory as is set, for all that is allocated while this lives.
class Memory {
 public:
  Memory() : before_(emulation::device_memory) {}
  ~Memory() { emulation::device_memory = before_; }
  void leave(std::size_t bytes) {
    emulation::device_memory = before_;
    emulation::device_memory -= device().free_memory - bytes;
  }

 private:
  std::size_t before_;
};

TrainingConfig config() {
  TrainingConfig c;
  c.batch = kBatch;
  c.context = kContext;
  c.random_subnetworks = 0;
  return c;
}

Limits limits() { return {std::size_t{1} << 20, 1}; }

struct Made {
  Made() : layout(kNetwork, kContext) {
    Random random(5);
    for (std::size_t i = 0; i < layout.size(); ++i)
      state.parameters.push_back(static_cast<float>(0.3 * random.normal()));
    for (int i = 0; i < kBatch * kContext; ++i)
      tokens.push_back(static_cast<std::int32_t>(random.below(31)));
  }
  Batch batch() const { return {tokens.data(), tokens.data(), kBatch, kContext}; }

  ParameterLayout layout;
  TrainingState<float> state;
  std::vector<std::int32_t> tokens;
};

std::size_t arena_bytes(const ParameterLayout& layout) {
  return layout.size() * 4 * sizeof(float) + layout.matrix_size() * sizeof(Bf16);
}

std::size_t pass_bytes(const ParameterLayout& layout, int sequences, Buffers::Keep keep) {
  return Buffers::bytes(layout, sequences, kContext, keep, logit_rows(layout, limits()));
}

// Enough for `sequences` of a step at a time, not for more.
std::size_t enough_for(const ParameterLayout& layout, int sequences) {
  return arena_bytes(layout) + pass_bytes(layout, kBatch, Buffers::Keep::nothing) +
         pass_bytes(layout, sequences, Buffers::Keep::all_layers) + kNormParts * sizeof(double) +
         4096;
}

TEST(CudaTraining, WorksOnFewerSequencesWhereMemoryIsShort) {
  Made made;
  const StepShape shape{kBatch, kBatch, kContext, 1};
  const std::vector<float> zeros(made.layout.size());
  const auto gradient = [&](int expected) {
    DeviceTraining training(made.layout, shape, limits());
    EXPECT_EQ(training.sequences_at_a_time(), expected);
    training.upload(made.state.parameters, zeros, zeros);
    const double loss = training.gradients(made.batch(), std::vector<Architecture>{kNetwork})[0];
    EXPECT_GT(loss, 0);
    return std::pair(loss, training.gradient());
  };
  const auto whole = gradient(kBatch);
  Memory memory;
  for (const int sequences : {3, 2, 1}) {
    memory.leave(enough_for(made.layout, sequences));
    const auto parts = gradient(sequences);
    EXPECT_EQ(parts.first, whole.first);
    // Only sums over rows are in another order, in fp32.
    double difference = 0;
    double norm = 0;
    for (std::size_t i = 0; i < zeros.size(); ++i) {
      const double d = static_cast<double>(parts.second[i]) - whole.second[i];
      difference += d * d;
      norm += static_cast<double>(whole.second[i]) * whole.second[i];
    }
    EXPECT_GT(difference, 0);  // there were parts
    EXPECT_LT(difference, 1e-12 * norm);
  }
}

TEST(CudaTraining, SaysWhatWouldFit) {
  Made made;
  Memory memory;
  memory.leave(arena_bytes(made.layout) / 2);
  EXPECT_THAT([&] { make_backend(made.layout, config(), made.state, limits()); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("does not hold a training of"),
                                              HasSubstr(std::to_string(made.layout.size())),
                                              HasSubstr("expected less than"))));
  memory.leave(enough_for(made.layout, 1) - pass_bytes(made.layout, 1, Buffers::Keep::all_layers) +
               1024);
  EXPECT_THAT(
      [&] { make_backend(made.layout, config(), made.state, limits()); },
      ThrowsMessage<InputError>(AllOf(HasSubstr("does not hold one sequence of 9 tokens"),
                                      HasSubstr("expected a training.context of at most"))));
}

// With an output layer of its own, too.
TEST(CudaTraining, EvaluatesNetworksInIntegers) {
  Made made;
  for (const Head head : {Head::tied, Head::untied}) {
    const ParameterLayout layout(kNetwork, kContext, head);
    const std::vector<float> parameters = lively_parameters<float>(layout);
    const auto loss = [&](const IntegerLoss& of) {
      return of(kNetwork, made.batch(), made.batch());
    };
    // Scales are those of another pass, in bf16.
    const double expected = loss(integer_loss_of(layout, parameters));
    EXPECT_NEAR(loss(make_integer_loss(layout, parameters, config(), limits())), expected,
                0.003 * expected);
  }
  Memory memory;
  memory.leave(40'000);  // enough for the weights
  TrainingConfig longer = config();
  longer.context = 400;
  EXPECT_THAT(
      [&] { make_integer_loss(made.layout, made.state.parameters, longer, limits()); },
      ThrowsMessage<InputError>(HasSubstr("does not hold one sequence of 400 tokens in int8")));
}

TEST(CudaTraining, RefusesWhatItDoesNotHave) {
  Made made;
  const ParameterLayout untied(kNetwork, kContext, Head::untied);
  EXPECT_THAT([&] { make_losses(untied, made.state.parameters, config(), limits()); },
              ThrowsMessage<InputError>(HasSubstr("output layers")));
  const ParameterLayout wide({16, 136, 31, {{1, 8}}}, kContext);
  EXPECT_THAT([&] { make_backend(wide, config(), made.state, limits()); },
              ThrowsMessage<InputError>(HasSubstr("head_width: 136")));
}

}  // namespace
}  // namespace paretoformer::supernet::cuda
