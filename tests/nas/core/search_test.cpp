#include "nas/core/search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <optional>
#include <set>

#include "latency_predictor/network_cost.hpp"
#include "latency_predictor/tables.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"
#include "tests/stop_after.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

class SearchTest : public ::testing::Test {
 protected:
  Archive search(const SearchHooks& hooks = {}) {
    return run_search(run_.folder, run_.proxy, evaluator_, hooks).archive;
  }
  std::string history() { return read_file(run_.folder.history()); }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  TinyRun run_{config_};
  CandidateEvaluator evaluator_{supernet_losses(run_.proxy), predictor_of(config_),
                                run_.proxy.context()};
};

TEST_F(SearchTest, HistoryIsTheArchiveInOrderOfEvaluation) {
  std::vector<std::size_t> counts;
  std::vector<GenerationRecord> records;
  SearchHooks hooks;
  hooks.watch.on_progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.total, 60);
    counts.push_back(static_cast<std::size_t>(progress.done));
    EXPECT_EQ(load_archive(run_.folder, run_.proxy.space()).size(), counts.back());
  };
  hooks.on_generation = [&](const GenerationRecord& record) { records.push_back(record); };
  const Archive archive = search(hooks);
  EXPECT_EQ(archive.size(), 60u);
  EXPECT_TRUE(std::is_sorted(counts.begin(), counts.end()));
  const Archive loaded = load_archive(run_.folder, run_.proxy.space());
  EXPECT_EQ(loaded.candidates(), archive.candidates());
  std::set<std::uint64_t> ids;
  int generation = 0;
  for (const Candidate& candidate : archive.candidates()) {
    EXPECT_TRUE(ids.insert(candidate.id).second);
    EXPECT_GE(candidate.generation, generation);
    generation = candidate.generation;
    EXPECT_TRUE(run_.proxy.space().contains(candidate.architecture));
    for (std::uint64_t parent : candidate.parents)
      EXPECT_LT(archive.find(parent)->generation, candidate.generation);
  }
  ASSERT_EQ(records.size(), 5u);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].generation, static_cast<int>(i));
    EXPECT_EQ(records[i].evaluations, 12 * (i + 1));
    EXPECT_GE(records[i].hypervolume, i > 0 ? records[i - 1].hypervolume : 0);
  }
  EXPECT_EQ(records.back().front, archive.front().size());
}

TEST_F(SearchTest, AHistoryCutAnywhereGrowsBackToTheSameBytes) {
  const Archive whole = search();
  const std::string bytes = history();
  const std::string generations = read_file(run_.folder.generations());
  const std::string front =
      to_text(front_json(run_.folder, run_.proxy, whole, predicted_front(whole)));
  const std::size_t third_line = bytes.find('\n', bytes.find('\n') + 1) + 1;
  for (std::size_t cut : {std::size_t{0}, std::size_t{1}, third_line - 1, third_line,
                          third_line + 1, bytes.size() / 2, bytes.size() - 1, bytes.size()}) {
    SCOPED_TRACE(cut);
    write_file_atomic(run_.folder.history(), bytes.substr(0, cut));
    fs::remove(run_.folder.generations());
    const Archive resumed = search();
    EXPECT_TRUE(history() == bytes);
    EXPECT_EQ(read_file(run_.folder.generations()), generations);
    EXPECT_EQ(to_text(front_json(run_.folder, run_.proxy, resumed, predicted_front(resumed))),
              front);
  }
}

TEST_F(SearchTest, StoppedWhenAskedAndContinued) {
  search();
  const std::string bytes = history();
  fs::remove(run_.folder.history());
  StopAfter stop(5);
  EXPECT_THROW(search({.watch = stop.watch()}), Interrupted);
  EXPECT_GT(history().size(), 0u);
  EXPECT_LT(history().size(), bytes.size());
  search();
  EXPECT_TRUE(history() == bytes);
}

