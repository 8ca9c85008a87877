// Compares the survey's analytical model as we decoded it with its tables (arXiv 2302.14017, Sec.
// 3.3). Prints published beside modelled; tolerances are stated with each.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "accel_sim/closed_form/survey_model.hpp"
#include "accel_sim/hardware/target.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr std::array<int, 6> kLengths = {128, 256, 512, 1024, 2048, 4096};

Hardware hardware() { return find_target("survey_analytical"); }

Architecture network(const std::string& name) {
  return std::get<Architecture>(find_model(name).network);
}

double cycles(const SurveyEstimate& estimate) {
  return static_cast<double>(estimate.latency.value());
}

double latency(const std::string& name, int length, bool fused = false) {
  const Model model = find_model(name);
  return cycles(total(survey_estimates(std::get<Architecture>(model.network), length, model.mode,
                                       fused, hardware())));
}

// Non-ideal intensity of BERT-Base, every operator and the whole: 20 of 21 entries to every printed
// digit (170.670 is 170.667), all within 0.01 %.
TEST(SurveyModel, NonIdealIntensity) {
  const std::array<std::pair<const char*, std::array<double, 3>>, 6> published = {{
      {"attention.qkv", {170.670, 341.333, 409.6}},
      {"attention.scores", {25.400, 29.882, 30.788}},
      {"attention.context", {63.750, 102.300, 118.710}},
      {"attention.output", {128.000, 204.800, 227.556}},
      {"ffn.up", {130.723, 211.862, 236.308}},
      {"ffn.down", {186.182, 409.6, 512.000}},
  }};
  const std::array<double, 3> published_total = {106.110, 111.122, 47.067};
  const std::array<int, 3> lengths = {128, 512, 4096};
  const auto compare = [](const std::string& what, double theirs, double ours) {
    std::printf("%-26s %9.3f %9.3f\n", what.c_str(), theirs, ours);
    EXPECT_NEAR(ours, theirs, 1e-4 * theirs) << what;
  };
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    std::printf("length %d\n", lengths[i]);
    std::map<std::string_view, double> ours;
    for (const auto& item :
         transformer_operators(network("bert_base"), {lengths[i], Mode::kPrefill}))
      ours[item.role] = static_cast<double>(statistics(item.op).flops) /
                        static_cast<double>(survey_estimate(item, false, hardware()).dram_bytes);
    for (const auto& [role, values] : published) compare(role, values[i], ours[role]);
    const auto whole = total(
        survey_estimates(network("bert_base"), lengths[i], Mode::kPrefill, false, hardware()));
    const auto flops =
        profile(network("bert_base"), lengths[i], Mode::kPrefill, false).total().flops;
    compare("total", published_total[i],
            static_cast<double>(flops) / static_cast<double>(whole.dram_bytes));
  }
}

void compare(const char* what, const std::array<double, 6>& published,
             const std::array<double, 6>& ours, double tolerance) {
  std::printf("%-12s", what);
  for (double value : published) std::printf("%9.0f", value);
  std::printf("\n%-12s", "");
  for (double value : ours) std::printf("%9.2f", value);
  std::printf("\n");
  for (std::size_t i = 0; i < kLengths.size(); ++i)
    EXPECT_NEAR(ours[i], published[i], std::max(0.5, tolerance * published[i]))
        << what << " at length " << kLengths[i];
}

// Latencies in units of BERT-Base at length 128: BERT-Base to every printed digit; BERT-Large too,
// if one of the four projections of its attention is left out, as in the survey's count of its
// FLOPs (profile_validation_test; whole, it is 4 to 9 % slower); GPT-2 within 1 %.
TEST(SurveyModel, NormalisedLatencies) {
  const double unit = latency("bert_base", 128);
  std::array<double, 6> base{}, large{}, whole{}, generation{};
  for (std::size_t i = 0; i < kLengths.size(); ++i) {
    const int length = kLengths[i];
    base[i] = latency("bert_base", length) / unit;
    generation[i] = latency("gpt2", length) / unit;
    const double projection =
        24 * cycles(survey_estimate({"attention.qkv", 0, 1, matmul(length, 1024, 1024)}, false,
                                    hardware()));
    whole[i] = latency("bert_large", length) / unit;
    large[i] = whole[i] - projection / unit;
  }
  constexpr double kEveryDigit = 0;
  compare("BERT-Base", {1, 2, 5, 11, 28, 80}, base, kEveryDigit);
  compare("BERT-Large", {3, 7, 14, 33, 82, 229}, large, kEveryDigit);
  compare("  whole", {3, 7, 14, 33, 82, 229}, whole, 0.1);
  compare("GPT-2", {18, 37, 75, 159, 352, 840}, generation, 0.01);
}

// ResNet-50: what fusing its non-linear operators gains agrees with the published 1.32x to 1.33x
// and their share of the time to 3 points. Its latency does not: BERT-Base takes 2.03 times as long
// here, 1.28 times there. Convolutions keep the array 90 % busy in this model; the published ratio
// means about 60 %, and the survey does not say how they are laid out on the array.
TEST(SurveyModel, ResNet50) {
  const auto images = std::get<ConvolutionalNetwork>(find_model("resnet50").network);
  const SurveyEstimates apart = survey_estimates(images, false, hardware());
  const double all = cycles(total(apart));
  const double other = cycles(apart[static_cast<std::size_t>(OperatorClass::kOther)]) / all;
  const double gain = all / cycles(total(survey_estimates(images, true, hardware())));
  const double bert = latency("bert_base", 128) / all;
  std::printf("ResNet-50: non-linear share 32.4 %% %.1f %%, gain of fusion 1.32 %.2f, ",
              100 * other, gain);
  std::printf("BERT-Base takes 1.28 times as long, %.2f\n", bert);
  EXPECT_NEAR(other, 0.324, 0.03);
  EXPECT_NEAR(gain, 1.32, 0.02);
  EXPECT_NEAR(bert, 2.03, 0.02);  // the known gap, no other
}

}  // namespace
}  // namespace paretoformer::accel_sim
