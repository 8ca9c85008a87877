#include "nas/functional/network_program.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "accel_sim/lowering/network_memory.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Call;
using accel_sim::Matrix;
using accel_sim::OperatorKind;
using accel_sim::Placement;
using accel_sim::RunsIn;
using supernet::IntegerLayer;
using supernet::IntegerLinear;
using supernet::QuantizedNetwork;

void require_executable(const Call& call, const accel_sim::Target& target) {
  if (const std::string_view why = obstacle_to_execution(call, target); !why.empty())
    throw InputError(std::string(call.role) +
                     " cannot be executed as it is priced: " + std::string(why));
}

// [rows][columns] of a matrix that is [columns][rows].
template <class T>
std::vector<T> transposed(const std::vector<T>& values, int columns) {
  std::vector<T> result(values.size());
  const auto width = static_cast<std::size_t>(columns), rows = values.size() / width;
  for (std::size_t c = 0; c < width; ++c)
    for (std::size_t r = 0; r < rows; ++r) result[r * width + c] = values[c * rows + r];
  return result;
}

class ProgramMaker {
 public:
  ProgramMaker(const QuantizedNetwork& network, std::span<const std::int32_t> tokens,
               const accel_sim::Target& target, const std::vector<Call>& calls)
      : net_(network),
        tokens_(tokens),
        length_(static_cast<int>(tokens.size())),
        calls_(calls),
        places_(network.network, executed_workload(length_), target, calls),
        made_{MainMemory(places_.bytes()), {}, {}, {}, length_, network.head.outputs} {}

  NetworkProgram make(const accel_sim::Target& target) {
    for (const Call& call : calls_) {
      if (call.runs_in == RunsIn::kFusedRun) continue;
      require_executable(call, target);
      for (int r = 0; r < static_cast<int>(call.repeat); ++r)
        add(call, r, places_.placement(call, r));
    }
    for (auto region = regions_.begin(); region != regions_.end(); ++region) {
      const auto next = std::next(region);
      const std::int64_t end = next == regions_.end() ? places_.bytes() : next->first;
      made_.regions.push_back(
          {region->second.first, region->first, end - region->first, region->second.second});
    }
    return std::move(made_);
  }

 private:
  void name(const Matrix& matrix, const std::string& name, bool is_constant) {
    regions_.emplace(matrix.address, std::pair(name, is_constant));
  }

  template <class T>
  void put(const Matrix& matrix, int rows, int columns, const std::vector<T>& values,
           const std::string& name) {
    if (regions_.count(matrix.address) > 0) return;  // the mask, for every head
    made_.memory.put(matrix, rows, columns, values.data());
    this->name(matrix, name, true);
  }

  // As the accelerator has them: inputs x outputs.
  void put_linear(const Placement& place, const IntegerLinear& linear, const std::string& name) {
    const std::vector<std::int8_t> weights = transposed(linear.weight, linear.outputs);
    if (linear.multipliers.empty()) {
      put(place.right, linear.inputs, linear.outputs, weights, name + "_weights");
    } else {
      made_.memory.put_int4(place, linear.inputs, linear.outputs, weights.data(),
                            transposed(linear.multipliers, linear.outputs).data());
      this->name(place.right, name + "_weights", true);
      this->name(place.multipliers, name + "_multipliers", true);
    }
    put(place.bias, 1, linear.outputs, linear.bias, name + "_bias");
  }

  void add(const Call& call, int repeat, const Placement& place) {
    NetworkCall made{std::string(call.role), call, place, {}, 0};
    if (call.layer < 0)
      outside_layers(made);
    else
      in_layer(made, repeat, net_.layers[static_cast<std::size_t>(call.layer)]);
    made_.calls.push_back(std::move(made));
  }

  void outside_layers(NetworkCall& made) {
    const Placement& place = made.place;
    CallConstants& constants = made.constants;
    const int d = net_.network.model_width;
    if (made.call.op.kind == OperatorKind::kEmbedding) {
      made.name = "embedding";
      put(place.left, length_, d, net_.positions, "positions");
      put(place.right, net_.head.outputs, d, net_.tokens, "tokens");
      constants.left_scale = net_.embedding.b;
      constants.right_scale = net_.embedding.a;
      constants.scale = net_.embedding.sum;
      constants.gathered.assign(tokens_.begin(), tokens_.end());
      name(place.result, "stream", false);
    } else if (made.call.op.kind == OperatorKind::kLayerNorm) {
      made.name = "final_norm";
      constants.scale = net_.norm;
      name(place.result, "norm", false);
    } else {
      made.name = "head";
      put_linear(place, net_.head, made.name);
      made_.logits = place.result;
      name(place.result, "logits", false);
    }
  }

