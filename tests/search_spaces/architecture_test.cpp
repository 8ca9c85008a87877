#include "search_spaces/architecture.hpp"

#include <gtest/gtest.h>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

Architecture parse(const std::string& text) {
  const Json json = parse_json(text, "arch.json");
  return architecture_from_json(JsonNode(json, "arch.json"));
}

TEST(ArchitectureJson, RoundTripKeepsEverything) {
  const Architecture a{96, 16, 1000, {{4, 384}, {2, 128}}};
  const Json json = to_json(a);
  EXPECT_EQ(architecture_from_json(JsonNode(json, "x")), a);
}

TEST(ArchitectureJson, InactiveLayersAreCutAndDoNotChangeTheIdentity) {
  const Architecture short_form =
      parse(R"({"model_width": 96, "layers": [{"heads": 4, "ffn_width": 384}]})");
  const Architecture long_form = parse(
      R"({"model_width": 96, "depth": 1,
          "layers": [{"heads": 4, "ffn_width": 384}, {"heads": 2, "ffn_width": 64}]})");
  EXPECT_EQ(short_form, long_form);
  EXPECT_EQ(architecture_id(short_form), architecture_id(long_form));
  EXPECT_EQ(short_form.head_width, 64);
}

TEST(ArchitectureJson, RejectsWhatIsNoArchitecture) {
  EXPECT_THROW(parse(R"({"model_width": 96, "layers": []})"), InputError);
  EXPECT_THROW(parse(R"({"model_width": 0, "layers": [{"heads": 1, "ffn_width": 1}]})"),
               InputError);
  EXPECT_THROW(parse(R"({"model_width": 8, "layers": [{"heads": 1, "fnn_width": 1}]})"),
               InputError);
}

TEST(ArchitectureJson, TheHeadsOfALayerAreBoundedTogether) {
  const auto heads = [](const std::string& width, const std::string& count) {
    return parse(R"({"model_width": 16, "head_width": )" + width + R"(, "layers": [{"heads": )" +
                 count + R"(, "ffn_width": 1}]})");
  };
  EXPECT_EQ(heads("65536", "16").layers[0].heads, 16);
  EXPECT_EQ(heads("1", "1048576").layers[0].heads, 1048576);
  EXPECT_THROW(heads("65536", "17"), InputError);
  EXPECT_THROW(heads("65536", "65536"), InputError);   // 2^32
  EXPECT_THROW(heads("4096", "1048576"), InputError);  // 2^32
  EXPECT_THROW(heads("65536", "32768"), InputError);   // 2^31
  EXPECT_THROW(heads("1048576", "2"), InputError);
}

TEST(ArchitectureId, IsStableAcrossVersions) {
  // Written into history files and caches: this number must never change.
  EXPECT_EQ(architecture_id(Architecture{96, 16, 0, {{4, 384}, {2, 128}}}),
            14771436707061400467ULL);
  EXPECT_NE(architecture_id(Architecture{96, 16, 0, {{4, 384}, {2, 128}}}),
            architecture_id(Architecture{96, 16, 0, {{2, 128}, {4, 384}}}));
}

TEST(ParameterCount, OneLayerByHand) {
  // d=2, a=1*2, f=3: LN 4*2, qkv 3*2*(2+1), out 2*(2+1), FFN 3*(2+1)+2*(3+1), final LN 2*2,
  // embedding 5*2, positions 7*2: 8 + 18 + 6 + 17 + 4 + 10 + 14 = 77.
  EXPECT_EQ(parameter_count(Architecture{2, 2, 5, {{1, 3}}}, 7), 77);
}

}  // namespace
}  // namespace paretoformer
