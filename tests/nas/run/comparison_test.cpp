#include "nas/run/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "latency_predictor/tables.hpp"
#include "nas/report/comparison_report.hpp"
#include "nas/report/plot.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/nas/report/well_formed.hpp"
#include "tests/stop_after.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

SearchSpace tiny_space() {
  const Json json = parse_json(
      R"({"name": "tiny", "head_width": 16, "depth": [1, 2], "model_width": [16, 32, 48],
          "heads": [1, 2], "ffn_width": [32, 64]})",
      "space");
  return SearchSpace::from_json(JsonNode(json, "space"));
}

// Wider and deeper networks lose less; the network's id decides on the last digits, and on how far
// a quarter of the sequences is from all of them.
double made_up_loss(const Architecture& network, LossPart part) {
  double capacity = 0;
  for (const Layer& layer : network.layers)
    capacity += network.model_width * (64.0 * layer.heads + 2.0 * layer.ffn_width);
  const std::uint64_t id = architecture_id(network);
  const auto chance = static_cast<double>(part == LossPart::kQuarter ? id % 101 : id % 103);
  return 5 - 0.3 * std::log(capacity) + 1e-4 * chance;
}

LossSource hashed_losses() {
  LossSource source{2, 8, {}};
  source.sums = [source](std::span<const Architecture> networks, LossPart part) {
    std::vector<double> sums;
    for (const Architecture& network : networks)
      sums.push_back(source.size(part) * made_up_loss(network, part));
    return sums;
  };
  return source;
}

class Compare : public ::testing::Test {
 protected:
  // All 60 networks of the space in eight generations of eight, less four.
  ComparisonTask task(const std::vector<std::string>& algorithms) const {
    SearchConfig base;
    base.population = 8;
    ComparisonTask task{.space = space_,
                        .objectives = {Objective::kPerplexity, Objective::kEdp},
                        .limits = {},
                        .contestants = {},
                        .seeds = 3,
                        .step = 8,
                        .budget = 60,
                        .losses = hashed_losses(),
                        .predictors = predictor_,
                        .context = 32,
                        .enumerable = 60};
    for (const std::string& text : algorithms)
      task.contestants.push_back(contestant_from_text(text, base));
    return task;
  }

  SearchSpace space_ = tiny_space();
  accel_sim::Target hardware_ = accel_sim::find_target("gemmini_transformer");
  latency_predictor::LatencyPredictor predictor_{hardware_, accel_sim::Workload{32},
                                                 latency_predictor::analytical_table(hardware_)};
};

void expect_equal(const std::vector<Race>& a, const std::vector<Race>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].hypervolumes, b[i].hypervolumes);
    EXPECT_EQ(a[i].evaluations, b[i].evaluations);
    EXPECT_EQ(a[i].work, b[i].work);
  }
}

TEST(ContestantFromText, KeysOfTheSearchThatDifferFromTheBase) {
  SearchConfig base;
  base.population = 24;
  const Contestant plain = contestant_from_text("nsga2", base);
  EXPECT_EQ(plain.name, "nsga2");
  base.algorithm = "nsga2";
  EXPECT_EQ(plain.config, base);

  const std::string text =
      "evolution:screening=1:quarter_first=false:mutation_rate=0.25:population=16";
  const Contestant other = contestant_from_text(text, base);
  EXPECT_EQ(other.name, text);
  base.algorithm = "evolution";
  base.screening = 1;
  base.quarter_first = false;
  base.mutation_rate = 0.25;
  base.population = 16;
  EXPECT_EQ(other.config, base);
}

TEST(ContestantFromText, WaysOfPruning) {
  EXPECT_EQ(contestant_from_text("evolution", {}).pruning, std::nullopt);
  EXPECT_EQ(contestant_from_text("magnitude", {}).pruning, PruningWay::kMagnitude);
  EXPECT_EQ(contestant_from_text("fisher_tuned", {}).pruning, PruningWay::kFisherTuned);
}

