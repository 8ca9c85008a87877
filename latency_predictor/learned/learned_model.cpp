#include "latency_predictor/learned/learned_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::latency_predictor {
namespace {

// Without a sample of its group: what closed forms alone are wrong by, roughly.
constexpr double kUnlearned = 0.5;
// How far beyond the targets seen a prediction may go.
constexpr double kBeyondTargets = 0.25;

bool within(const LearnedGroup& group, const accel_sim::Operator& op, const FeatureVector& x) {
  bool inside = group.extents[0].contains(op.rows) && group.extents[1].contains(op.inner) &&
                group.extents[2].contains(op.columns);
  for (std::size_t i = 0; i < kLearnedFeatures; ++i) inside &= group.features[i].contains(x[i]);
  return inside;
}

// exp() of what the group has learned for a target.
double factor(const LearnedGroup& group, std::size_t target, const FeatureVector& input) {
  const double learned = dot(group.coefficients[target], input);
  const auto& [low, high] = group.targets[target];
  return std::exp(std::clamp(learned, low - kBeyondTargets, high + kBeyondTargets));
}

// A file may hold any numbers.
std::int64_t rounded(double count, const accel_sim::Operator& op) {
  if (!(count >= 0 && count < 0x1p62))
    throw InputError("the learned model's answer for \"" + describe(op) + "\" is out of range");
  return std::llround(count);
}

// The first key whose value differs. There is one.
std::string differing_key(const accel_sim::Target& a, const accel_sim::Target& b) {
  const Json left = to_json(a), right = to_json(b);
  for (const auto& [key, value] : left.items())
    if (value != right.at(key)) return key;
  throw Error("equal hardware differs");
}

// Operators of a network that have been priced. Few are different, so that going through them is
// faster than hashing.
class Priced {
 public:
  const LearnedCost* find(const accel_sim::Operator& op) const {
    for (std::size_t i = size_; i-- > 0;)
      if (operators_[i] == op) return &costs_[i];
    return nullptr;
  }
  void add(const accel_sim::Operator& op, const LearnedCost& cost) {
    if (size_ == kCapacity) return;
    operators_[size_] = op;
    costs_[size_++] = cost;
  }

 private:
  static constexpr std::size_t kCapacity = 64;
  std::array<accel_sim::Operator, kCapacity> operators_;
  std::array<LearnedCost, kCapacity> costs_;
  std::size_t size_ = 0;
};

}  // namespace

void Range::include(double value) {
  low = std::min(low, value);
  high = std::max(high, value);
}

FeatureVector LearnedGroup::input(const FeatureVector& x) const {
  FeatureVector result;
  for (std::size_t i = 0; i < kLearnedFeatures; ++i) result[i] = (x[i] - mean[i]) * scale[i];
  return result;
}

LearnedModel::LearnedModel(Content content)
    : content_(std::move(content)), leverages_(kLearnedGroups) {
  for (std::size_t g = 0; g < leverages_.size(); ++g)
    for (std::size_t i = 0; i < kLearnedFeatures; ++i)
      for (std::size_t j = 0; j < kLearnedFeatures; ++j)
        leverages_[g][i][j] = static_cast<float>(content_.groups[g].inverse[i][j]);
}

double LearnedModel::leverage(std::size_t group, const FeatureVector& input) const {
  const Leverage& inverse = leverages_[group];
  std::array<float, kLearnedFeatures> x, moved{};
  for (std::size_t i = 0; i < kLearnedFeatures; ++i) x[i] = static_cast<float>(input[i]);
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = 0; j < kLearnedFeatures; ++j) moved[j] += inverse[i][j] * x[i];
  float sum = 0;
  for (std::size_t i = 0; i < kLearnedFeatures; ++i) sum += moved[i] * x[i];
  constexpr float kMost = std::numeric_limits<float>::max();
  return sum <= kMost ? std::max(sum, 0.0F) : kMost;  // also where it is no number
}

void LearnedModel::require_base(const accel_sim::Target& hardware) const {
  accel_sim::Target base = content_.base;
#define PARETOFORMER_SET_KNOB(key) base.key = hardware.key;
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_SET_KNOB)
#undef PARETOFORMER_SET_KNOB
  if (base == hardware) return;
  const std::string key = differing_key(hardware, base);
  throw InputError("the learned model knows no hardware with " + key + " " +
                   to_json(hardware).at(key).dump() + ": expected its base's " +
                   to_json(base).at(key).dump());
}

