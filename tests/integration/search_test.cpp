// A whole run and what is done with its results.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class Search : public ::testing::Test {
 protected:
  void SetUp() override { write(box_ / "config.json", tiny_config().dump(2)); }

  Json search(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"search", "config.json", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status == 0 ? parse(result.out) : Json();
  }

  std::vector<Json> history() {
    std::vector<Json> candidates;
    for (const std::string& line : lines(content(box_ / "run/history.jsonl")))
      candidates.push_back(parse(line));
    return candidates;
  }

  Sandbox box_;
};

bool dominated(const Json& a, const Json& by) {
  const auto p = [](const Json& c) { return c["objectives"]["perplexity"].get<double>(); };
  const auto e = [](const Json& c) { return c["objectives"]["edp"].get<double>(); };
  return p(by) <= p(a) && e(by) <= e(a) && (p(by) < p(a) || e(by) < e(a));
}

// The front that the search saw, best perplexity first, as it stands in the history.
std::vector<Json> as_searched(const Json& front) {
  std::vector<Json> members;
  for (const char* list : {"front", "dropped"})
    for (Json member : front[list]) {
      for (const char* key : {"confirmed", "reason", "limit", "dominated_by"}) member.erase(key);
      members.push_back(member);
    }
  std::sort(members.begin(), members.end(), [](const Json& a, const Json& b) {
    return a["objectives"]["perplexity"] < b["objectives"]["perplexity"];
  });
  return members;
}

TEST_F(Search, EndToEnd) {
  const Json answer = search();
  for (const char* name :
       {"config.json", "supernet.safetensors", "tokenizer.model", "training.jsonl", "history.jsonl",
        "generations.jsonl", "confirmed.jsonl", "front.json", "front.svg", "report.html",
        "state.json"})
    EXPECT_TRUE(fs::is_regular_file(box_ / ("run/" + std::string(name)))) << name;
  EXPECT_EQ(answer["run"], "run");
  EXPECT_EQ(answer["evaluations"], 96);
  EXPECT_EQ(parse(content(box_ / "run/state.json")),
            (Json{{"phase", "finished"}, {"evaluations", 96}}));
  const Json front = parse(content(box_ / "run/front.json"));
  EXPECT_EQ(front["format"], "paretoformer.front.2");
  for (const char* key : {"front", "evaluations", "hypervolume"})
    EXPECT_EQ(front[key], answer[key]);
  // Results do not depend on where and when.
  EXPECT_EQ(content(box_ / "run/front.json").find(box_.path().string()), std::string::npos);

  const std::vector<Json> candidates = history();
  ASSERT_EQ(candidates.size(), 96u);
  std::set<std::string> ids;
  std::set<std::string> best;
  for (const Json& a : candidates) {
    ids.insert(a["id"].get<std::string>());
    bool is_best = true;
    for (const Json& b : candidates) is_best = is_best && !dominated(a, b);
    Json candidate = a;
    candidate.erase("check");  // of the line
    if (is_best) best.insert(candidate.dump());
    EXPECT_DOUBLE_EQ(a["objectives"]["perplexity"].get<double>(),
                     std::exp(a["objectives"]["validation_loss"].get<double>()));
  }
  EXPECT_EQ(ids.size(), 96u);
  std::set<std::string> members;
  double previous = -1;
  double area = 0;
  const Json& reference = front["reference_point"];
  double edp_bound = reference[1].get<double>();
  for (const Json& member : as_searched(front)) {
    members.insert(member.dump());
    const double perplexity = member["objectives"]["perplexity"].get<double>();
    EXPECT_GT(perplexity, previous);
    previous = perplexity;
    const double edp = member["objectives"]["edp"].get<double>();
    if (perplexity < reference[0].get<double>() && edp < edp_bound) {
      area += (reference[0].get<double>() - perplexity) * (edp_bound - edp);
      edp_bound = edp;
    }
  }
  EXPECT_EQ(members, best);
  EXPECT_NEAR(front["hypervolume"].get<double>() / area, 1, 1e-12);
  EXPECT_EQ(line_count(box_ / "run/generations.jsonl"), 8u);
  EXPECT_EQ(line_count(box_ / "run/training.jsonl"), 160u);
}

