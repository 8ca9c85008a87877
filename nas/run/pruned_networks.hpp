// The largest network of a run pruned to several costs: what its search is to be compared with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/run/proxy_task.hpp"
#include "supernet/training/pruning.hpp"
#include "support/watch.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {

struct PrunedLoss {
  Architecture architecture;
  double loss = 0;       // nats per token
  double loss_int8 = 0;  // in the accelerator's integers; 0 where it cannot be quantised
  Architecture sizes;    // `architecture` with the layers that are left out, which have none
};

enum class PruningWay { kMagnitude, kFisher, kFisherTuned };
inline constexpr paretoformer::Words<PruningWay, 3> kPruningWords{
    {{PruningWay::kMagnitude, "magnitude"},
     {PruningWay::kFisher, "fisher"},
     {PruningWay::kFisherTuned, "fisher_tuned"}}};

// On what it is scored: on the sequences that score candidates, as a search does it; on the whole
// text, with what integers add on those sequences, as a confirmation does it; on the whole text in
// integers, too.
enum class PrunedScore { kSearch, kConfirmation, kConfirmationInt8 };

// A way of pruning, and what it leaves, cheapest first.
struct PrunedFront {
  PruningWay way;
  std::vector<PrunedLoss> networks = {};

  std::string name() const;  // the way's, as text: "fisher, tuned"
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

// What each of these ways leaves (supernet/training/pruning.hpp). Heads and FFN widths
// are those of the space, so that what is left can be priced as its networks are; a layer may go as
// a whole, as an array can be priced without it but not without a half. Of every limit the masks
// that lose least, exactly, in sums of what each head and channel loses by the diagonal, and of
// latency and energy as shares of the largest network's: the run's own prices.
std::vector<PrunedFront> pruned_fronts(const Pruner& pruner, std::span<const PruningWay> ways,
                                       const latency_predictor::LatencyPredictor& predictor,
                                       PrunedScore score, const Watch& watch);

}  // namespace paretoformer::nas
