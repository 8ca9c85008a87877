#include "nas/run/pruned_networks.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "nas/core/knapsack.hpp"
#include "nas/core/objectives.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/training/pruning.hpp"
#include "supernet/training/training_run.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {
namespace {

using supernet::Kept;

// Of the training text, on which masks are tuned: many times as many equations as unknowns.
constexpr int kTuningTokens = 8192;
constexpr std::uint64_t kTuningSeed = 0x74756e65;

// Where a layer has none of a gene: it is left out.
constexpr Layer kNoLayer{};

// What a layer may become: of the space's choices those of the largest network's bits.
std::vector<Layer> choices_of(const SearchSpace& space) {
  const Layer largest = space.largest().layers[0];
  std::vector<Layer> choices{kNoLayer};
  for (const Architecture& network : space.uniform()) {
    Layer layer = network.layers[0];
    layer.weight_bits = largest.weight_bits;
    if (std::find(choices.begin(), choices.end(), layer) == choices.end()) choices.push_back(layer);
  }
  return choices;
}

// [layer][number left]: what the least important ones lose that are not left.
std::vector<std::vector<double>> losses_by_number(
    const std::vector<std::vector<double>>& importance) {
  std::vector<std::vector<double>> losses;
  for (std::vector<double> values : importance) {
    std::sort(values.rbegin(), values.rend());
    std::vector<double>& lost = losses.emplace_back(values.size() + 1);
    for (std::size_t left = values.size(); left-- > 0;) lost[left] = lost[left + 1] + values[left];
  }
  return losses;
}

// Of a layer among others, in shares of the largest network's latency and energy.
class Shares {
 public:
  Shares(const ProxyTask& proxy, const latency_predictor::LatencyPredictor& predictor)
      : proxy_(proxy),
        predictor_(predictor),
        other_{proxy.space().largest().layers[0]},
        whole_(cost_of(proxy.space().largest(), predictor, proxy.context())),
        alone_(share({other_})) {}

  double of(const Layer& layer) const {
    return layer == kNoLayer ? 0 : share({other_, layer}) - alone_;
  }

 private:
  double share(std::vector<Layer> layers) const {
    Architecture network = proxy_.space().largest();
    network.layers = std::move(layers);
    const Objectives cost = cost_of(network, predictor_, proxy_.context());
    return cost.latency / whole_.latency +
           (whole_.energy_pj > 0 ? cost.energy_pj / whole_.energy_pj : 0);
  }

  const ProxyTask& proxy_;
  const latency_predictor::LatencyPredictor& predictor_;
  Layer other_;
  Objectives whole_;
  double alone_;
};

// With layers that are left out.
struct Pruning {
  Architecture sizes;
  double loss, edp;
};

// Of every limit the best, cheapest first.
std::vector<Architecture> within_limits(std::vector<Pruning> all) {
  std::sort(all.begin(), all.end(),
            [](const Pruning& a, const Pruning& b) { return a.edp < b.edp; });
  const double first = std::log(all.front().edp);
  const double step = (std::log(all.back().edp) - first) / (kPruningLimits - 1);
  std::vector<Architecture> chosen;
  for (int i = 0; i < kPruningLimits; ++i) {
    // The last one's rounding must not cost the largest network.
    const double limit = i + 1 < kPruningLimits ? std::exp(first + i * step) : all.back().edp;
    const Pruning* best = &all.front();
    for (const Pruning& each : all)
      if (each.edp <= limit && each.loss < best->loss) best = &each;
    if (chosen.empty() || chosen.back() != best->sizes) chosen.push_back(best->sizes);
  }
  return chosen;
}

std::vector<Architecture> masks_within_limits(const ProxyTask& proxy,
                                              const latency_predictor::LatencyPredictor& predictor,
                                              const supernet::Importance& importance) {
  const auto heads = losses_by_number(importance.heads);
  const auto channels = losses_by_number(importance.channels);
  const LayerTerm loss = [&](int, int index, const Layer& layer) {
    const auto l = static_cast<std::size_t>(index);
    return heads[l][static_cast<std::size_t>(layer.heads)] +
           channels[l][static_cast<std::size_t>(layer.ffn_width)];
  };
  const Shares shares(proxy, predictor);
  const LayerTerm cost = [&](int, int, const Layer& layer) { return shares.of(layer); };
  std::vector<Pruning> all;
  for (const AdditiveNetwork& each :
       additive_front(proxy.space().largest(), choices_of(proxy.space()), loss, cost)) {
    Architecture left = each.architecture;
    std::erase(left.layers, kNoLayer);
    if (left.layers.empty()) continue;
    all.push_back({each.architecture, each.loss, cost_of(left, predictor, proxy.context()).edp()});
  }
  return within_limits(std::move(all));
}

PrunedLoss scored(const ProxyTask& proxy, const supernet::PrunedNetwork& network,
                  const Architecture& sizes, const supernet::Batch& calibration,
                  PrunedScore score) {
  const supernet::ParameterLayout& layout = network.layout;
  const auto losses = proxy.losses(layout, network.parameters);
  const auto evaluator = [&](int sequences) {
    return supernet::Evaluator(losses, proxy.corpus().validation, proxy.context(), sequences);
  };
  const std::span<const Architecture> one(&layout.largest(), 1);
  const int candidates = proxy.validation_sequences();
  const int sequences = score == PrunedScore::kSearch ? candidates : 0;
  PrunedLoss result{layout.largest(), evaluator(sequences).losses(one)[0], 0, sizes};
  supernet::Evaluator seen = evaluator(score == PrunedScore::kConfirmationInt8 ? 0 : candidates);
  if (const auto int8 =
          int8_loss(layout, network.parameters, layout.largest(), calibration, seen.batch()))
    result.loss_int8 = *int8 + result.loss - seen.losses(one)[0];
  return result;
}

}  // namespace

