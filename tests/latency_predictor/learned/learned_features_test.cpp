#include "latency_predictor/learned/learned_features.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "accel_sim/simulator.hpp"
#include "support/random.hpp"

namespace paretoformer::latency_predictor {
namespace {

using accel_sim::Activation;
using accel_sim::elementwise;
using accel_sim::matmul;
using accel_sim::OperatorKind;
using accel_sim::RightOperand;

accel_sim::Operator scores(int rows, int inner, int columns) {
  return matmul(rows, inner, columns, RightOperand::kTransposedActivations, Activation::kSoftmax);
}

std::string group_of(const accel_sim::Operator& op, const accel_sim::Target& hardware) {
  return learned_group_name(operator_features(op, hardware).group);
}

TEST(LearnedFeatures, OperatorsThatBehaveAlikeAreInOneGroup) {
  const accel_sim::Target chip = accel_sim::find_target("gemmini_transformer");
  EXPECT_EQ(group_of(matmul(64, 96, 128), chip), "projection");
  EXPECT_EQ(group_of(matmul(1, 96, 128), chip), "projection_of_one_row");
  EXPECT_EQ(group_of(matmul(64, 64, 32, RightOperand::kActivations), chip), "context");
  EXPECT_EQ(group_of(elementwise(OperatorKind::kLayerNorm, 64, 96), chip), "layer_norm");
  EXPECT_EQ(group_of(elementwise(OperatorKind::kResidualAdd, 1, 96), chip),
            "residual_add_of_one_row");
  EXPECT_EQ(group_of(elementwise(OperatorKind::kEmbedding, 64, 96), chip), "embedding");
  EXPECT_EQ(group_of(elementwise(OperatorKind::kGelu, 64, 96), chip), "exact");
  // Rows of sums that fit the accumulator stay there for their softmax; of 256 KiB, 3000
  // sums a row take more than the half that a tile has.
  EXPECT_EQ(group_of(scores(64, 32, 64), chip), "fused_scores");
  EXPECT_EQ(group_of(softmax_of(scores(64, 32, 64)), chip), "fused_softmax");
  EXPECT_EQ(group_of(scores(64, 32, 3000), chip), "spilled_scores");
  EXPECT_EQ(group_of(softmax_of(scores(64, 32, 3000)), chip), "softmax");
  // On the host, the scores are plain and everything else is known exactly.
  const accel_sim::Target host = accel_sim::find_target("gemmini_cnn");
  EXPECT_EQ(group_of(scores(64, 32, 64), host), "plain_scores");
  EXPECT_EQ(group_of(softmax_of(scores(64, 32, 64)), host), "exact");
}

TEST(LearnedFeatures, EveryGroupHasAName) {
  std::set<std::string> names;
  for (int group = 0; group < kLearnedGroups; ++group) names.insert(learned_group_name(group));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kLearnedGroups));
}

// The estimate is what is learned from: near in the mean, never far off, and never of fewer bytes
// than must be moved. It is a fifth too low: of what a line that leaves L2 costs it knows nothing
// (with LineCost it is nearer, and what is learned from it is not).
TEST(LearnedFeatures, TheEstimateIsNearTheSimulation) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  Random random(4);
  const auto extent = [&] { return 1 + static_cast<int>(random.below(400)); };
  double sum = 0;
  for (int i = 0; i < 100; ++i) {
    const accel_sim::Operator op = matmul(extent(), extent(), extent());
    const OperatorFeatures features = operator_features(op, hardware);
    const accel_sim::SimulationReport truth = simulate(op, hardware);
    const double off = features.cycles / static_cast<double>(truth.cost.latency.value());
    EXPECT_GT(off, 0.5) << describe(op);
    EXPECT_LT(off, 1.5) << describe(op);
    sum += off;
    EXPECT_EQ(features.written_bytes, static_cast<double>(op.rows) * op.columns) << describe(op);
    EXPECT_GE(64 * features.fetches, op.inner * (static_cast<double>(op.rows) + op.columns));
    EXPECT_EQ(features.accesses.macs, truth.accesses.macs);
    for (const double x : features.x) EXPECT_TRUE(std::isfinite(x)) << describe(op);
  }
  EXPECT_NEAR(sum / 100, 1, 0.25);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
