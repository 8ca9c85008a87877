#include "accel_sim/lowering/compile.hpp"

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <utility>

#include "accel_sim/lowering/program.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

bool on_chip(const Hardware& hardware) {
  return hardware.nonlinear_units == NonlinearUnits::kOnChip;
}

// tiled_norm keeps whole rows in the accumulator (gemmini.h, tiled_norm_auto).
bool rows_can_be_normalised(int columns, const Hardware& hardware) {
  return on_chip(hardware) &&
         ceil_divide(columns, hardware.array_size) <= hardware.accumulator_blocks();
}

bool runs_on_host(const Operator& op, const Hardware& hardware) {
  switch (op.kind) {
    case OperatorKind::kMatmul:
    case OperatorKind::kEmbedding:
      return false;
    case OperatorKind::kSoftmax:
    case OperatorKind::kLayerNorm:
      return !rows_can_be_normalised(op.columns, hardware);
    case OperatorKind::kGelu:
    case OperatorKind::kResidualAdd:
      return !on_chip(hardware);
    case OperatorKind::kRmsNorm:
    case OperatorKind::kSilu:
    case OperatorKind::kRotary:
    case OperatorKind::kArithmetic:
      return true;
  }
  throw Error("an operator of unknown kind");
}

// Rows of scores in a row block, where no mapper chooses: as many as RTL takes the least time for.
constexpr int kBlocksOfRowBlock = 2;

// The tile of a matmul whose rows are normalised in the accumulator.
std::optional<MatmulTile> fused_tile(Operator matmul, const Target& target) {
  if (!on_chip(target) || target.dataflow != Dataflow::kWeightStationary) return std::nullopt;
  if (matmul.bias == Bias::kTriangle) {
    const int highest = std::min(kBlocksOfRowBlock, highest_row_block(matmul, target));
    if (highest == 0) return std::nullopt;
    matmul.rows = std::min(matmul.rows, highest * target.array_size);
  }
  const auto tile = whole_row_tile(matmul, target);
  return tile || target.fusion == Fusion::kLibrary ? tile : whole_row_tile(matmul, target, true);
}

// What the matmul asks for to be fused with it.
Normalisation normalisation_of(Activation activation) {
  switch (activation) {
    case Activation::kSoftmax:
      return Normalisation::kSoftmax;
    case Activation::kLayerNorm:
      return Normalisation::kLayerNorm;
    default:
      return Normalisation::kNone;
  }
}

int result_bytes(const Operator& matmul, bool is_fused, const Target& target) {
  const bool spilled = matmul.activation == Activation::kSoftmax && !is_fused &&
                       rows_can_be_normalised(matmul.columns, target);
  return spilled || matmul.activation == Activation::kSums ? kSumBytes : 1;
}

// A matmul and what follows it, in one of the ways in which they can be run.
using Form = std::vector<Operator>;

Form softmax_apart(const Operator& scores) {
  Operator sums = scores;
  sums.activation = Activation::kSums;
  return {sums, elementwise(OperatorKind::kSoftmax, scores.rows, scores.columns)};
}

Form softmax_fused(const Operator& scores) { return {scores, softmax_of(scores)}; }

Form in_row_blocks(Operator scores) {
  scores.bias = Bias::kTriangle;
  return softmax_fused(scores);
}

// A LayerNorm that the normaliser works out by itself reads the sums of the matmul before.
Form layer_norm_apart(Operator product, const Target& target) {
  if (rows_can_be_normalised(product.columns, target)) product.activation = Activation::kSums;
  return {product, elementwise(OperatorKind::kResidualAdd, product.rows, product.columns),
          elementwise(OperatorKind::kLayerNorm, product.rows, product.columns)};
}

Form layer_norm_fused(Operator product) {
  product.activation = Activation::kLayerNorm;
  return {product, elementwise(OperatorKind::kResidualAdd, product.rows, product.columns),
          layer_norm_of(product)};
}

EnergyDelayProduct price_of(const Form& form, const OperatorPricer& price) {
  HardwareCost total;
  for (const Operator& op : form) total += price(op);
  return total.energy_delay_product();
}

bool is_quantised(const std::vector<TransformerOperator>& list) {
  return std::any_of(list.begin(), list.end(),
                     [](const TransformerOperator& item) { return reads_int8(item.op); });
}

// Chooses among the forms of pairs that can be fused.
class Scheduler {
 public:
  Scheduler(const Target& target, Fusion fusion, Masking masking, const OperatorPricer& price)
      : target_(target), fusion_(fusion), masking_(masking), price_(price) {}

  void apply(std::vector<TransformerOperator>& list) const {
    const bool quantised = is_quantised(list);
    for (std::size_t i = 0; i + 1 < list.size(); ++i) {
      const Operator& op = list[i].op;
      if (op.kind != OperatorKind::kMatmul) continue;
      if (op.activation == Activation::kSoftmax && rows_can_be_fused(op, target_))
        replace(list, i, best(softmax_forms(op, quantised)));
      else if (i + 2 < list.size() && list[i + 1].op.kind == OperatorKind::kResidualAdd &&
               list[i + 2].op.kind == OperatorKind::kLayerNorm && !reads_int8(list[i + 2].op))
        replace(list, i, best(layer_norm_forms(op)));
    }
  }

