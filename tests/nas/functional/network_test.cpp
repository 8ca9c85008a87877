// A quantised network on the simulated accelerator: the calls of the compiled network, executed by
// the interpreter one after the other, each at the place at which it is timed. Its logits are
// integer_logits(), bit for bit.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "accel_sim/simulator.hpp"
#include "nas/functional/network_program.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Call;
using accel_sim::Target;
using supernet::area;
using supernet::QuantizedNetwork;
using Words = std::vector<std::int32_t>;

constexpr int kContext = 70;

Words random_tokens(Random& random, int count) {
  Words tokens;
  for (int t = 0; t < count; ++t) tokens.push_back(static_cast<std::int32_t>(random.below(31)));
  return tokens;
}

QuantizedNetwork random_network(Random& random, int bits_of_second = 8) {
  const Architecture network{24, 8, 31, {{3, 40}, {2, 56, bits_of_second}}};
  const supernet::ParameterLayout layout(network, kContext);
  std::vector<float> parameters(layout.size());
  for (float& parameter : parameters) parameter = static_cast<float>(0.25 * random.normal());
  const Words tokens = random_tokens(random, 8 * kContext);
  const supernet::Batch batch{tokens.data(), tokens.data(), 8, kContext};
  return calibrated(fold(layout, parameters.data(), network), batch);
}

std::vector<Call> calls_of(const QuantizedNetwork& network, int length, const Target& target) {
  accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  workload.sequence_length = length;
  return compile(network.network, workload, target);
}

Target target_of(const char* name, accel_sim::Fusion fusion) {
  Target target = accel_sim::find_target(name);
  target.nonlinear_units = accel_sim::NonlinearUnits::kOnChip;
  target.fusion = fusion;
  return target;
}

TEST(SimulatedNetwork, LogitsEqualTheIntegerOperators) {
  Random random(11);
  const QuantizedNetwork network = random_network(random);
  for (const char* const name : {"gemmini_transformer", "gemmini_soc"})
    for (const accel_sim::Fusion fusion : {accel_sim::Fusion::kOn, accel_sim::Fusion::kOff})
      for (const int length : {1, 48, kContext}) {
        const Target target = target_of(name, fusion);
        const Words tokens = random_tokens(random, length);
        supernet::IntegerActivations activations(network, length);
        Words expected(area(length, network.head.outputs));
        integer_logits(network, tokens, length, activations, expected.data());
        const NetworkProgram program =
            network_program(network, tokens, target, calls_of(network, length, target));
        EXPECT_EQ(run(program, target), expected) << name << ", length " << length;
        EXPECT_NE(expected.front(), expected.back());
        int softmaxes = 0;
        for (const NetworkCall& call : program.calls)
          softmaxes += call.call.op.kind == accel_sim::OperatorKind::kSoftmax;
        EXPECT_EQ(softmaxes, fusion == accel_sim::Fusion::kOn ? 0 : 5);
      }
}

// What is best where row blocks, which cannot be executed, would be cheaper.
TEST(SimulatedNetwork, ExecutesWhatIsPricedAsTheBestMask) {
  Random random(14);
  const QuantizedNetwork network = random_network(random);
  Target target = target_of("gemmini_soc", accel_sim::Fusion::kLibrary);
  target.array_size = 8;  // heads are as wide, so that there may be row blocks
  target.masking = accel_sim::Masking::kBest;
  accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  workload.sequence_length = kContext;
  const std::vector<Call> calls =
      compile(network.network, workload, target, accel_sim::simulated_prices(target));
  const Words tokens = random_tokens(random, kContext);
  supernet::IntegerActivations activations(network, kContext);
  Words expected(area(kContext, network.head.outputs));
  integer_logits(network, tokens, kContext, activations, expected.data());
  EXPECT_EQ(run(network_program(network, tokens, target, calls), target), expected);
  workload.nonlinear_inputs = accel_sim::NonlinearInputs::kSums;
  bool cheaper = false;
  for (const Call& call :
       compile(network.network, workload, target, accel_sim::simulated_prices(target)))
    cheaper = cheaper || call.op.bias == accel_sim::Bias::kTriangle;
  EXPECT_TRUE(cheaper);
}

// A layer of four bits, whose weights are unpacked on the way in.
TEST(SimulatedNetwork, LogitsOfInt4WeightsEqualTheIntegerOperators) {
  Random random(12);
  const QuantizedNetwork network = random_network(random, 4);
  for (const int array_size : {8, 16, 32}) {
    Target target = target_of("gemmini_transformer", accel_sim::Fusion::kLibrary);
    target.array_size = array_size;
    target.int4_weights = true;
    const Words tokens = random_tokens(random, 48);
    supernet::IntegerActivations activations(network, 48);
    Words expected(area(48, network.head.outputs));
    integer_logits(network, tokens, 48, activations, expected.data());
    const NetworkProgram program =
        network_program(network, tokens, target, calls_of(network, 48, target));
    EXPECT_EQ(run(program, target), expected) << array_size;
  }
}

// Nothing lies in two places, and all of the memory is in one.
TEST(SimulatedNetwork, RegionsAreTheMemory) {
  Random random(12);
  const QuantizedNetwork network = random_network(random);
  const Target target = target_of("gemmini_soc", accel_sim::Fusion::kLibrary);
  const NetworkProgram program =
      network_program(network, random_tokens(random, 20), target, calls_of(network, 20, target));
  std::int64_t end = 0;
  for (const Region& region : program.regions) {
    EXPECT_EQ(region.address, end) << region.name;
    EXPECT_GT(region.bytes, 0) << region.name;
    end = region.address + region.bytes;
    if (region.is_constant) continue;
    for (const std::int8_t byte : program.memory.at(region.address, region.bytes))
      ASSERT_EQ(byte, 0) << region.name;
  }
  EXPECT_NO_THROW(program.memory.at(0, end));
  EXPECT_THROW(program.memory.at(0, end + 1), Error);
}

TEST(SimulatedNetwork, WhatIsNotExecutedAsItIsPricedIsRefused) {
  Random random(13);
  const QuantizedNetwork network = random_network(random);
  const auto expect_refused = [&](const Target& target, int length, const std::string& why) {
    try {
      network_program(network, random_tokens(random, length), target,
                      calls_of(network, length, target));
      ADD_FAILURE() << "expected: " << why;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
  };
  Target target = target_of("gemmini_soc", accel_sim::Fusion::kLibrary);
  expect_refused(target, kContext + 1, "a sequence of 71 tokens: expected 1 to 70");
  target.nonlinear_units = accel_sim::NonlinearUnits::kHost;
  expect_refused(target, 20, "expected nonlinear_units: on_chip");
  target = target_of("gemmini_soc", accel_sim::Fusion::kLibrary);
  target.array_size = 8;  // heads are as wide
  target.masking = accel_sim::Masking::kRowBlocks;
  expect_refused(target, 20, "expected masking: bias");
}

}  // namespace
}  // namespace paretoformer::nas
