#include "latency_predictor/learned/learned_candidates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_set>
#include <utility>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr std::uint64_t kCandidateStream = 1;
// Features of less deviation than that are constants.
constexpr double kLeastDeviation = 1e-6;
constexpr double kLeastSum = std::numeric_limits<double>::min();

// The candidates are a random draw: ranges of features are wider by this share of their width.
constexpr double kFeatureSlack = 0.1;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int pick(const std::vector<int>& values, int base, Random& random) {
  return values.empty() ? base : values[random.below(values.size())];
}

Range range_of(const std::vector<int>& values, int base) {
  if (values.empty()) return {static_cast<double>(base), static_cast<double>(base)};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {static_cast<double>(*low), static_cast<double>(*high)};
}

// The hardware of all lowest values, or of all highest ones.
accel_sim::Target extreme(const LearnedModel::Content& content, bool highest) {
  accel_sim::Target hardware = content.base;
#define PARETOFORMER_EXTREME_KNOB(key) \
  hardware.key = static_cast<int>(highest ? content.key.high : content.key.low);
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_EXTREME_KNOB)
#undef PARETOFORMER_EXTREME_KNOB
  return hardware;
}

void add_square(FeatureMatrix& sum, const FeatureVector& x) {
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = 0; j < kLearnedFeatures; ++j) sum[i][j] += x[i] * x[j];
}

void add_scaled(FeatureVector& sum, const FeatureVector& x, double factor) {
  for (std::size_t i = 0; i < kLearnedFeatures; ++i) sum[i] += factor * x[i];
}

// Throws what reading the hardware from a file would throw.
void require_valid_hardware(const accel_sim::Target& hardware) {
  const Json json = to_json(hardware);
  accel_sim::target_from_json(JsonNode(json, "hardware to fit"));
}

}  // namespace

CombinationKey key_of(const Combination& c) {
  return {c.workload.sequence_length, c.workload.mode,
          c.hardware.array_size,      c.hardware.scratchpad_kib,
          c.hardware.accumulator_kib, c.hardware.bus_bytes_per_cycle};
}

void require_valid(const FitOptions& options) {
  const auto fail = [](const std::string& key, const std::string& value,
                       const std::string& expected) {
    throw InputError("fit: " + key + " " + value + " is out of range: expected " + expected);
  };
  if (options.samples < 1 || options.samples > kMostSamples)
    fail("samples", std::to_string(options.samples), "1 to " + std::to_string(kMostSamples));
  if (options.combinations < 1)
    fail("combinations", std::to_string(options.combinations), "at least 1");
  if (options.shortest < 1 || options.longest < options.shortest || options.longest > 1 << 20)
    fail("lengths", std::to_string(options.shortest) + " to " + std::to_string(options.longest),
         "1 <= shortest <= longest <= 2^20");
  if (options.seed >> 63 != 0) fail("seed", std::to_string(options.seed), "less than 2^63");
  if (options.modes.empty()) fail("modes", "[]", "at least one");
  if (options.base.dataflow != accel_sim::Dataflow::kWeightStationary)
    fail("dataflow", "output_stationary", "weight_stationary");
  if (options.base.tiling != accel_sim::Tiling::kGreedy) fail("tiling", "optimal", "greedy");
  if (options.base.fusion != accel_sim::Fusion::kLibrary)
    fail("fusion", to_json(options.base).at("fusion").get<std::string>(), "library");
  if (options.base.masking != accel_sim::Masking::kBias)
    fail("masking", to_json(options.base).at("masking").get<std::string>(), "bias");
}

Combination draw_combination(const FitOptions& options, std::uint64_t stream, std::uint64_t n) {
  Random random(options.seed, {stream, n});
  Combination result;
  result.network = options.space.sample(random);
  // As many of 64 to 128 as of 512 to 1024.
  const double ratio = static_cast<double>(options.longest) / options.shortest;
  result.workload.sequence_length = std::clamp(
      static_cast<int>(std::lround(options.shortest * std::pow(ratio, random.uniform()))),
      options.shortest, options.longest);
  result.workload.mode = options.modes[random.below(options.modes.size())];
  result.workload.mask = random.chance(0.5) ? accel_sim::Mask::kCausal : accel_sim::Mask::kNone;
  result.workload.biases = random.chance(0.5);
  if (random.chance(0.5)) result.workload.nonlinear_inputs = accel_sim::NonlinearInputs::kInt8;
  result.hardware = options.base;
#define PARETOFORMER_DRAW_KNOB(key) \
  result.hardware.key = pick(options.key, options.base.key, random);
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_DRAW_KNOB)
#undef PARETOFORMER_DRAW_KNOB
  return result;
}

