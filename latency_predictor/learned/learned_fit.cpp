#include "latency_predictor/learned/learned_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/learned/learned_candidates.hpp"
#include "support/error.hpp"
#include "support/parallel.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr std::uint64_t kRandomChoiceStream = 2;
constexpr std::uint64_t kHeldOutStream = 3;
// Of every group, that many samples come first, so that none is left to its estimates.
constexpr std::size_t kLeastSamples = 2;
// Choices between two looks at what the samples said.
constexpr int kRound = 25;
// The penalty while samples are chosen, and those tried when they are fitted.
constexpr double kDesignPenalty = 1;
constexpr double kPenalties[] = {0.03, 0.1, 0.3, 1, 3, 10};
// Before samples speak, errors of the estimates, and how many samples that belief is worth.
constexpr double kPriorError = 0.1;
constexpr double kPriorWeight = 4;
// Uncertainties: how much wider they are for groups of few samples, and at least.
constexpr double kFewSamples = 6;
constexpr double kLeastSpread = 0.005;
// Held-out networks that share a combination, so that they can be ranked.
constexpr int kNetworksEach = 4;
// So many draws that are no held-out combinations mean that there is none.
constexpr int kMostRefused = 10000;

struct Sample {
  std::size_t candidate = 0;
  TargetVector target{};
};

TargetVector simulate_target(const FitCandidate& candidate, const accel_sim::Target& hardware) {
  const accel_sim::SimulationReport report = simulate(candidate.op, hardware);
  const auto cycles = static_cast<double>(std::max<std::int64_t>(report.cost.latency.value(), 1));
  const OperatorFeatures& known = candidate.features;
  const double traffic = known.accesses.dram_bytes > 0
                             ? std::log(static_cast<double>(report.accesses.dram_bytes) /
                                        static_cast<double>(known.accesses.dram_bytes))
                             : 0;
  return {std::log(cycles / known.cycles), traffic};
}

double mean_square(const std::vector<TargetVector>& errors, std::size_t target) {
  double sum = 0;
  for (const TargetVector& error : errors) sum += error[target] * error[target];
  return errors.empty() ? 0 : sum / static_cast<double>(errors.size());
}

RidgeFit fit_best_penalty(const std::vector<FeatureVector>& inputs,
                          const std::vector<TargetVector>& targets) {
  RidgeFit best;
  double least = std::numeric_limits<double>::infinity();
  for (const double penalty : kPenalties) {
    RidgeFit fit = fit_ridge(inputs, targets, penalty);
    const double error = mean_square(fit.left_out, 0) + mean_square(fit.left_out, 1);
    if (error >= least) continue;
    least = error;
    best = std::move(fit);
  }
  return best;
}

// Half of what nine in ten errors of samples left out of the fit stay below, in units of
// sqrt(1 + h); the rank is that of conformal prediction, (n + 1) * 0.9, as a sample that is new
// counts as well. A few samples do not show the largest errors.
double spread(const RidgeFit& fit, std::size_t target) {
  std::vector<double> errors;
  for (std::size_t n = 0; n < fit.left_out.size(); ++n)
    errors.push_back(std::abs(fit.left_out[n][target]) / std::sqrt(1 + fit.leverage[n]));
  std::sort(errors.begin(), errors.end());
  const auto count = static_cast<double>(errors.size());
  const auto rank = static_cast<std::size_t>(std::ceil((count + 1) * 0.9));
  const double few = 1 + kFewSamples / count;
  return std::max(kLeastSpread, 0.5 * few * errors[std::min(rank, errors.size()) - 1]);
}

class Fitter {
 public:
  Fitter(const FitOptions& options, std::shared_ptr<const FitCandidates> candidates)
      : options_(options),
        candidates_(std::move(candidates)),
        taken_(candidates_->all.size(), false) {
    for (TargetVector& variance : variance_) variance.fill(kPriorError * kPriorError);
    for (std::size_t c = 0; c < candidates_->all.size(); ++c) members_[group_of(c)].push_back(c);
  }

