// Latency and energy of operators and whole Transformers on hardware and at lengths that nobody has
// simulated, learned from a few hundred simulated operators.
//
// What can be counted is counted: the accesses of the array and its memories, what runs on the
// host, the fused GELU. Cycles and DRAM traffic are estimated in closed form
// (learned_features.hpp), and a ridge regression per group of operators learns the logarithm of
// what the simulator says over that estimate. On 200 held-out networks of the survey's space
// (learned_model_validation_test) the closed forms alone are wrong by 4.1 % of the cycles on
// average, with 400 samples learned from by 1.7 %; random samples do as well from about a hundred
// on, so that a better form, not more samples, is what would help.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "latency_predictor/learned/learned_features.hpp"
#include "latency_predictor/learned/learned_ridge.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::latency_predictor {

class PredictorFile;

struct LearnedCost {
  accel_sim::HardwareCost cost;
  // Of about nine in ten operators never seen, the error relative to the truth is below twice it.
  // A network's adds up its operators', as if they all erred alike: an upper bound.
  double latency_uncertainty = 0;
  double energy_uncertainty = 0;
  // Something about it lies outside of what the samples were chosen from.
  bool extrapolates = false;

  double relative_uncertainty() const {
    return latency_uncertainty > energy_uncertainty ? latency_uncertainty : energy_uncertainty;
  }
};

// The hardware parameters that the model varies; all others are those of its base.
#define PARETOFORMER_LEARNED_KNOBS(X) \
  X(array_size) X(scratchpad_kib) X(accumulator_kib) X(bus_bytes_per_cycle)

struct Range {
  double low = 0;
  double high = 0;

  bool contains(double value) const { return value >= low && value <= high; }
  // Makes it hold the value.
  void include(double value);
  bool operator==(const Range&) const = default;
};

// What is known of the operators of a group.
struct LearnedGroup {
  int samples = 0;
  // Of the candidates from which the samples were chosen. `features` are as operator_features()
  // makes them; their ranges are a little wider, the candidates being a random draw.
  std::array<Range, 3> extents;  // rows, inner, columns
  std::array<Range, kLearnedFeatures> features;
  // From features to inputs of the regression: (x - mean) * scale; a scale of 0 leaves one out.
  FeatureVector mean{};
  FeatureVector scale{};
  std::array<FeatureVector, kLearnedTargets> coefficients{};
  FeatureMatrix inverse{};
  // With the leverage h of an operator, its uncertainty is spread * sqrt(1 + h).
  TargetVector spread{};
  // Of the targets seen; predictions stay near it.
  std::array<Range, kLearnedTargets> targets;

  FeatureVector input(const FeatureVector& features) const;
};

// How far predictions were from simulations of networks on combinations of length, mode and
// hardware of which nothing was sampled.
struct HeldOutErrors {
  int networks = 0;  // 0: not measured
  double latency_mape = 0;
  double latency_p95 = 0;
  double energy_mape = 0;
  double energy_p95 = 0;
};

// Immutable once made; threads may ask it at any time.
class LearnedModel {
 public:
  struct Content {
    accel_sim::Target base;
    Range length;
    bool prefill = true;
    bool decode = true;
#define PARETOFORMER_KNOB_RANGE(key) Range key;
    PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_KNOB_RANGE)
#undef PARETOFORMER_KNOB_RANGE
    std::uint64_t seed = 0;
    int samples = 0;
    HeldOutErrors held_out;
    std::vector<LearnedGroup> groups = std::vector<LearnedGroup>(kLearnedGroups);  // never resized
  };
  explicit LearnedModel(Content content);

  // A file of its kind (latency_predictor/file/predictor_file.hpp). Throws what reading that
  // throws, and InputError naming it, in one line, when it was made from another simulator.
  static LearnedModel load(const std::filesystem::path& path);
  static LearnedModel from(const PredictorFile& file);
  // Equal models give equal files. Throws Error naming the path when it cannot.
  void save(const std::filesystem::path& path) const;
  // What save() writes.
  std::string text() const;

  // The cost of running `op` once, as simulated_cost() would give it. Throws InputError when the
  // hardware differs from the base in anything but the knobs, naming the parameter.
  LearnedCost predict(const accel_sim::Operator& op, const accel_sim::Target& hardware) const;
  // The sum over scheduled_operators(), equal operators computed once. Throws what they throw.
  LearnedCost predict(const Architecture& architecture, const accel_sim::Workload& workload,
                      const accel_sim::Target& hardware) const;

  const Content& content() const { return content_; }

 private:
  void require_base(const accel_sim::Target& hardware) const;
  bool knobs_within(const accel_sim::Target& hardware) const;
  double leverage(std::size_t group, const FeatureVector& input) const;
  LearnedCost operator_cost(const accel_sim::Operator& op, const accel_sim::Target& hardware) const;

  // The inverses again, in single precision: a network's uncertainty takes a third of its time.
  using Leverage = std::array<std::array<float, kLearnedFeatures>, kLearnedFeatures>;

  Content content_;
  std::vector<Leverage> leverages_;
};

}  // namespace paretoformer::latency_predictor
