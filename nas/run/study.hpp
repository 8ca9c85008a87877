// The survey's case study (Kim et al. 2023, arXiv 2302.14017, Sec. 3.4 and 6.4) on a run: from the
// largest network on a machine made for convolutions to a searched network on one made for
// Transformers, and what every step is worth.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/core/candidate_evaluator.hpp"
#include "nas/core/final_front.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "supernet/training/training_config.hpp"
#include "support/json_fwd.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

// A network on a machine, simulated as one program.
struct StudyStep {
  std::string name;    // "a" ...
  std::string change;  // what differs from the step before
  Architecture network;
  double perplexity = 0;       // of the whole validation text, in fp32
  double perplexity_int8 = 0;  // in the accelerator's integers; 0 where it is not known
  double latency = 0;          // cycles
  double matmul_latency = 0;   // of them in matmuls and what is fused with them
  double energy_pj = 0;

  double edp() const { return latency * energy_pj; }
  // What limits count: of the network as it runs.
  double counted() const { return perplexity_int8 > 0 ? perplexity_int8 : perplexity; }
};

// The member of the front with the lowest energy-delay product on the last of the machines within a
// perplexity; the largest network where no member is better.
struct StudyChoice {
  std::string budget;  // "+0.1", "+0.45 %"
  double most = 0;     // perplexity
  StudyStep step;
};

// What a way of finding networks finds, on the last of the machines.
struct StudyRival {
  std::string name;
  std::vector<StudyStep> networks;
};

// A network trained on alone. Of `fisher` and `fisher, tuned` it is the better one.
struct StudyTrained {
  std::string rival;   // "largest": the baseline
  std::string budget;  // the choice to whose energy-delay product it comes nearest of the rival's
  double before = 0;   // what counts of it with the weights that it starts from
  StudyStep step;      // with those of the training

  // Both of these are one way.
  std::string_view way() const { return std::string_view(rival).substr(0, rival.find(',')); }
};

struct Study {
  std::vector<StudyStep> machines;   // of the largest network, each a change of the one before
  std::vector<StudyChoice> choices;  // on the last of these
  std::vector<StudyRival> rivals;    // the search itself, by its algorithm's name, comes first
  int trained_steps = 0;
  std::vector<StudyTrained> trained = {};  // the largest first; empty if none were
};

// Of the networks within a perplexity that with the lowest energy-delay product, and the other way
// round; null where there is none.
const StudyStep* cheapest_within(const StudyRival& rival, double perplexity);
const StudyStep* best_at(const StudyRival& rival, double edp);

// How far the perplexities of a rival's networks are above the best of the first one's at no higher
// energy-delay product, as a share: of those that no other of the rival's beats in both, and for
// which the first has one.
struct StudyMargin {
  std::size_t networks = 0, above = 0, same = 0;  // the same network with the same perplexity
  double mean = 0, least = 0, most = 0;
};
StudyMargin margin(const StudyRival& first, const StudyRival& rival);

// Energy-delay products at which ways of finding networks are compared: the largest network's over
// these.
inline constexpr double kStudyEdpFactors[] = {1.25, 1.5, 2, 3, 4, 6, 8};

// Machines are the run's hardware with
//   a  256 KiB of scratchpad, 64 KiB of accumulator, and all but matmuls in floats on the host
//   b  its own scratchpad and accumulator
//   c  the non-linear operators on chip, in integers
//   d  the best tiles, fusion and mask, as the simulator prices them
// and choices are within 0.1 and 1 above the largest network's perplexity, the survey's, and 0.45
// and 4.5 % above it, which is what these are of the survey's 22.4. Rivals are the networks of
// equal layers, found with the search's budget and judged as its front, and the largest network
// pruned (nas/run/pruned_networks.hpp), with its slice of the supernet and, if it is not empty,
// with `alone`, weights of its own. Throws InputError when the front is not confirmed or cannot be
// simulated, Interrupted when it is to stop. Needs weights.
//
// With `train_on`, a finetune_config(), the largest network is trained on, and every choice, and
// what uniform, magnitude and fisher have that comes nearest to its energy-delay product, as
// finetune() does it, with its files in run.finetuned(): those that are there are not trained
// again.
struct StudyOptions {
  std::vector<float> alone = {};
  std::optional<supernet::TrainingConfig> train_on = {};
};
Study make_study(const RunFolder& run, ProxyTask& proxy, CandidateEvaluator& evaluator,
                 const Archive& archive, const FinalFront& front, const StudyOptions& options = {},
                 const Watch& watch = {});

// {"machines": [{"step", "change", "id", "architecture", "perplexity", "perplexity_int8",
// "latency_cycles", "matmul_cycles", "energy_pj", "edp"}], "choices": [{"budget",
// "most_perplexity", and the same}], "rivals": [{"name", "networks": [the same]}], "trained_on":
// {"steps", "networks": [{"rival", "budget", "perplexity_before", and the same}]}}.
Json to_json(const Study& study);
// The exact inverse, whatever else is there. Throws InputError.
Study study_from_json(const JsonNode& node);

}  // namespace paretoformer::nas