  // Chooses and simulates until there are that many samples, or no candidate is left.
  void grow(int samples) {
    const auto wanted = std::min(static_cast<std::size_t>(samples), candidates_->all.size());
    while (samples_.size() < wanted) {
      const std::size_t first = samples_.size();
      const std::size_t last = std::min(wanted, first + kRound);
      for (auto& each : best_) each = kUnknown;
      while (samples_.size() < last) take(chooses() ? choose() : any());
      parallel_tasks(last - first, [&](std::size_t i) {
        Sample& sample = samples_[first + i];
        const FitCandidate& candidate = candidates_->all[sample.candidate];
        sample.target = simulate_target(candidate, candidates_->hardware[candidate.hardware]);
      });
      learn();
    }
  }

  LearnedModel model() const {
    LearnedModel::Content content = candidates_->content;
    content.samples = static_cast<int>(samples_.size());
    for (std::size_t g = 0; g < kLearnedGroups; ++g) fit_group(g, content.groups[g]);
    return LearnedModel(std::move(content));
  }

 private:
  static constexpr std::size_t kUnknown = static_cast<std::size_t>(-1);
  static constexpr std::size_t kNone = static_cast<std::size_t>(-2);

  std::size_t group_of(std::size_t candidate) const {
    return static_cast<std::size_t>(candidates_->all[candidate].features.group);
  }

  void take(std::size_t candidate) {
    taken_[candidate] = true;
    const std::size_t g = group_of(candidate);
    add_to_inverse(inverse_[g], candidates_->all[candidate].input);
    ++counts_[g];
    best_[g] = kUnknown;
    samples_.push_back({candidate, {}});
  }

  // Of an active choice, every other sample is a random one: the linear model is wrong in places
  // where its own variance does not lead, and the spread of errors is that of common operators.
  bool chooses() const {
    return options_.choice == SampleChoice::kActive &&
           (samples_.size() < kLeastSamples * kLearnedGroups || samples_.size() % 2 == 0);
  }

  std::size_t any() {
    while (true) {
      const std::size_t candidate = random_.below(candidates_->all.size());
      if (!taken_[candidate]) return candidate;
    }
  }

  // By how much the variance of the networks' logarithms falls when the candidate is simulated: the
  // inverse becomes A - A x x' A / (1 + x' A x), and with it x' A y of every network's y.
  double worth(std::size_t candidate, std::size_t g) const {
    const FeatureVector& x = candidates_->all[candidate].input;
    const FeatureVector moved = times(inverse_[g], x);
    double sum = 0;
    for (std::size_t t = 0; t < kLearnedTargets; ++t)
      sum += variance_[g][t] * dot(times(candidates_->importance[t][g], moved), moved);
    return sum / (1 + dot(moved, x));
  }

  void find_best(std::size_t g) {
    best_[g] = kNone;
    for (const std::size_t candidate : members_[g]) {
      if (taken_[candidate]) continue;
      const double value = worth(candidate, g);
      if (best_[g] != kNone && value <= best_worth_[g]) continue;
      best_[g] = candidate;
      best_worth_[g] = value;
    }
  }

  std::size_t choose() {
    std::size_t best = kNone;
    for (std::size_t g = 0; g < kLearnedGroups; ++g) {
      if (best_[g] == kUnknown) find_best(g);
      if (best_[g] == kNone) continue;
      if (static_cast<std::size_t>(counts_[g]) < kLeastSamples) return best_[g];
      if (best == kNone || best_worth_[g] > best_worth_[best]) best = g;
    }
    return best_[best];
  }

  // What the samples say about the errors of each group.
  void learn() {
    for (std::size_t g = 0; g < kLearnedGroups; ++g) {
      if (counts_[g] == 0) continue;
      const RidgeFit fit = fit_of(g);
      const auto count = static_cast<double>(fit.left_out.size());
      for (std::size_t t = 0; t < kLearnedTargets; ++t)
        variance_[g][t] =
            (count * mean_square(fit.left_out, t) + kPriorWeight * kPriorError * kPriorError) /
            (count + kPriorWeight);
    }
  }

  RidgeFit fit_of(std::size_t g) const {
    std::vector<FeatureVector> inputs;
    std::vector<TargetVector> targets;
    for (const Sample& sample : samples_) {
      if (group_of(sample.candidate) != g) continue;
      inputs.push_back(candidates_->all[sample.candidate].input);
      targets.push_back(sample.target);
    }
    return fit_best_penalty(inputs, targets);
  }

