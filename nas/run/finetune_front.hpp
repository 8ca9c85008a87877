// Is the order of networks by their slices of the supernet the one that they have when each is
// trained on? Several of every cost are, and ranked again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/run/finetune.hpp"
#include "support/json_fwd.hpp"
#include "support/statistics.hpp"

namespace paretoformer::nas {

// Networks of about the same cost, of which a person takes one.
struct CostBand {
  double most = 0;                  // of the cost; the band begins where the one before ends
  std::vector<Candidate> networks;  // by increasing loss
};

// The `best` networks by loss of each of the bands, which are even in the logarithm of the first
// objective that is a cost, over the front. Of all that is evaluated in full and keeps the limits,
// for the front has few members of one cost. Bands without networks are left out. Throws InputError
// when no objective is a cost.
std::vector<CostBand> cost_bands(const Archive& archive, int bands, int best);
Objective band_objective(const Archive& archive);

struct TrainedOn {
  Candidate network;
  int band = 0;
  FinetuneLosses before, after;
};

struct FrontFinetuning {
  std::vector<CostBand> bands;
  std::vector<TrainedOn> networks;  // band by band
  // Of the orders before and after, by loss on the whole validation text: of all, and of those of
  // one band alone, with the choice of networks as what is uncertain.
  Estimate tau, tau_within;

  // Of a band, the one with the lowest loss before or after.
  const TrainedOn& pick(int band, bool after) const;
};

// Every network trained on as finetune() does, with its files in run.finetuned(). What is there of
// the same training is not done again with `resume`, and refused without it. Throws what finetune()
// throws, and InputError where there are fewer than two networks.
FrontFinetuning finetune_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                               const supernet::TrainingConfig& config,
                               supernet::Arithmetic arithmetic, int bands, int best, bool resume,
                               const Watch& watch);

// {"objective", "tau", "tau_within": {"value", "low", "high"}, "bands": [{"most", "before",
// "after": id, "networks": [{"id", "architecture", "objectives", "before", "after"}]}]}
Json to_json(const FrontFinetuning& found, Objective objective);

}  // namespace paretoformer::nas
