#include "latency_predictor/latency_predictor.hpp"

#include <tbb/concurrent_unordered_map.h>

#include <unordered_set>
#include <utility>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"
#include "support/text.hpp"

namespace paretoformer::latency_predictor {

// A LayerNorm goes with what is before it, as it may be fused with that: a layer's projections of
// q, k and v up to the second LayerNorm; its FFN up to the next layer's LayerNorm, the final one or
// none; what is before the first of them, and the language-model head (without layers, all there
// is).
enum class Part { kAttention, kFfn, kEnds };
enum class Next { kLayer, kFinalNorm, kNothing };

struct LatencyPredictor::PartKey {
  Part part;
  bool first;  // layer
  Next next;   // of an FFN, or of what is before the first layer
  int model_width, head_width;
  int size;  // heads, FFN width or vocabulary
  bool operator==(const PartKey&) const = default;

  struct Hash {
    std::size_t operator()(const PartKey& key) const {
      const auto word = [](int high, int low) {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32 |
               static_cast<std::uint32_t>(low);
      };
      return mix64(word(key.model_width, key.size) ^
                   mix64(word(key.head_width, static_cast<int>(key.part) << 4 |
                                                  static_cast<int>(key.next) << 1 |
                                                  static_cast<int>(key.first))));
    }
  };
};

struct LatencyPredictor::Parts::Map
    : tbb::concurrent_unordered_map<PartKey, NetworkCost, PartKey::Hash> {};

LatencyPredictor::Parts::Parts() : map_(std::make_unique<Map>()) {}
LatencyPredictor::Parts::Parts(const Parts& other) : map_(std::make_unique<Map>(*other.map_)) {}
// NOLINTNEXTLINE(performance-noexcept-move-constructor): a map is made for the other one.
LatencyPredictor::Parts::Parts(Parts&& other)
    : map_(std::exchange(other.map_, std::make_unique<Map>())) {}
LatencyPredictor::Parts& LatencyPredictor::Parts::operator=(Parts other) noexcept {
  std::swap(map_, other.map_);
  return *this;
}
LatencyPredictor::Parts::~Parts() = default;

inline const NetworkCost* LatencyPredictor::Parts::find(const PartKey& key) const {
  const auto known = map_->find(key);
  return known == map_->end() ? nullptr : &known->second;
}

inline const NetworkCost& LatencyPredictor::Parts::add(const PartKey& key,
                                                       const NetworkCost& cost) {
  return map_->emplace(key, cost).first->second;
}

LookupTable simulated_table(const accel_sim::Target& hardware) {
  return LookupTable(
      target_hash(hardware), accel_sim::kSimulatorModel,
      [hardware](const accel_sim::Operator& op) { return simulated_cost(op, hardware); });
}

LookupTable analytical_table(const accel_sim::Target& hardware) {
  return LookupTable(
      target_hash(hardware), accel_sim::kAnalyticalModel,
      [hardware](const accel_sim::Operator& op) { return analytical_cost(op, hardware); });
}

std::vector<accel_sim::Operator> operators_of(const SearchSpace& space,
                                              const accel_sim::Workload& workload,
                                              const std::optional<accel_sim::Target>& hardware) {
  std::unordered_set<accel_sim::Operator, accel_sim::OperatorHash> known;
  std::vector<accel_sim::Operator> operators;
  const auto add = [&](const accel_sim::Operator& op) {
    if (known.insert(op).second) operators.push_back(op);
  };
  // With another layer after it, and before what is outside the layers.
  const auto add_layer = [&](Architecture network, const Layer& layer) {
    network.layers = {layer, layer};
    if (hardware)
      for (const accel_sim::Operator& op : operators_to_schedule(network, workload, *hardware))
        add(op);
    else
      for (const accel_sim::TransformerOperator& item : transformer_operators(network, workload))
        add(item.op);
  };
  Architecture network = space.smallest();
  for (const int width : space.model_widths()) {
    network.model_width = width;
    // No operator depends on two genes of a layer: heads are attention's, FFN widths the FFN's.
    for (const auto& [gene, choices] : space.layer_genes())
      for (const int choice : choices) {
        Layer layer = network.layers[0];
        gene.set(layer, choice);
        add_layer(network, layer);
      }
  }
  return operators;
}

LatencyPredictor::LatencyPredictor(const accel_sim::Target& hardware,
                                   const accel_sim::Workload& workload)
    : LatencyPredictor(hardware, workload, simulated_table(hardware)) {}

LatencyPredictor::LatencyPredictor(const accel_sim::Target& hardware,
                                   const accel_sim::Workload& workload, LookupTable table,
                                   InPlaceCosts in_place)
    : hardware_(hardware),
      workload_(workload),
      table_(std::move(table)),
      in_place_(std::move(in_place)) {
  if (table_.hardware_hash() != target_hash(hardware))
    throw InputError("the look-up table was made for hardware " + hex(table_.hardware_hash()) +
                     ": expected " + hex(target_hash(hardware)));
}

LatencyPredictor::LatencyPredictor(std::string device, const accel_sim::Workload& workload,
                                   LookupTable table)
    : device_(std::move(device)), workload_(workload), table_(std::move(table)) {
  if (table_.hardware_hash() != device_hash(device_))
    throw InputError("the look-up table was made for " + hex(table_.hardware_hash()) +
                     ", not for the device \"" + device_ + "\"");
}

std::uint64_t LatencyPredictor::device_hash(const std::string& device) {
  if (device.empty() || printable(device) != device)
    throw InputError("\"" + device + "\" is no name of a device: expected text on one line");
  return hash_text("device " + device);
}

std::size_t PlacedOperatorHash::operator()(const PlacedOperator& at) const {
  return mix64(accel_sim::OperatorHash{}(at.op) ^ static_cast<std::uint64_t>(at.repeat) << 1 ^
               static_cast<std::uint64_t>(at.first));
}

PlacedOperator placed(const accel_sim::TransformerOperator& item) {
  return {item.op, item.repeat, item.layer == 0};
}

accel_sim::HardwareCost LatencyPredictor::price(const accel_sim::TransformerOperator& item) const {
  if (const auto role = in_place_.find(item.role); role != in_place_.end())
    if (const auto known = role->second.find(placed(item)); known != role->second.end())
      return known->second * item.repeat;
  return table_.cost(item.op) * item.repeat;
}

std::vector<accel_sim::Call> LatencyPredictor::compile(
    std::vector<accel_sim::TransformerOperator> list) const {
  return accel_sim::compile(std::move(list), hardware_,
                            [this](const accel_sim::Operator& op) { return table_.cost(op); });
}

NetworkCost& NetworkCost::operator+=(const NetworkCost& other) {
  hardware += other.hardware;
  memory += other.memory;
  macs = accel_sim::cost_arithmetic::sum(macs, other.macs);
  return *this;
}

// Of a network that has the part in its first layer, between the operators at which parts begin.
std::vector<accel_sim::TransformerOperator> LatencyPredictor::operators_of_part(
    const PartKey& key) const {
  constexpr std::string_view kAttentionBegin = "attention.qkv", kFfnBegin = "ffn.up";
  constexpr std::string_view kHead = "language_model_head";
  Architecture network;
  network.model_width = key.model_width;
  network.head_width = key.head_width;
  if (key.part != Part::kEnds) network.layers = {{1, 1}};
  if (key.part == Part::kAttention) network.layers[0].heads = key.size;
  if (key.part == Part::kFfn) network.layers[0].ffn_width = key.size;
  if (key.next == Next::kLayer) network.layers.push_back({1, 1});
  if (key.next == Next::kFinalNorm) network.vocabulary = 1;
  if (key.part == Part::kEnds) network.vocabulary = key.size;
  std::vector<accel_sim::TransformerOperator> items;
  Part at = Part::kEnds;
  for (accel_sim::TransformerOperator& item : transformer_operators(network, workload_)) {
    if (item.role == kAttentionBegin) at = item.layer == 0 ? Part::kAttention : Part::kEnds;
    if (item.role == kFfnBegin) at = item.layer == 0 ? Part::kFfn : Part::kEnds;
    if (item.role == kHead) at = Part::kEnds;
    if (at != key.part || (at == Part::kEnds && item.layer > 0)) continue;
    if (item.layer == 0 && !key.first) item.layer = 1;
    items.push_back(item);
  }
  return items;
}

const NetworkCost& LatencyPredictor::part(const PartKey& key) const {
  if (const NetworkCost* known = parts_.find(key)) return *known;
  std::vector<accel_sim::TransformerOperator> operators = operators_of_part(key);
  const std::vector<accel_sim::Call> calls = compile(std::move(operators));
  NetworkCost total;
  total.memory = peak_memory(calls, workload_, key.model_width);
  for (const accel_sim::Call& call : calls) {
    total.macs = accel_sim::cost_arithmetic::sum(total.macs, macs(call));
    total.hardware += price(call);
  }
  return parts_.add(key, total);
}

template <typename Add>
void LatencyPredictor::for_each_part(const Architecture& architecture, Add add) const {
  const int d = architecture.model_width;
  const int head_width = architecture.head_width;
  const std::size_t depth = architecture.layers.size();
  const Next last = architecture.vocabulary > 0 ? Next::kFinalNorm : Next::kNothing;
  const auto next = [&](std::size_t layers) { return layers < depth ? Next::kLayer : last; };
  add(part({Part::kEnds, true, next(0), d, head_width, architecture.vocabulary}));
  for (std::size_t i = 0; i < depth; ++i) {
    const Layer& layer = architecture.layers[i];
    add(part({Part::kAttention, i == 0, Next::kNothing, d, head_width, layer.heads}));
    add(part({Part::kFfn, i == 0, next(i + 1), d, head_width, layer.ffn_width}));
  }
}

accel_sim::HardwareCost LatencyPredictor::predict(const Architecture& architecture) const {
  accel_sim::HardwareCost total;
  for_each_part(architecture, [&](const NetworkCost& part) { total += part.hardware; });
  return total;
}

NetworkCost LatencyPredictor::network_cost(const Architecture& architecture) const {
  NetworkCost total;
  for_each_part(architecture, [&](const NetworkCost& part) { total += part; });
  if (architecture.vocabulary == 0)
    total.memory += accel_sim::unused_final_norm(architecture.model_width);
  return total;
}

void LatencyPredictor::predict(std::span<const Architecture> architectures,
                               std::span<accel_sim::HardwareCost> costs) const {
  if (architectures.size() != costs.size())
    throw Error("costs of " + std::to_string(architectures.size()) + " networks do not go into " +
                std::to_string(costs.size()) + " places");
  for (std::size_t i = 0; i < architectures.size(); ++i) costs[i] = predict(architectures[i]);
}

std::vector<OperatorPrediction> LatencyPredictor::breakdown(
    const Architecture& architecture) const {
  std::vector<OperatorPrediction> predictions;
  for (const accel_sim::Call& call : compile(transformer_operators(architecture, workload_)))
    predictions.push_back({call.role, call.layer, call.repeat, call.op, price(call)});
  return predictions;
}

double LatencyPredictor::latency(const accel_sim::HardwareCost& cost) const {
  return latency_in(table_.time_unit(), cost);
}

void LatencyPredictor::fill(const SearchSpace& space) const {
  const std::vector<accel_sim::Operator> operators = operators_of(space, workload_, hardware_);
  parallel_tasks(operators.size(), [&](std::size_t i) { table_.cost(operators[i]); });
}

}  // namespace paretoformer::latency_predictor