FitCandidates::FitCandidates(const FitOptions& options) {
  require_valid(options);
  content.base = options.base;
  content.length = {static_cast<double>(options.shortest), static_cast<double>(options.longest)};
  const auto has = [&](accel_sim::Mode mode) {
    return std::find(options.modes.begin(), options.modes.end(), mode) != options.modes.end();
  };
  content.prefill = has(accel_sim::Mode::kPrefill);
  content.decode = has(accel_sim::Mode::kDecode);
  content.seed = options.seed;
#define PARETOFORMER_KNOB(key) content.key = range_of(options.key, options.base.key);
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_KNOB)
#undef PARETOFORMER_KNOB
  for (LearnedGroup& group : content.groups) {
    group.extents.fill({kInfinity, -kInfinity});
    group.features.fill({kInfinity, -kInfinity});
  }

  std::vector<Combination> drawn;
  for (int n = 0; n < options.combinations; ++n)
    drawn.push_back(draw_combination(options, kCandidateStream, static_cast<std::uint64_t>(n)));
  for (const Combination& each : drawn) add(each);
  // The corners belong to the ranges, but are rare among networks.
  for (const bool highest : {false, true})
    for (const int length : {options.shortest, options.longest})
      for (const accel_sim::Mode mode : options.modes)
        for (const accel_sim::Workload& kind :
             {accel_sim::Workload{}, accel_sim::kSupernetWorkload})
          for (const Architecture& network : options.space.extremes()) {
            accel_sim::Workload workload = kind;
            workload.sequence_length = length;
            workload.mode = mode;
            add({network, workload, extreme(content, highest)});
          }
  scale_inputs();
  for (const Combination& each : drawn) weigh(each);
}

void FitCandidates::add(const Combination& combination) {
  if (keys.insert(key_of(combination)).second) require_valid_hardware(combination.hardware);
  hardware.push_back(combination.hardware);
  std::unordered_set<accel_sim::Operator, accel_sim::OperatorHash> seen;
  for (const accel_sim::Operator& op :
       operators_to_schedule(combination.network, combination.workload, combination.hardware)) {
    if (!seen.insert(op).second) continue;
    FitCandidate candidate{
        op, hardware.size() - 1, operator_features(op, combination.hardware), {}};
    if (candidate.features.exact()) continue;
    LearnedGroup& group = content.groups[static_cast<std::size_t>(candidate.features.group)];
    group.extents[0].include(op.rows);
    group.extents[1].include(op.inner);
    group.extents[2].include(op.columns);
    for (std::size_t i = 0; i < kLearnedFeatures; ++i)
      group.features[i].include(candidate.features.x[i]);
    all.push_back(candidate);
  }
}

void FitCandidates::scale_inputs() {
  std::array<int, kLearnedGroups> counts{};
  std::array<FeatureVector, kLearnedGroups> squares{};
  for (const FitCandidate& each : all) {
    const auto g = static_cast<std::size_t>(each.features.group);
    ++counts[g];
    for (std::size_t i = 0; i < kLearnedFeatures; ++i) {
      content.groups[g].mean[i] += each.features.x[i];
      squares[g][i] += each.features.x[i] * each.features.x[i];
    }
  }
  for (std::size_t g = 0; g < kLearnedGroups; ++g) {
    LearnedGroup& group = content.groups[g];
    if (counts[g] == 0) {
      group = LearnedGroup{};
      continue;
    }
    for (std::size_t i = 0; i < kLearnedFeatures; ++i) {
      group.mean[i] /= counts[g];
      const double deviation =
          std::sqrt(std::max(0.0, squares[g][i] / counts[g] - group.mean[i] * group.mean[i]));
      group.scale[i] = deviation > kLeastDeviation ? 1 / deviation : 0;
      auto& [low, high] = group.features[i];
      const double slack = kFeatureSlack * (high - low) + kLeastDeviation;
      low -= slack;
      high += slack;
    }
    group.mean[0] = 0;  // the constant stays one
    group.scale[0] = 1;
  }
  for (FitCandidate& each : all)
    each.input =
        content.groups[static_cast<std::size_t>(each.features.group)].input(each.features.x);
}

void FitCandidates::weigh(const Combination& combination) {
  std::array<std::array<FeatureVector, kLearnedGroups>, kLearnedTargets> sums{};
  double cycles = 0, picojoules = 0;
  for (const auto& [role, layer, repeat, op] :
       scheduled_operators(combination.network, combination.workload, combination.hardware,
                           [&](const accel_sim::Operator& each) {
                             return analytical_cost(each, combination.hardware);
                           })) {
    const OperatorFeatures known = operator_features(op, combination.hardware);
    const auto times = static_cast<double>(repeat);
    if (known.exact()) {
      const accel_sim::HardwareCost cost = analytical_cost(op, combination.hardware);
      cycles += times * static_cast<double>(cost.latency.value());
      picojoules += times * cost.energy.value();
      continue;
    }
    const accel_sim::Cycles estimate(std::llround(known.cycles));
    cycles += times * known.cycles;
    picojoules +=
        times * energy(known.accesses, estimate, accel_sim::Cycles(), combination.hardware).value();
    const auto g = static_cast<std::size_t>(known.group);
    const FeatureVector input = content.groups[g].input(known.x);
    add_scaled(sums[0][g], input, times * known.cycles);
    add_scaled(sums[1][g], input,
               times * static_cast<double>(known.accesses.dram_bytes) *
                   combination.hardware.dram_pj_per_byte);
  }
  for (std::size_t g = 0; g < kLearnedGroups; ++g) {
    // Hardware may be described without energies.
    for (double& x : sums[0][g]) x /= std::max(cycles, kLeastSum);
    for (double& x : sums[1][g]) x /= std::max(picojoules, kLeastSum);
    for (std::size_t t = 0; t < kLearnedTargets; ++t) add_square(importance[t][g], sums[t][g]);
  }
}

}  // namespace paretoformer::latency_predictor
