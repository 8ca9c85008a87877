// Fitting a learned model: which operators on which hardware to simulate, and how good the model
// gets with every one of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "search_spaces/search_space.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::latency_predictor {

// How samples are chosen from the candidates.
enum class SampleChoice {
  kActive,  // where they reduce the variance of whole networks' predictions most
  kRandom,  // any, all alike
};

inline constexpr int kMostSamples = 500;

struct FitOptions {
  SearchSpace space = SearchSpace::find("survey");
  accel_sim::Target base = accel_sim::find_target("gemmini_transformer");
  int shortest = 64;  // sequence lengths
  int longest = 1024;
  std::vector<accel_sim::Mode> modes = {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode};
  // Values to combine; those of the base when empty.
  std::vector<int> array_size = {8, 16, 32};
  std::vector<int> scratchpad_kib = {64, 128, 256, 512};
  std::vector<int> accumulator_kib = {32, 64, 128, 256};
  std::vector<int> bus_bytes_per_cycle = {8, 16, 32};
  int samples = 400;       // operators to simulate, at most kMostSamples
  int combinations = 400;  // networks x length x mode x hardware that candidates come from
  std::uint64_t seed = 1;  // below 2^63
  SampleChoice choice = SampleChoice::kActive;
};

// Networks at a length and in a mode on some hardware.
struct Combination {
  Architecture network;
  accel_sim::Workload workload;
  accel_sim::Target hardware;
};

// Simulates the samples (in parallel) and fits. The same model on any number of threads. Throws
// InputError for options out of range, hardware that simulated memories do not fit, and
// output-stationary hardware.
LearnedModel fit(const FitOptions& options);

// The same, with errors on so many held-out networks measured and stored in the model.
LearnedModel fit(const FitOptions& options, int held_out_networks);

// So many random networks, each at a (length, mode, hardware) from which no candidate came. Throws
// InputError when there is none left.
std::vector<Combination> held_out_combinations(const FitOptions& options, int count);

// The sum of simulated_cost() over each one's operators, in parallel.
std::vector<accel_sim::HardwareCost> simulate_operators(
    const std::vector<Combination>& combinations);

// A model against the truth, per network.
struct ModelErrors {
  HeldOutErrors relative;
  // Kendall's, over pairs of networks that share a combination.
  double latency_tau = 0;
  double energy_tau = 0;
  // The share of networks whose error is at most twice their uncertainty.
  double latency_coverage = 0;
  double energy_coverage = 0;
};
ModelErrors measure_errors(const LearnedModel& model, const std::vector<Combination>& combinations,
                           const std::vector<accel_sim::HardwareCost>& truth);

// Errors against number of samples.
struct FitReport {
  struct Point {
    int samples = 0;
    ModelErrors active;
    ModelErrors random;
  };
  int networks = 0;
  std::vector<Point> points;

  std::string text() const;
  Json json() const;
};

// Fits with both choices at every one of `sample_counts` (increasing, at most options.samples) and
// compares them on so many held-out networks.
FitReport compare_choices(const FitOptions& options, const std::vector<int>& sample_counts,
                          int held_out_networks);

}  // namespace paretoformer::latency_predictor