TEST(ContestantFromText, ErrorsNameTheTextAndThePart) {
  const auto error = [](const std::string& text) -> std::string {
    try {
      contestant_from_text(text, {});
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  EXPECT_THAT(error("evolutoin"), HasSubstr("did you mean \"evolution\"?"));
  EXPECT_THAT(error("evolution:sceening=1"), HasSubstr("did you mean \"screening\"?"));
  EXPECT_THAT(error("evolution:sceening=1"), HasSubstr("--algorithms evolution:sceening=1"));
  EXPECT_THAT(error("evolution:screening"), HasSubstr("\"screening\" is not KEY=VALUE"));
  EXPECT_THAT(error("evolution:"), HasSubstr("\"\" is not KEY=VALUE"));
  EXPECT_THAT(error("evolution:screening=0"), HasSubstr("/screening: 0 is out of range"));
  EXPECT_THAT(error("evolution:screening=many"), HasSubstr("/screening"));
  EXPECT_THAT(error("evolution:quarter_first=1"), HasSubstr("/quarter_first"));
  EXPECT_THAT(error(""), HasSubstr("/algorithm"));
  EXPECT_THAT(error("fisher:screening=1"), HasSubstr("pruning has no keys, expected \"fisher\""));
}

TEST_F(Compare, WhoeverSeesTheWholeSpaceHasTheTrueFront) {
  std::vector<std::string> algorithms = algorithm_names();
  for (const char* stalls : {"survey_literal", "uniform"}) std::erase(algorithms, stalls);
  const Comparison comparison = compare(task(algorithms));
  ASSERT_EQ(space_.count(), 60);
  EXPECT_THAT(comparison.checkpoints, ElementsAre(8, 16, 24, 32, 40, 48, 56, 60));
  ASSERT_EQ(comparison.races.size(), algorithms.size());
  for (std::size_t i = 0; i < algorithms.size(); ++i) {
    SCOPED_TRACE(algorithms[i]);
    ASSERT_EQ(comparison.races[i].size(), 3u);
    for (const Race& race : comparison.races[i]) {
      EXPECT_EQ(race.evaluations, 60u);
      ASSERT_EQ(race.hypervolumes.size(), 8u);
      EXPECT_TRUE(std::is_sorted(race.hypervolumes.begin(), race.hypervolumes.end()));
      EXPECT_GT(race.hypervolumes.front(), 0);
      EXPECT_LT(race.hypervolumes.front(), 1);
      EXPECT_EQ(race.hypervolumes.back(), 1);
      EXPECT_LE(race.work, 60);
    }
    EXPECT_THAT(comparison.hypervolumes(i, 7), ElementsAre(1, 1, 1));
  }
}

TEST_F(Compare, TheTrueFrontAndTheReferenceAreThoseOfTheWholeSpace) {
  const Comparison comparison = compare(task({"random"}));
  Archive whole({Objective::kPerplexity, Objective::kEdp});
  CandidateEvaluator evaluator(hashed_losses(), predictor_, 32);
  std::vector<std::array<double, 2>> losses;
  space_.enumerate([&](const Architecture& network) {
    whole.add({architecture_id(network), network, evaluator.evaluate(std::span(&network, 1))[0]});
    // Two sequences of eight are the quarter.
    const double quarter = made_up_loss(network, LossPart::kQuarter);
    losses.push_back({quarter, (2 * quarter + 6 * made_up_loss(network, LossPart::kRest)) / 8});
    return true;
  });
  Point worst(2, 0.0);  // of the corners
  for (const Architecture& corner : space_.extremes())
    for (std::size_t i = 0; i < 2; ++i)
      worst[i] = std::max(worst[i], whole.point(*whole.find(architecture_id(corner)))[i]);
  EXPECT_THAT(comparison.reference, ElementsAre(1.1 * worst[0], 1.1 * worst[1]));
  EXPECT_EQ(comparison.true_front, whole.front().size());
  ASSERT_TRUE(comparison.true_hypervolume.has_value());
  EXPECT_DOUBLE_EQ(*comparison.true_hypervolume, whole.hypervolume(comparison.reference));
  ASSERT_EQ(comparison.losses.size(), losses.size());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    EXPECT_DOUBLE_EQ(comparison.losses[i][0], losses[i][0]);
    EXPECT_DOUBLE_EQ(comparison.losses[i][1], losses[i][1]);
  }
}

TEST_F(Compare, CheckpointsAreThoseOfAShorterSearch) {
  const Comparison whole = compare(task({"evolution", "nsga2"}));
  ComparisonTask shorter = task({"evolution", "nsga2"});
  shorter.budget = 20;
  const Comparison part = compare(shorter);
  EXPECT_THAT(part.checkpoints, ElementsAre(8, 16, 20));
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t at = 0; at < 2; ++at)
      EXPECT_EQ(part.hypervolumes(i, at), whole.hypervolumes(i, at));
  EXPECT_EQ(part.races[0][0].evaluations, 20u);
  shorter.step = 20;
  EXPECT_THAT(compare(shorter).checkpoints, ElementsAre(20));
  shorter.step = 100;
  EXPECT_THAT(compare(shorter).checkpoints, ElementsAre(20));
}

