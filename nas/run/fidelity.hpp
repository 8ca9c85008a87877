// Is the supernet's ranking to be trusted? Some networks of the space are trained alone, from
// scratch, and compared with their slices of the supernet.
#pragma once

#include <cstdint>
#include <vector>

#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
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
  // Of every network trained alone; 0: as many as the supernet's, from each of which a network
  // learns what one network of a sandwich does.
  int steps = 0;
};

// The sample, compared. Every network is trained alone as the supernet was: the same text as its
// largest network in the same order, the same learning rates over the steps, but neither other
// networks nor distillation. Finished ones
// are kept in run.standalone() as exported networks, unfinished ones continue from their
// checkpoints; neither these nor the number of threads change the result. Needs weights in `proxy`.
// Reports the steps of all networks together. Throws Interrupted, with the state saved, when it is
// to stop; InputError when a kept network was trained from something else; what train() throws.
std::vector<ComparedNetwork> compare_networks(const RunFolder& run, const ProxyTask& proxy,
                                              const FidelityOptions& options, const Watch& watch);

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
