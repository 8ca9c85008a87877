#include "latency_predictor/latency_predictor.hpp"

#include <unordered_set>
#include <utility>

#include "accel_sim/analytical_model.hpp"
#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"

namespace paretoformer {
LookupTable simulated_table(const Hardware& hardware) {
  return LookupTable(hardware_hash(hardware), kSimulatorModel,
                     [hardware](const Operator& op) { return simulated_cost(op, hardware); });
}

LookupTable analytical_table(const Hardware& hardware) {
  return LookupTable(hardware_hash(hardware), kAnalyticalModel,
                     [hardware](const Operator& op) { return analytical_cost(op, hardware); });
}

std::vector<Operator> operators_of(const SearchSpace& space, const Workload& workload) {
  std::unordered_set<Operator, OperatorHash> known;
  std::vector<Operator> operators;
  const auto add = [&](const Architecture& network) {
    for (const TransformerOperator& item : transformer_operators(network, workload))
      if (known.insert(item.op).second) operators.push_back(item.op);
  };
  Architecture network = space.smallest();
  for (const int width : space.model_widths()) {
    network.model_width = width;
    // Attention and FFN of a layer have no operator in common.
    for (const int heads : space.heads()) {
      network.layers = {{heads, space.ffn_widths()[0]}};
      add(network);
    }
    for (const int ffn_width : space.ffn_widths()) {
      network.layers = {{space.heads()[0], ffn_width}};
      add(network);
    }
  }
  return operators;
}

LatencyPredictor::LatencyPredictor(const Hardware& hardware, const Workload& workload)
    : LatencyPredictor(hardware, workload, simulated_table(hardware)) {}

LatencyPredictor::LatencyPredictor(const Hardware& hardware, const Workload& workload,
                                   LookupTable table, InPlaceCosts in_place)
    : hardware_(hardware),
      workload_(workload),
      table_(std::move(table)),
      in_place_(std::move(in_place)) {
  if (table_.hardware_hash() != hardware_hash(hardware))
    throw InputError("the look-up table was made for hardware " + hex(table_.hardware_hash()) +
                     ": expected " + hex(hardware_hash(hardware)));
}

LatencyPredictor::LatencyPredictor(std::string device, const Workload& workload, LookupTable table)
    : device_(std::move(device)), workload_(workload), table_(std::move(table)) {
  if (table_.hardware_hash() != device_hash(device_))
    throw InputError("the look-up table was made for " + hex(table_.hardware_hash()) +
                     ", not for the device \"" + device_ + "\"");
}

std::uint64_t LatencyPredictor::device_hash(const std::string& device) {
  return hash_text("device " + device);
}

std::size_t PlacedOperatorHash::operator()(const PlacedOperator& at) const {
  return mix64(OperatorHash{}(at.op) ^ static_cast<std::uint64_t>(at.repeat) << 1 ^
               static_cast<std::uint64_t>(at.first));
}

PlacedOperator placed(const TransformerOperator& item) {
  return {item.op, item.repeat, item.layer == 0};
}

std::size_t LatencyPredictor::PartHash::operator()(const PartKey& key) const {
  const auto word = [](int high, int low) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32 |
           static_cast<std::uint32_t>(low);
  };
  return mix64(word(key.model_width, key.size) ^
               mix64(word(key.head_width, static_cast<int>(key.part))));
}

HardwareCost LatencyPredictor::price(const TransformerOperator& item) const {
  if (const auto role = in_place_.find(item.role); role != in_place_.end())
    if (const auto known = role->second.find(placed(item)); known != role->second.end())
      return known->second * item.repeat;
  return table_.cost(item.op) * item.repeat;
}

HardwareCost LatencyPredictor::part(const PartKey& key) const {
  if (const auto known = parts_.find(key); known != parts_.end()) return known->second;
  Architecture network;
  network.model_width = key.model_width;
  network.head_width = key.head_width;
  std::string_view prefix;
  switch (key.part) {
    case Part::kFirstAttention:
    case Part::kAttention:
      network.layers = {{key.size, 1}};
      prefix = "attention.";
      break;
    case Part::kFirstFfn:
    case Part::kFfn:
      network.layers = {{1, key.size}};
      prefix = "ffn.";
      break;
    case Part::kEnds:
      network.vocabulary = key.size;
  }
  HardwareCost total;
  const bool first = key.part == Part::kFirstAttention || key.part == Part::kFirstFfn;
  for (TransformerOperator& item : transformer_operators(network, workload_)) {
    if (item.role.substr(0, prefix.size()) != prefix) continue;
    if (item.layer == 0 && !first) item.layer = 1;
    total += price(item);
  }
  parts_.emplace(key, total);
  return total;
}

HardwareCost LatencyPredictor::predict(const Architecture& architecture) const {
  const int d = architecture.model_width;
  const int head_width = architecture.head_width;
  HardwareCost total = part({Part::kEnds, d, head_width, architecture.vocabulary});
  bool first = true;
  for (const auto& [heads, ffn_width] : architecture.layers) {
    total += part({first ? Part::kFirstAttention : Part::kAttention, d, head_width, heads});
    total += part({first ? Part::kFirstFfn : Part::kFfn, d, head_width, ffn_width});
    first = false;
  }
  return total;
}

void LatencyPredictor::predict(std::span<const Architecture> architectures,
                               std::span<HardwareCost> costs) const {
  if (architectures.size() != costs.size())
    throw Error("costs of " + std::to_string(architectures.size()) + " networks do not go into " +
                std::to_string(costs.size()) + " places");
  for (std::size_t i = 0; i < architectures.size(); ++i) costs[i] = predict(architectures[i]);
}

std::vector<OperatorPrediction> LatencyPredictor::breakdown(
    const Architecture& architecture) const {
  const std::vector<TransformerOperator> operators = transformer_operators(architecture, workload_);
  std::vector<OperatorPrediction> predictions;
  predictions.reserve(operators.size());
  for (const TransformerOperator& item : operators)
    predictions.push_back({item.role, item.layer, item.repeat, item.op, price(item)});
  return predictions;
}

void LatencyPredictor::fill(const SearchSpace& space) const {
  const std::vector<Operator> operators = operators_of(space, workload_);
  parallel_tasks(operators.size(), [&](std::size_t i) { table_.cost(operators[i]); });
}

}  // namespace paretoformer
