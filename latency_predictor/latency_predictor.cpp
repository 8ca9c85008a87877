#include "latency_predictor/latency_predictor.hpp"

#include <tbb/concurrent_unordered_map.h>

#include <string>
#include <utility>

#include "accel_sim/lowering/compile.hpp"
#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "latency_predictor/network_cost.hpp"
#include "latency_predictor/tables.hpp"
#include "search_spaces/search_space.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"
#include "support/text.hpp"

namespace paretoformer::latency_predictor {

struct LatencyPredictor::State {
  // A LayerNorm goes with what is before it, as it may be fused with that: a layer's projections of
  // q, k and v up to the second LayerNorm; its FFN up to the next layer's LayerNorm, the final one
  // or none; what is before the first of them, and the language-model head (without layers, all
  // there is).
  enum class Part { kAttention, kFfn, kEnds };
  enum class Next { kLayer, kFinalNorm, kNothing };

  // A part that networks share.
  struct PartKey {
    Part part;
    bool first;  // layer
    Next next;   // of an FFN, or of what is before the first layer
    int model_width, head_width;
    int size;  // heads, FFN width or vocabulary
    int weight_bits = kInt8Bits;
    bool operator==(const PartKey&) const = default;

    struct Hash {
      std::size_t operator()(const PartKey& key) const {
        const auto word = [](int high, int low) {
          return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32 |
                 static_cast<std::uint32_t>(low);
        };
        return mix64(
            word(key.model_width, key.size) ^
            mix64(word(key.head_width, key.weight_bits << 8 | static_cast<int>(key.part) << 4 |
                                           static_cast<int>(key.next) << 1 |
                                           static_cast<int>(key.first))));
      }
    };
  };

  accel_sim::HardwareCost price(const accel_sim::TransformerOperator& item) const;
  // By the prices of the table; as they are for a device that was measured.
  std::vector<accel_sim::Call> compile(std::vector<accel_sim::TransformerOperator> list) const;
  std::vector<accel_sim::TransformerOperator> operators_of_part(const PartKey& key) const;
  const NetworkCost& part(const PartKey& key);
  // Hands `add` the costs of all parts of a network.
  template <typename Add>
  void for_each_part(const Architecture& architecture, Add add);