std::string PrunedFront::name() const {
  if (way == PruningWay::kFisherTuned) return "fisher, tuned";
  return std::string(kPruningWords.word_of(way));
}

Pruner::Pruner(const ProxyTask& proxy, const std::vector<float>& parameters)
    : proxy_(proxy),
      layout_(proxy.space().largest(), proxy.context()),
      weights_(parameters.empty() ? extract(proxy.layout(), proxy.weights(), layout_) : parameters),
      gradients_(mask_gradients(layout_, weights_, proxy.corpus().train, proxy.training(),
                                hash_text("importance", kTuningSeed))),
      fisher_(fisher_importance(gradients_)),
      magnitude_(magnitude_importance(layout_, weights_)) {
  const int sequences = std::max(1, kTuningTokens / proxy.context());
  supernet::draw_batch(proxy.corpus().train, sequences, proxy.context(), kTuningSeed, 0, tokens_,
                       targets_);
}

supernet::PrunedNetwork Pruner::network(PruningWay way, const Architecture& sizes) const {
  const std::vector<Kept> kept = way == PruningWay::kMagnitude
                                     ? most_important(magnitude_, sizes.layers)
                                     : rearranged(gradients_, sizes.layers);
  supernet::PrunedNetwork network = pruned(layout_, weights_, kept);
  const int context = proxy_.context();
  if (way == PruningWay::kFisherTuned)
    tune_masks(
        layout_, weights_, kept,
        {tokens_.data(), targets_.data(), static_cast<int>(tokens_.size()) / context, context},
        network);
  return network;
}

std::vector<PrunedFront> pruned_fronts(const Pruner& pruner, std::span<const PruningWay> ways,
                                       const latency_predictor::LatencyPredictor& predictor,
                                       PrunedScore score, const Watch& watch) {
  const ProxyTask& proxy = pruner.proxy();
  const supernet::Evaluator calibration = calibration_sequences(proxy);
  std::vector<std::vector<Architecture>> sizes;  // by way
  std::int64_t done = 0, all = 0;
  for (const PruningWay way : ways) {
    sizes.push_back(masks_within_limits(proxy, predictor, pruner.importance(way)));
    all += std::ssize(sizes.back());
  }
  std::vector<PrunedFront> fronts;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    PrunedFront& front = fronts.emplace_back(PrunedFront{ways[i]});
    for (const Architecture& each : sizes[i]) {
      if (watch.stopping()) throw Interrupted("stopped while networks were pruned");
      front.networks.push_back(
          scored(proxy, pruner.network(front.way, each), each, calibration.batch(), score));
      watch.report({"pruning", ++done, all, "networks"});
    }
  }
  return fronts;
}

}  // namespace paretoformer::nas