TEST_F(SearchTest, ADamagedHistoryIsRefusedNamingTheLine) {
  Candidate foreign = search().candidates()[0];
  const std::string bytes = history();
  const std::size_t second = bytes.find('\n') + 1;
  const std::string first_line = bytes.substr(0, second);
  const auto error = [&](const std::string& text) -> std::string {
    write_file_atomic(run_.folder.history(), text);
    try {
      search();
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  EXPECT_THAT(error(first_line + "{\n" + bytes.substr(second)), HasSubstr("history.jsonl:2:"));
  EXPECT_THAT(error(first_line + first_line),
              AllOf(HasSubstr("history.jsonl:2:"), HasSubstr("appears a second time")));
  foreign.architecture.model_width = 40;
  foreign.id = architecture_id(foreign.architecture);
  EXPECT_THAT(error(to_json(foreign).dump() + "\n"),
              AllOf(HasSubstr("history.jsonl:1:"), HasSubstr("model_width 40 is not a choice")));
}

TEST_F(SearchTest, TheReferenceIsTheWorstOfGenerationZero) {
  const Archive archive = search();
  const Point reference = reference_point(archive);
  Point worst{0, 0};
  for (std::size_t i = 0; i < 12; ++i) {
    const Point point = archive.point(archive.candidates()[i]);
    for (std::size_t k = 0; k < 2; ++k) worst[k] = std::max(worst[k], point[k]);
  }
  EXPECT_EQ(reference, (Point{1.1 * worst[0], 1.1 * worst[1]}));
}

TEST_F(SearchTest, AnExhaustedSpaceEndsTheSearch) {
  RunConfig config = config_;
  config.run = box_ / "exhausted";
  config.search.population = 100;
  config.search.evaluations = 1000;
  TinyRun run(config);
  CandidateEvaluator evaluator(supernet_losses(run.proxy), predictor_of(config),
                               run.proxy.context());
  EXPECT_EQ(run_search(run.folder, run.proxy, evaluator, {}).archive.size(), 252u);
}

TEST_F(SearchTest, TheBudgetIsKeptToTheNetwork) {
  RunConfig config = config_;
  for (int evaluations : {1, 12, 13, 47}) {
    config.run = box_ / ("budget" + std::to_string(evaluations));
    config.search.evaluations = evaluations;
    TinyRun run(config);
    CandidateEvaluator evaluator(supernet_losses(run.proxy), predictor_of(config),
                                 run.proxy.context());
    EXPECT_EQ(run_search(run.folder, run.proxy, evaluator, {}).archive.size(),
              static_cast<std::size_t>(evaluations));
  }
}

TEST_F(SearchTest, ALargerBudgetContinuesToWhatItWouldHaveFoundFromTheStart) {
  const Archive whole = search();
  Archive archive(config_.objectives);
  for (int evaluations : {5, 30, 31, 60}) {
    SearchConfig config = config_.search;
    config.evaluations = evaluations;
    nas::search(run_.proxy.space(), config, config_.seed, evaluator_, archive, {});
    EXPECT_EQ(archive.size(), static_cast<std::size_t>(evaluations));
  }
  EXPECT_EQ(archive.candidates(), whole.candidates());
}

TEST_F(SearchTest, EndsWhenNothingIsGained) {
  SearchConfig config = config_.search;
  config.evaluations = 252;
  std::vector<double> volumes;
  SearchHooks hooks;
  hooks.on_generation = [&](const GenerationRecord& r) { volumes.push_back(r.hypervolume); };
  Archive whole(config_.objectives);
  EXPECT_EQ(nas::search(run_.proxy.space(), config, 1, evaluator_, whole, hooks),
            SearchEnd::kBudget);
  std::size_t first = 2;  // the first generation that gains less than a thousandth in two
  while (first < volumes.size() && volumes[first] > 1.001 * volumes[first - 2]) ++first;
  ASSERT_LT(first + 1, volumes.size());
  config.patience = 2;
  Archive archive(config_.objectives);
  EXPECT_EQ(nas::search(run_.proxy.space(), config, 1, evaluator_, archive, {}),
            SearchEnd::kPlateau);
  EXPECT_EQ(archive.candidates().back().generation, static_cast<int>(first));

  // What has been found with more patience is not forgotten.
  std::size_t generations = 0;
  hooks.on_generation = [&](const GenerationRecord&) { ++generations; };
  nas::search(run_.proxy.space(), config, 1, evaluator_, whole, hooks);
  EXPECT_EQ(generations, volumes.size());
}

TEST_F(SearchTest, SaysWhyItEndedBeforeTheBudgetWasSpent) {
  SearchConfig config = config_.search;
  config.evaluations = 1000;
  Archive archive(config_.objectives);
  EXPECT_EQ(nas::search(run_.proxy.space(), config, 1, evaluator_, archive, {}),
            SearchEnd::kExhausted);
  EXPECT_EQ(archive.size(), 252u);
  config.algorithm = "survey_literal";
  Archive few(config_.objectives);
  EXPECT_EQ(nas::search(run_.proxy.space(), config, 1, evaluator_, few, {}), SearchEnd::kStalled);
  EXPECT_LT(few.size(), 100u);
}

// What a quarter of the text has ruled out is not on the front, and its loss is an estimate; all
// others have the loss of all of the text.
TEST_F(SearchTest, AQuarterOfTheTextRulesOut) {
  SearchConfig config = config_.search;
  config.evaluations = 200;
  Archive archive(config_.objectives);
  const double before = evaluator_.work();
  nas::search(run_.proxy.space(), config, 1, evaluator_, archive, {});
  double estimated = 0;
  std::set<std::uint64_t> front;
  for (std::size_t member : archive.front()) front.insert(archive.candidates()[member].id);
  for (const Candidate& candidate : archive.candidates()) {
    ASSERT_TRUE(candidate.quarter_loss.has_value());
    const Objectives exact = evaluator_.evaluate(std::span(&candidate.architecture, 1))[0];
    if (candidate.estimated) {
      ++estimated;
      EXPECT_FALSE(front.count(candidate.id));
      EXPECT_GT(candidate.generation, 0);
      EXPECT_NEAR(candidate.objectives.validation_loss, exact.validation_loss, 0.2);
    } else {
      EXPECT_EQ(candidate.objectives, exact);
    }
  }
  EXPECT_GT(estimated, 20);
  // Two of eight sequences are a quarter; the 200 evaluations of the loop above count as well.
  EXPECT_DOUBLE_EQ(evaluator_.work() - before, 400 - 0.75 * estimated);

  config.quarter_first = false;
  Archive all(config_.objectives);
  nas::search(run_.proxy.space(), config, 1, evaluator_, all, {});
  for (const Candidate& candidate : all.candidates()) EXPECT_FALSE(candidate.estimated);
}

TEST_F(SearchTest, SubsetsAddUpToTheWhole) {
  const std::vector<Architecture> networks{run_.proxy.space().largest(),
                                           run_.proxy.space().smallest()};
  for (int sequences : {1, 2, 3, 4, 7, 8, 13}) {
    supernet::Evaluator evaluator(run_.proxy.layout(), run_.proxy.weights(),
                                  run_.proxy.corpus().validation, run_.proxy.context(), sequences);
    EXPECT_EQ(evaluator.sequences(supernet::Subset::kQuarter), (sequences + 3) / 4);
    EXPECT_EQ(evaluator.sequences(supernet::Subset::kQuarter) +
                  evaluator.sequences(supernet::Subset::kRest),
              sequences);
    const std::vector<double> quarter = evaluator.loss_sums(networks, supernet::Subset::kQuarter);
    const std::vector<double> rest = evaluator.loss_sums(networks, supernet::Subset::kRest);
    const auto each = evaluator.sequence_losses(networks);
    for (std::size_t i = 0; i < networks.size(); ++i) {
      EXPECT_EQ((quarter[i] + rest[i]) / sequences, evaluator.losses(networks)[i]);
      double fourth = 0;  // every fourth of the text's order
      for (std::size_t s = 0; s < each[i].size(); s += 4) fourth += each[i][s];
      EXPECT_DOUBLE_EQ(fourth, quarter[i]);
    }
  }
}

TEST_F(SearchTest, InfeasibleLimitsAreExplainedByTheSmallestNetwork) {
  const SearchSpace& space = run_.proxy.space();
  const Objectives smallest =
      cost_of(space.smallest(), evaluator_.predictor(), config_.training.context);
  for (Objective objective : all_objectives()) {
    // The area has a test of its own (tests/nas/run/hardware_space_test.cpp).
    if (is_perplexity(objective) || !smallest.has(objective)) continue;
    RunConfig config = config_;
    config.limits = {{objective, value(smallest, objective)}};
    EXPECT_NO_THROW(require_feasible(config, run_.proxy, evaluator_.predictor()));
    config.limits[0].maximum *= 0.999;
    try {
      require_feasible(config, run_.proxy, evaluator_.predictor());
      ADD_FAILURE() << name_of(objective);
    } catch (const InputError& error) {
      char needed[32];
      std::snprintf(needed, sizeof needed, "%.6g", value(smallest, objective));
      EXPECT_THAT(error.what(), AllOf(HasSubstr(name_of(objective) + " <= "), HasSubstr(needed),
                                      HasSubstr(describe(space.smallest()))));
    }
    config.limits[0].soft = true;
    EXPECT_NO_THROW(require_feasible(config, run_.proxy, evaluator_.predictor()));
  }
  // No network of the space is cheaper than the smallest in anything.
  space.enumerate([&](const Architecture& network) {
    const Objectives cost = cost_of(network, evaluator_.predictor(), config_.training.context);
    for (Objective objective : all_objectives())
      EXPECT_GE(value(cost, objective), value(smallest, objective)) << describe(network);
    return true;
  });
}

TEST_F(SearchTest, APerplexityBelowThatOfTheSourceIsInfeasible) {
  RunConfig config = config_;
  ASSERT_TRUE(run_.proxy.corpus().oracle_perplexity.has_value());
  const double source = *run_.proxy.corpus().oracle_perplexity;
  config.limits = {{Objective::kPerplexity, source}};
  EXPECT_NO_THROW(require_feasible(config, run_.proxy, evaluator_.predictor()));
  config.limits = {{Objective::kPerplexity, 0.999 * source}};
  EXPECT_THROW(require_feasible(config, run_.proxy, evaluator_.predictor()), InputError);
  config.limits[0].soft = true;
  EXPECT_NO_THROW(require_feasible(config, run_.proxy, evaluator_.predictor()));
}

// Every operator has the cost `of` it.
latency_predictor::LatencyPredictor device(const SearchSpace& space,
                                           const std::function<accel_sim::HardwareCost(int)>& of) {
  latency_predictor::LookupTable table(latency_predictor::LatencyPredictor::device_hash("board"),
                                       "measured");
  int next = 0;
  for (const accel_sim::Operator& op :
       latency_predictor::operators_of(space, accel_sim::Workload{32}))
    table.insert(op, of(++next));
  return latency_predictor::LatencyPredictor("board", accel_sim::Workload{32}, table);
}

TEST_F(SearchTest, AnObjectiveThatTheDeviceDoesNotGiveIsNamed) {
  const SearchSpace& space = run_.proxy.space();
  const latency_predictor::LatencyPredictor no_energy = device(space, [](int i) {
    return accel_sim::HardwareCost{accel_sim::Cycles(i), accel_sim::Picojoules()};
  });
  const latency_predictor::LatencyPredictor no_latency = device(space, [](int i) {
    return accel_sim::HardwareCost{accel_sim::Cycles(), accel_sim::Picojoules(1.0 * i)};
  });
  RunConfig config = config_;
  config.predictor = "p.txt";
  const auto error = [&](std::vector<Objective> objectives,
                         const latency_predictor::LatencyPredictor& predictor) {
    config.objectives = std::move(objectives);
    try {
      return "no error" + require_telling(config, space, predictor);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
  };
  using enum Objective;
  EXPECT_EQ(error({kPerplexity, kLatency, kMacs}, no_energy), "no error");
  EXPECT_EQ(error({kPerplexity, kEdp}, no_energy),
            "/objectives/1: edp needs energy, which device \"board\" (p.txt) does not give: choose "
            "another objective");
  EXPECT_THAT(error({kEnergy, kPerplexity}, no_energy), HasSubstr("/objectives/0: energy needs"));
  EXPECT_THAT(error({kPerplexity, kLatency}, no_latency),
              HasSubstr("/objectives/1: latency needs latency, which"));
  EXPECT_THAT(error({kPerplexity, kEdp}, no_latency), HasSubstr("edp needs latency, which"));
  EXPECT_EQ(error({kPerplexity, kEnergy}, no_latency), "no error");
  config.limits = {{kEnergy, 5, true}};
  EXPECT_THAT(error({kPerplexity, kLatency}, no_energy), HasSubstr("/soft_limits/energy: energy"));
  config.limits = {{kEdp, 5}};
  EXPECT_THAT(error({kPerplexity, kLatency}, no_energy), HasSubstr("/limits/edp: edp needs"));
}

TEST_F(SearchTest, AnObjectiveOfOneValueIsNamed) {
  RunConfig config = config_;
  config.objectives = {Objective::kPerplexity, Objective::kLatency, Objective::kMacs};
  const auto space_of = [](const char* text) {
    const Json json = parse_json(text, "space");
    return SearchSpace::from_json(JsonNode(json, "space"));
  };
  // Of two operators that never run together, both dear.
  const SearchSpace two = space_of(
      R"({"head_width": 16, "depth": [1], "model_width": [16], "heads": [1],
          "ffn_width": [32, 64]})");
  const latency_predictor::LatencyPredictor equal = device(two, [](int) {
    return accel_sim::HardwareCost{accel_sim::Cycles(7), accel_sim::Picojoules(1.0)};
  });
  EXPECT_THAT(require_telling(config, two, equal),
              AllOf(HasSubstr("/objectives/1: latency is "), HasSubstr(" for all networks"),
                    Not(HasSubstr("macs"))));
  // There is nothing to choose from.
  const SearchSpace one = space_of(
      R"({"head_width": 16, "depth": [1], "model_width": [16], "heads": [1], "ffn_width": [32]})");
  EXPECT_EQ(require_telling(config, one, equal), "");
  EXPECT_EQ(require_telling(config, run_.proxy.space(), evaluator_.predictor()), "");
}

TEST_F(SearchTest, EvaluationDoesNotDependOnTheCompany) {
  const std::vector<Architecture> networks{run_.proxy.space().largest(),
                                           run_.proxy.space().smallest()};
  const std::vector<Objectives> both = evaluator_.evaluate(networks);
  EXPECT_EQ(evaluator_.evaluate(std::span(networks).subspan(1))[0], both[1]);
  EXPECT_EQ(both[0].perplexity, std::exp(both[0].validation_loss));
  EXPECT_EQ(both[0].parameters, parameter_count(networks[0], config_.training.context));
  const auto cost = evaluator_.predictor().network_cost(networks[0]);
  EXPECT_EQ(both[0].peak_memory_bytes, cost.memory.bytes());
  EXPECT_EQ(both[0].macs, cost.macs);
}

}  // namespace
}  // namespace paretoformer::nas
