// Compares the workload of BERT, GPT-2 and ResNet-50 with the tables of the survey (arXiv
// 2302.14017, Sec. 2.2). Prints published beside counted; tolerances are stated with each.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "accel_sim/workload/profile.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr std::array<int, 6> kLengths = {128, 256, 512, 1024, 2048, 4096};
using Row = std::array<double, 6>;  // over the lengths

Profile profile_of(const std::string& name, int length) {
  const Model model = find_model(name);
  return profile(std::get<Architecture>(model.network), length, model.mode, false);
}

// Within 1 %, or half a unit of the last digit where that is more. BERT-Base's intensity at length
// 4096 is 117.96 in the table per operator and 117 in that of the models.
void expect_row(const char* what, const Row& published, const Row& ours, double digit) {
  std::printf("%-26s", what);
  for (double value : published) std::printf("%10.4g", value);
  std::printf("\n%26s", "");
  for (double value : ours) std::printf("%10.5g", value);
  std::printf("\n");
  for (std::size_t i = 0; i < published.size(); ++i)
    EXPECT_NEAR(ours[i], published[i], std::max(0.01 * published[i], 0.501 * digit))
        << what << " at length " << kLengths[i];
}

struct Totals {
  Row gflops{}, gmops{}, intensity{};
};

// `correction` is added to the total at every length.
template <typename Correction>
Totals totals(const std::string& name, Correction correction) {
  Totals rows;
  for (std::size_t i = 0; i < kLengths.size(); ++i) {
    WorkloadCount total = profile_of(name, kLengths[i]).total();
    total += correction(kLengths[i]);
    rows.gflops[i] = 1e-9 * static_cast<double>(total.flops);
    rows.gmops[i] = 1e-9 * static_cast<double>(total.mops);
    rows.intensity[i] = total.intensity();
  }
  return rows;
}

Totals totals(const std::string& name) {
  return totals(name, [](int) { return WorkloadCount{}; });
}

// Sec. 2.2, totals of the encoders.
TEST(SurveyProfile, TotalsOfBertBase) {
  const Totals ours = totals("bert_base");
  expect_row("BERT-Base GFLOPs", {22, 46, 97, 214, 505, 1324}, ours.gflops, 1);
  expect_row("BERT-Base GMOPs", {0.1, 0.2, 0.4, 1.1, 3.2, 11.2}, ours.gmops, 0.1);
  expect_row("BERT-Base intensity", {160, 215, 231, 202, 156, 117}, ours.intensity, 1);
}

// What is printed for BERT-Large is BERT-Large without one of a layer's twelve d x d matrices of
// weights: then FLOPs agree to every digit at all six lengths, and everything else within 1 %. (The
// model as it is has 5 to 9 % more FLOPs and an intensity up to 6.5 % higher.)
TEST(SurveyProfile, TotalsOfBertLarge) {
  const Totals whole = totals("bert_large");
  const Totals ours = totals("bert_large", [](int length) {
    const std::int64_t weights = 24 * 1024 * 1024;
    return WorkloadCount{-2 * weights * length, -weights};
  });
  const Row gflops = {73, 149, 310, 673, 1554, 3942};
  expect_row("BERT-Large GFLOPs", gflops, ours.gflops, 1);
  for (std::size_t i = 0; i < gflops.size(); ++i)
    EXPECT_EQ(std::round(ours.gflops[i]), gflops[i]) << kLengths[i];
  expect_row("BERT-Large GMOPs", {0.4, 0.6, 1.2, 2.9, 8.7, 29.9}, ours.gmops, 0.1);
  const Row intensity = {171, 239, 266, 235, 179, 131};
  expect_row("BERT-Large intensity", intensity, ours.intensity, 1);
  for (std::size_t i = 0; i < gflops.size(); ++i) {
    EXPECT_NEAR(whole.gflops[i] / gflops[i], 1.07, 0.02);
    EXPECT_NEAR(whole.intensity[i] / intensity[i], 1.04, 0.025);
  }
}

