// Ways to search: algorithms, limits, networks to begin with, budgets, patience.
#include <gmock/gmock.h>

#include <set>

#include "latency_predictor/latency_predictor.hpp"
#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

const char* const kAlgorithms[] = {
    "evolution", "nsga2",   "survey", "survey_literal", "regularized_evolution",
    "knapsack",  "uniform", "random"};

class Variations : public TrainedFolder {
 protected:
  Variations() : TrainedFolder(32) { config_["search"]["evaluations"] = 60; }

  std::vector<std::string> ids(const std::string& folder) {
    std::vector<std::string> result;
    for (const std::string& line : lines(file(folder, "history.jsonl")))
      result.push_back(parse(line)["id"].get<std::string>());
    return result;
  }

  // Goes on in `folder` until there are `count` evaluated networks, and is killed.
  void kill_at(const std::string& folder, std::size_t count, const Words& more) {
    const Result killed = box_.run_and_signal(resumed("search", folder, more), SIGKILL, [&] {
      return line_count(box_ / folder / "history.jsonl") >= count;
    });
    // On a busy machine the moment may pass before it is seen.
    EXPECT_TRUE(killed.status == -SIGKILL || killed.status == 0) << killed.err;
    killed_ += killed.status == -SIGKILL;
  }

  int killed_ = 0;
};

TEST_F(Variations, EveryAlgorithmOnAnyNumberOfThreadsKilledAndResumed) {
  std::set<std::string> histories;
  for (const std::string algorithm : kAlgorithms) {
    SCOPED_TRACE(algorithm);
    const std::string one = algorithm + "1", two = algorithm + "2";
    copy("base", one);
    copy("base", two);
    const Json whole = answer("search", one, {"--algorithm", algorithm, "--threads", "1"});
    const Words same{"--algorithm", algorithm, "--threads", "2"};
    if (algorithm != "random" && algorithm != "survey" && algorithm != "uniform")
      for (std::size_t count : {1, 20}) kill_at(two, count, same);
    const Result last = box_.run(resumed("search", two, same));
    ASSERT_EQ(last.status, 0) << last.err;
    expect_same(one, two, kSearchResults);
    histories.insert(file(one, "history.jsonl"));
    const bool ends = algorithm == "uniform" || algorithm == "survey_literal";
    if (ends && whole["ended"] == "stalled") {
      // The one knows all 36 networks of equal layers, the front of the other fills its population.
      EXPECT_LT(whole["evaluations"], 60);
      EXPECT_THAT(last.out, HasSubstr(algorithm + ", has no more networks to propose"));
    } else {
      EXPECT_EQ(whole["ended"], "budget");
      EXPECT_EQ(whole["evaluations"], 60);
      EXPECT_EQ(last.out.find("stopped"), std::string::npos);
    }
  }
  EXPECT_EQ(histories.size(), std::size(kAlgorithms));
  EXPECT_GE(killed_, 4);
  RecordProperty("killed", std::to_string(killed_));
}

