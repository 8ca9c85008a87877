// A run from start to end: train the supernet, search, and write the front.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/archive.hpp"
#include "nas/proxy_task.hpp"
#include "nas/run_folder.hpp"

namespace paretoformer {

// The configuration's predictor, by default the simulator on demand. Throws InputError when its
// file is none, or for another hardware or workload.
LatencyPredictor predictor_of(const RunConfig& config);

// Everything but the perplexity; `context` learned positions are among the parameters.
Objectives cost_of(const Architecture& network, const LatencyPredictor& predictor, int context);

// Perplexity, cost and size of networks: what a candidate is judged by.
class CandidateEvaluator {
 public:
  CandidateEvaluator(ProxyTask& proxy, LatencyPredictor predictor);

  // In the order given; parallel inside.
  std::vector<Objectives> evaluate(std::span<const Architecture> networks);
  const LatencyPredictor& predictor() const { return predictor_; }

 private:
  ProxyTask& proxy_;
  LatencyPredictor predictor_;
};

// One line of generations.jsonl.
struct GenerationRecord {
  int generation = 0;
  std::size_t evaluations = 0;  // so far
  std::size_t front = 0;
  double hypervolume = 0;  // of the front, as a share of the box from the origin to the reference
};

struct SearchHooks {
  std::function<void(std::size_t evaluations, const Archive&)> on_evaluations;  // may be empty
  std::function<void(const GenerationRecord&)> on_generation;                   // may be empty
  std::function<bool()> stop;                                                   // may be empty
};

// Throws InputError when a hard limit on anything but perplexity is below what the smallest network
// of the space needs, and names that; and when one on perplexity is below that of the text's own
// source.
void require_feasible(const RunConfig& config, const ProxyTask& proxy,
                      const LatencyPredictor& predictor);

// Candidates in a run folder, in the order of evaluation.
Archive load_archive(const RunFolder& run, const SearchSpace& space);

// Hypervolume is measured from 1.1 times the worst value of each objective in generation 0, which
// holds the corners of the space: fixed as soon as that is evaluated, and the same after a resume.
Point reference_point(const Archive& archive);

// Runs or continues the search. Every candidate is in history.jsonl before it counts; the result
// does not depend on threads or interruptions. Throws Interrupted when stop() says so.
Archive run_search(const RunFolder& run, const ProxyTask& proxy, CandidateEvaluator& evaluator,
                   const SearchHooks& hooks);

}  // namespace paretoformer
