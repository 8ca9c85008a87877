#include "nas/cli/operator_calls.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "accel_sim/lowering/tiling.hpp"
#include "accel_sim/simulator.hpp"
#include "accel_sim/workload/operators.hpp"
#include "nas/cli/command_io.hpp"
#include "support/error.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Activation;
using accel_sim::Bias;
using accel_sim::Call;
using accel_sim::Operator;
using accel_sim::OperatorKind;
using accel_sim::Target;
using accel_sim::TransformerOperator;

constexpr int kLargestExtent = 1 << 20;
constexpr std::int64_t kLargestStride = std::int64_t{1} << 30;

constexpr Word<Activation> kActivations[] = {{Activation::kRelu, "relu"},
                                             {Activation::kGelu, "gelu"},
                                             {Activation::kSoftmax, "softmax"},
                                             {Activation::kLayerNorm, "layernorm"}};
constexpr Word<Bias> kBiases[] = {{Bias::kRow, "row"}, {Bias::kFull, "full"}};
struct Elementwise {
  std::string_view name;
  OperatorKind kind;
  Operator (*make)(OperatorKind, int, int);
  std::string_view role;
};
constexpr Elementwise kElementwise[] = {
    {"residual_add", OperatorKind::kResidualAdd, accel_sim::elementwise, "residual_add"},
    {"layernorm", OperatorKind::kLayerNorm, accel_sim::elementwise, "layer_norm"},
    {"layernorm_int8", OperatorKind::kLayerNorm, accel_sim::of_int8, "layer_norm"},
    {"softmax", OperatorKind::kSoftmax, accel_sim::elementwise, "softmax"},
    {"gelu_int8", OperatorKind::kGelu, accel_sim::of_int8, "gelu"}};

// Rows, inner, columns.
std::array<int, 3> parse_extents(const std::string& option, const std::string& text) {
  const std::vector<int> extents = numbers_in(text, kLargestExtent);
  if (extents.size() != 3)
    throw InputError(option + ": \"" + text + "\" is not M,K,N: expected three numbers from 1 to " +
                     std::to_string(kLargestExtent));
  return {extents[0], extents[1], extents[2]};
}

TransformerOperator parse_elementwise(const std::string& text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::vector<int> extents =
      numbers_in(std::string_view(text).substr(std::min(comma + 1, text.size())), kLargestExtent);
  if (extents.size() != 2)
    throw InputError("--elementwise: \"" + text +
                     "\" is not KIND,M,N: expected residual_add, layernorm, layernorm_int8, "
                     "softmax or gelu_int8, and two numbers from 1 to " +
                     std::to_string(kLargestExtent));
  const Elementwise& what =
      row_named(kElementwise, std::string_view(text).substr(0, comma), "--elementwise");
  return {what.role, -1, 1, what.make(what.kind, extents[0], extents[1])};
}

Operator operator_of(const OperatorOptions& options) {
  const auto [rows, inner, columns] = parse_extents("--gemm", *options.gemm);
  Operator op = accel_sim::matmul(rows, inner, columns);
  if (options.transpose_b) op.right = accel_sim::RightOperand::kTransposedActivations;
  if (options.int4_weights) op.right = accel_sim::RightOperand::kInt4Weights;
  if (options.activation)
    op.activation = row_named(kActivations, *options.activation, "--activation").value;
  if (options.bias) op.bias = row_named(kBiases, *options.bias, "--bias").value;
  return op;
}

std::optional<Operator> norm_of(const Operator& matmul) {
  if (matmul.activation == Activation::kSoftmax) return softmax_of(matmul);
  if (matmul.activation == Activation::kLayerNorm) return layer_norm_of(matmul);
  return std::nullopt;
}

// The longest row of results that the normaliser can work on as it leaves; 0: none.
int longest_row(const Operator& matmul, const Target& hardware) {
  int fits = 0;
  for (int step = kLargestExtent; step > 0; step /= 2) {
    Operator longer = matmul;
    longer.columns = fits + step;
    if (longer.columns <= kLargestExtent && rows_can_be_fused(longer, hardware)) fits += step;
  }
  return fits;
}

