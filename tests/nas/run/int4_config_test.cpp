// What a configuration has to say beside weights of four bits, and what does not depend on them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nas/run/config.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Json config_with(const Json& more) {
  Json json{{"search_space", "quickstart_int4"},
            {"hardware", {{"preset", "gemmini_transformer"}, {"int4_weights", true}}},
            {"objectives", {"perplexity_int8", "edp"}}};
  json.update(more);
  return json;
}

RunConfig parse_int4(const Json& json) {
  return run_config_from_json(JsonNode(json, "c.json"), "");
}

std::string int4_error_in(const Json& json) {
  try {
    parse_int4(json);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(Int4Config, NeedsAUnitThatUnpacksAndALossThatSees) {
  EXPECT_TRUE(parse_int4(config_with(Json::object())).space.has_int4());
  EXPECT_THAT(int4_error_in(config_with({{"hardware", "gemmini_transformer"}})),
              AllOf(HasSubstr("c.json: /search_space"),
                    HasSubstr("expected hardware with int4_weights true")));
  EXPECT_THAT(int4_error_in(config_with({{"objectives", {"perplexity", "edp"}}})),
              AllOf(HasSubstr("c.json: /search_space"), HasSubstr("\"perplexity_int8\"")));
  EXPECT_TRUE(load_run_config("quickstart_int4", {}).space.has_int4());
}

// A supernet has no bits: one that was trained for the same space without them is as good.
TEST(Int4Config, TrainsTheSupernetOfTheSpaceWithoutBits) {
  Json space = SearchSpace::find("quickstart_int4").to_json();
  const RunConfig both = parse_int4(config_with({{"search_space", space}}));
  space.erase("weight_bits");
  const RunConfig eight = parse_int4(config_with({{"search_space", space}}));
  EXPECT_EQ(training_hash(both), training_hash(eight));
  EXPECT_NE(config_hash(both), config_hash(eight));
}

// A search over both: networks of either kind are scored and priced, and the bits matter to both.
TEST(Int4Config, IsSearchedAsAnyGene) {
  const TemporaryFolder folder;
  RunConfig plain = tiny_config(folder.path() / "run");
  Json json = to_json(plain);
  json["search_space"]["weight_bits"] = {4, 8};
  json["hardware"]["int4_weights"] = true;
  json["objectives"] = {"perplexity_int8", "energy"};
  TinyRun run(parse_int4(json));
  std::vector<Architecture> networks(2, run.proxy.space().largest());
  for (Layer& layer : networks[1].layers) layer.weight_bits = 4;
  const LossSource source = supernet_losses(run.proxy, true);
  const std::vector<double> int8 = source.sums(networks, LossPart::kInt8);
  const std::vector<double> fp32 = source.sums(networks, LossPart::kRest);
  EXPECT_NE(int8[0], int8[1]);
  EXPECT_EQ(fp32[0], fp32[1]);
}

}  // namespace
}  // namespace paretoformer::nas
