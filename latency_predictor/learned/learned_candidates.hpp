// The operators that a fit may simulate, and what each means for the networks they come from.
#pragma once

#include <cstdint>
#include <set>
#include <tuple>
#include <vector>

#include "latency_predictor/learned/learned_fit.hpp"

namespace paretoformer::latency_predictor {

struct FitCandidate {
  accel_sim::Operator op;
  std::size_t hardware = 0;  // index into FitCandidates::hardware
  OperatorFeatures features;
  FeatureVector input{};  // of its group's regression
};

// Length, mode and knobs.
using CombinationKey = std::tuple<int, accel_sim::Mode, int, int, int, int>;
CombinationKey key_of(const Combination& combination);

// Throws InputError naming the option.
void require_valid(const FitOptions& options);

// The n-th random combination of a stream.
Combination draw_combination(const FitOptions& options, std::uint64_t stream, std::uint64_t n);

struct FitCandidates {
  explicit FitCandidates(const FitOptions& options);

  std::vector<accel_sim::Target> hardware;
  std::vector<FitCandidate> all;  // operators that are learned, each once per hardware
  std::set<CombinationKey> keys;
  // Ranges, and the scaling of the inputs, per group; nothing learned yet.
  LearnedModel::Content content;
  // With x the mean input of a group's operators in a network, weighted with their share of its
  // cycles (or of its energy, through the DRAM), the sum of x x' over networks. An error e of the
  // coefficients is one of x'e in the network's logarithm.
  std::array<std::vector<FeatureMatrix>, kLearnedTargets> importance = {
      std::vector<FeatureMatrix>(kLearnedGroups), std::vector<FeatureMatrix>(kLearnedGroups)};

 private:
  void add(const Combination& combination);
  void scale_inputs();
  void weigh(const Combination& combination);
};

}  // namespace paretoformer::latency_predictor