void require_activation(const OperatorOptions& options, const Operator& op,
                        const Target& hardware) {
  if (!options.activation || op.activation == Activation::kRelu) return;
  const std::string begin = "--activation " + *options.activation + ": ";
  if (hardware.nonlinear_units != accel_sim::NonlinearUnits::kOnChip)
    throw InputError(
        begin + "the hardware has no unit for it: expected \"nonlinear_units\": " + "\"on_chip\"");
  if (!norm_of(op)) return;
  if (hardware.dataflow != accel_sim::Dataflow::kWeightStationary)
    throw InputError(begin + "rows are normalised as they leave a weight-stationary array: " +
                     "expected \"dataflow\": \"weight_stationary\"");
  if (!rows_can_be_fused(op, hardware))
    throw InputError(begin + "a row of " + std::to_string(op.columns) +
                     " results does not fit the memories: expected whole rows of at most " +
                     std::to_string(longest_row(op, hardware)) + " (accumulator " +
                     std::to_string(hardware.accumulator_kib) + " KiB, scratchpad " +
                     std::to_string(hardware.scratchpad_kib) + " KiB)");
}

// Whole blocks that hold the tile.
std::optional<accel_sim::MatmulSchedule> given_schedule(const OperatorOptions& options,
                                                        const Operator& op,
                                                        const Target& hardware) {
  if (!options.tile) return std::nullopt;
  const auto [rows, inner, columns] = parse_extents("--tile", *options.tile);
  const accel_sim::MatmulTile tile = blocks(accel_sim::matmul(rows, inner, columns), hardware);
  if (norm_of(op) && tile.columns < blocks(op, hardware).columns)
    throw InputError("--tile: \"" + *options.tile + "\" is too narrow for --activation " +
                     *options.activation + ": expected whole rows, " + std::to_string(op.columns) +
                     " columns");
  return tile;
}

// Bytes between rows of B; 0: as many as a row has.
std::int64_t right_stride(const OperatorOptions& options, const Operator& op) {
  if (!options.stride_b) return 0;
  const int row = options.transpose_b ? op.inner : op.columns;
  if (*options.stride_b < row || *options.stride_b > kLargestStride)
    throw InputError("--stride-b: " + std::to_string(*options.stride_b) +
                     " is out of range: expected " + std::to_string(row) +
                     ", the bytes of a row of B, to " + std::to_string(kLargestStride));
  return *options.stride_b;
}

std::vector<Call> matmul_calls(const OperatorOptions& options, const Target& hardware) {
  const Operator op = operator_of(options);
  const std::int64_t stride = right_stride(options, op);
  require_activation(options, op, hardware);
  const auto schedule = given_schedule(options, op, hardware);
  std::vector<Call> calls = {schedule ? compile(op, hardware, schedule)
                                      : compile_with_mapper(op, hardware)};
  calls[0].role = "gemm";
  if (const auto norm = norm_of(op)) {
    calls.push_back(compile(*norm, hardware, calls[0].schedule));
    calls.back().search_steps = calls[0].search_steps;  // of the run that they are parts of
    calls.back().role = op.activation == Activation::kSoftmax ? "softmax" : "layer_norm";
  }
  for (Call& call : calls) call.right_stride = stride;
  return calls;
}

Call elementwise_call(const OperatorOptions& options, const Target& hardware) {
  const auto [role, layer, repeat, op] = parse_elementwise(*options.elementwise);
  Call call = compile(op, hardware);
  call.role = role;
  // tiled_norm reads the sums that a matmul left in DRAM (gemmini.h L3416).
  if (options.scales && op.kind != OperatorKind::kResidualAdd)
    throw InputError("--scales: \"" + *options.elementwise +
                     "\" has none: expected a residual_add");
  call.scaled = options.scales.value_or(0) != 1;
  return call;
}

}  // namespace

std::vector<std::string> activation_words() { return names_in(kActivations); }
std::vector<std::string> bias_words() { return names_in(kBiases); }

std::vector<Call> calls_of(const OperatorOptions& options, const Target& hardware) {
  if (options.elementwise) return {elementwise_call(options, hardware)};
  return matmul_calls(options, hardware);
}

}  // namespace paretoformer::nas
