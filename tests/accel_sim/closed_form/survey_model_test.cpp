#include "accel_sim/closed_form/survey_model.hpp"

#include <gtest/gtest.h>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

const Architecture kSurveyNetwork{128, 32, 0, {{4, 256}, {2, 512}}};

// T = 128 in L2 and 32 in the scratchpad; 8 bytes a cycle from DRAM, 16 from L2.
Hardware small_memories() {
  Hardware hardware;
  hardware.l2_kib = 32;
  hardware.scratchpad_kib = 4;
  return hardware;
}

TEST(SurveyEstimate, OfAMatmulReadsOperandsOncePerTile) {
  const TransformerOperator item{"attention.qkv", 0, 1, matmul(256, 64, 384)};
  const SurveyEstimate ours = survey_estimate(item, false, small_memories());
  EXPECT_EQ(ours.dram_bytes, 3 * 256 * 64 + 2 * 64 * 384 + 2 * 256 * 384);
  EXPECT_EQ(ours.local_bytes, 12 * 256 * 64 + 8 * 64 * 384 + 2 * 256 * 384);
  EXPECT_EQ(ours.compute, Cycles(16 * 4 * 24 * 16));
  EXPECT_EQ(ours.memory, Cycles(ours.dram_bytes / 8 + ours.local_bytes / 16));
  EXPECT_EQ(ours.latency, std::max(ours.compute, ours.memory));
}

TEST(SurveyEstimate, PadsTheArray) {
  const TransformerOperator item{"attention.qkv", 0, 1, matmul(1, 17, 33)};
  EXPECT_EQ(survey_estimate(item, false, small_memories()).compute, Cycles(1 * 2 * 3 * 16));
}

TEST(SurveyEstimate, ResultsAreWideBeforeNonlinearOperatorsUnlessFused) {
  const Operator scores =
      matmul(8, 4, 8, RightOperand::kTransposedActivations, Activation::kSoftmax);
  const TransformerOperator item{"attention.scores", 0, 1, scores};
  const TransformerOperator softmax{"attention.softmax", 0, 1, softmax_of(scores)};
  EXPECT_EQ(survey_estimate(item, false, small_memories()).dram_bytes, 2 * 32 + 4 * 64);
  EXPECT_EQ(survey_estimate(item, true, small_memories()).dram_bytes, 2 * 32 + 64);
  EXPECT_EQ(survey_estimate(softmax, false, small_memories()).dram_bytes, 5 * 64);
  EXPECT_EQ(survey_estimate(softmax, true, small_memories()), SurveyEstimate());
}

TEST(SurveyEstimates, DecodingSumsOverAllPositions) {
  SurveyEstimate sum;
  for (int position = 1; position <= 40; ++position)
    for (const auto& item : transformer_operators(kSurveyNetwork, {position, Mode::kDecode}))
      sum += survey_estimate(item, false, small_memories()) * item.repeat;
  EXPECT_EQ(total(survey_estimates(kSurveyNetwork, 40, Mode::kDecode, false, small_memories())),
            sum);
}

TEST(SurveyEstimates, FusionAndBandwidthHelp) {
  const auto latency = [](bool fused, const Hardware& hardware) {
    return total(survey_estimates(kSurveyNetwork, 64, Mode::kPrefill, fused, hardware)).latency;
  };
  Hardware fast = small_memories();
  fast.dram_bytes_per_cycle = 64;
  EXPECT_LT(latency(true, small_memories()), latency(false, small_memories()));
  EXPECT_LT(latency(false, fast), latency(false, small_memories()));
}

TEST(SurveyEstimates, FusedConvolutionsKeepTheResidualAdd) {
  const ConvolutionalNetwork network{
      {{Convolution{8, 16, 32, 1, 1}, AfterConvolution::kResidual, 2}}, {}, 0, 0};
  constexpr int kResults = 64 * 32;
  const auto other = [&](bool fused) {
    return survey_estimates(network, fused,
                            small_memories())[static_cast<std::size_t>(OperatorClass::kOther)];
  };
  EXPECT_EQ(other(true).dram_bytes, 2 * 3 * kResults);
  EXPECT_EQ(other(false).dram_bytes, 2 * (5 + 3 + 2) * kResults);
}

TEST(SurveyEstimates, RefusesLengthsOutOfRange) {
  EXPECT_THROW(survey_estimates(kSurveyNetwork, 0, Mode::kDecode, false, small_memories()),
               InputError);
}

}  // namespace
}  // namespace paretoformer::accel_sim
