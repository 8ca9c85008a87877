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

struct AdditiveNetwork {
  Architecture architecture;
  double loss = 0, cost = 0;
};

// All networks of the space that no other dominates in the sums of `loss` and `cost`, one for every
// pair of sums, cheapest first. Throws Error for terms that are not finite. Time and memory grow
// with the fronts of the first layers: seconds for the survey's space of 10^12 networks.
std::vector<AdditiveNetwork> additive_front(const SearchSpace& space, const LayerTerm& loss,
                                            const LayerTerm& cost);

// The same of networks like `frame`, every layer of which becomes one of the choices.
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