  std::string device;
  std::optional<accel_sim::Target> hardware;
  accel_sim::Workload workload;
  LookupTable table;
  InPlaceCosts in_place;
  tbb::concurrent_unordered_map<PartKey, NetworkCost, PartKey::Hash> parts;
};

LatencyPredictor::LatencyPredictor(const accel_sim::Target& hardware,
                                   const accel_sim::Workload& workload)
    : LatencyPredictor(hardware, workload, simulated_table(hardware)) {}

LatencyPredictor::LatencyPredictor(const accel_sim::Target& hardware,
                                   const accel_sim::Workload& workload, LookupTable table)
    : LatencyPredictor(hardware, workload, std::move(table), {}) {}

LatencyPredictor::LatencyPredictor(const accel_sim::Target& hardware,
                                   const accel_sim::Workload& workload, LookupTable table,
                                   InPlaceCosts in_place)
    : state_(new State{{}, hardware, workload, std::move(table), std::move(in_place), {}}) {
  if (state_->table.hardware_hash() != target_hash(hardware))
    throw InputError("the look-up table was made for hardware " +
                     hex(state_->table.hardware_hash()) + ": expected " +
                     hex(target_hash(hardware)));
}

LatencyPredictor::LatencyPredictor(std::string_view device, const accel_sim::Workload& workload,
                                   LookupTable table)
    : state_(new State{std::string(device), {}, workload, std::move(table), {}, {}}) {
  if (state_->table.hardware_hash() != device_hash(device))
    throw InputError("the look-up table was made for " + hex(state_->table.hardware_hash()) +
                     ", not for the device \"" + state_->device + "\"");
}

LatencyPredictor::LatencyPredictor(const LatencyPredictor& other) = default;
LatencyPredictor::LatencyPredictor(LatencyPredictor&& other) noexcept = default;
LatencyPredictor& LatencyPredictor::operator=(const LatencyPredictor& other) = default;
LatencyPredictor& LatencyPredictor::operator=(LatencyPredictor&& other) noexcept = default;
LatencyPredictor::~LatencyPredictor() = default;

std::uint64_t LatencyPredictor::device_hash(std::string_view device) {
  if (device.empty() || printable(device) != device)
    throw InputError("\"" + std::string(device) +
                     "\" is no name of a device: expected text on one line");
  return hash_text("device " + std::string(device));
}

accel_sim::HardwareCost LatencyPredictor::State::price(
    const accel_sim::TransformerOperator& item) const {
  if (const auto role = in_place.find(item.role); role != in_place.end())
    if (const auto known = role->second.find(placed(item)); known != role->second.end())
      return known->second * item.repeat;
  return table.cost(item.op) * item.repeat;
}

std::vector<accel_sim::Call> LatencyPredictor::State::compile(
    std::vector<accel_sim::TransformerOperator> list) const {
  return accel_sim::compile(std::move(list), hardware,
                            [this](const accel_sim::Operator& op) { return table.cost(op); });
}

// Of a network that has the part in its first layer, between the operators at which parts begin.
std::vector<accel_sim::TransformerOperator> LatencyPredictor::State::operators_of_part(
    const PartKey& key) const {
  constexpr std::string_view kAttentionBegin = "attention.qkv", kFfnBegin = "ffn.up";
  constexpr std::string_view kHead = "language_model_head";
  Architecture network;
  network.model_width = key.model_width;
  network.head_width = key.head_width;
  if (key.part != Part::kEnds) network.layers = {{1, 1}};
  if (key.part != Part::kEnds) network.layers[0].weight_bits = key.weight_bits;
  if (key.part == Part::kAttention) network.layers[0].heads = key.size;
  if (key.part == Part::kFfn) network.layers[0].ffn_width = key.size;
  if (key.next == Next::kLayer) network.layers.push_back({1, 1});
  if (key.next == Next::kFinalNorm) network.vocabulary = 1;
  if (key.part == Part::kEnds) network.vocabulary = key.size;
  std::vector<accel_sim::TransformerOperator> items;
  Part at = Part::kEnds;
  for (accel_sim::TransformerOperator& item : transformer_operators(network, workload)) {
    if (item.role == kAttentionBegin) at = item.layer == 0 ? Part::kAttention : Part::kEnds;
    if (item.role == kFfnBegin) at = item.layer == 0 ? Part::kFfn : Part::kEnds;
    if (item.role == kHead) at = Part::kEnds;
    if (at != key.part || (at == Part::kEnds && item.layer > 0)) continue;
    if (item.layer == 0 && !key.first) item.layer = 1;
    items.push_back(item);
  }
  return items;
}

const NetworkCost& LatencyPredictor::State::part(const PartKey& key) {
  if (const auto known = parts.find(key); known != parts.end()) return known->second;
  std::vector<accel_sim::TransformerOperator> operators = operators_of_part(key);
  const std::vector<accel_sim::Call> calls = compile(std::move(operators));
  NetworkCost total;
  total.memory = peak_memory(calls, workload, key.model_width);
  for (const accel_sim::Call& call : calls) {
    total.macs = accel_sim::cost_arithmetic::sum(total.macs, macs(call));
    total.hardware += price(call);
  }
  return parts.emplace(key, total).first->second;
}

template <typename Add>
void LatencyPredictor::State::for_each_part(const Architecture& architecture, Add add) {
  const int d = architecture.model_width;
  const int head_width = architecture.head_width;
  const std::size_t depth = architecture.layers.size();
  const Next last = architecture.vocabulary > 0 ? Next::kFinalNorm : Next::kNothing;
  const auto next = [&](std::size_t layers) { return layers < depth ? Next::kLayer : last; };
  add(part({Part::kEnds, true, next(0), d, head_width, architecture.vocabulary}));
  for (std::size_t i = 0; i < depth; ++i) {
    const Layer& layer = architecture.layers[i];
    add(part(
        {Part::kAttention, i == 0, Next::kNothing, d, head_width, layer.heads, layer.weight_bits}));
    add(part({Part::kFfn, i == 0, next(i + 1), d, head_width, layer.ffn_width, layer.weight_bits}));
  }
}

accel_sim::HardwareCost LatencyPredictor::predict(const Architecture& architecture) const {
  accel_sim::HardwareCost total;
  state_->for_each_part(architecture, [&](const NetworkCost& part) { total += part.hardware; });
  return total;
}

NetworkCost LatencyPredictor::network_cost(const Architecture& architecture) const {
  NetworkCost total;
  state_->for_each_part(architecture, [&](const NetworkCost& part) { total += part; });
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
  for (const accel_sim::Call& call :
       state_->compile(transformer_operators(architecture, state_->workload)))
    predictions.push_back({call.role, call.layer, call.repeat, call.op, state_->price(call)});
  return predictions;
}

bool LatencyPredictor::in_time() const {
  return state_->table.time_unit() == TimeUnit::kFemtoseconds;
}

double LatencyPredictor::latency(const accel_sim::HardwareCost& cost) const {
  return latency_in(state_->table.time_unit(), cost);
}

const std::string& LatencyPredictor::device() const { return state_->device; }
const std::optional<accel_sim::Target>& LatencyPredictor::hardware() const {
  return state_->hardware;
}
const accel_sim::Workload& LatencyPredictor::workload() const { return state_->workload; }
const LookupTable& LatencyPredictor::table() const { return state_->table; }
const InPlaceCosts& LatencyPredictor::in_place() const { return state_->in_place; }

void LatencyPredictor::fill(const SearchSpace& space) const {
  const std::vector<accel_sim::Operator> operators =
      operators_of(space, state_->workload, state_->hardware);
  parallel_tasks(operators.size(), [&](std::size_t i) { state_->table.cost(operators[i]); });
}

}  // namespace paretoformer::latency_predictor
