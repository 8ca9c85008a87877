#include "nas/core/knapsack.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "nas/core/ridge.hpp"
#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

// A choice of the first layers that no other choice of as many dominates.
struct Partial {
  double loss, cost;
  std::uint32_t before;  // its first layers but one, in the list of those
  std::uint32_t layer;   // its last one, in the list of layers
};

// The ones that no other dominates, cheapest first, one for every pair of sums.
void keep_front(std::vector<Partial>& all) {
  std::sort(all.begin(), all.end(), [](const Partial& a, const Partial& b) {
    return std::tie(a.cost, a.loss, a.before, a.layer) <
           std::tie(b.cost, b.loss, b.before, b.layer);
  });
  std::size_t kept = 0;
  for (const Partial& partial : all)
    if (kept == 0 || partial.loss < all[kept - 1].loss) all[kept++] = partial;
  all.resize(kept);
}

std::vector<Layer> layers_of(const SearchSpace& space) {
  std::vector<Layer> layers{Layer()};
  for (const auto& [gene, choices] : space.layer_genes()) {
    std::vector<Layer> with_gene;
    for (const Layer& layer : layers)
      for (int choice : choices) gene.set(with_gene.emplace_back(layer), choice);
    layers = std::move(with_gene);
  }
  return layers;
}

// The networks of one model width: fronts of the first 1, 2, ... layers.
std::vector<std::vector<Partial>> fronts_of_width(int depth, int model_width,
                                                  const std::vector<Layer>& layers,
                                                  const LayerTerm& loss, const LayerTerm& cost) {
  std::vector<std::vector<Partial>> fronts;
  for (int index = 0; index < depth; ++index) {
    std::vector<Partial> choices;
    for (std::size_t i = 0; i < layers.size(); ++i)
      choices.push_back({loss(model_width, index, layers[i]), cost(model_width, index, layers[i]),
                         0, static_cast<std::uint32_t>(i)});
    for (const Partial& choice : choices)
      if (!std::isfinite(choice.loss) || !std::isfinite(choice.cost))
        throw Error("knapsack: what a layer adds is not finite");
    keep_front(choices);  // another layer never pays, whatever the others are
    if (index == 0) {
      fronts.push_back(choices);
      continue;
    }
    std::vector<Partial> sums;
    const std::vector<Partial>& before = fronts.back();
    for (std::size_t i = 0; i < before.size(); ++i)
      for (const Partial& choice : choices)
        sums.push_back({before[i].loss + choice.loss, before[i].cost + choice.cost,
                        static_cast<std::uint32_t>(i), choice.layer});
    keep_front(sums);
    fronts.push_back(std::move(sums));
  }
  return fronts;
}

// The layers of partial `index` of the last of these fronts.
std::vector<Layer> layers_at(std::span<const std::vector<Partial>> fronts, std::size_t index,
                             const std::vector<Layer>& choices) {
  std::vector<Layer> layers(fronts.size());
  for (std::size_t layer = layers.size(); layer-- > 0;) {
    const Partial& partial = fronts[layer][index];
    layers[layer] = choices[partial.layer];
    index = partial.before;
  }
  return layers;
}

// A finished network: partial `index` of the front of `depth` layers of one width.
struct Finished {
  double loss, cost;
  std::size_t width;
  int depth;
  std::size_t index;
};

}  // namespace

std::vector<AdditiveNetwork> additive_front(const SearchSpace& space, const LayerTerm& loss,
                                            const LayerTerm& cost) {
  const std::vector<Layer> layers = layers_of(space);
  std::vector<std::vector<std::vector<Partial>>> fronts;  // by width and depth
  std::vector<Finished> finished;
  for (std::size_t width = 0; width < space.model_widths().size(); ++width) {
    fronts.push_back(
        fronts_of_width(space.depths().back(), space.model_widths()[width], layers, loss, cost));
    for (int depth : space.depths()) {
      const std::vector<Partial>& front = fronts.back()[static_cast<std::size_t>(depth) - 1];
      for (std::size_t i = 0; i < front.size(); ++i)
        finished.push_back({front[i].loss, front[i].cost, width, depth, i});
    }
  }
  std::stable_sort(finished.begin(), finished.end(), [](const Finished& a, const Finished& b) {
    return std::tie(a.cost, a.loss) < std::tie(b.cost, b.loss);
  });
  std::vector<AdditiveNetwork> result;
  for (const Finished& end : finished) {
    if (!result.empty() && end.loss >= result.back().loss) continue;
    Architecture network = space.smallest();
    network.model_width = space.model_widths()[end.width];
    network.layers = layers_at(
        std::span(fronts[end.width]).first(static_cast<std::size_t>(end.depth)), end.index, layers);
    result.push_back({std::move(network), end.loss, end.cost});
  }
  return result;
}

