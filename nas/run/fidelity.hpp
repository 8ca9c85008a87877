// Is the supernet's ranking to be trusted? Some networks of the space are trained alone, from
// scratch, and compared with their slices of the supernet.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "nas/run/standalone.hpp"
#include "search_spaces/search_space.hpp"
#include "support/statistics.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

// `count` distinct random networks. Every combination of depth and model width comes once before
// one comes a second time, and the first few networks have all depths and all widths; heads and FFN
// widths are random. A pure function of its arguments, and a longer sample begins with the shorter
// one. Throws InputError when the space holds fewer networks.
std::vector<Architecture> fidelity_sample(const SearchSpace& space, int count, std::uint64_t seed);

// Losses are of the whole validation text, in nats per token.
struct ComparedNetwork {
  Architecture architecture;
  double slice_loss = 0;       // with the supernet's weights
  double standalone_loss = 0;  // with its own
  std::int64_t parameters = 0;
  double flops = 0;  // per token of a sequence of the training's context
};

struct FidelityOptions {
  int networks = 24;  // two or more
  int steps = 0;      // of every network trained alone: steps_alone()
};

// Trains them elsewhere, too, as train_standalone() does here.
using TrainStandalone = std::function<void(const StandaloneWork& work, const Watch& watch)>;

// The sample, compared. Every network is trained alone, in run.standalone(); by `train`, if it is
// given. Needs weights in `proxy`. Reports and throws as train_standalone() does.
std::vector<ComparedNetwork> compare_networks(const RunFolder& run, const ProxyTask& proxy,
                                              const FidelityOptions& options, const Watch& watch,
                                              const TrainStandalone& train = {});

// How well something that needs no training of its own predicts the order of the stand-alone
// losses. "Within" compares only networks of one depth, or of one model width.
struct RankAgreement {
  Estimate tau, tau_within_depth, tau_within_width;
  Estimate rho, rho_within_depth, rho_within_width;
  // Stand-alone loss (nats per token) of the best of the five predicted best, above the best of
  // all.
  Estimate regret;
};

struct FidelityStatistics {
  RankAgreement slice;              // by the loss of the slice
  RankAgreement parameters, flops;  // "the larger the better": what a supernet has to beat
  Estimate advantage;               // tau of the slice less tau of the number of parameters
  // Slice less stand-alone loss (nats per token).
  Estimate gap, gap_deviation;  // mean and standard deviation over the networks
};

// Intervals are over the choice of networks; `seed` is the bootstrap's. Takes two networks or more.
FidelityStatistics fidelity_statistics(const std::vector<ComparedNetwork>& networks,
                                       std::uint64_t seed);

}  // namespace paretoformer::nas
