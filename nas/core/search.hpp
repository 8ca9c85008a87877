// The search itself: generation after generation of proposals, evaluated until the budget is spent.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/core/candidate_evaluator.hpp"
#include "nas/core/search_config.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

// One line of generations.jsonl.
struct GenerationRecord {
  int generation = 0;
  std::size_t evaluations = 0;  // so far
  std::size_t front = 0;
  double hypervolume = 0;  // of the front, hypervolume_share()
};

// Why a search is over.
enum class SearchEnd {
  kBudget,     // it is spent
  kExhausted,  // every network of the space is evaluated
  kStalled,    // the algorithm has nothing more to propose
  kPlateau     // SearchConfig::patience
};
std::string_view name_of(SearchEnd end);

struct SearchHooks {
  // What has just been evaluated, before it is in the archive.
  std::function<void(std::span<const Candidate>)> on_candidates = {};  // may be empty
  std::function<void(const GenerationRecord&)> on_generation = {};     // may be empty
  Watch watch = {};  // told of the evaluations, at the beginning of those that are known
};

// Searches until the budget is spent, the algorithm has no more proposals or nothing has been
// gained for some time, from wherever `archive` is: not before all of it has been gone through. The
// result is a pure function of space, configuration, seed and evaluations: neither threads nor
// interruptions change it. Throws Interrupted when it is to stop.
SearchEnd search(const SearchSpace& space, const SearchConfig& config, std::uint64_t seed,
                 CandidateEvaluator& evaluator, Archive& archive, const SearchHooks& hooks);

}  // namespace paretoformer::nas
