// Do the search's claims hold on real losses? All 22 113 networks of the preset "enumerable" have
// been scored once, so that the true front is known and a search costs nothing but its own time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "nas/run/comparison.hpp"
#include "support/statistics.hpp"
#include "tests/nas/recorded_losses.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::int64_t kBudget = 1600;
constexpr int kSeeds = 20;

class SearchValidation : public ::testing::Test {
 protected:
  Comparison compare(std::vector<Objective> objectives, const std::vector<std::string>& algorithms,
                     std::int64_t budget = kBudget) const {
    ComparisonTask task{.space = recorded_.space(),
                        .objectives = std::move(objectives),
                        .limits = {},
                        .contestants = {},
                        .seeds = kSeeds,
                        .budget = budget,
                        .losses = recorded_.source(),
                        .predictors = recorded_.predictor(),
                        .context = RecordedLosses::kContext,
                        .enumerable = recorded_.space().count()};
    for (const std::string& text : algorithms)
      task.contestants.push_back(contestant_from_text(text, {}));
    return nas::compare(task);
  }

  // The first evaluation after which a search of each seed had the share, in steps of the
  // checkpoints; twice the budget where it never had: the median of all seeds.
  static double evaluations_to(double share, const Comparison& comparison, std::size_t contestant) {
    std::vector<double> needed;
    for (const Race& race : comparison.races[contestant]) {
      const auto at = std::find_if(race.hypervolumes.begin(), race.hypervolumes.end(),
                                   [&](double hypervolume) { return hypervolume >= share; });
      const auto index = static_cast<std::size_t>(at - race.hypervolumes.begin());
      needed.push_back(static_cast<double>(
          at == race.hypervolumes.end() ? 2 * kBudget : comparison.checkpoints[index]));
    }
    return quartiles(needed).median;
  }

  RecordedLosses recorded_;
};

// What two contestants have at a number of evaluations.
struct Duel {
  double first = 0, second = 0;  // medians
  double p = 1;
};

Duel duel(const Comparison& comparison, std::size_t first, std::size_t second,
          std::int64_t evaluations) {
  const auto& checkpoints = comparison.checkpoints;
  const auto at = static_cast<std::size_t>(
      std::find(checkpoints.begin(), checkpoints.end(), evaluations) - checkpoints.begin());
  const std::vector<double> a = comparison.hypervolumes(first, at);
  const std::vector<double> b = comparison.hypervolumes(second, at);
  const Duel result{quartiles(a).median, quartiles(b).median, mann_whitney_p(a, b)};
  const auto& contestants = comparison.contestants;
  std::printf("%5lld evaluations: %-10s %.6f  %-28s %.6f  p %.1e\n",
              static_cast<long long>(evaluations), contestants[first].name.c_str(), result.first,
              contestants[second].name.c_str(), result.second, result.p);
  const std::string key = "_at_" + std::to_string(evaluations);
  testing::Test::RecordProperty(contestants[first].name + key, std::to_string(result.first));
  testing::Test::RecordProperty(contestants[second].name + key, std::to_string(result.second));
  return result;
}

// Every evaluation was of a network that the same search had not seen before: what is there already
// is not evaluated again, but counts towards the budget.
void expect_no_duplicates(const Comparison& comparison) {
  for (const std::vector<Race>& races : comparison.races)
    for (const Race& race : races) EXPECT_EQ(race.evaluations, static_cast<std::size_t>(kBudget));
}

double mean_work(const std::vector<Race>& races) {
  double sum = 0;
  for (const Race& race : races) sum += race.work;
  return sum / static_cast<double>(races.size());
}

TEST_F(SearchValidation, TwoObjectives) {
  const Comparison comparison = compare(
      {Objective::kPerplexity, Objective::kEdp},
      {"evolution", "random", "nsga2", "evolution:screening=1", "evolution:quarter_first=false"});
  enum { kEvolution, kRandom, kNsga2, kUnscreened, kWholeText };
  expect_no_duplicates(comparison);

  // 5 % of all networks are enough for 99 % of what there is to be found.
  const double needed = evaluations_to(0.99, comparison, kEvolution);
  const double needed_by_nsga2 = evaluations_to(0.99, comparison, kNsga2);
  std::printf(
      "true front: %zu of %lld networks; 99 %% of its hypervolume after %.0f evaluations, "
      "nsga2 after %.0f\n",
      comparison.true_front, static_cast<long long>(recorded_.space().count()), needed,
      needed_by_nsga2);
  RecordProperty("evaluations_to_99_percent", std::to_string(needed));
  RecordProperty("evaluations_to_99_percent_nsga2", std::to_string(needed_by_nsga2));
  EXPECT_LE(needed, 0.05 * static_cast<double>(recorded_.space().count()));

  for (std::int64_t evaluations : {200, 400, 800, 1600}) {
    const Duel with_random = duel(comparison, kEvolution, kRandom, evaluations);
    EXPECT_GT(with_random.first, with_random.second);
    EXPECT_LT(with_random.p, 0.01);
    const Duel with_nsga2 = duel(comparison, kEvolution, kNsga2, evaluations);
    EXPECT_GE(with_nsga2.first, with_nsga2.second);
  }

  // What each trick gains.
  const Duel screening = duel(comparison, kEvolution, kUnscreened, 200);
  EXPECT_GT(screening.first, screening.second);
  EXPECT_LT(screening.p, 0.01);
  const Duel quarter_first = duel(comparison, kEvolution, kWholeText, kBudget);
  EXPECT_GE(quarter_first.first, quarter_first.second - 0.001);
  const double text = mean_work(comparison.races[kEvolution]);
  const double whole_text = mean_work(comparison.races[kWholeText]);
  std::printf("text scored: %.1f, all of it %.1f\n", text, whole_text);
  RecordProperty("text_scored", std::to_string(text));
  EXPECT_EQ(whole_text, static_cast<double>(kBudget));
  EXPECT_LT(text, 0.75 * whole_text);
}

TEST_F(SearchValidation, ThreeObjectives) {
  const Comparison comparison =
      compare({Objective::kPerplexity, Objective::kLatency, Objective::kEnergy},
              {"evolution", "random", "nsga2"});
  expect_no_duplicates(comparison);
  for (std::int64_t evaluations : {200, 400, 800, 1600}) {
    const Duel with_random = duel(comparison, 0, 1, evaluations);
    EXPECT_GT(with_random.first, with_random.second);
    EXPECT_LT(with_random.p, 0.01);
    const Duel with_nsga2 = duel(comparison, 0, 2, evaluations);
    EXPECT_GE(with_nsga2.first, with_nsga2.second);
  }
  EXPECT_LE(evaluations_to(0.99, comparison, 0),
            0.05 * static_cast<double>(recorded_.space().count()));
}

}  // namespace
}  // namespace paretoformer::nas