std::vector<AdditiveNetwork> additive_front(const Architecture& frame,
                                            const std::vector<Layer>& choices,
                                            const LayerTerm& loss, const LayerTerm& cost) {
  const auto fronts = fronts_of_width(frame.depth(), frame.model_width, choices, loss, cost);
  std::vector<AdditiveNetwork> result;
  for (std::size_t i = 0; i < fronts.back().size(); ++i) {
    result.push_back({frame, fronts.back()[i].loss, fronts.back()[i].cost});
    result.back().architecture.layers = layers_at(fronts, i, choices);
  }
  return result;
}

namespace {

// Ridge regression of the loss on features that are sums over the layers, but for those of the
// model width.
class AdditiveLoss {
 public:
  AdditiveLoss(const SearchSpace& space, const std::vector<Architecture>& known,
               const std::vector<double>& losses)
      : space_(space) {
    std::vector<std::vector<double>> inputs;
    for (const Architecture& network : known) inputs.push_back(features(network));
    regression_.emplace(inputs, losses);
  }

  // What the layer adds; the first one brings what is outside the layers.
  double operator()(int model_width, int index, const Layer& layer) const {
    Architecture network{.model_width = model_width, .layers = {}};
    network.layers.assign(static_cast<std::size_t>(index) + 1, layer);
    std::vector<double> with = features(network);
    if (index == 0) return regression_->predict(with);
    network.layers.pop_back();
    return regression_->predict(with) - regression_->predict(features(network));
  }

 private:
  std::vector<double> features(const Architecture& network) const {
    const double width = log_width(space_, network);
    const std::size_t genes = space_.layer_genes().size();
    std::vector<double> x{1, width, width * width};
    for (const Layer& layer : network.layers) {
      x.push_back(1);
      const std::size_t first = x.size();
      append_log_sizes(space_, layer, x);
      for (std::size_t i = 0; i < genes; ++i) x.push_back(x[first + i] * x[first + i]);
      x.push_back(width);
      for (std::size_t i = 0; i < genes; ++i) x.push_back(x[first + i] * width);
    }
    x.resize(3 + (2 + 3 * genes) * static_cast<std::size_t>(space_.depths().back()));
    return x;
  }

  const SearchSpace& space_;
  std::optional<RidgeRegression> regression_;
};

// The first objective that adds up over the layers; latency where there is none.
Objective additive_objective(const std::vector<Objective>& objectives) {
  const auto found = std::find_if(objectives.begin(), objectives.end(), adds_up);
  return found == objectives.end() ? Objective::kLatency : *found;
}

}  // namespace

std::vector<Architecture> knapsack(const SearchState& state,
                                   const std::vector<std::size_t>& earlier) {
  std::vector<Architecture> known;
  std::vector<double> losses;
  for (std::size_t member : earlier) {
    known.push_back(state.archive.candidates()[member].architecture);
    losses.push_back(
        searched_loss(state.archive.candidates()[member].objectives, state.archive.objectives()));
  }
  const AdditiveLoss loss(state.space, known, losses);
  const Objective objective = additive_objective(state.archive.objectives());
  const Architecture smallest = state.space.smallest();
  const Layer filler = smallest.layers.front();
  // Costs add up on one hardware at a time: on each that the front has, for there may be thousands.
  std::set<std::vector<int>> hardware{smallest.hardware};
  for (const std::size_t member : state.archive.front(earlier))
    hardware.insert(state.archive.candidates()[member].architecture.hardware);
  std::vector<int> on;
  const LayerTerm cost = [&](int model_width, int index, const Layer& layer) {
    Architecture network = smallest;
    network.hardware = on;
    network.model_width = model_width;
    network.layers.assign(static_cast<std::size_t>(index), filler);
    const double before = index > 0 ? value(state.cost(network), objective) : 0;
    network.layers.push_back(layer);
    return value(state.cost(network), objective) - before;
  };
  std::vector<Architecture> networks;
  for (const std::vector<int>& each : hardware) {
    on = each;
    for (AdditiveNetwork& member : additive_front(state.space, loss, cost)) {
      member.architecture.hardware = on;
      networks.push_back(std::move(member.architecture));
    }
  }
  return networks;
}

}  // namespace paretoformer::nas