TEST_F(Variations, LimitsWithEveryAlgorithm) {
  // Summed up alone, not at their places in a network, operators of the smallest network take
  // longer: such a limit it keeps only there.
  const Result valid = box_.run({"validate", "config.json", "--json"});
  const auto cycles = parse(valid.out)["cycles"][0].get<std::int64_t>();
  write(box_ / "smallest.json", R"({"model_width": 16, "head_width": 16, "vocabulary": 330,
                                    "layers": [{"heads": 1, "ffn_width": 32}]})");
  const Architecture smallest =
      architecture_from_json(JsonNode(parse(content(box_ / "smallest.json")), "smallest.json"));
  accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  workload.sequence_length = 32;
  const latency_predictor::LatencyPredictor sums(accel_sim::find_target("gemmini_transformer"),
                                                 workload);
  ASSERT_GT(sums.predict(smallest).latency.value(), cycles + 100);
  const auto limit = [](std::int64_t bound) { return "limits.latency=" + std::to_string(bound); };
  expect_refused({"search", "config.json", "--run", "new", "--set", limit(cycles - 1)},
                 {"the smallest, d=16 h=[1] f=[32], needs " + std::to_string(cycles)});

  for (const std::string algorithm : kAlgorithms) {
    SCOPED_TRACE(algorithm);
    const Result result = box_.run(
        {"search", "config.json", "--quiet", "--json", "--run", algorithm, "--algorithm", algorithm,
         "--set", "supernet=base", "--set", limit(cycles + 100), "--set", "soft_limits.macs=1",
         "--set", "search.evaluations=40", "--set", "validation_sequences=8"});
    ASSERT_EQ(result.status, 0) << result.err;
    const Json answer = parse(result.out);
    ASSERT_FALSE(answer["front"].empty());
    for (const Json& member : answer["front"]) {
      EXPECT_LE(member["objectives"]["latency_cycles"], cycles + 100);
      EXPECT_GT(member["over_soft_limits"]["macs"], 0);
    }
    EXPECT_EQ(answer["evaluations"].get<int>() == 40, answer["ended"] == "budget");
  }
}

TEST_F(Variations, NetworksToBeginWith) {
  const std::string one =
      R"({"model_width": 32, "layers": [{"heads": 2, "ffn_width": 32}, {"heads": 1, "ffn_width": 64}]})";
  const std::string two = R"({"model_width": 48, "layers": [{"heads": 2, "ffn_width": 64}]})";
  write(box_ / "one.json", one);
  write(box_ / "list.json", "[" + two + "," + one + "," + two + "]");
  const auto search = [&](const std::string& run, const Words& more) {
    Words words{"search", "config.json",          "--quiet", "--run", run, "--set", "supernet=base",
                "--set",  "search.evaluations=30"};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 0) << result.err;
    return ids(run);
  };
  const std::vector<std::string> first = search("first", {"--seed-architectures", "one.json"});
  ASSERT_EQ(first.size(), 30u);
  const Json began = parse(lines(file("first", "history.jsonl"))[0]);
  EXPECT_EQ(began["architecture"]["model_width"], 32);
  EXPECT_EQ(began["architecture"]["vocabulary"], 330);
  EXPECT_EQ(began["generation"], 0);

  const std::vector<std::string> several = search("list", {"--seed-architectures", "list.json"});
  EXPECT_EQ(several[1], first[0]);
  EXPECT_EQ(parse(lines(file("list", "history.jsonl"))[0])["architecture"]["model_width"], 48);
  EXPECT_EQ(search("given", {"--set", "search.seed_architectures=" + content(box_ / "list.json")}),
            several);

  // What another run has found, and what was taken from it, of a text with another vocabulary.
  const Json front = parse(file("first", "front.json"))["front"];
  const std::vector<std::string> warm =
      search("warm", {"--seed-architectures", "first/front.json"});
  ASSERT_GE(front.size(), 3u);
  for (std::size_t i = 0; i < front.size(); ++i) EXPECT_EQ(warm[i], front[i]["id"]);
  ASSERT_EQ(box_.run({"export", "first", "--quiet"}).status, 0);
  const std::string id = front[1]["id"].get<std::string>();
  Json exported = parse(file("first", "export/" + id + ".json"));
  exported["architecture"]["vocabulary"] = 777;
  write(box_ / "exported.json", exported.dump());
  EXPECT_EQ(search("taken", {"--seed-architectures", "exported.json"})[0], id);
  // A run goes on with those that it began with.
  EXPECT_EQ(answer("search", "taken")["evaluations"], 30);

  const auto refused = [&](const std::string& text, const Words& parts) {
    write(box_ / "wrong.json", text);
    expect_refused({"search", "config.json", "--run", "new", "--seed-architectures", "wrong.json"},
                   parts);
  };
  refused("[" + one + R"(,{"model_width": 40, "layers": [{"heads": 1, "ffn_width": 32}]}])",
          {"/search/seed_architectures/1", "is not in the search space: model_width 40"});
  refused("[" + one + R"(,{"model_width": 48, "layers": [{"heads": 1, "ffnwidth": 32}]}])",
          {"wrong.json: /1/layers/0", "ffn_width"});
  refused(R"({"front": [{"architecture": {"model_width": "wide"}}]})",
          {"wrong.json: /front/0/architecture/model_width: \"wide\" has the wrong type"});
  refused("[]", {"wrong.json: holds no architectures"});
  refused(R"({"front": []})", {"wrong.json: holds no architectures"});
  refused(R"("quickstart")", {"wrong.json: /: \"quickstart\" has the wrong type"});
  refused("{", {"wrong.json:1:", "not valid JSON"});
  fs::remove(box_ / "wrong.json");
  expect_refused({"search", "config.json", "--run", "new", "--seed-architectures", "wrong.json"},
                 {"wrong.json: cannot open file"});
  expect_refused({"search", "list", "--resume", "--seed-architectures", "one.json"},
                 {"list/config.json", "/search/seed_architectures"});
}