  void in_layer(NetworkCall& made, int repeat, const IntegerLayer& layer) {
    const std::string_view role = made.call.role;
    const std::string prefix = "layer" + std::to_string(made.call.layer) + "_";
    const auto projection = [&](const IntegerLinear& linear, const char* what, const char* result) {
      made.name = prefix + what;
      made.constants.scale = linear.scale;
      put_linear(made.place, linear, made.name);
      name(made.place.result, result, false);
    };
    if (role == "attention.norm" || role == "ffn.norm") {
      made.name = prefix + (role == "ffn.norm" ? "norm2" : "norm1");
      made.constants.scale = role == "ffn.norm" ? layer.norm2 : layer.norm1;
      name(made.place.result, "norm", false);
    } else if (role == "attention.qkv") {
      if (repeat == 0) projection(layer.query, "query", "query");
      if (repeat == 1) projection(layer.key, "key", (prefix + "keys").c_str());
      if (repeat == 2) projection(layer.value, "value", (prefix + "values").c_str());
    } else if (role == "attention.scores" || role == "attention.softmax") {
      scores(made, repeat, layer, prefix);
    } else if (role == "attention.context") {
      made.name = prefix + "context" + std::to_string(repeat);
      made.constants.scale = layer.context;
      if (repeat == 0) name(made.place.result, "context", false);
    } else if (role == "attention.output") {
      projection(layer.output, "output", "branch");
    } else if (role == "ffn.up") {
      projection(layer.up, "up", "hidden");
    } else if (role == "ffn.gelu") {
      made.name = prefix + "gelu";
      made.constants.activation = StoreActivation::kGelu;
      made.constants.gelu = layer.gelu;
      made.constants.scale = layer.gelu_scale;
    } else if (role == "ffn.down") {
      projection(layer.down, "down", "branch");
    } else {
      const bool attention = role == "attention.residual";
      const supernet::ResidualScales& scales = attention ? layer.attention_add : layer.ffn_add;
      made.name = prefix + (attention ? "add1" : "add2");
      made.constants.left_scale = scales.a;
      made.constants.right_scale = scales.b;
      made.constants.scale = scales.sum;
      name(made.place.result, attention ? "middle" : "stream", false);
    }
  }

  void scores(NetworkCall& made, int head, const IntegerLayer& layer, const std::string& prefix) {
    const bool products = made.call.role == "attention.scores";
    const auto& scales = net_.scales.layers[static_cast<std::size_t>(made.call.layer)];
    made.name = prefix + (products ? "scores" : "softmax") + std::to_string(head);
    made.constants.exp = layer.softmax;
    made.score_scale = supernet::score_scale(scales.query, scales.key, net_.network.head_width);
    name(made.place.result, (products ? "scores" : "probabilities") + std::to_string(head), false);
    if (!products) return;
    std::vector<std::int32_t> mask(supernet::area(length_, length_));
    supernet::causal_mask(length_, mask.data());
    put(made.place.bias, length_, length_, mask, "mask");
  }

  const QuantizedNetwork& net_;
  std::span<const std::int32_t> tokens_;
  int length_;
  const std::vector<Call>& calls_;
  accel_sim::NetworkMemory places_;
  std::map<std::int64_t, std::pair<std::string, bool>> regions_;  // by address
  NetworkProgram made_;
};

}  // namespace

accel_sim::Workload executed_workload(int length) {
  accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  workload.sequence_length = length;
  return workload;
}

NetworkProgram network_program(const QuantizedNetwork& network,
                               std::span<const std::int32_t> tokens,
                               const accel_sim::Target& target, const std::vector<Call>& calls) {
  const auto length = static_cast<std::int64_t>(tokens.size());
  if (length < 1 || length > network.context)
    throw InputError("a sequence of " + std::to_string(length) + " tokens: expected 1 to " +
                     std::to_string(network.context) + ", the positions that are trained");
  for (const std::int32_t token : tokens)
    if (token < 0 || token >= network.head.outputs)
      throw InputError("token " + std::to_string(token) + ": expected 0 to " +
                       std::to_string(network.head.outputs - 1));
  return ProgramMaker(network, tokens, target, calls).make(target);
}

std::vector<std::int32_t> run(const NetworkProgram& program, const accel_sim::Target& target) {
  MainMemory memory = program.memory;
  Interpreter interpreter(target, memory);
  for (const NetworkCall& call : program.calls)
    interpreter.run(lower(call.call, target, &call.place), call.constants);
  std::vector<std::int32_t> logits(supernet::area(program.rows, program.columns));
  memory.get(program.logits, program.rows, program.columns, logits.data());
  return logits;
}

FunctionalResult run_random_network(const Architecture& architecture, int length,
                                    const accel_sim::Target& target, const std::vector<Call>& calls,
                                    std::uint64_t seed) {
  constexpr int kCalibrationSequences = 8;
  if (architecture.vocabulary < 1)
    throw InputError("a network without a vocabulary has no logits to compare");
  Random random(seed);
  const auto tokens = [&](int count) {
    std::vector<std::int32_t> values(static_cast<std::size_t>(count));
    for (std::int32_t& value : values)
      value = static_cast<std::int32_t>(
          random.below(static_cast<std::uint64_t>(architecture.vocabulary)));
    return values;
  };
  const supernet::ParameterLayout layout(architecture, length);
  std::vector<float> parameters(layout.size());
  const double deviation = 1 / std::sqrt(static_cast<double>(architecture.model_width));
  for (float& parameter : parameters) parameter = static_cast<float>(deviation * random.normal());
  const std::vector<std::int32_t> seen = tokens(kCalibrationSequences * length);
  const QuantizedNetwork network =
      calibrated(fold(layout, parameters.data(), architecture),
                 {seen.data(), seen.data(), kCalibrationSequences, length});
  const std::vector<std::int32_t> sequence = tokens(length);
  supernet::IntegerActivations activations(network, length);
  std::vector<std::int32_t> expected(supernet::area(length, network.head.outputs));
  integer_logits(network, sequence, length, activations, expected.data());
  const std::vector<std::int32_t> logits =
      run(network_program(network, sequence, target, calls), target);
  return {logits == expected, hash_bytes(logits.data(), logits.size() * sizeof(std::int32_t), 0)};
}

}  // namespace paretoformer::nas
