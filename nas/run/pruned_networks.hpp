// The largest network of a run pruned to several costs: what its search is to be compared with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/run/proxy_task.hpp"
#include "supernet/training/pruning.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

struct PrunedLoss {
  Architecture architecture;
  double loss = 0;       // of the whole validation text (nats per token)
  double loss_int8 = 0;  // in the accelerator's integers; 0 where it cannot be quantised
  Architecture sizes;    // `architecture` with the layers that are left out, which have none
};

enum class PruningWay { kMagnitude, kFisher, kFisherTuned };

// A way of pruning, and what it leaves, cheapest first.
struct PrunedFront {
  std::string name;
  PruningWay way;
  std::vector<PrunedLoss> networks;
};

// Energy-delay products, spread evenly in their logarithms from the smallest to the largest network
// that pruning leaves, of which each is a limit.
inline constexpr int kPruningLimits = 24;

// Weights are those of the proxy's largest network, or `parameters` for its own layout, where there
// are any. Refers to the proxy.
class Pruner {
 public:
  Pruner(const ProxyTask& proxy, const std::vector<float>& parameters);

  supernet::PrunedNetwork network(PruningWay way, const Architecture& sizes) const;
  const supernet::Importance& importance(PruningWay way) const {
    return way == PruningWay::kMagnitude ? magnitude_ : fisher_;
  }
  const ProxyTask& proxy() const { return proxy_; }

 private:
  const ProxyTask& proxy_;
  supernet::ParameterLayout layout_;
  std::vector<float> weights_;
  supernet::MaskGradients gradients_;
  supernet::Importance fisher_, magnitude_;
  std::vector<std::int32_t> tokens_, targets_;  // on which masks are tuned
};

// "magnitude", "fisher" and "fisher, tuned" (supernet/training/pruning.hpp). Heads and FFN widths
// are those of the space, so that what is left can be priced as its networks are; a layer may go as
// a whole, as an array can be priced without it but not without a half. Of every limit the masks
// that lose least, exactly, in sums of what each head and channel loses by the diagonal, and of
// latency and energy as shares of the largest network's: the run's own prices. What integers add is
// measured as a confirmation does: on the sequences that score candidates, or, with `integers`, on
// the whole text.
std::vector<PrunedFront> pruned_fronts(const Pruner& pruner,
                                       const latency_predictor::LatencyPredictor& predictor,
                                       bool integers, const Watch& watch);

}  // namespace paretoformer::nas
