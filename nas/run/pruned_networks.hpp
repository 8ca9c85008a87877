// The largest network of a run pruned to several costs: what its search is to be compared with.
#pragma once

#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/run/proxy_task.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

struct PrunedLoss {
  Architecture architecture;
  double loss = 0;       // of the whole validation text (nats per token)
  double loss_int8 = 0;  // in the accelerator's integers; 0 where it cannot be quantised
};

// A way of pruning, and what it leaves, cheapest first.
struct PrunedFront {
  std::string name;
  std::vector<PrunedLoss> networks;
};

// Energy-delay products, spread evenly in their logarithms from the smallest to the largest network
// that pruning leaves, of which each is a limit.
inline constexpr int kPruningLimits = 24;

// "magnitude", "fisher" and "fisher, tuned" (supernet/training/pruning.hpp). Heads and FFN widths
// are those of the space, so that what is left can be priced as its networks are; a layer may go as
// a whole, as an array can be priced without it but not without a half. Of every limit the masks
// that lose least, exactly, in sums of what each head and channel loses by the diagonal, and of
// latency and energy as shares of the largest network's: the run's own prices. Weights are those of
// the proxy's largest network, or `parameters` for its own layout, where there are any. What
// integers add is measured as a confirmation does: on the sequences that score candidates, or, with
// `integers`, on the whole text.
std::vector<PrunedFront> pruned_fronts(const ProxyTask& proxy,
                                       const latency_predictor::LatencyPredictor& predictor,
                                       const std::vector<float>& parameters, bool integers,
                                       const Watch& watch);

}  // namespace paretoformer::nas
