// Search algorithms side by side: many seeds each, the same budget, one measure.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nas/core/candidate_evaluator.hpp"
#include "nas/core/predictors.hpp"
#include "nas/core/search.hpp"
#include "nas/run/pruned_networks.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

struct Contestant {
  std::string name;  // as it was given
  // No search, but the largest network pruned to several costs.
  std::optional<PruningWay> pruning = {};
  SearchConfig config;
  // Of a space with a choice of hardware: on so many, spread over all combinations, one after the
  // other, with an equal share of the budget for each; 0: the search chooses.
  int apart = 0;
};
// Reads "NAME[:KEY=VALUE]...": an algorithm, with keys of the configuration's "search" that differ
// from `base`, e.g. "evolution:screening=1:quarter_first=false", and "apart". Throws InputError.
Contestant contestant_from_text(const std::string& text, const SearchConfig& base);

// What of `designs` it searches, one after the other. Throws InputError where it cannot: pruning is
// for one machine, and no more can be searched apart than there are.
std::vector<SearchSpace> spaces_of(const Contestant& contestant, const SearchSpace& designs);

// Hypervolumes are shares of the true front's where that is known, else of the reference box, to
// six decimals; 0 where that has no volume.
struct Race {
  std::vector<double> hypervolumes;  // at every checkpoint
  std::size_t evaluations = 0;       // fewer than the budget where the search ended early
  double work = 0;                   // text scored, in evaluations of the whole validation set
};

struct Comparison {
  std::vector<std::int64_t> checkpoints;  // in evaluations; the last one is the budget
  std::vector<Contestant> contestants;
  std::vector<std::vector<Race>> races;  // by contestant, then seed
  std::vector<Objective> objectives;
  Point reference;
  // Of the whole space, where it has been enumerated.
  std::optional<double> true_hypervolume;
  std::size_t true_front = 0;
  // Then also of every network, in the order of SearchSpace::enumerate(), its mean losses on a
  // quarter of the validation sequences and on all of them.
  std::vector<std::array<double, 2>> losses;

  // Of all seeds of a contestant at a checkpoint.
  std::vector<double> hypervolumes(std::size_t contestant, std::size_t checkpoint) const;
};

struct ComparisonTask {
  const SearchSpace& space;
  std::vector<Objective> objectives;
  std::vector<Limit> limits;
  std::vector<Contestant> contestants;
  int seeds = 10;          // 1 to `seeds`
  std::int64_t step = 40;  // evaluations between checkpoints
  std::int64_t budget = 1600;
  LossSource losses;
  Predictors predictors;
  int context = 0;
  // What a way of pruning leaves, scored as a search scores; needed where a contestant prunes.
  std::function<std::vector<PrunedLoss>(PruningWay)> prune = {};
  // Spaces of so many networks at most are enumerated.
  std::int64_t enumerable = 0;
  Watch watch = {};  // of "all networks", where they are enumerated, and then of the "searches"
};

// Every contestant with every seed, at the budget of `task`; pruning knows no seeds: all of its
// races are one. The reference point is 1.1 times the
// worst of the corners of the space in each objective, the same for all. Throws Interrupted when
// it is to stop; what a cache has taken up of the losses is not lost.
Comparison compare(const ComparisonTask& task);

}  // namespace paretoformer::nas