TEST_F(Compare, ARaceDoesNotDependOnTheCompany) {
  const Comparison three = compare(task({"evolution", "random", "knapsack"}));
  const Comparison turned = compare(task({"knapsack", "random", "evolution"}));
  const Comparison alone = compare(task({"evolution"}));
  for (std::size_t i = 0; i < 3; ++i) expect_equal(three.races[i], turned.races[2 - i]);
  expect_equal(three.races[0], alone.races[0]);
  // Seeds are others, and so are algorithms.
  EXPECT_NE(three.races[1][0].hypervolumes, three.races[1][1].hypervolumes);
  EXPECT_NE(three.races[0][0].hypervolumes, three.races[1][0].hypervolumes);
}

TEST_F(Compare, DoesNotDependOnThreads) {
  const auto on = [&](std::size_t threads) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    return compare(task({"evolution", "nsga2", "knapsack"}));
  };
  const Comparison one = on(1), four = on(4);
  for (std::size_t i = 0; i < 3; ++i) expect_equal(one.races[i], four.races[i]);
  EXPECT_EQ(to_text(comparison_json(one)), to_text(comparison_json(four)));
}

// What pruning leaves stands in the race as if a search had evaluated it: the three networks with
// the losses that the space has give the front of these three; better losses, a larger volume.
TEST_F(Compare, PrunedNetworksAreRacedWithTheirOwnLosses) {
  ComparisonTask with = task({"random", "fisher", "magnitude"});
  const std::vector<Architecture> networks = space_.extremes();
  ASSERT_GE(networks.size(), 3u);
  const auto left = [&](double better) {
    std::vector<PrunedLoss> all;
    for (std::size_t i = 0; i < 3; ++i) {
      const double quarter = made_up_loss(networks[i], LossPart::kQuarter);
      const double rest = made_up_loss(networks[i], LossPart::kRest);
      all.push_back({networks[i], (2 * quarter + 6 * rest) / 8 - better, 0, networks[i]});
    }
    return all;
  };
  std::vector<PruningWay> asked;
  with.prune = [&](PruningWay way) {
    asked.push_back(way);
    return left(way == PruningWay::kFisher ? 0.5 : 0);
  };
  const Comparison comparison = compare(with);
  EXPECT_THAT(asked, ElementsAre(PruningWay::kFisher, PruningWay::kMagnitude));
  Archive three({Objective::kPerplexity, Objective::kEdp});
  CandidateEvaluator evaluator(hashed_losses(), predictor_, 32);
  const std::vector<Objectives> objectives = evaluator.evaluate(std::span(networks).first(3));
  for (std::size_t i = 0; i < 3; ++i)
    three.add({architecture_id(networks[i]), networks[i], objectives[i]});
  const double expected = three.hypervolume(comparison.reference) / *comparison.true_hypervolume;
  EXPECT_THAT(comparison.hypervolumes(2, 7), Each(::testing::DoubleNear(expected, 1e-6)));
  for (const double better : comparison.hypervolumes(1, 7)) EXPECT_GT(better, expected);
  for (const Race& race : comparison.races[1]) {
    EXPECT_EQ(race.evaluations, 3u);
    EXPECT_EQ(race.work, 3);
  }
  const Json json = comparison_json(comparison);
  EXPECT_TRUE(json["algorithms"][1]["search"].is_null());
  EXPECT_EQ(json["algorithms"][1]["name"], "fisher");
}