bool LearnedModel::knobs_within(const accel_sim::Target& hardware) const {
  bool within = true;
#define PARETOFORMER_CHECK_KNOB(key) within = within && content_.key.contains(hardware.key);
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_CHECK_KNOB)
#undef PARETOFORMER_CHECK_KNOB
  return within;
}

LearnedCost LearnedModel::operator_cost(const accel_sim::Operator& op,
                                        const accel_sim::Target& hardware) const {
  const OperatorFeatures known = operator_features(op, hardware);
  if (known.exact()) return {simulated_cost(op, hardware)};
  const auto index = static_cast<std::size_t>(known.group);
  const LearnedGroup& group = content_.groups[index];
  const bool learned = group.samples > 0;
  const FeatureVector input = group.input(known.x);
  const double stretch = learned ? std::sqrt(1 + leverage(index, input)) : 1;
  const double latency_uncertainty = learned ? group.spread[0] * stretch : kUnlearned;
  const double traffic_uncertainty = learned ? group.spread[1] * stretch : kUnlearned;

  accel_sim::AccessCounts accesses = known.accesses;
  const accel_sim::Cycles cycles(
      rounded(known.cycles * (learned ? factor(group, 0, input) : 1), op));
  if (learned)
    accesses.dram_bytes =
        rounded(static_cast<double>(accesses.dram_bytes) * factor(group, 1, input), op);
  LearnedCost result;
  result.cost = {cycles, energy(accesses, cycles, accel_sim::Cycles(), hardware)};
  result.latency_uncertainty = latency_uncertainty;
  const double dram =
      static_cast<double>(accesses.dram_bytes) * hardware.dram_pj_per_byte * traffic_uncertainty;
  const double leaked =
      static_cast<double>(cycles.value()) * hardware.static_pj_per_cycle * latency_uncertainty;
  const double total = result.cost.energy.value();
  result.energy_uncertainty = total > 0 ? (dram + leaked) / total : 0;
  result.extrapolates = !learned || !within(group, op, known.x);
  return result;
}

LearnedCost LearnedModel::predict(const accel_sim::Operator& op,
                                  const accel_sim::Target& hardware) const {
  require_base(hardware);
  LearnedCost result = operator_cost(op, hardware);
  result.extrapolates = result.extrapolates || !knobs_within(hardware);
  return result;
}

LearnedCost LearnedModel::predict(const Architecture& architecture,
                                  const accel_sim::Workload& workload,
                                  const accel_sim::Target& hardware) const {
  require_base(hardware);
  LearnedCost result;
  Priced priced;
  double cycles_off = 0, energy_off = 0;
  const auto price = [&](const accel_sim::Operator& op) {
    if (const LearnedCost* found = priced.find(op)) return *found;
    const LearnedCost cost = operator_cost(op, hardware);
    priced.add(op, cost);
    return cost;
  };
  for (const accel_sim::TransformerOperator& item :
       scheduled_operators(architecture, workload, hardware,
                           [&](const accel_sim::Operator& op) { return price(op).cost; })) {
    const LearnedCost each = price(item.op);
    const accel_sim::HardwareCost cost = each.cost * item.repeat;
    result.cost += cost;
    cycles_off += static_cast<double>(cost.latency.value()) * each.latency_uncertainty;
    energy_off += cost.energy.value() * each.energy_uncertainty;
    result.extrapolates = result.extrapolates || each.extrapolates;
  }
  const auto cycles = static_cast<double>(result.cost.latency.value());
  const double energy = result.cost.energy.value();
  if (cycles > 0) result.latency_uncertainty = cycles_off / cycles;
  if (energy > 0) result.energy_uncertainty = energy_off / energy;
  const bool known_mode =
      workload.mode == accel_sim::Mode::kDecode ? content_.decode : content_.prefill;
  result.extrapolates = result.extrapolates || !known_mode || workload.batch > 1 ||
                        !knobs_within(hardware) ||
                        !content_.length.contains(workload.sequence_length);
  return result;
}

}  // namespace paretoformer::latency_predictor
