// A run from start to end: train the supernet, search, and write the front.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/archive.hpp"
#include "nas/candidate_evaluator.hpp"
#include "nas/proxy_task.hpp"
#include "nas/run_folder.hpp"

namespace paretoformer {

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
const char* name_of(SearchEnd end);

struct SearchHooks {
  // What has just been evaluated, before it is in the archive.
  std::function<void(std::span<const Candidate>)> on_candidates;  // may be empty
  std::function<void(std::size_t evaluations)> on_evaluations;    // may be empty
  std::function<void(const GenerationRecord&)> on_generation;     // may be empty
  std::function<void(SearchEnd)> on_end;                          // may be empty
  std::function<bool()> stop;                                     // may be empty
};

// Throws InputError when a hard limit on anything but perplexity is below what the smallest network
// of the space needs, and names that; and when one on perplexity is below that of the text's own
// source.
void require_feasible(const RunConfig& config, const ProxyTask& proxy,
                      const LatencyPredictor& predictor);

// Throws InputError naming the objective or limit when it is of a cost that the device's predictor
// does not have, or is 0 for all networks. Returns a line for each objective that has one value for
// all networks of the space, as far as some hundred of them show it: it chooses nothing.
std::string require_telling(const RunConfig& config, const SearchSpace& space,
                            const LatencyPredictor& predictor);

// Candidates in a run folder, in the order of evaluation.
Archive load_archive(const RunFolder& run, const SearchSpace& space);

// Searches until the budget is spent, the algorithm has no more proposals or nothing has been
// gained for some time, from wherever `archive` is: not before all of it has been gone through. The
// result is a pure function of space,
// configuration, seed and evaluations: neither threads nor interruptions change it. Throws
// Interrupted when stop() says so.
void search(const SearchSpace& space, const SearchConfig& config, std::uint64_t seed,
            CandidateEvaluator& evaluator, Archive& archive, const SearchHooks& hooks);

// The same in a run folder, where every candidate is in history.jsonl before it counts.
Archive run_search(const RunFolder& run, const ProxyTask& proxy, CandidateEvaluator& evaluator,
                   const SearchHooks& hooks);

}  // namespace paretoformer
