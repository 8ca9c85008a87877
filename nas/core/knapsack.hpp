// The exact Pareto front when both loss and cost are sums over the layers: a multi-choice knapsack
// problem for every model width, solved by dynamic programming over the layers.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "nas/core/algorithms.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {

// What a layer adds to a network of `model_width` as its `index`-th (from 0); the first one's share
// includes everything outside the layers.
using LayerTerm = std::function<double(int model_width, int index, const Layer& layer)>;
// What depth and width add to all networks that have them.
using FrameTerm = std::function<double(int depth, int model_width)>;

// Every layer that networks of the space may have.
std::vector<Layer> layer_choices(const SearchSpace& space);

// The terms of what adds up over the layers of networks like `smallest`: the last layer's share is
// what a network has more than without it.
LayerTerm layer_shares(const Architecture& smallest,
                       std::function<double(const Architecture&)> total);

// A fit of such a sum to the losses of `known` networks, of which there is at least one.
struct FittedLosses {
  LayerTerm loss;
  double leave_one_out_error = 0;  // root mean square, nats per token
};
FittedLosses fitted_losses(const SearchSpace& space, const std::vector<Architecture>& known,
                           const std::vector<double>& losses);

struct AdditiveNetwork {
  Architecture architecture;
  double loss = 0, cost = 0;
};

// All networks of the space that no other dominates in the sums of `loss` and `cost`, one for every
// pair of sums, cheapest first; `frame`, if given, is added to the loss. Throws Error for terms
// that are not finite. Time and memory grow with the fronts of the first layers: seconds for the
// survey's space of 10^12 networks.
std::vector<AdditiveNetwork> additive_front(const SearchSpace& space, const LayerTerm& loss,
                                            const LayerTerm& cost, const FrameTerm& frame = {});

// The same for the product of two positive costs, as EDP is one of latency and energy;
// AdditiveNetwork::cost is the product.
std::vector<AdditiveNetwork> product_front(const SearchSpace& space, const LayerTerm& loss,
                                           const LayerTerm& first, const LayerTerm& second,
                                           const FrameTerm& frame = {});

// additive_front() of networks like `frame`, every layer of which becomes one of the choices.
std::vector<AdditiveNetwork> additive_front(const Architecture& frame,
                                            const std::vector<Layer>& choices,
                                            const LayerTerm& loss, const LayerTerm& cost);

// The networks that would be on the front if losses were additive, cheapest first, for a fit of
// such a loss to the candidates `earlier`. The cost is the first objective that adds up over
// layers; of EDP, latency. Where networks have a choice of hardware, on each that the front of
// `earlier` runs on.
std::vector<Architecture> knapsack(const SearchState& state,
                                   const std::vector<std::size_t>& earlier);

}  // namespace paretoformer::nas
