// A run whose supernet is trained: what the verbs that train begin with.
#pragma once

#include <cstddef>
#include <string>

#include "nas/core/final_front.hpp"
#include "nas/core/search.hpp"
#include "nas/run/config.hpp"
#include "nas/run/loss_cache.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "nas/run/run_search.hpp"
#include "support/communicator.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

// Opens the run folder, checks text and limits, and trains to the end (nothing to do when that is
// finished, or another run's supernet is used), with log and progress. Losses that have been
// measured with these weights before are not measured again. Throws what RunFolder::open() and
// ProxyTask::train() throw.
// With `ranks`, losses are measured on all of them; where it searches, by workers, too.
struct TrainedRun {
  TrainedRun(const RunConfig& config, bool resume, bool searches = false,
             Communicator* ranks = nullptr);

  RunFolder folder;
  ProxyTask proxy;
  LossCache losses;
  CandidateEvaluator evaluator;
};

// What a search has found, and its last generation.
struct FoundFront {
  FinishedSearch search;
  FinalFront front;
  Json json;  // of front.json
};
// Searches in the run folder to the end, confirms the front, and writes front.json, picture and
// page, with progress. Nothing is done twice. Throws Error when no member keeps the limits, and
// what run_search() and confirm_front() throw.
FoundFront found_front(TrainedRun& trained);

// state.json: what the run is at, "training", "trained", "search", "confirmation" or "finished".
void write_state(const RunFolder& run, const char* phase, std::size_t evaluations);
// Its phase; "" when there is none, or none that can be read at this moment.
std::string phase_of(const RunFolder& run);

}  // namespace paretoformer::nas