TEST_F(Compare, ASpaceThatIsNotEnumeratedIsMeasuredInShares) {
  const Comparison known = compare(task({"evolution", "random"}));
  ComparisonTask larger = task({"evolution", "random"});
  larger.enumerable = 59;
  std::vector<std::int64_t> races;
  larger.watch.on_progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.work, "searches");
    EXPECT_EQ(progress.total, 6);
    races.push_back(progress.done);
  };
  const Comparison comparison = compare(larger);
  EXPECT_THAT(races, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_FALSE(comparison.true_hypervolume.has_value());
  EXPECT_EQ(comparison.true_front, 0u);
  EXPECT_THAT(comparison.losses, IsEmpty());
  EXPECT_EQ(comparison.reference, known.reference);
  // The same searches in another unit: of the reference box instead of the true front.
  const double unit = *known.true_hypervolume / (known.reference[0] * known.reference[1]);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t seed = 0; seed < 3; ++seed) {
      const Race& race = comparison.races[i][seed];
      EXPECT_EQ(race.work, known.races[i][seed].work);
      for (std::size_t at = 0; at < comparison.checkpoints.size(); ++at)
        EXPECT_NEAR(race.hypervolumes[at], unit * known.races[i][seed].hypervolumes[at], 2e-6);
    }
}

// A device without energies: the product of energy and delay is 0 for all.
TEST_F(Compare, AnObjectiveThatIsAlwaysZeroEnds) {
  const accel_sim::Workload workload{32};
  latency_predictor::LookupTable table(latency_predictor::LatencyPredictor::device_hash("board"),
                                       "measured");
  for (const accel_sim::Operator& op : latency_predictor::operators_of(space_, workload))
    table.insert(op, {accel_sim::Cycles(op.rows * op.columns), {}});
  const latency_predictor::LatencyPredictor device("board", workload, table);
  for (const std::int64_t enumerable : {0, 60}) {
    ComparisonTask all = task({"evolution", "random", "evolution:screening=1"});
    const ComparisonTask zero{.space = space_,
                              .objectives = all.objectives,
                              .limits = {},
                              .contestants = all.contestants,
                              .seeds = 3,
                              .step = 8,
                              .budget = 60,
                              .losses = all.losses,
                              .predictors = device,
                              .context = 32,
                              .enumerable = enumerable};
    const Comparison comparison = compare(zero);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_THAT(comparison.hypervolumes(i, 0), Each(0.0));
    const Json json = comparison_json(comparison);
    EXPECT_EQ(json.dump().find("nan"), std::string::npos);
    EXPECT_THAT(comparison_table(comparison), Not(HasSubstr("nan")));
    expect_well_formed(comparison_svg(comparison, ""));
    for (const Json& each : json["algorithms"])
      for (const Json& p : each["p_value"]) EXPECT_EQ(p, 1);
  }
}

TEST_F(Compare, TellsHowFarTheEnumerationIs) {
  ComparisonTask small = task({"random"});
  std::vector<std::int64_t> done;
  small.watch.on_progress = [&](const Progress& progress) {
    if (progress.work == "searches") return;
    EXPECT_EQ(progress.total, 60);
    done.push_back(progress.done);
  };
  compare(small);
  ASSERT_FALSE(done.empty());
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 60);
}