// Generating the whole sequence, keys and values cached.
TEST(SurveyProfile, TotalsOfGpt2) {
  const Totals ours = totals("gpt2");
  expect_row("GPT-2 GFLOPs", {22, 45, 92, 194, 428, 1012}, ours.gflops, 1);
  expect_row("GPT-2 GMOPs", {11.1, 22.5, 46.2, 97.3, 214.3, 507.8}, ours.gmops, 0.1);
  expect_row("GPT-2 intensity", {2, 2, 2, 2, 2, 2}, ours.intensity, 1);
  for (const auto& [length, published] : {std::pair{128, 11.08}, {512, 46.17}, {4096, 507.80}})
    EXPECT_NEAR(1e-9 * static_cast<double>(profile_of("gpt2", length).total().mops), published,
                0.003 * published);
}

struct Cell {
  double gflops, gmops, intensity;
};

Cell cell(const WorkloadCount& count) {
  return {1e-9 * static_cast<double>(count.flops), 1e-9 * static_cast<double>(count.mops),
          count.intensity()};
}

void print(const char* what, const Cell& published, const Cell& ours) {
  std::printf("%-20s %8.2f %8.3f %8.2f   %10.4f %9.5f %9.3f\n", what, published.gflops,
              published.gmops, published.intensity, ours.gflops, ours.gmops, ours.intensity);
}

// Every printed digit; `gmops_digit` is a unit of the last one of GMOPs.
void expect_digits(const char* what, const Cell& published, const WorkloadCount& count,
                   double gmops_digit) {
  const Cell ours = cell(count);
  print(what, published, ours);
  EXPECT_NEAR(ours.gflops, published.gflops, 0.0051) << what;
  EXPECT_NEAR(ours.gmops, published.gmops, 0.51 * gmops_digit) << what;
  EXPECT_NEAR(ours.intensity, published.intensity, 0.0061) << what;
}

void expect_near(const char* what, const Cell& published, const WorkloadCount& count,
                 double tolerance) {
  const Cell ours = cell(count);
  print(what, published, ours);
  EXPECT_NEAR(ours.gflops, published.gflops, std::max(0.0051, tolerance * published.gflops));
  EXPECT_NEAR(ours.gmops, published.gmops, std::max(0.0051, tolerance * published.gmops));
  EXPECT_NEAR(ours.intensity, published.intensity, tolerance * published.intensity) << what;
}

// Sec. 2.2, BERT-Base per operator. Matmuls to every printed digit but one: act-to-act GMOPs at
// length 128 are printed as 0.006, which contradicts its own 0.60 / 63.62 = 0.0094. "Other" is
// within 0.3 % in intensity, totals to every printed digit.
TEST(SurveyProfile, OperatorsOfBertBase) {
  struct Table {
    int length;
    Cell projections, act_to_act;
    double act_to_act_digit;
    Cell ffn, other, total;
  };
  std::printf("%20s %26s   %30s\n", "GFLOPs GMOPs FLOP/B", "published", "counted");
  for (const Table& table : {Table{128,
                                   {7.25, 0.04, 192.00},
                                   {0.60, 0.006, 63.62},
                                   0.007,
                                   {14.50, 0.07, 211.86},
                                   {0.08, 0.02, 3.14},
                                   {22.42, 0.14, 159.68}},
                             Table{512,
                                   {28.99, 0.07, 438.86},
                                   {9.62, 0.09, 101.95},
                                   0.01,
                                   {57.98, 0.10, 558.54},
                                   {0.42, 0.16, 2.73},
                                   {97.02, 0.42, 231.0}},
                             Table{4096,
                                   {231.93, 0.33, 702.17},
                                   {616.02, 4.98, 123.63},
                                   0.01,
                                   {463.86, 0.43, 1068.52},
                                   {11.85, 5.47, 2.16},
                                   {1323.66, 11.22, 117.96}}}) {
    const Profile ours = profile_of("bert_base", table.length);
    std::printf("length %d\n", table.length);
    expect_digits("MHA projections", table.projections, ours.of(OperatorClass::kProjections), 0.01);
    expect_digits("MHA act-to-act", table.act_to_act, ours.of(OperatorClass::kActToAct),
                  table.act_to_act_digit);
    expect_digits("FFN projections", table.ffn, ours.of(OperatorClass::kFfn), 0.01);
    expect_near("other", table.other, ours.of(OperatorClass::kOther), 0.003);
    expect_digits("total", table.total, ours.total(), 0.01);
  }
}