  void fit_group(std::size_t g, LearnedGroup& group) const {
    if (counts_[g] == 0) return;
    const RidgeFit fit = fit_of(g);
    group.samples = counts_[g];
    group.coefficients = fit.coefficients;
    group.inverse = fit.inverse;
    for (std::size_t t = 0; t < kLearnedTargets; ++t) {
      group.spread[t] = spread(fit, t);
      bool first = true;
      for (const Sample& sample : samples_) {
        if (group_of(sample.candidate) != g) continue;
        if (std::exchange(first, false)) group.targets[t] = {sample.target[t], sample.target[t]};
        group.targets[t].include(sample.target[t]);
      }
    }
  }

  FitOptions options_;
  std::shared_ptr<const FitCandidates> candidates_;
  std::vector<bool> taken_;
  std::vector<Sample> samples_;
  std::array<std::vector<std::size_t>, kLearnedGroups> members_;
  std::array<int, kLearnedGroups> counts_{};
  std::vector<FeatureMatrix> inverse_ =
      std::vector<FeatureMatrix>(kLearnedGroups, prior_inverse(kDesignPenalty));
  std::array<TargetVector, kLearnedGroups> variance_;
  std::array<std::size_t, kLearnedGroups> best_{};
  std::array<double, kLearnedGroups> best_worth_{};
  Random random_{options_.seed, {kRandomChoiceStream}};
};

}  // namespace

LearnedModel fit(const FitOptions& options) {
  Fitter fitter(options, std::make_shared<const FitCandidates>(options));
  fitter.grow(options.samples);
  return fitter.model();
}

LearnedModel fit(const FitOptions& options, int held_out_networks) {
  const LearnedModel model = fit(options);
  const std::vector<Combination> combinations = held_out_combinations(options, held_out_networks);
  LearnedModel::Content content = model.content();
  content.held_out = measure_errors(model, combinations, simulate_operators(combinations)).relative;
  return LearnedModel(std::move(content));
}

std::vector<Combination> held_out_combinations(const FitOptions& options, int count) {
  const FitCandidates candidates(options);
  std::vector<Combination> result;
  int refused = 0;
  for (std::uint64_t n = 0; result.size() < static_cast<std::size_t>(count); ++n) {
    const Combination first = draw_combination(options, kHeldOutStream, n);
    if (candidates.keys.contains(key_of(first))) {
      if (++refused < kMostRefused) continue;
      throw InputError(
          "fit: no combination of length, mode and hardware is left to hold out: expected more "
          "lengths or hardware, or fewer combinations");
    }
    Random random(options.seed, {kHeldOutStream, n, 1});
    for (int i = 0; i < kNetworksEach && result.size() < static_cast<std::size_t>(count); ++i)
      result.push_back({options.space.sample(random), first.workload, first.hardware});
  }
  return result;
}

std::vector<accel_sim::HardwareCost> simulate_operators(
    const std::vector<Combination>& combinations) {
  std::vector<accel_sim::HardwareCost> sums(combinations.size());
  parallel_tasks(sums.size(), [&](std::size_t i) {
    const auto& [network, workload, hardware] = combinations[i];
    for (const accel_sim::OperatorReport& item : simulate(network, workload, hardware))
      sums[i] += item.report.cost * item.item.repeat;
  });
  return sums;
}

FitReport compare_choices(const FitOptions& options, const std::vector<int>& sample_counts,
                          int held_out_networks) {
  const auto candidates = std::make_shared<const FitCandidates>(options);
  const std::vector<Combination> combinations = held_out_combinations(options, held_out_networks);
  const std::vector<accel_sim::HardwareCost> truth = simulate_operators(combinations);
  FitOptions active = options, random = options;
  active.choice = SampleChoice::kActive;
  random.choice = SampleChoice::kRandom;
  Fitter chosen(active, candidates), drawn(random, candidates);
  FitReport report;
  report.networks = held_out_networks;
  for (const int samples : sample_counts) {
    chosen.grow(samples);
    drawn.grow(samples);
    report.points.push_back({samples, measure_errors(chosen.model(), combinations, truth),
                             measure_errors(drawn.model(), combinations, truth)});
  }
  return report;
}

}  // namespace paretoformer::latency_predictor