TEST_F(Compare, StopsWhenAsked) {
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  for (std::int64_t enumerable : {60, 0}) {
    // Counts what is reported, and the losses that are asked for, of which races report nothing.
    const auto run = [&](StopAfter& stop) {
      ComparisonTask stopped = task({"evolution", "random"});
      stopped.enumerable = enumerable;
      stopped.watch = stop.watch();
      stopped.losses.sums = [&stop, sums = stopped.losses.sums](
                                std::span<const Architecture> networks, LossPart part) {
        stop.count();
        return sums(networks, part);
      };
      compare(stopped);
    };
    StopAfter never(0);
    run(never);
    const int all = never.counted();
    EXPECT_GT(all, 8);
    // While the corners are evaluated; while the space is, or in the first race; in a later one.
    for (int last : {1, 4, all / 2, 3 * all / 4}) {
      StopAfter stop(last);
      EXPECT_THROW(run(stop), Interrupted) << last << " of " << all;
    }
  }
}

TEST_F(Compare, ALossThatIsNotFiniteIsAnError) {
  ComparisonTask broken = task({"random"});
  broken.losses.sums = [](std::span<const Architecture> networks, LossPart) {
    return std::vector<double>(networks.size(), NAN);
  };
  EXPECT_THROW(compare(broken), Error);
}

// Two contestants, three seeds each, three checkpoints.
Comparison written_out() {
  Comparison comparison;
  comparison.checkpoints = {40, 80, 100};
  comparison.contestants = {contestant_from_text("evolution", {}),
                            contestant_from_text("evolution:screening=1", {})};
  comparison.races = {{{{0.985, 0.992, 0.999}, 100, 60},
                       {{0.80, 0.980, 0.997}, 100, 62},
                       {{0.999, 0.991, 0.998}, 100, 67}},
                      {{{0.70, 0.800, 0.900}, 100, 99},
                       {{0.70, 0.800, 0.900}, 100, 100},
                       {{0.70, 0.800, 0.880}, 90, 100}}};
  comparison.objectives = {Objective::kPerplexity, Objective::kEdp};
  comparison.reference = {20, 5e9};
  comparison.true_hypervolume = 4e10;
  comparison.true_front = 7;
  comparison.losses = {{2.5, 2.0}, {1.234567, 1.000004}};
  return comparison;
}

TEST(ComparisonReport, Json) {
  const Json json = comparison_json(written_out());
  EXPECT_EQ(json["objectives"], Json({"perplexity", "edp"}));
  EXPECT_EQ(json["reference_point"], Json({20.0, 5e9}));
  EXPECT_EQ(json["unit"], "share of the true front's hypervolume");
  EXPECT_EQ(json["true_hypervolume"], 4e10);
  EXPECT_EQ(json["true_front"], 7);
  EXPECT_EQ(json["evaluations"], Json({40, 80, 100}));
  ASSERT_EQ(json["algorithms"].size(), 2u);
  const Json& first = json["algorithms"][0];
  EXPECT_EQ(first["name"], "evolution");
  EXPECT_EQ(first["search"]["screening"], 16);
  EXPECT_EQ(first["seeds"], 3);
  // 0.80, 0.985, 0.999: quartiles lie in the middle between neighbours.
  EXPECT_EQ(first["median"], Json({0.985, 0.991, 0.998}));
  EXPECT_DOUBLE_EQ(first["lower_quartile"][0], 0.8925);
  EXPECT_DOUBLE_EQ(first["upper_quartile"][0], 0.992);
  EXPECT_EQ(first["final"], Json({0.999, 0.997, 0.998}));
  EXPECT_EQ(first["evaluations_used"], Json({100, 100, 100}));
  EXPECT_EQ(first["text_scored"], Json({60.0, 62.0, 67.0}));
  EXPECT_EQ(first["p_value"], Json({1.0, 1.0, 1.0}));
  // The first median that is there: at 40 only the upper quartile is.
  EXPECT_EQ(first["evaluations_to_99_percent"], 80);
  const Json& second = json["algorithms"][1];
  EXPECT_EQ(second["search"]["screening"], 1);
  EXPECT_TRUE(second["evaluations_to_99_percent"].is_null());
  EXPECT_EQ(second["evaluations_used"], Json({100, 100, 90}));
  // All of three above all of three, of which two are equal: U = 0, of a variance of
  // 9 / 12 * (7 - 6 / 30) = 5.1.
  EXPECT_DOUBLE_EQ(second["p_value"][2], std::erfc(4 / std::sqrt(5.1) / std::sqrt(2.0)));

  Comparison unknown = written_out();
  unknown.true_hypervolume.reset();
  const Json shares = comparison_json(unknown);
  EXPECT_EQ(shares["unit"], "share of the reference box");
  EXPECT_FALSE(shares.contains("true_hypervolume"));
  EXPECT_FALSE(shares["algorithms"][0].contains("evaluations_to_99_percent"));
}

