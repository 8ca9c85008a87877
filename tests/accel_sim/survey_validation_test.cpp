// Compares operator statistics and the analytical model with what the survey prints (arXiv
// 2302.14017). The numbers of our side are what the model gives; nothing is tuned to them.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "accel_sim/analytical_model.hpp"

namespace paretoformer {
namespace {

Architecture bert_base() { return {768, 64, 0, std::vector<Layer>(12, {12, 3072})}; }

HardwareCost network_cost(const Architecture& architecture, const Hardware& hardware, int length) {
  HardwareCost total;
  for (const auto& item : transformer_operators(architecture, {length, Mode::kPrefill}))
    total += analytical_cost(item.op, hardware) * item.repeat;
  return total;
}

bool starts_with_any(std::string_view role, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names)
    if (role == name) return true;
  return false;
}

// Sec. 2.2, the table per operator: GFLOPs of BERT-Base by length. Its two decimals are met to
// rounding, "other" to 1 %.
TEST(SurveyWorkload, FlopsOfBertBase) {
  struct Row {
    int length;
    double projections, act_to_act, ffn, other, total;
  };
  for (const Row& row :
       {Row{128, 7.25, 0.60, 14.50, 0.08, 22.42}, Row{512, 28.99, 9.62, 57.98, 0.42, 97.02},
        Row{4096, 231.93, 616.02, 463.86, 11.85, 1323.66}}) {
    Row ours{row.length, 0, 0, 0, 0, 0};
    for (const auto& item : transformer_operators(bert_base(), {row.length, Mode::kPrefill})) {
      const double gflops = 1e-9 * static_cast<double>(statistics(item.op).flops * item.repeat);
      ours.total += gflops;
      if (starts_with_any(item.role, {"attention.qkv", "attention.output"})) {
        ours.projections += gflops;
      } else if (starts_with_any(item.role, {"attention.scores", "attention.context"})) {
        ours.act_to_act += gflops;
      } else if (starts_with_any(item.role, {"ffn.up", "ffn.down"})) {
        ours.ffn += gflops;
      } else {
        ours.other += gflops;
      }
    }
    EXPECT_NEAR(ours.projections, row.projections, 0.006);
    EXPECT_NEAR(ours.act_to_act, row.act_to_act, 0.006);
    EXPECT_NEAR(ours.ffn, row.ffn, 0.006);
    EXPECT_NEAR(ours.other, row.other, 0.006);
    EXPECT_NEAR(ours.total, row.total, 0.011);
  }
}

// Sec. 2.2: intensity (FLOPs per byte) of the same projections.
TEST(SurveyWorkload, IntensityOfProjections) {
  const auto intensity = [](const Operator& op) {
    return static_cast<double>(statistics(op).flops) / static_cast<double>(statistics(op).bytes);
  };
  EXPECT_NEAR(intensity(matmul(128, 768, 768)), 192.00, 0.005);
  EXPECT_NEAR(intensity(matmul(512, 768, 768)), 438.86, 0.005);
  EXPECT_NEAR(intensity(matmul(4096, 768, 768)), 702.17, 0.005);
  EXPECT_NEAR(intensity(matmul(128, 768, 3072)), 211.86, 0.005);
  EXPECT_NEAR(intensity(matmul(512, 768, 3072)), 558.54, 0.005);
  EXPECT_NEAR(intensity(matmul(4096, 768, 3072)), 1068.52, 0.005);
}

// Sec. 6.4 (its Table 9): the sample result of the search against the baseline, on the hardware of
// the case study, length 512.
TEST(SurveySearch, SampleResultAgainstTheBaseline) {
  constexpr int kVocabulary = 50257;
  const Architecture baseline{768, 64, kVocabulary, std::vector<Layer>(6, {12, 3072})};
  const Architecture sample{
      672, 64, kVocabulary, {{12, 1280}, {6, 1280}, {12, 2560}, {8, 768}, {10, 2048}, {6, 1024}}};
  const Hardware hardware = find_hardware("gemmini_transformer");
  const HardwareCost a = network_cost(baseline, hardware, 512);
  const HardwareCost b = network_cost(sample, hardware, 512);
  const double latency =
      static_cast<double>(a.latency.value()) / static_cast<double>(b.latency.value());
  const double energy = a.energy.value() / b.energy.value();
  const double edp = a.energy_delay_product().value() / b.energy_delay_product().value();
  std::printf("              baseline     sample       ratio  published\n");
  std::printf("Mcycles       %-12.2f %-12.2f %.3f  1.4\n",
              1e-6 * static_cast<double>(a.latency.value()),
              1e-6 * static_cast<double>(b.latency.value()), latency);
  std::printf("mJ            %-12.3f %-12.3f %.3f  1.6\n", 1e-9 * a.energy.value(),
              1e-9 * b.energy.value(), energy);
  std::printf("EDP                                     %.3f  2.24\n", edp);
}

}  // namespace
}  // namespace paretoformer
