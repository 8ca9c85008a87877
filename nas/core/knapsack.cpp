#include "nas/core/knapsack.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
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
  double other;          // the second cost, of products
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

// The lower left convex hull of points (cost, other).
class Hull {
 public:
  // Adds the point, if it is below.
  bool add(double cost, double other) {
    auto right = points_.lower_bound(cost);
    if (!is_below(right, cost, other)) return false;
    while (right != points_.end() && is_above(right, cost, other)) right = points_.erase(right);
    while (right != points_.begin()) {
      const auto left = std::prev(right);
      if (left == points_.begin()) break;
      const auto& [cost0, other0] = *std::prev(left);
      if (cross(cost0, other0, left->first, left->second, cost, other) > 0) break;
      right = points_.erase(left);
    }
    points_.emplace_hint(right, cost, other);
    return true;
  }

 private:
  using Points = std::map<double, double>;

  // Above 0 where the path over the three points turns left.
  static double cross(double x0, double y0, double x1, double y1, double x2, double y2) {
    return (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0);
  }
  // Whether no point, and none on a line between two, is as low in both. In case of doubt, which
  // rounding brings, it is below: that costs time alone.
  bool is_below(Points::const_iterator right, double cost, double other) const {
    if (right != points_.end() && right->first == cost) return other < right->second;
    if (right == points_.begin()) return true;
    const auto& [cost0, other0] = *std::prev(right);
    if (right == points_.end()) return other < other0;
    const double above = (right->second - other0) * (cost - cost0);
    const double over = (right->first - cost0) * (other - other0);
    return over < above + 1e-12 * (std::abs(above) + std::abs(over));
  }
  // Whether the point has become one that is none of the hull's, as seen from its left.
  bool is_above(Points::const_iterator point, double cost, double other) const {
    if (point->second >= other) return true;
    const auto next = std::next(point);
    return next != points_.end() &&
           cross(cost, other, point->first, point->second, next->first, next->second) <= 0;
  }

  Points points_;  // `other` falls and ever less so
};

// The ones of which the product of costs may be the lowest, whatever layers follow. Others are no
// better, in both costs, than a point between two that lose no more. With the same layers behind
// all of them, the product is quasi-concave in the two costs: in between it is no lower than the
// lower one of the ends.
void keep_hulls(std::vector<Partial>& all) {
  std::sort(all.begin(), all.end(), [](const Partial& a, const Partial& b) {
    return std::tie(a.loss, a.cost, a.other, a.before, a.layer) <
           std::tie(b.loss, b.cost, b.other, b.before, b.layer);
  });
  Hull hull;
  std::erase_if(all, [&](const Partial& each) { return !hull.add(each.cost, each.other); });
}

// What is solved: `other` is absent, and 0, but for products.
struct Terms {
  const LayerTerm &loss, &cost;
  const LayerTerm* other = nullptr;

  Partial of(int model_width, int index, const Layer& layer, std::size_t number) const {
    const Partial choice{loss(model_width, index, layer), cost(model_width, index, layer),
                         other ? (*other)(model_width, index, layer) : 0, 0,
                         static_cast<std::uint32_t>(number)};
    if (!std::isfinite(choice.loss) || !std::isfinite(choice.cost) || !std::isfinite(choice.other))
      throw Error("knapsack: what a layer adds is not finite");
    return choice;
  }
  void keep(std::vector<Partial>& all) const { other ? keep_hulls(all) : keep_front(all); }
};

