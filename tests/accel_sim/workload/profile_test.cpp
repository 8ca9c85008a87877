#include "accel_sim/workload/profile.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "support/error.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Architecture kProfileNetwork{128, 32, 0, {{4, 256}, {2, 512}}};

WorkloadCount sum_of_statistics(const Architecture& network, const Workload& workload) {
  WorkloadCount sum;
  for (const auto& item : transformer_operators(network, workload)) {
    const OperatorStatistics each = statistics(item.op);
    sum += {each.flops * item.repeat, each.bytes * item.repeat};
  }
  return sum;
}

TEST(Profile, AddsUpToTheStatisticsOfAllOperators) {
  const WorkloadCount total = profile(kProfileNetwork, 64, Mode::kPrefill, false).total();
  const WorkloadCount all = sum_of_statistics(kProfileNetwork, {64, Mode::kPrefill});
  EXPECT_EQ(total.flops, all.flops);
  // Per layer: scales and shifts of two LayerNorms, less one operand of a residual add.
  EXPECT_EQ(total.mops, all.mops + 2 * (4 * 128 - 64 * 128));
}

TEST(Profile, DecodingSumsOverAllPositions) {
  constexpr int kLength = 37;
  WorkloadCount sum;
  for (int position = 1; position <= kLength; ++position) {
    sum += sum_of_statistics(kProfileNetwork, {position, Mode::kDecode});
    sum += {0, 2 * 4 * 128};
  }
  EXPECT_EQ(profile(kProfileNetwork, kLength, Mode::kDecode, false).total(), sum);
}

TEST(Profile, FusionSavesBytesOfWhatIsNoMatmulOnly) {
  const Profile apart = profile(kProfileNetwork, 64, Mode::kPrefill, false);
  const Profile fused = profile(kProfileNetwork, 64, Mode::kPrefill, true);
  EXPECT_EQ(fused.total().flops, apart.total().flops);
  EXPECT_EQ(fused.of(OperatorClass::kFfn), apart.of(OperatorClass::kFfn));
  // What is left are the residual adds: 2 + 3 bytes per element and layer.
  EXPECT_EQ(fused.of(OperatorClass::kOther).mops, 2 * 5 * 64 * 128);
}

TEST(Profile, HasALanguageModelHeadWithAVocabularyOnly) {
  EXPECT_EQ(profile(kProfileNetwork, 8, Mode::kPrefill, false).rows.size(), 4);
  Architecture network = kProfileNetwork;
  network.vocabulary = 1000;
  const Profile ours = profile(network, 8, Mode::kPrefill, false);
  EXPECT_EQ(ours.rows.size(), 5);
  EXPECT_EQ(ours.of(OperatorClass::kLanguageModelHead).flops, 2 * 8 * 128 * 1000);
}

TEST(Profile, RefusesLengthsOutOfRangeAndCountsThatOverflow) {
  EXPECT_THROW(profile(kProfileNetwork, 0, Mode::kPrefill, false), InputError);
  EXPECT_THROW(profile(kProfileNetwork, (1 << 20) + 1, Mode::kDecode, false), InputError);
  const Architecture huge{1 << 20, 64, 0, std::vector<Layer>(1024, {1, 1 << 20})};
  EXPECT_THROW(profile(huge, 1 << 20, Mode::kPrefill, false), Error);
}

TEST(Convolution, CountsAsItsMatmul) {
  const OperatorStatistics conv = statistics(Convolution{56, 64, 128, 3, 1});
  const OperatorStatistics im2col = statistics(matmul(56 * 56, 9 * 64, 128));
  EXPECT_EQ(conv.macs, im2col.macs);
  EXPECT_EQ(conv.flops, im2col.flops);
  EXPECT_EQ(conv.bytes, 56 * 56 * 64 + 9 * 64 * 128 + 56 * 56 * 128);
}

TEST(Convolution, ReadsWhatItsKernelCovers) {
  EXPECT_EQ(statistics(Convolution{9, 4, 8, 1, 2}).bytes, 5 * 5 * 4 + 4 * 8 + 5 * 5 * 8);
  EXPECT_EQ(statistics(Convolution{9, 4, 8, 3, 2}).bytes, 9 * 9 * 4 + 9 * 4 * 8 + 5 * 5 * 8);
}

