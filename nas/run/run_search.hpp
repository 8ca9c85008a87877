// A search in a run folder: what is checked before it, and what is written while it goes on.
#pragma once

#include <string>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/core/archive.hpp"
#include "nas/core/candidate_evaluator.hpp"
#include "nas/core/predictors.hpp"
#include "nas/core/search.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"

namespace paretoformer::nas {

// Throws InputError when a hard limit on anything but perplexity is below what the smallest network
// of the space needs, on the hardware where it needs least, and names that; and when one on
// perplexity is below that of the text's own source.
void require_feasible(const RunConfig& config, const ProxyTask& proxy,
                      const Predictors& predictors);

// Throws InputError naming the objective or limit when it is of a cost that the device's predictor
// does not have, or is 0 for all networks. Returns a line for each objective that has one value for
// all networks of the space, as far as some hundred of them show it: it chooses nothing.
std::string require_telling(const RunConfig& config, const SearchSpace& space,
                            const latency_predictor::LatencyPredictor& predictor);

// Candidates in a run folder, in the order of evaluation.
Archive load_archive(const RunFolder& run, const SearchSpace& space);
// The same; throws InputError when there are none.
Archive load_evaluated(const RunFolder& run, const SearchSpace& space);

struct FinishedSearch {
  Archive archive;
  SearchEnd end;
  GenerationRecord last;
};
// search() in a run folder, where every candidate is in history.jsonl before it counts.
FinishedSearch run_search(const RunFolder& run, const ProxyTask& proxy,
                          CandidateEvaluator& evaluator, const SearchHooks& hooks);

}  // namespace paretoformer::nas