// The networks of one model width: fronts of the first 1, 2, ... layers.
std::vector<std::vector<Partial>> fronts_of_width(int depth, int model_width,
                                                  const std::vector<Layer>& layers,
                                                  const Terms& terms) {
  std::vector<std::vector<Partial>> fronts;
  for (int index = 0; index < depth; ++index) {
    std::vector<Partial> choices;
    for (std::size_t i = 0; i < layers.size(); ++i)
      choices.push_back(terms.of(model_width, index, layers[i], i));
    terms.keep(choices);  // another layer never pays, whatever the others are
    if (index == 0) {
      fronts.push_back(choices);
      continue;
    }
    std::vector<Partial> sums;
    const std::vector<Partial>& before = fronts.back();
    for (std::size_t i = 0; i < before.size(); ++i)
      for (const Partial& choice : choices)
        sums.push_back({before[i].loss + choice.loss, before[i].cost + choice.cost,
                        before[i].other + choice.other, static_cast<std::uint32_t>(i),
                        choice.layer});
    terms.keep(sums);
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

std::vector<Layer> layer_choices(const SearchSpace& space) {
  std::vector<Layer> layers{Layer()};
  for (const auto& [gene, choices] : space.layer_genes()) {
    std::vector<Layer> with_gene;
    for (const Layer& layer : layers)
      for (int choice : choices) gene.set(with_gene.emplace_back(layer), choice);
    layers = std::move(with_gene);
  }
  return layers;
}

LayerTerm layer_shares(const Architecture& smallest,
                       std::function<double(const Architecture&)> total) {
  return [smallest, total = std::move(total)](int model_width, int index, const Layer& layer) {
    Architecture network = smallest;
    network.model_width = model_width;
    network.layers.assign(static_cast<std::size_t>(index), smallest.layers.front());
    const double before = index > 0 ? total(network) : 0;
    network.layers.push_back(layer);
    return total(network) - before;
  };
}

namespace {

std::vector<AdditiveNetwork> solved(const SearchSpace& space, const Terms& terms,
                                    const FrameTerm& frame) {
  const std::vector<Layer> layers = layer_choices(space);
  std::vector<std::vector<std::vector<Partial>>> fronts;  // by width and depth
  std::vector<Finished> finished;
  for (std::size_t width = 0; width < space.model_widths().size(); ++width) {
    fronts.push_back(
        fronts_of_width(space.depths().back(), space.model_widths()[width], layers, terms));
    for (int depth : space.depths()) {
      const std::vector<Partial>& front = fronts.back()[static_cast<std::size_t>(depth) - 1];
      const double more = frame ? frame(depth, space.model_widths()[width]) : 0;
      if (!std::isfinite(more)) throw Error("knapsack: what a depth and a width add is not finite");
      for (std::size_t i = 0; i < front.size(); ++i)
        finished.push_back({front[i].loss + more,
                            front[i].cost * (terms.other ? front[i].other : 1), width, depth, i});
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

}  // namespace

std::vector<AdditiveNetwork> additive_front(const SearchSpace& space, const LayerTerm& loss,
                                            const LayerTerm& cost, const FrameTerm& frame) {
  return solved(space, {loss, cost}, frame);
}

std::vector<AdditiveNetwork> product_front(const SearchSpace& space, const LayerTerm& loss,
                                           const LayerTerm& first, const LayerTerm& second,
                                           const FrameTerm& frame) {
  return solved(space, {loss, first, &second}, frame);
}

std::vector<AdditiveNetwork> additive_front(const Architecture& frame,
                                            const std::vector<Layer>& choices,
                                            const LayerTerm& loss, const LayerTerm& cost) {
  const auto fronts = fronts_of_width(frame.depth(), frame.model_width, choices, {loss, cost});
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
  double leave_one_out_error() const { return regression_->leave_one_out_error(); }

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

  SearchSpace space_;
  std::optional<RidgeRegression> regression_;
};

// The first objective that adds up over the layers; latency where there is none.
Objective additive_objective(const std::vector<Objective>& objectives) {
  const auto found = std::find_if(objectives.begin(), objectives.end(), adds_up);
  return found == objectives.end() ? Objective::kLatency : *found;
}

}  // namespace

FittedLosses fitted_losses(const SearchSpace& space, const std::vector<Architecture>& known,
                           const std::vector<double>& losses) {
  const AdditiveLoss loss(space, known, losses);
  return {loss, loss.leave_one_out_error()};
}

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
  // Costs add up on one hardware at a time: on each that the front has, for there may be thousands.
  std::set<std::vector<int>> hardware{smallest.hardware};
  for (const std::size_t member : state.archive.front(earlier))
    hardware.insert(state.archive.candidates()[member].architecture.hardware);
  std::vector<Architecture> networks;
  for (const std::vector<int>& each : hardware) {
    Architecture on_it = smallest;
    on_it.hardware = each;
    const LayerTerm cost = layer_shares(
        on_it, [&](const Architecture& network) { return value(state.cost(network), objective); });
    for (AdditiveNetwork& member : additive_front(state.space, loss, cost)) {
      member.architecture.hardware = each;
      networks.push_back(std::move(member.architecture));
    }
  }
  return networks;
}

}  // namespace paretoformer::nas
