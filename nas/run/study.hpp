// The survey's case study (Kim et al. 2023, arXiv 2302.14017, Sec. 3.4 and 6.4) on a run: from the
// largest network on a machine made for convolutions to a searched network on one made for
// Transformers, and what every step is worth.
#pragma once

#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/core/archive.hpp"
#include "nas/core/final_front.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "support/json_fwd.hpp"

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

struct Study {
  std::vector<StudyStep> machines;   // of the largest network, each a change of the one before
  std::vector<StudyChoice> choices;  // on the last of these
};

// Machines are the run's hardware with
//   a  256 KiB of scratchpad, 64 KiB of accumulator, and all but matmuls in floats on the host
//   b  its own scratchpad and accumulator
//   c  the non-linear operators on chip, in integers
//   d  the best tiles, fusion and mask, as the simulator prices them
// and choices are within 0.1 and 1 above the largest network's perplexity, the survey's, and 0.45
// and 4.5 % above it, which is what these are of the survey's 22.4. Needs weights if the largest
// network is not confirmed. Throws InputError when the front is not confirmed or cannot be
// simulated.
Study make_study(const RunFolder& run, ProxyTask& proxy,
                 const latency_predictor::LatencyPredictor& predictor, const Archive& archive,
                 const FinalFront& front);

// {"machines": [{"step", "change", "id", "architecture", "perplexity", "perplexity_int8",
// "latency_cycles", "matmul_cycles", "energy_pj", "edp"}], "choices": [{"budget",
// "most_perplexity", and the same}]}.
Json to_json(const Study& study);

}  // namespace paretoformer::nas