TEST(ComparisonReport, Table) {
  const std::string table = comparison_table(written_out());
  // What is missing at the end: 0.1, 0.2 and 0.3 %.
  EXPECT_THAT(table, HasSubstr("  0.200 [0.150,  0.250]         80     63\n"));
  EXPECT_THAT(table, HasSubstr(" 10.000 [10.000, 11.000]      never    100  p = "));
  EXPECT_THAT(table, HasSubstr("of 3 seeds."));
  EXPECT_EQ(table.find("worse"), std::string::npos);  // three seeds cannot say so

  // Eight seeds can.
  Comparison surer = written_out();
  for (std::vector<Race>& races : surer.races) races.resize(8, races[0]);
  EXPECT_THAT(comparison_table(surer), HasSubstr(" worse\n"));
  std::swap(surer.races[0], surer.races[1]);
  EXPECT_THAT(comparison_table(surer), HasSubstr(" better\n"));

  Comparison unknown = written_out();
  unknown.true_hypervolume.reset();
  EXPECT_THAT(comparison_table(unknown), HasSubstr(" 99.800 [99.750, 99.850]     63\n"));
  EXPECT_THAT(comparison_table(unknown), HasSubstr("of the reference box"));
}

TEST(ComparisonReport, LossesAreInUnitsOfTheRecord) {
  EXPECT_EQ(loss_table(written_out().losses), "250000 200000\n123457 100000\n");
  EXPECT_EQ(loss_table({}), "");
}

TEST(ComparisonReport, PictureWithABandAndALinePerContestant) {
  Comparison comparison = written_out();
  comparison.contestants[0].name = "a<b>&c";
  for (bool known : {true, false}) {
    if (!known) comparison.true_hypervolume.reset();
    const std::string svg = comparison_svg(comparison, "one & two");
    expect_well_formed(svg);
    EXPECT_EQ(count_of(svg, "<polyline"), 2u);
    EXPECT_EQ(count_of(svg, "<polygon"), 2u);
    EXPECT_EQ(count_of(svg, ">a&lt;b&gt;&amp;c<"), 1u);
    EXPECT_EQ(count_of(svg, known ? "missing hypervolume (%)" : "hypervolume (share)"), 1u);
  }
}

TEST(ComparisonReport, PictureOfOneCheckpointWhereAllAreEqual) {
  Comparison comparison = written_out();
  comparison.checkpoints = {60};
  for (std::vector<Race>& races : comparison.races) races.assign(3, Race{{1.0}, 60, 60});
  expect_well_formed(comparison_svg(comparison, ""));
  comparison.true_hypervolume.reset();
  expect_well_formed(comparison_svg(comparison, ""));
}

}  // namespace
}  // namespace paretoformer::nas
