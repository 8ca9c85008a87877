// The verb `front`: the exact front for given losses of layers, of a space and of a run.
#include <gmock/gmock.h>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kFrontSpace = R"({"name": "tiny", "head_width": 16, "depth": [1, 2],
    "model_width": [32, 48, 96], "heads": [1, 2, 4], "ffn_width": [64, 96, 256, 512]})";

class Front : public TrainedFolder {
 protected:
  Json front(Words words) {
    words.insert(words.begin(), "front");
    words.emplace_back("--json");
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status == 0 ? parse(result.out) : Json();
  }
  void expect_refused(Words words, const std::string& part) {
    words.insert(words.begin(), "front");
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
  }
};

TEST_F(Front, OfASpaceIsPricedAsThePredictorDoes) {
  write(box_ / "space.json", kFrontSpace);
  const Result built = box_.run({"predictor", "build", "--space", "space.json", "--length", "32",
                                 "--networks", "40", "--output", "tiny.predictor", "-q"});
  ASSERT_EQ(built.status, 0) << built.err;
  for (const std::string objective : {"latency", "energy", "edp"}) {
    const Json json = front({"space.json", "--predictor", "tiny.predictor", "--objective",
                             objective, "--output-losses", "layers.json"});
    const std::string key = objective == "latency"  ? "latency_cycles"
                            : objective == "energy" ? "energy_pj"
                                                    : "edp";
    EXPECT_EQ(json["networks"], 3 * (12 + 12 * 12));
    ASSERT_GT(json["front"].size(), 3u);
    EXPECT_EQ(json["members"], json["front"].size());
    const Json* before = nullptr;
    for (const Json& member : json["front"]) {
      write(box_ / "member.json", member.dump());
      const Json priced = parse(
          box_.run({"predict", "member.json", "--predictor", "tiny.predictor", "--json"}).out);
      EXPECT_EQ(member["latency_cycles"], priced["cycles"].get<double>());
      EXPECT_EQ(member["energy_pj"], priced["energy_pj"]);
      EXPECT_EQ(member["loss"], -member["parameters"].get<double>());
      if (before) {
        EXPECT_GT(member[key], (*before)[key]);
        EXPECT_LT(member["loss"], (*before)["loss"]);
      }
      before = &member;
    }
    // What was written is read as what it was.
    const Json again = front({"space.json", "--predictor", "tiny.predictor", "--objective",
                              objective, "--losses", "layers.json"});
    EXPECT_EQ(again["front"], json["front"]);
  }
  const Json some = front({"space.json", "--predictor", "tiny.predictor", "--members", "3"});
  EXPECT_EQ(some["front"].size(), 3u);
  const Result table = box_.run({"front", "space.json", "--length", "32"});
  EXPECT_THAT(table.out,
              StartsWith("tiny: 468 networks; losses minus the parameters, in place of "
                         "a loss; prices of gemmini_transformer at length 32 (prefill)"));
}

TEST_F(Front, OfARunIsThatOfAFitToIt) {
  copy("base", "run");
  const Result searched = box_.run(resumed("search", "run"));
  ASSERT_EQ(searched.status, 0) << searched.err;
  const Json json = front({"run"});
  EXPECT_THAT(json["losses"].get<std::string>(), StartsWith("fitted to the "));
  EXPECT_GT(json["leave_one_out_error"], 0);
  ASSERT_GT(json["front"].size(), 1u);
  // The run's own prices, and networks that it can go on with.
  write(box_ / "member.json", json["front"][0].dump());
  const Json found = parse(box_.run({"evaluate", "run", "member.json", "--json"}).out);
  EXPECT_EQ(found["cycles"], json["front"][0]["latency_cycles"]);
  EXPECT_EQ(found["energy_pj"], json["front"][0]["energy_pj"]);
  write(box_ / "seeds.json", json.dump());
  const Result next = box_.run({"search", "config.json", "--quiet", "--run", "next", "--set",
                                "supernet=run", "--seed-architectures", "seeds.json", "--json"});
  EXPECT_EQ(next.status, 0) << next.err;
}

TEST_F(Front, RefusesWhatIsWrongInOneLine) {
  write(box_ / "space.json", kFrontSpace);
  write(box_ / "wrong.json", R"({"layers": [{"layer": 0, "heads": 3, "loss": 1}]})");
  expect_refused({"space.json", "--losses", "wrong.json"},
                 "wrong.json: /layers/0/heads: 3 is no choice of the search space: expected one of "
                 "1, 2, 4");
  expect_refused({"space.json", "--losses", "none.json"}, "none.json");
  expect_refused({"spaces"}, "spaces");
  expect_refused({"base"}, "base");
  expect_refused({"space.json", "--objective", "perplexity"}, "--objective");
  expect_refused({"space.json", "--predictor", "none", "--length", "3"}, "--predictor");
  expect_refused({"space.json", "--predictor", "space.json"}, "space.json");
}

}  // namespace
}  // namespace paretoformer::integration
