// The instructions that are timed, executed: results are those of the direct integer operators, bit
// for bit, whatever the shape, the schedule and the memories.
#include "nas/functional/interpreter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "accel_sim/lowering/tiling.hpp"
#include "nas/functional/functional_case.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using namespace accel_sim;  // NOLINT: everything here is said in its words

struct NamedTarget {
  std::string name;
  Target target;
};

Target with(int array_size, int scratchpad_kib, int accumulator_kib) {
  Target target;
  target.array_size = array_size;
  target.scratchpad_kib = scratchpad_kib;
  target.accumulator_kib = accumulator_kib;
  target.nonlinear_units = NonlinearUnits::kOnChip;
  target.fusion = Fusion::kOn;
  target.int4_weights = true;
  return target;
}

std::vector<NamedTarget> targets() {
  const auto preset = [](const char* name) -> NamedTarget {
    Target target = find_target(name);
    target.int4_weights = true;
    return {name, target};
  };
  return {preset("gemmini_transformer"),
          preset("gemmini_soc"),
          {"8 x 8, small", with(8, 2, 4)},
          {"16 x 16, small", with(16, 8, 16)},
          {"32 x 32, small", with(32, 16, 64)}};
}

int up_to(Random& random, int most) {
  return 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(most)));
}

template <class T>
T one_of(Random& random, const std::vector<T>& values) {
  return values[random.below(values.size())];
}

Call with_loops(Call call, Random& random) {
  MatmulSchedule schedule = *call.schedule;
  std::sort(schedule.order.begin(), schedule.order.end());
  for (auto turns = random.below(6); turns > 0; --turns)
    std::next_permutation(schedule.order.begin(), schedule.order.end());
  schedule.reloads = random.chance(0.5);
  call.give_schedule(schedule);
  return call;
}

// Any tile that fits, and any loops around it.
MatmulSchedule any_schedule(const Operator& op, const Target& target, Random& random) {
  const MatmulTile whole = blocks(op, target);
  MatmulTile tile;
  do {
    tile = {up_to(random, whole.rows), up_to(random, whole.inner), up_to(random, whole.columns)};
  } while (!fits(tile, target));
  return tile;
}

void expect_equal(const Call& call, const Target& target, std::uint64_t seed) {
  SCOPED_TRACE(describe(call.op) + ", seed " + std::to_string(seed));
  const FunctionalCase functional = random_case(call, target, seed);
  EXPECT_TRUE(run(functional, target).equal);
}

// Whether the results are such that another scale changes them.
bool depends_on_scale(const Call& call, const Target& target, std::uint64_t seed) {
  FunctionalCase functional = random_case(call, target, seed);
  functional.constants.scale *= 1.1F;
  return !run(functional, target).equal;
}

Operator any_matmul(Random& random, std::vector<Activation> activations) {
  return matmul(
      up_to(random, 100), up_to(random, random.chance(0.2) ? 700 : 120), up_to(random, 100),
      one_of<RightOperand>(random,
                           {RightOperand::kWeights, RightOperand::kActivations,
                            RightOperand::kTransposedActivations, RightOperand::kInt4Weights}),
      one_of(random, activations), one_of<Bias>(random, {Bias::kNone, Bias::kRow, Bias::kFull}));
}

TEST(Interpreter, MatmulsEqualTheDirectOperators) {
  for (const auto& [name, target] : targets()) {
    SCOPED_TRACE(name);
    Random random(1);
    for (int n = 0; n < 40; ++n) {
      const Operator op = any_matmul(
          random, {Activation::kNone, Activation::kRelu, Activation::kGelu, Activation::kSums});
      expect_equal(compile(op, target), target, random.next());
      const Call other = compile(op, target, any_schedule(op, target, random));
      expect_equal(with_loops(other, random), target, random.next());
    }
  }
}

// Sums that leave unfinished and come back are tested only if there are any.
TEST(Interpreter, SpilledSumsEqualTheDirectOperators) {
  const Target target = with(8, 2, 4);
  Random random(2);
  int spilled = 0;
  for (int n = 0; n < 40; ++n) {
    const Operator op = any_matmul(random, {Activation::kNone, Activation::kGelu});
    const Call call = with_loops(compile(op, target, any_schedule(op, target, random)), random);
    spilled += spills_sums(*call.schedule, op, target) ? 1 : 0;
    expect_equal(call, target, random.next());
  }
  EXPECT_GT(spilled, 10);
}

TEST(Interpreter, OutputStationaryMatmulsEqualTheDirectOperators) {
  for (auto [name, target] : targets()) {
    SCOPED_TRACE(name);
    target.dataflow = Dataflow::kOutputStationary;
    Random random(3);
    for (int n = 0; n < 20; ++n)
      expect_equal(compile(any_matmul(random, {Activation::kNone, Activation::kSums}), target),
                   target, random.next());
  }
}

TEST(Interpreter, FusedNormalisationsEqualTheDirectOperators) {
  int takes_turns = 0;  // rows that take all of the accumulator
  for (auto [name, target] : targets()) {
    SCOPED_TRACE(name);
    target.fusion = Fusion::kOn;
    Random random(4);
    int fused = 0;
    for (int n = 0; n < 40; ++n) {
      const Operator op = any_matmul(random, {Activation::kSoftmax, Activation::kLayerNorm});
      if (!rows_can_be_fused(op, target)) continue;
      const Call call = compile(op, target);
      ASSERT_NE(call.fused, Normalisation::kNone);
      ++fused;
      takes_turns += call.takes_turns ? 1 : 0;
      expect_equal(call, target, random.next());
      expect_equal(with_loops(call, random), target, random.next());
    }
    EXPECT_GT(fused, 10);
  }
  EXPECT_GT(takes_turns, 5);
}

