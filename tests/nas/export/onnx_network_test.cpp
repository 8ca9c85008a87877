// Networks as ONNX: byte for byte where a model is small enough to write down, and run by ONNX
// Runtime.
#include "nas/export/onnx_network.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "nas/export/onnx_model.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/model/evaluation.hpp"
#include "support/random.hpp"
#include "tests/nas/export/bytes_of.hpp"
#include "tests/nas/export/onnx_runtime.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {
namespace {

// y = Concat(x, [2.0]; axis = -1). A field is its number * 8 + its type (2: bytes, 0: a number),
// then the count of the bytes or the number, seven bits at a time, the lowest first; -1 is ten
// bytes.
TEST(OnnxModel, IsWrittenAsTheFormatSays) {
  OnnxModel model;
  const float two = 2;
  model.input("x", OnnxModel::Type::float32, {"n"});
  model.constant("c", {1}, std::span(&two, 1));
  model.node("Concat", {"x", "c"}, "y", {{"axis", std::int64_t{-1}}});
  model.output("y", OnnxModel::Type::float32, {std::int64_t{300}});
  const std::string attribute =
      bytes_of({0x0a, 4,   'a', 'x', 'i', 's', 0x18, 255,  255, 255,
                255,  255, 255, 255, 255, 255, 1,    0xa0, 1,   2});  // type (field 20): INT
  ASSERT_EQ(attribute.size(), 20u);
  const std::string node = bytes_of({0x0a, 1,    'x', 0x0a, 1,   'c', 0x12, 1,   'y', 0x1a, 1,
                                     'y',  0x22, 6,   'C',  'o', 'n', 'c',  'a', 't', 0x2a, 20}) +
                           attribute;
  ASSERT_EQ(node.size(), 42u);
  const std::string constant =
      bytes_of({0x0a, 1, 1, 0x10, 1, 0x42, 1, 'c', 0x4a, 4, 0, 0, 0, 0x40});  // 2.0f
  const std::string input =
      bytes_of({0x0a, 1, 'x', 0x12, 11, 0x0a, 9, 0x08, 1, 0x12, 5, 0x0a, 3, 0x12, 1, 'n'});
  const std::string output = bytes_of({0x0a, 1, 'y', 0x12, 11, 0x0a, 9, 0x08, 1, 0x12, 5, 0x0a, 3,
                                       0x08, 0xac, 2});  // 300 = 2*128+44
  const std::string graph = bytes_of({0x0a, 42}) + node + bytes_of({0x12, 1, 'g'}) +
                            bytes_of({0x2a, 14}) + constant + bytes_of({0x5a, 16}) + input +
                            bytes_of({0x62, 16}) + output;
  ASSERT_EQ(graph.size(), 99u);
  EXPECT_EQ(model.bytes("g", {{"k", "v"}}),
            bytes_of({0x08, 8, 0x12, 12}) + "paretoformer" + bytes_of({0x42, 2, 0x10, 17}) +
                bytes_of({0x72, 6, 0x0a, 1, 'k', 0x12, 1, 'v'}) + bytes_of({0x3a, 99}) + graph);
}

struct Case {
  Architecture network;
  std::vector<std::vector<std::int32_t>> sequences;
  std::vector<double> losses;
};

// Ten networks of a space, with random weights throughout, cut from its supernet; two sequences of
// a length of their own for each.
std::vector<Case> cases_of(const std::string& name, const TemporaryFolder& folder) {
  constexpr int kContext = 40, kVocabulary = 211;
  const SearchSpace space = SearchSpace::find(name).with_vocabulary(kVocabulary);
  const supernet::ParameterLayout layout(space, kContext);
  Random random(7);
  std::vector<float> weights(layout.size());
  for (float& weight : weights) weight = static_cast<float>(0.3 * random.normal());
  const std::vector<double> exact(weights.begin(), weights.end());
  supernet::CpuLosses<double> losses(layout, exact, kContext, supernet::Products::fp32);
  std::vector<Case> cases;
  for (int i = 0; i < 10; ++i) {
    Case here{i == 0 ? space.largest() : space.sample(random), {}, {}};
    const int length = i == 0 ? kContext : 1 + static_cast<int>(random.below(kContext));
    for (int s = 0; s < 2; ++s) {
      std::vector<std::int32_t>& tokens = here.sequences.emplace_back();
      for (int t = 0; t <= length; ++t)
        tokens.push_back(static_cast<std::int32_t>(random.below(kVocabulary)));
      const supernet::Batch batch{tokens.data(), tokens.data() + 1, 1, length};
      here.losses.push_back(losses.sequence_losses({&here.network, 1}, batch)[0][0]);
    }
    std::ofstream(folder / (name + std::to_string(i) + ".onnx"), std::ios::binary)
        << onnx_network(layout, weights, here.network, {});
    cases.push_back(std::move(here));
  }
  return cases;
}

class OnnxRuntime : public ::testing::TestWithParam<const char*> {};

TEST_P(OnnxRuntime, GivesTheSameLosses) {
  if (!has_onnx_runtime()) GTEST_SKIP() << kNoOnnxRuntime;
  const TemporaryFolder folder;
  const std::string name = GetParam();
  const std::vector<Case> cases = cases_of(name, folder);
  std::vector<RunSequences> runs;
  for (std::size_t i = 0; i < cases.size(); ++i)
    runs.push_back({folder / (name + std::to_string(i) + ".onnx"), cases[i].sequences});
  const std::vector<double> losses = losses_in_onnx_runtime(runs);
  std::size_t at = 0;
  for (const Case& each : cases)
    for (std::size_t s = 0; s < each.sequences.size(); ++s)
      // In fp32: a dozen roundings of the last bit, in sums of a few hundred products.
      EXPECT_NEAR(losses.at(at++), each.losses[s], 1e-6 * each.losses[s])
          << describe(each.network) << ", " << each.sequences[s].size() << " tokens";
}

INSTANTIATE_TEST_SUITE_P(Spaces, OnnxRuntime,
                         ::testing::Values("quickstart", "enumerable", "wikitext2"));

}  // namespace
}  // namespace paretoformer::nas