TEST_F(Variations, AFinishedSearchGoesOnWithALargerBudget) {
  copy("base", "whole");
  EXPECT_EQ(answer("search", "whole", {"--set", "search.evaluations=120"})["evaluations"], 120);
  copy("base", "run");
  ASSERT_EQ(answer("search", "run")["evaluations"], 60);
  expect_refused(resumed("search", "run", {"--set", "search.evaluations=59"}),
                 {"run: the search is to end after 60 evaluations, not sooner: 59 is too few"});

  const Words more{"--set", "search.evaluations=120"};
  kill_at("run", 70, more);
  EXPECT_EQ(parse(file("run", "config.json"))["search"]["evaluations"], 120);
  // By its configuration file, with less and with as much as it has now.
  expect_refused({"search", "config.json", "--run", "run", "--resume"},
                 {"to end after 120 evaluations, not sooner: 60"});
  Words words{"search", "config.json", "--run", "run", "--resume", "--quiet"};
  words.insert(words.end(), more.begin(), more.end());
  ASSERT_EQ(box_.run(words).status, 0);
  expect_same("run", "whole", kSearchResults);
  EXPECT_EQ(parse(file("run", "state.json"))["evaluations"], 120);
}

TEST_F(Variations, PatienceEndsASearch) {
  for (const char* folder : {"whole", "run"}) copy("base", folder);
  const Words all{"--set", "search.evaluations=200"};
  EXPECT_EQ(answer("search", "whole", all)["ended"], "budget");
  const Result early =
      box_.run(resumed("search", "run", {all[0], all[1], "--set", "search.patience=3"}));
  ASSERT_EQ(early.status, 0) << early.err;
  EXPECT_THAT(early.out,
              HasSubstr("stopped: the hypervolume grew by less than 0.1 % in 3 generations"));
  const std::size_t evaluated = ids("run").size();
  EXPECT_LT(evaluated, 200u);
  EXPECT_GE(evaluated, 48u);
  EXPECT_EQ(file("whole", "history.jsonl").substr(0, file("run", "history.jsonl").size()),
            file("run", "history.jsonl"));

  const auto before = snapshot("run");
  EXPECT_EQ(answer("search", "run")["ended"], "plateau");
  EXPECT_TRUE(snapshot("run") == before);

  EXPECT_EQ(answer("search", "run", {"--set", "search.patience=0"})["ended"], "budget");
  expect_same("run", "whole", kSearchResults);
  // What is found stays found.
  answer("search", "run", {"--set", "search.patience=3"});
  expect_same("run", "whole", {"history.jsonl", "generations.jsonl"});
}

}  // namespace
}  // namespace paretoformer::integration