TEST(Interpreter, ScoresInRowBlocksEqualMaskedOnes) {
  for (auto [name, target] : targets()) {
    SCOPED_TRACE(name);
    target.fusion = Fusion::kOn;
    Random random(5);
    int run = 0;
    for (int n = 0; n < 20; ++n) {
      const int length = up_to(random, 120);
      const Operator scores =
          matmul(length, target.array_size * up_to(random, 3) + up_to(random, 5), length,
                 RightOperand::kTransposedActivations, Activation::kSoftmax, Bias::kTriangle);
      if (!rows_can_be_fused(scores, target)) continue;
      ++run;
      expect_equal(compile(scores, target), target, random.next());
    }
    EXPECT_GT(run, 5);
  }
}

TEST(Interpreter, OtherOperatorsEqualTheDirectOperators) {
  for (const auto& [name, target] : targets()) {
    SCOPED_TRACE(name);
    Random random(6);
    for (int n = 0; n < 15; ++n) {
      const int rows = up_to(random, 150), columns = up_to(random, 150);
      Call add = compile(elementwise(OperatorKind::kResidualAdd, rows, columns), target);
      expect_equal(add, target, random.next());
      add.scaled = false;
      expect_equal(add, target, random.next());
      for (const Operator& op : {elementwise(OperatorKind::kSoftmax, rows, columns),
                                 elementwise(OperatorKind::kLayerNorm, rows, columns),
                                 of_int8(OperatorKind::kLayerNorm, rows, columns),
                                 of_int8(OperatorKind::kGelu, rows, columns),
                                 elementwise(OperatorKind::kEmbedding, rows, columns)}) {
        const Call call = compile(op, target);
        if (call.runs_in == RunsIn::kHost) continue;  // rows that do not fit the accumulator
        expect_equal(call, target, random.next());
      }
    }
  }
}

std::string error_of(const FunctionalCase& functional, const Target& target) {
  try {
    return run(functional, target).equal ? "equal" : "different";
  } catch (const Error& error) {
    return error.what();
  }
}

// Results that were all 0 or all saturated would be equal as well.
TEST(Interpreter, ResultsSayWhatTheyWereMadeOf) {
  const Target target = with(16, 16, 64);
  const auto scores = matmul(60, 64, 60, RightOperand::kTransposedActivations, Activation::kSoftmax,
                             Bias::kTriangle);
  for (const Operator& op :
       {matmul(60, 70, 50), matmul(60, 70, 50, RightOperand::kWeights, Activation::kGelu),
        matmul(60, 70, 50, RightOperand::kWeights, Activation::kLayerNorm), scores,
        elementwise(OperatorKind::kResidualAdd, 50, 50), of_int8(OperatorKind::kGelu, 50, 50),
        elementwise(OperatorKind::kSoftmax, 50, 50), of_int8(OperatorKind::kLayerNorm, 50, 50)})
    for (std::uint64_t seed = 1; seed <= 5; ++seed)
      EXPECT_TRUE(depends_on_scale(compile(op, target), target, seed))
          << describe(op) << ", seed " << seed;
}

// What it says of a program with a fault.
TEST(Interpreter, FindsAnOperandThatIsNotLoaded) {
  const Target target = with(16, 8, 16);
  const Call call = compile(matmul(40, 300, 40), target);
  FunctionalCase functional = random_case(call, target, 7);
  ASSERT_GT(functional.program.tiles.size(), 4U);
  ASSERT_EQ(error_of(functional, target), "equal");
  functional.program.tiles[0].load_left = false;
  EXPECT_THAT(error_of(functional, target),
              ::testing::HasSubstr("of the scratchpad is read, but nothing has written it"));
  functional.program.tiles[0].load_left = true;
  functional.program.tiles[4].load_left = false;  // what an earlier tile has left
  EXPECT_EQ(error_of(functional, target), "different");
}

TEST(Interpreter, FindsSumsThatNothingBegan) {
  const Target target = with(16, 8, 16);
  const Call call = compile(matmul(40, 30, 40), target);
  FunctionalCase functional = random_case(call, target, 8);
  functional.program.tiles[0].accumulate = true;
  EXPECT_THAT(error_of(functional, target),
              ::testing::HasSubstr("of the accumulator is read, but nothing has written it"));
}

TEST(Interpreter, FindsAddressesOutsideDram) {
  const Target target = with(16, 8, 16);
  FunctionalCase functional = random_case(compile(matmul(40, 30, 40), target), target, 9);
  functional.program.tiles[0].right.address = 1 << 20;
  EXPECT_THAT(error_of(functional, target), ::testing::HasSubstr("of DRAM: there are"));
}

TEST(Interpreter, ScalesOnlyWhatPassesTheScalingUnits) {
  const Target target = with(16, 8, 16);
  Call add = compile(elementwise(OperatorKind::kResidualAdd, 20, 20), target);
  add.scaled = false;
  FunctionalCase functional = random_case(add, target, 10);
  functional.constants.right_scale = 0.5F;
  EXPECT_THAT(error_of(functional, target), ::testing::HasSubstr("bypasses the scaling units"));
}

}  // namespace
}  // namespace paretoformer::nas