 private:
  bool may_be_apart() const { return fusion_ == Fusion::kOff || fusion_ == Fusion::kBest; }

  // The simplest first.
  std::vector<Form> softmax_forms(const Operator& scores, bool quantised) const {
    std::vector<Form> forms;
    if (may_be_apart()) forms.push_back(softmax_apart(scores));
    if (fusion_ == Fusion::kOff) return forms;
    const bool may_be_blocks = scores.bias == Bias::kFull && masking_ != Masking::kBias &&
                               highest_row_block(scores, target_) > 0;
    if (!may_be_blocks || masking_ == Masking::kBest) forms.push_back(softmax_fused(scores));
    if (may_be_blocks) forms.push_back(in_row_blocks(scores));
    return quantised ? exportable(std::move(forms)) : forms;
  }

  // Those that a program can have; all if none can.
  std::vector<Form> exportable(std::vector<Form> forms) const {
    const auto has_obstacle = [this](const Form& form) {
      return std::any_of(form.begin(), form.end(), [this](const Operator& op) {
        return !obstacle_to_export(compile(op, target_), target_).empty();
      });
    };
    const auto end = std::stable_partition(forms.begin(), forms.end(), std::not_fn(has_obstacle));
    if (end != forms.begin()) forms.erase(end, forms.end());
    return forms;
  }

  std::vector<Form> layer_norm_forms(const Operator& product) const {
    std::vector<Form> forms;
    const bool may_be_fused =
        (fusion_ == Fusion::kOn || fusion_ == Fusion::kBest) && rows_can_be_fused(product, target_);
    if (!may_be_fused || fusion_ == Fusion::kBest)
      forms.push_back(layer_norm_apart(product, target_));
    if (may_be_fused) forms.push_back(layer_norm_fused(product));
    return forms;
  }

  // Of equal ones the first.
  Form best(const std::vector<Form>& forms) const {
    if (forms.size() == 1) return forms[0];
    if (!price_) throw Error("the best form is found by prices: expected a cost model");
    std::vector<EnergyDelayProduct> prices;
    for (const Form& form : forms) prices.push_back(price_of(form, price_));
    return forms[static_cast<std::size_t>(std::min_element(prices.begin(), prices.end()) -
                                          prices.begin())];
  }

  static void replace(std::vector<TransformerOperator>& list, std::size_t first, const Form& form) {
    for (const Operator& op : form) list[first++].op = op;
  }

  const Target& target_;
  Fusion fusion_;
  Masking masking_;
  const OperatorPricer& price_;
};

// Row blocks hide a score by 127 * 127 steps of it, and int8 queries and keys may have scores that
// differ by more: what a quantised network, whose LayerNorms read int8, computes to the bit needs
// the bias, in whichever form.
Masking masking_of(const std::vector<TransformerOperator>& list, const Target& target) {
  return target.masking == Masking::kBest && is_quantised(list) ? Masking::kBias : target.masking;
}

std::vector<TransformerOperator> scheduled(std::vector<TransformerOperator> list,
                                           const Target& target, const OperatorPricer& price) {
  Scheduler(target, target.fusion, masking_of(list, target), price).apply(list);
  return list;
}

}  // namespace

int row_block_height(const Call& scores) { return scores.schedule->tile.rows * scores.block_size; }

std::vector<RowBlock> row_blocks(const Call& scores) {
  std::vector<RowBlock> blocks;
  const int height = row_block_height(scores);
  for (int first = 0; first < scores.program.rows; first += height) {
    const int rows = std::min(height, scores.program.rows - first);
    blocks.push_back({first, rows, first + rows});
  }
  return blocks;
}

std::int64_t triangle_bytes(const Call& scores) {
  const std::int64_t height = row_block_height(scores);
  return height * height * (1 + ceil_divide(scores.program.rows, height));
}

int highest_row_block(const Operator& scores, const Hardware& hardware) {
  return scores.inner / hardware.array_size;
}

bool rows_can_be_fused(const Operator& matmul, const Target& target) {
  return fused_tile(matmul, target).has_value();
}

