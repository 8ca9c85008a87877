// How far a predictor's sum over operators is from the simulation of whole networks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::latency_predictor {

struct ComparedCost {
  Architecture architecture;
  accel_sim::HardwareCost predicted, simulated;
};

// Of one quantity over some networks: relative errors, and how well their order is kept.
struct PredictionErrors {
  double bias = 0;     // mean of predicted / simulated - 1
  double mape = 0;     // mean of its absolute value
  double p95 = 0;      // its 95th percentile
  double largest = 0;  // its largest value
  double tau = 0;      // Kendall's tau-b; NaN when all networks cost the same
  double tau_within_depth = 0;
};

struct PredictorCheck {
  PredictionErrors latency, energy;
  std::vector<ComparedCost> networks;

  // What a predictor must not exceed, for latency and for energy.
  static constexpr double kLargestMape = 0.01;
  static constexpr double kLargestP95 = 0.03;
  static constexpr double kLeastTau = 0.98;
  static constexpr double kLeastTauWithinDepth = 0.95;
  // What is exceeded, in one line; empty when the predictor is good.
  std::string complaint() const;
};

// Compares `networks` random networks of the space, distinct where the space has as many, with
// simulate_network(), on all threads. A pure function of its arguments. Throws InputError when the
// predictor is of a device that is not described, so that there is nothing to compare with, and
// what predict() and simulate_network() throw.
PredictorCheck check_predictor(const LatencyPredictor& predictor, const SearchSpace& space,
                               int networks, std::uint64_t seed);

// What every operator of a space costs at its place in a network: the mean over its runs in
// simulations of as many whole networks as it takes to have every number of heads and every FFN
// width at every model width, in the first layer and in later ones of the deepest networks. Random
// but for that; the networks of check_predictor() are others. Throws what simulate_network()
// throws.
InPlaceCosts simulate_in_place(const SearchSpace& space, const accel_sim::Workload& workload,
                               const accel_sim::Target& hardware, std::uint64_t seed);

}  // namespace paretoformer::latency_predictor