TEST_F(Search, TheFrontIsConfirmedAndWhatFellOffIsListed) {
  const Json front = search();
  const auto confirmed = [](const Json& member, const char* key) {
    return member["confirmed"][key].get<double>();
  };
  double previous = -1, edp = INFINITY;
  std::set<std::string> ids;
  for (const Json& member : front["front"]) {
    EXPECT_GT(confirmed(member, "perplexity"), previous);
    EXPECT_LT(confirmed(member, "edp"), edp);
    previous = confirmed(member, "perplexity");
    edp = confirmed(member, "edp");
    ids.insert(member["id"].get<std::string>());
    EXPECT_DOUBLE_EQ(edp, confirmed(member, "latency_cycles") * confirmed(member, "energy_pj"));
  }
  EXPECT_EQ(ids.size() + front["dropped"].size(), line_count(box_ / "run/confirmed.jsonl"));
  for (const Json& member : front["dropped"]) {
    EXPECT_EQ(member["reason"], "dominated");
    EXPECT_TRUE(ids.contains(member["dominated_by"].get<std::string>()));
  }
  EXPECT_TRUE(ids.contains(front["knee"].get<std::string>()));
  EXPECT_EQ(front["best_within"].size(), 2u);
  for (const Json& best : front["best_within"])
    EXPECT_TRUE(ids.contains(best["id"].get<std::string>()));

  // What is confirmed is what `evaluate` on all sequences, and the simulator, say.
  const Json& knee = *std::find_if(front["front"].begin(), front["front"].end(),
                                   [&](const Json& m) { return m["id"] == front["knee"]; });
  write(box_ / "knee.json", knee.dump());
  fs::copy(box_ / "run", box_ / "all", fs::copy_options::recursive);
  Json config = parse(content(box_ / "all/config.json"));
  config["validation_sequences"] = 0;
  write(box_ / "all/config.json", config.dump());
  const Result whole = box_.run({"evaluate", "all", "knee.json", "--json"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_NEAR(parse(whole.out)["validation_loss"].get<double>(),
              knee["confirmed"]["validation_loss"].get<double>(), 1e-12);
}

TEST_F(Search, TheReportCanBeWrittenAgain) {
  search();
  const std::string report = content(box_ / "run/report.html");
  const std::string picture = content(box_ / "run/front.svg");
  fs::remove(box_ / "run/report.html");
  fs::remove(box_ / "run/front.svg");
  const Result again = box_.run({"report", "run"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(content(box_ / "run/report.html") == report);
  EXPECT_TRUE(content(box_ / "run/front.svg") == picture);
  // Of a run that was interrupted before it was confirmed.
  fs::remove(box_ / "run/confirmed.jsonl");
  const Result early = box_.run({"report", "run", "--json"});
  ASSERT_EQ(early.status, 0) << early.err;
  EXPECT_EQ(parse(early.out)["confirmed"], false);
  EXPECT_NE(content(box_ / "run/report.html"), report);
}

TEST_F(Search, TextOutputNamesTheFilesAndProgressGoesToStandardError) {
  const Result result = box_.run({"search", "config.json"});
  ASSERT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("Front: run/front.json"));
  EXPECT_THAT(result.out, HasSubstr("96 of 252 networks evaluated"));
  EXPECT_THAT(result.err, HasSubstr("160/160"));
  EXPECT_THAT(result.err, HasSubstr("96/96"));
  EXPECT_THAT(result.out, HasSubstr("report: run/report.html"));
  EXPECT_THAT(result.out, HasSubstr("members confirmed; predicted against simulated: cycles off"));
  EXPECT_THAT(result.out, HasSubstr("knee: "));
  EXPECT_THAT(result.out, HasSubstr("(best + 0.1): "));
  EXPECT_EQ(result.err.find('\r'), std::string::npos);  // no terminal, no bar
}

TEST_F(Search, AFrontIsShownAndItsMembersAreChosen) {
  const Json front = search()["front"];
  const Result shown = box_.run({"show", "run"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("@ knee"));
  EXPECT_THAT(shown.out, HasSubstr(front[0]["id"].get<std::string>()));
  const auto rows = [&](const Words& words) {
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 0) << result.err;
    std::size_t count = 0;
    for (const Json& member : front)
      count += result.out.find(member["id"].get<std::string>() + " ") != std::string::npos;
    return count;
  };
  EXPECT_LE(rows({"show", "run"}), 12u);
  EXPECT_EQ(rows({"show", "run", "--all"}), front.size());
  // The most accurate one within the costs of the member in the middle is that member.
  const Json middle = front[front.size() / 2];
  const Words best{"--best", "perplexity", "--limit", "edp=" + middle["confirmed"]["edp"].dump()};
  Words words{"show", "run"};
  words.insert(words.end(), best.begin(), best.end());
  const Result member = box_.run(words);
  EXPECT_THAT(member.out, HasSubstr(middle["id"].get<std::string>()));
  EXPECT_THAT(member.out, HasSubstr("outside the layers"));

  words = {"export", "run", "--output", "out", "--json"};
  words.insert(words.end(), best.begin(), best.end());
  const Result exported = box_.run(words);
  ASSERT_EQ(exported.status, 0) << exported.err;
  EXPECT_EQ(parse(exported.out)["networks"], 1);
  EXPECT_TRUE(fs::exists(box_ / ("out/" + middle["id"].get<std::string>() + ".safetensors")));
  for (const auto& [options, message] : std::initializer_list<std::pair<Words, const char*>>{
           {{"--limit", "edp=1e-3"}, "none of the front's"},
           {{"--limit", "edp"}, "--limit: \"edp\": expected OBJECTIVE=MAXIMUM"},
           {{"--limit", "speed=3"}, "speed"},
           {{"--best", "speed"}, "\"speed\" is not known: expected one of perplexity"},
           {{"--id", "xyz"}, "\"xyz\" is that of 0 members"}})
    for (const char* verb : {"show", "export"}) {
      words = {verb, "run"};
      words.insert(words.end(), options.begin(), options.end());
      const Result refused = box_.run(words);
      EXPECT_EQ(refused.status, 2) << verb;
      EXPECT_THAT(refused.err, HasSubstr(message));
    }
}

TEST_F(Search, RandomSearchHasTheSameBudget) {
  const Json answer = search({"--algorithm", "random", "--run", "a \"quoted\" folder"});
  EXPECT_EQ(answer["evaluations"], 96);
  EXPECT_EQ(answer["run"], "a \"quoted\" folder");
  for (const std::string& line : lines(content(box_ / "a \"quoted\" folder/history.jsonl")))
    EXPECT_TRUE(parse(line)["parents"].empty());
}

TEST_F(Search, LimitsHoldForTheWholeFront) {
  const Json free = search();
  const double limit = free["front"].back()["objectives"]["latency_cycles"].get<double>() * 2;
  const Json bounded =
      search({"--run", "bounded", "--set", "limits.latency=" + std::to_string(limit)});
  ASSERT_FALSE(bounded["front"].empty());
  for (const Json& member : bounded["front"])
    for (const char* values : {"objectives", "confirmed"})
      EXPECT_LE(member[values]["latency_cycles"].get<double>(), limit);
  EXPECT_EQ(bounded["best_within"][0]["limit"]["latency"].get<double>(), limit);
  EXPECT_EQ(bounded["best_within"][0]["id"], bounded["front"][0]["id"]);
}

TEST_F(Search, SoftLimitsAreWishes) {
  const Json free = search();
  EXPECT_FALSE(parse(content(box_ / "run/front.json")).contains("soft_limits"));
  const double limit = free["front"].back()["objectives"]["latency_cycles"].get<double>() * 2;
  const Json soft = search({"--run", "soft", "--set", "soft_limits.latency=" + Json(limit).dump()});
  const Json front = parse(content(box_ / "soft/front.json"));
  EXPECT_EQ(front["limits"], Json::object());
  EXPECT_EQ(front["soft_limits"], (Json{{"latency", limit}}));
  int keep = 0;
  for (const Json& member : front["front"]) {
    const double excess = member["confirmed"]["latency_cycles"].get<double>() - limit;
    Json expected = Json::object();
    if (excess > 0) expected["latency"] = excess;
    EXPECT_EQ(member["over_soft_limits"], expected);
    keep += excess <= 0;
  }
  EXPECT_GT(keep, 0);
  EXPECT_LT(keep, static_cast<int>(front["front"].size()));
  // One that nothing meets ends nothing.
  EXPECT_EQ(search({"--run", "dream", "--set", "soft_limits.macs=1"})["evaluations"], 96);
}

// The volume below the reference that points of two or three objectives dominate, cell by cell of
// the grid that they span.
double volume_by_cells(std::vector<std::vector<double>> points,
                       const std::vector<double>& reference) {
  points.push_back(reference);
  std::vector<std::vector<double>> edges(3, {0, 1});
  for (std::size_t k = 0; k < reference.size(); ++k) {
    edges[k].clear();
    for (const auto& point : points) edges[k].push_back(std::min(point[k], reference[k]));
    std::sort(edges[k].begin(), edges[k].end());
  }
  for (auto& point : points) point.resize(3, 0);
  double volume = 0;
  for (std::size_t i = 0; i + 1 < edges[0].size(); ++i)
    for (std::size_t j = 0; j + 1 < edges[1].size(); ++j)
      for (std::size_t k = 0; k + 1 < edges[2].size(); ++k)
        if (std::any_of(points.begin(), points.end(), [&](const auto& p) {
              return p[0] <= edges[0][i] && p[1] <= edges[1][j] && p[2] <= edges[2][k];
            }))
          volume += (edges[0][i + 1] - edges[0][i]) * (edges[1][j + 1] - edges[1][j]) *
                    (edges[2][k + 1] - edges[2][k]);
  return volume;
}

TEST_F(Search, AnyTwoOrThreeObjectives) {
  const std::vector<std::vector<std::string>> choices{{"perplexity", "peak_memory"},
                                                      {"perplexity", "macs"},
                                                      {"perplexity", "latency", "peak_memory"},
                                                      {"macs", "energy", "perplexity"}};
  const std::map<std::string, std::string> keys{{"perplexity", "perplexity"},
                                                {"latency", "latency_cycles"},
                                                {"energy", "energy_pj"},
                                                {"peak_memory", "peak_memory_bytes"},
                                                {"macs", "macs"}};
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const std::string run = "run" + std::to_string(i);
    search({"--run", run, "--set", "objectives=" + Json(choices[i]).dump()});
    const Json front = parse(content(box_ / (run + "/front.json")));
    EXPECT_EQ(front["objectives"], Json(choices[i]));
    const auto reference = front["reference_point"].get<std::vector<double>>();
    const auto point_of = [&](const Json& candidate) {
      std::vector<double> point;
      for (const std::string& name : choices[i])
        point.push_back(candidate["objectives"][keys.at(name)].get<double>());
      return point;
    };
    std::vector<std::vector<double>> members, everything;
    for (const char* list : {"front", "dropped"})
      for (const Json& member : front[list]) members.push_back(point_of(member));
    for (const std::string& line : lines(content(box_ / (run + "/history.jsonl"))))
      everything.push_back(point_of(parse(line)));
    EXPECT_GT(members.size(), 4u);
    const double volume = volume_by_cells(members, reference);
    EXPECT_NEAR(front["hypervolume"].get<double>() / volume, 1, 1e-12) << run;
    EXPECT_NEAR(volume_by_cells(everything, reference) / volume, 1, 1e-12) << run;
  }
}

TEST_F(Search, AllObjectivesAtOnce) {
  const Json all{"perplexity", "latency", "energy", "edp", "parameters", "peak_memory", "macs"};
  const Json answer = search({"--set", "objectives=" + all.dump()});
  EXPECT_EQ(parse(content(box_ / "run/front.json"))["reference_point"].size(), 7u);
  EXPECT_GT(answer["front"].size(), 4u);
  EXPECT_GT(answer["hypervolume"], 0);
}

TEST_F(Search, TextFilesRelativeToTheConfiguration) {
  // Text of the user's own, found from wherever the run is used.
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "word" + std::to_string(i % 97) + (i % 9 ? " " : "\n");
  Json config = tiny_config();
  config["corpus"] = {
      {"train", "texts/train.txt"}, {"validation", "texts/valid.txt"}, {"tokenizer", "bytes"}};
  config["training"]["steps"] = 20;
  fs::create_directories(box_ / "project/texts");
  write(box_ / "project/texts/train.txt", text);
  write(box_ / "project/texts/valid.txt", text.substr(0, 4000));
  write(box_ / "project/config.json", config.dump());
  const Result first = box_.run({"search", "project/config.json", "--quiet"});
  ASSERT_EQ(first.status, 0);
  EXPECT_THAT(first.out, AllOf(HasSubstr("per word bits/byte"), HasSubstr("per word (646)")));
  for (const char* same : {"project/config.json", "run"}) {
    const Result resumed = box_.run({"search", same, "--quiet", "--resume"});
    EXPECT_EQ(resumed.status, 0) << resumed.err;
  }
  const Result exported = box_.run({"export", "run", "--json"});
  EXPECT_EQ(exported.status, 0) << exported.err;
  EXPECT_FALSE(fs::exists(box_ / "run/tokenizer.model"));

  const Json member = parse(content(box_ / "run/front.json"))["front"][0];
  const double loss = member["confirmed"]["validation_loss"];
  EXPECT_NEAR(
      member["confirmed"]["perplexity_per_word"].get<double>() / std::exp(loss * 4000 / 646), 1,
      1e-9);
  EXPECT_NEAR(member["confirmed"]["bits_per_byte"].get<double>(), loss / std::log(2), 1e-9);
  write(box_ / "member.json", member.dump());
  const Result evaluated = box_.run({"evaluate", "run", "member.json", "--json"});
  const Json answer = parse(evaluated.out);
  EXPECT_NEAR(answer["bits_per_byte"].get<double>(),
              answer["validation_loss"].get<double>() / std::log(2), 1e-9);
  EXPECT_THAT(box_.run({"evaluate", "run", "member.json"}).out,
              AllOf(HasSubstr("\nperplexity per word "), HasSubstr("\nbits per byte ")));
}

// What a library that sorts the tensors makes of an exported network is the same network.
TEST_F(Search, ExportedWeightsMayBeSavedAgainInAnotherOrder) {
  const std::string id = search()["front"][0]["id"];
  ASSERT_EQ(box_.run({"export", "run"}).status, 0);
  const std::string bytes = content(box_ / ("run/export/" + id + ".safetensors"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  const Json header = parse(bytes.substr(8, length));
  Json again{{"__metadata__", header["__metadata__"]}};
  std::string data;
  std::map<std::string, Json> sorted;
  for (const auto& [name, tensor] : header.items()) sorted[name] = tensor;
  sorted.erase("__metadata__");
  for (auto& [name, tensor] : sorted) {
    const std::size_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
    tensor["data_offsets"] = {data.size(), data.size() + end - begin};
    data += bytes.substr(8 + length + begin, end - begin);
    again[name] = tensor;
  }
  const std::string text = again.dump();
  length = text.size();
  write(box_ / "again.safetensors",
        std::string(reinterpret_cast<const char*>(&length), 8) + text + data);
  const std::string file = "run/export/" + id + ".json";
  const Result own = box_.run(
      {"evaluate", "run", file, "--json", "--weights", "run/export/" + id + ".safetensors"});
  const Result other =
      box_.run({"evaluate", "run", file, "--json", "--weights", "again.safetensors"});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(other.out, own.out);

  // Finite weights, but no network: its perplexity is no number.
  again["__metadata__"].erase("xxh3_by_name");
  const std::string unchecked = again.dump();
  length = unchecked.size();
  const float huge = 1e30F;
  for (std::size_t i = 0; i < data.size(); i += 4) std::memcpy(&data[i], &huge, 4);
  write(box_ / "again.safetensors",
        std::string(reinterpret_cast<const char*>(&length), 8) + unchecked + data);
  const Result none =
      box_.run({"evaluate", "run", file, "--json", "--weights", "again.safetensors"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, AllOf(HasSubstr("again.safetensors: the loss of these weights is "),
                              HasSubstr("not a finite number")));
}

TEST_F(Search, ExportEvaluateAndPredictAgreeWithTheHistory) {
  const Json front = search()["front"];
  const Result exported = box_.run({"export", "run", "--json"});
  ASSERT_EQ(exported.status, 0) << exported.err;
  EXPECT_EQ(parse(exported.out), (Json{{"folder", "run/export"}, {"networks", front.size()}}));
  ASSERT_GE(front.size(), 2u);
  for (const Json& member : front) {
    const std::string stem = "run/export/" + member["id"].get<std::string>();
    const Json file = parse(content(box_ / (stem + ".json")));
    EXPECT_EQ(file["objectives"], member["objectives"]);
    EXPECT_EQ(file["architecture"], member["architecture"]);
    EXPECT_EQ(file["confirmed"], member["confirmed"]);
    EXPECT_TRUE(fs::is_regular_file(box_ / (stem + ".safetensors")));
  }
  EXPECT_EQ(content(box_ / "run/export/front.json"), content(box_ / "run/front.json"));

  for (const Json& member : {front.front(), front.back()}) {
    const std::string stem = "run/export/" + member["id"].get<std::string>();
    const Json& expected = member["objectives"];
    const auto expect_same = [&](const Json& answer) {
      EXPECT_EQ(answer["id"], member["id"]);
      EXPECT_EQ(answer["validation_loss"], expected["validation_loss"]);
      EXPECT_EQ(answer["perplexity"], expected["perplexity"]);
      EXPECT_EQ(answer["cycles"], expected["latency_cycles"]);
      EXPECT_EQ(answer["energy_pj"], expected["energy_pj"]);
      EXPECT_EQ(answer["edp"], expected["edp"]);
      EXPECT_EQ(answer["parameters"], expected["parameters"]);
      EXPECT_EQ(answer["peak_memory_bytes"], expected["peak_memory_bytes"]);
      EXPECT_EQ(answer["macs"], expected["macs"]);
    };
    const Result own =
        box_.run({"evaluate", "run", stem + ".json", "--weights", stem + ".safetensors", "--json"});
    ASSERT_EQ(own.status, 0) << own.err;
    expect_same(parse(own.out));

    const Json& network = member["architecture"];
    write(box_ / "bare.json",
          Json{{"model_width", network["model_width"]}, {"layers", network["layers"]}}.dump());
    for (const std::string& file : {stem + ".json", std::string("bare.json")}) {
      const Result slice = box_.run({"evaluate", "run", file, "--json", "--threads", "1"});
      ASSERT_EQ(slice.status, 0) << slice.err;
      expect_same(parse(slice.out));
    }

    const Result cost = box_.run(
        {"predict", stem + ".json", "--predictor", "run/predictor.json", "--breakdown", "--json"});
    ASSERT_EQ(cost.status, 0) << cost.err;
    const Json answer = parse(cost.out);
    EXPECT_EQ(answer["cycles"].get<double>(), expected["latency_cycles"].get<double>());
    EXPECT_EQ(answer["energy_pj"], expected["energy_pj"]);
    std::int64_t cycles = 0;
    double energy = 0;
    for (const Json& op : answer["operators"]) {
      cycles += op["cycles"].get<std::int64_t>();
      energy += op["energy_pj"].get<double>();
    }
    EXPECT_EQ(answer["cycles"], cycles);
    EXPECT_NEAR(answer["energy_pj"].get<double>() / energy, 1, 1e-12);
  }
  const Result wrong =
      box_.run({"evaluate", "run", "run/export/" + front[0]["id"].get<std::string>() + ".json",
                "--weights", "run/export/" + front[1]["id"].get<std::string>() + ".safetensors"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("holds the weights of"));
}

TEST_F(Search, ValidateWritesNothing) {
  const std::vector<std::string> before = box_.files();
  const Result text = box_.run({"validate", "config.json"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("The configuration is valid."));
  const Result json = box_.run({"validate", "config.json", "--json", "--set", "seed=5"});
  ASSERT_EQ(json.status, 0) << json.err;
  const Json answer = parse(json.out);
  EXPECT_EQ(answer["networks"], 252);
  EXPECT_EQ(answer["vocabulary"], 330);
  EXPECT_EQ(answer["config"]["seed"], 5);
  EXPECT_EQ(box_.files(), before);
}

}  // namespace
}  // namespace paretoformer::integration