Call compile(const Operator& op, const Target& target,
             const std::optional<MatmulSchedule>& schedule) {
  Call call;
  call.layer = -1;
  call.op = call.program = op;
  if (op.right == RightOperand::kInt4Weights && !target.int4_weights)
    throw InputError("\"" + describe(op) +
                     "\": the hardware has nothing that unpacks weights of four bits: expected "
                     "int4_weights true");
  if (runs_on_host(op, target)) {
    call.runs_in = RunsIn::kHost;
    return call;
  }
  if (reads_int8(op)) {
    call.reads = op.inner;
    return call;
  }
  if (op.kind == OperatorKind::kGelu) {
    call.runs_in = RunsIn::kStores;
    return call;
  }
  if (op.kind == OperatorKind::kSoftmax || op.kind == OperatorKind::kLayerNorm)
    call.operand_bytes = kSumBytes;
  const std::optional<Operator> product = matmul_of(op);
  if (!product && op.kind != OperatorKind::kMatmul) return call;
  const Operator& matmul = product ? *product : op;
  const Normalisation wanted = normalisation_of(matmul.activation);
  const std::optional<MatmulTile> rows =
      wanted == Normalisation::kNone ? std::nullopt : fused_tile(matmul, target);
  if (product && !rows) return call;
  if (product) call.runs_in = RunsIn::kFusedRun;
  call.program = matmul;
  call.block_size = target.array_size;
  call.schedule = schedule ? *schedule : rows ? *rows : greedy_tile(matmul, target);
  if (rows) call.fused = wanted;
  if (!schedule && matmul.bias != Bias::kTriangle)
    call.search_steps = tile_search_steps(matmul, call.schedule->tile, rows.has_value(), target);
  const MatmulTile& tile = call.schedule->tile;
  // The library has no such calls.
  call.takes_turns = rows && target.fusion != Fusion::kLibrary &&
                     std::int64_t{tile.rows} * tile.columns > target.accumulator_blocks() / 2;
  call.result_bytes = result_bytes(matmul, rows.has_value(), target);
  return call;
}

std::vector<Call> compile(const Architecture& architecture, const Workload& workload,
                          const Target& target, const OperatorPricer& price,
                          const MatmulScheduler& scheduler) {
  return compile(transformer_operators(architecture, workload), target, price, scheduler);
}

std::vector<Call> compile(std::vector<TransformerOperator> list,
                          const std::optional<Target>& target, const OperatorPricer& price,
                          const MatmulScheduler& scheduler) {
  std::unordered_map<Operator, Call, OperatorHash> known;
  std::unordered_map<Operator, MatmulSchedule, OperatorHash> schedules;  // by program
  std::vector<Call> calls;
  if (!target) {
    for (const TransformerOperator& item : list)
      calls.push_back({item, RunsIn::kOwnProgram, item.op});
    return calls;
  }
  for (const TransformerOperator& item : scheduled(std::move(list), *target, price)) {
    auto found = known.find(item.op);
    if (found == known.end()) {
      found = known.emplace(item.op, compile(item.op, *target)).first;
      Call& call = found->second;
      if (scheduler && call.schedule) {
        auto given = schedules.find(call.program);
        if (given == schedules.end())
          given = schedules.emplace(call.program, scheduler(call)).first;
        call.give_schedule(given->second);
      }
    }
    calls.push_back(found->second);
    static_cast<TransformerOperator&>(calls.back()) = item;
  }
  return calls;
}

std::vector<TransformerOperator> scheduled_operators(const Architecture& architecture,
                                                     const Workload& workload, const Target& target,
                                                     const OperatorPricer& price) {
  return scheduled(transformer_operators(architecture, workload), target, price);
}

std::string_view obstacle_to_execution(const Call& call, const Target& target) {
  if (call.runs_in == RunsIn::kHost)
    return "the host computes it in floating point; expected nonlinear_units: on_chip, and rows "
           "that fit the accumulator";
  if (call.op.bias == Bias::kTriangle)
    return "row blocks hide scores by 16129 steps, which is not below all that int8 can have; "
           "expected masking: bias";
  if (call.takes_turns)
    return "its rows take all of the accumulator, for which the loop unroller has no loop; "
           "expected fusion: library";
  if (call.schedule && spills_sums(*call.schedule, call.program, target))
    return "sums leave unfinished; expected tiling: greedy";
  return {};
}

std::string_view obstacle_to_export(const Call& call, const Target& target) {
  if (call.op.kind == OperatorKind::kSoftmax && call.runs_in == RunsIn::kOwnProgram)
    return "it runs by itself, and the library's tiled_norm() has one fixed step; expected scores "
           "whose rows fit half the accumulator, and fusion that is not off";
  return obstacle_to_execution(call, target);
}

std::vector<Operator> operators_to_schedule(const Architecture& architecture,
                                            const Workload& workload, const Target& target) {
  std::vector<Operator> operators;
  const auto either = [](auto choice, auto best, auto one, auto other) {
    return choice == best ? std::vector{one, other} : std::vector{choice};
  };
  const std::vector<TransformerOperator> unscheduled =
      transformer_operators(architecture, workload);
  for (const Fusion fusion : either(target.fusion, Fusion::kBest, Fusion::kOff, Fusion::kOn))
    for (const Masking masking : either(masking_of(unscheduled, target), Masking::kBest,
                                        Masking::kBias, Masking::kRowBlocks)) {
      std::vector<TransformerOperator> list = unscheduled;
      Scheduler(target, fusion, masking, {}).apply(list);
      for (const TransformerOperator& item : list) operators.push_back(item.op);
    }
  return operators;
}

}  // namespace paretoformer::accel_sim