// The same with 4 heads of width 192.
TEST(SurveyProfile, FourHeads) {
  const Architecture network{768, 192, 0, std::vector<Layer>(12, {4, 3072})};
  struct Table {
    int length;
    double act_to_act, total;
  };
  for (const Table& table :
       {Table{128, 95.69, 167.14}, Table{512, 219.04, 303.59}, Table{4096, 350.61, 276.00}}) {
    const Profile ours = profile(network, table.length, Mode::kPrefill, false);
    const double act_to_act = ours.of(OperatorClass::kActToAct).intensity();
    std::printf("4 heads, length %4d: act-to-act %7.2f %8.3f, total %7.2f %8.3f\n", table.length,
                table.act_to_act, act_to_act, table.total, ours.total().intensity());
    EXPECT_NEAR(act_to_act, table.act_to_act, 0.0051);
    EXPECT_NEAR(ours.total().intensity(), table.total, 0.0051);
  }
}

// The decoder's intensities. Projections print as 1.99 here and 2.00 there; act-to-act within 2.5 %
// (1.92, 2.00, 1.98 are no smooth function of the length; ours are 1.92, 1.95, 1.96); "other" to
// every printed digit.
TEST(SurveyProfile, OperatorsOfGpt2) {
  struct Table {
    int length;
    double act_to_act, other;
  };
  for (const Table& table :
       {Table{128, 1.92, 2.58}, Table{512, 2.00, 2.47}, Table{4096, 1.98, 2.16}}) {
    const Profile ours = profile_of("gpt2", table.length);
    const double projections = ours.of(OperatorClass::kProjections).intensity();
    const double act_to_act = ours.of(OperatorClass::kActToAct).intensity();
    const double other = ours.of(OperatorClass::kOther).intensity();
    std::printf(
        "decoding, length %4d: projections 2.00 %.3f, act-to-act %.2f %.3f, other %.2f %.3f\n",
        table.length, projections, table.act_to_act, act_to_act, table.other, other);
    EXPECT_NEAR(projections, 2.00, 0.006);
    EXPECT_NEAR(act_to_act, table.act_to_act, 0.025 * table.act_to_act);
    EXPECT_NEAR(other, table.other, 0.0051);
  }
}

// ResNet-50 as first published (stride 2 in the first 1x1 convolution of a stage) agrees with the
// survey's intensity of convolutions to 0.1 %, but not with its FLOPs (6.2 % more here): no variant
// (stride in the 3x3, without shortcuts, without conv1, unpadded) gives both. Of the rest the
// survey says nothing; counted in the plainest way it comes to fewer bytes, and intensities of the
// whole are 3.1 % (fused) and 14.5 % (not) higher.
TEST(SurveyProfile, ResNet50) {
  const auto network = std::get<ConvolutionalNetwork>(find_model("resnet50").network);
  const Profile apart = profile(network, false), fused = profile(network, true);
  const Cell convolution = cell(apart.of(OperatorClass::kConvolution));
  print("ResNet-50 conv.", {7.26, 0.04, 183.36}, convolution);
  print("total", {7.31, 0.11, 66.94}, cell(apart.total()));
  print("total, fused", {7.28, 0.06, 121.36}, cell(fused.total()));
  EXPECT_NEAR(convolution.intensity, 183.36, 0.001 * 183.36);
  EXPECT_NEAR(convolution.gmops, 0.04, 0.005);
  EXPECT_NEAR(convolution.gflops / 7.26, 1.062, 0.002);
  EXPECT_NEAR(fused.total().intensity() / 121.36, 1.031, 0.002);
  EXPECT_NEAR(apart.total().intensity() / 66.94, 1.145, 0.002);
}

}  // namespace
}  // namespace paretoformer::accel_sim