// One convolution of each kind on a 4x4 image, and a pooling to one pixel.
TEST(Profile, OfAConvolutionalNetwork) {
  const Convolution convolution{4, 2, 3, 1, 1};
  const ConvolutionalNetwork network{{{convolution, AfterConvolution::kNothing, 1},
                                      {convolution, AfterConvolution::kRelu, 2},
                                      {convolution, AfterConvolution::kResidual, 1}},
                                     {{4, 3, 4, 4}},
                                     3,
                                     5};
  constexpr int kElements = 4 * 4 * 3;
  const Profile apart = profile(network, false), fused = profile(network, true);
  EXPECT_EQ(apart.of(OperatorClass::kConvolution).flops, 4 * 2 * kElements * 2);
  EXPECT_EQ(fused.of(OperatorClass::kConvolution), apart.of(OperatorClass::kConvolution));
  const WorkloadCount pooled{16 * 3, kElements + 3}, classified{2 * 15, 3 + 15 + 5};
  EXPECT_EQ(apart.of(OperatorClass::kOther).flops,
            kElements * (4 * 2 + 3 + 1) + pooled.flops + classified.flops);
  EXPECT_EQ(apart.of(OperatorClass::kOther).mops,
            kElements * (4 * 2 + 3 * 2 + 3) + pooled.mops + classified.mops);
  EXPECT_EQ(fused.of(OperatorClass::kOther).flops,
            kElements * (3 + 1) + pooled.flops + classified.flops);
  EXPECT_EQ(fused.of(OperatorClass::kOther).mops, kElements * 3 + pooled.mops + classified.mops);
  EXPECT_FALSE(apart.length);
}

TEST(Models, Presets) {
  EXPECT_THAT(model_presets(), ElementsAre("bert_base", "bert_large", "gpt2", "resnet50"));
  const Model large = find_model("bert_large");
  EXPECT_EQ(large.mode, Mode::kPrefill);
  EXPECT_EQ(std::get<Architecture>(large.network),
            (Architecture{1024, 64, 0, std::vector<Layer>(24, {16, 4096})}));
  EXPECT_EQ(find_model("gpt2").mode, Mode::kDecode);
}

TEST(Models, ResNet50HasItsWeights) {
  const auto network = std::get<ConvolutionalNetwork>(find_model("resnet50").network);
  std::int64_t weights = std::int64_t{network.classifier_inputs} * network.classifier_outputs;
  int count = 0;
  for (const auto& [c, then, repeat] : network.convolutions) {
    weights += std::int64_t{c.kernel} * c.kernel * c.input_channels * c.output_channels * repeat;
    count += repeat;
  }
  EXPECT_EQ(count, 53);
  EXPECT_EQ(weights, 25'502'912);
  EXPECT_EQ(parameter_count(network), 25'557'032);  // as torchvision counts its own
}

std::string model_error(const std::string& text) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.json";
  std::ofstream(path) << text;
  return error_of([&] { find_model(path.string()); });
}

TEST(Models, RefusesWhatIsNoModel) {
  EXPECT_THAT(model_error("[]"), HasSubstr("model.json"));
  EXPECT_THAT(model_error(R"({"convolutions": []})"), HasSubstr("is empty"));
  EXPECT_THAT(model_error(R"({"convolutions": [{"image": 7, "input_channels": 1,
                           "output_channels": 1, "kernal": 1}]})"),
              HasSubstr("kernel"));
  EXPECT_THAT(model_error(R"({"convolutions": [{"image": 7, "input_channels": 1,
                           "output_channels": 1, "kernel": 1, "then": "rellu"}]})"),
              HasSubstr("did you mean \"relu\"?"));
  EXPECT_THAT(model_error(R"({"architecture": {"model_width": 8, "layers": [{"heads": 1,
                           "ffn_width": 8}]}, "mode": "both"})"),
              HasSubstr("/mode"));
  EXPECT_THROW(find_model("bert_lage"), InputError);
}

}  // namespace
}  // namespace paretoformer::accel_sim
