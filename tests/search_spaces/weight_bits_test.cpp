// The gene that files need not speak of: bits per weight.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "search_spaces/search_space.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLayers =
    R"({"model_width": 32, "layers": [{"heads": 1, "ffn_width": 64}, {"heads": 2, "ffn_width": 96}]})";

SearchSpace space_of(const std::string& more) {
  const Json json = parse_json(R"({"depth": [1, 2], "model_width": [32, 48], "heads": [1, 2],
                                   "ffn_width": [64, 128])" +
                                   more + "}",
                               "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

std::string error_of(const std::string& more) {
  try {
    space_of(more);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

Architecture network_of(const Json& json) { return architecture_from_json(JsonNode(json, "n")); }

TEST(WeightBits, AreEightWhereNothingIsSaid) {
  Json json = parse_json(kLayers, "n");
  const Architecture network = network_of(json);
  for (const Layer& layer : network.layers) EXPECT_EQ(layer.weight_bits, 8);
  EXPECT_EQ(describe(network), "d=32 h=[1,2] f=[64,96]");
  EXPECT_EQ(to_json(network).dump().find("bits"), std::string::npos);
  // As it was before there were any: files and caches hold it.
  EXPECT_EQ(architecture_id({48, 32, 1024, {{1, 64}}}), 0xb74a50c0d283a058u);
  json["layers"][1]["weight_bits"] = 8;
  EXPECT_EQ(network_of(json), network);
}

TEST(WeightBits, OfFourAreInFileTextAndIdentity) {
  Json json = parse_json(kLayers, "n");
  json["layers"][1]["weight_bits"] = 4;
  const Architecture network = network_of(json);
  EXPECT_EQ(network.layers[0].weight_bits, 8);
  EXPECT_EQ(network.layers[1].weight_bits, 4);
  EXPECT_TRUE(has_int4(network));
  EXPECT_EQ(describe(network), "d=32 h=[1,2] f=[64,96] b=[8,4]");
  EXPECT_EQ(network_of(to_json(network)), network);
  for (const int bits : {0, 2, 5, 16}) {
    json["layers"][1]["weight_bits"] = bits;
    EXPECT_THROW(network_of(json), InputError) << bits;
  }
}

// Ids are of as many numbers as are said: no layer's bits are another layer's heads.
TEST(WeightBits, DifferInTheirIds) {
  std::set<std::uint64_t> ids;
  int networks = 0;
  for (int depth = 1; depth <= 3; ++depth)
    for (int bits = 0; bits < 1 << depth; ++bits, ++networks) {
      Architecture network{32, 64, 0, {}};
      for (int l = 0; l < depth; ++l) network.layers.push_back({4, 4, bits >> l & 1 ? 4 : 8});
      ids.insert(architecture_id(network));
    }
  EXPECT_EQ(std::ssize(ids), networks);
}

TEST(WeightBits, AreAGeneOfSpacesThatHaveBoth) {
  const SearchSpace plain = space_of("");
  EXPECT_EQ(space_of(R"(, "weight_bits": [8])"), plain);
  EXPECT_EQ(plain.layer_genes().size(), 2u);
  EXPECT_FALSE(plain.has_int4());
  EXPECT_FALSE(plain.contains({32, 64, 0, {{1, 64, 4}}}));
  const SearchSpace both = space_of(R"(, "weight_bits": [4, 8])");
  EXPECT_TRUE(both.has_int4());
  EXPECT_EQ(both.count(), 2 * (8 + 64));
  EXPECT_EQ(both.with_int8_weights(), plain);
  EXPECT_EQ(SearchSpace::from_json(JsonNode(both.to_json(), "x")), both);
  EXPECT_EQ(both.largest(), plain.largest());
  EXPECT_TRUE(both.contains({32, 64, 0, {{1, 64, 4}, {1, 64}}}));
  std::set<std::uint64_t> ids;
  both.enumerate([&](const Architecture& network) {
    EXPECT_EQ(both.at(both.index_of(network)), network);
    return ids.insert(architecture_id(network)).second;
  });
  EXPECT_EQ(std::ssize(ids), both.count());
  EXPECT_EQ(space_of(R"(, "weight_bits": [4])").count(), plain.count());
  std::string why;
  EXPECT_FALSE(space_of(R"(, "weight_bits": [4])").contains({32, 64, 0, {{1, 64}}}, &why));
  EXPECT_THAT(why, HasSubstr("layer 1: weight_bits 8 is not a choice: expected one of 4"));
}

TEST(WeightBits, OtherThanFourAndEightAreRefused) {
  EXPECT_THAT(error_of(R"(, "weight_bits": [6])"),
              HasSubstr("space.json: /weight_bits: [6] holds 6: expected a list of 4 and 8"));
  EXPECT_THAT(error_of(R"(, "weight_bits": [8, 4])"), HasSubstr("out of order"));
  EXPECT_THAT(error_of(R"(, "weight_bits": [2, 8])"), HasSubstr("/weight_bits"));
}

}  // namespace
}  // namespace paretoformer
