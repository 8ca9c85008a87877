#include "accel_sim/lowering/compile.hpp"

#include <cstddef>
#include <unordered_map>
#include <utility>

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
  }
  throw Error("an operator of unknown kind");
}

// The tile of a matmul whose rows are normalised in the accumulator.
std::optional<MatmulTile> fused_tile(const Operator& matmul, const Target& target) {
  if (!on_chip(target) || target.dataflow != Dataflow::kWeightStationary) return std::nullopt;
  const auto tile = whole_row_tile(matmul, target);
  return tile || target.fusion == Fusion::kLibrary ? tile : whole_row_tile(matmul, target, true);
}

// What the matmul asks for to be fused with it.
Normalisation normalisation_of(Activation activation) {
  switch (activation) {
    case Activation::kSoftmax:
      return Normalisation::kSoftmax;
    case Activation::kLayerNorm:
    case Activation::kAddLayerNorm:
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

// A matmul and what follows it, either way.
struct Pair {
  std::vector<Operator> apart, fused;
};

Pair softmax_pair(const Operator& scores) {
  Operator sums = scores;
  sums.activation = Activation::kSums;
  return {{sums, elementwise(OperatorKind::kSoftmax, scores.rows, scores.columns)},
          {scores, softmax_of(scores)}};
}

// A LayerNorm that the normaliser works out by itself reads the sums of the matmul before.
Pair layer_norm_pair(const Operator& product, const Target& target) {
  Operator fused = product, apart = product;
  fused.activation = Activation::kAddLayerNorm;
  if (rows_can_be_normalised(product.columns, target)) apart.activation = Activation::kSums;
  return {{apart, elementwise(OperatorKind::kResidualAdd, product.rows, product.columns),
           elementwise(OperatorKind::kLayerNorm, product.rows, product.columns)},
          {fused, residual_add_of(fused), layer_norm_of(fused)}};
}

HardwareCost sum(const std::vector<Operator>& operators, const OperatorPricer& price) {
  HardwareCost total;
  for (const Operator& op : operators) total += price(op);
  return total;
}

// Of a pair that can be fused.
const std::vector<Operator>& chosen(const Pair& pair, Fusion fusion, const OperatorPricer& price) {
  const bool fused = fusion == Fusion::kOn ||
                     (fusion == Fusion::kBest && sum(pair.fused, price).energy_delay_product() <
                                                     sum(pair.apart, price).energy_delay_product());
  return fused ? pair.fused : pair.apart;
}

class Scheduler {
 public:
  Scheduler(const Target& target, Fusion fusion, const OperatorPricer& price)
      : target_(target), fusion_(fusion), price_(price) {
    if (fusion == Fusion::kBest && !price)
      throw Error("the best fusion is found by prices: expected a cost model");
  }

  void apply(std::vector<TransformerOperator>& list) const {
    for (std::size_t i = 0; i + 1 < list.size(); ++i) {
      const Operator& op = list[i].op;
      if (op.kind != OperatorKind::kMatmul) continue;
      if (op.activation == Activation::kSoftmax && rows_can_be_fused(op, target_))
        replace(list, i, softmax(op));
      else if (i + 2 < list.size() && list[i + 1].op.kind == OperatorKind::kResidualAdd &&
               list[i + 2].op.kind == OperatorKind::kLayerNorm)
        replace(list, i, layer_norm(op));
    }
  }

 private:
  std::vector<Operator> softmax(const Operator& op) const {
    const Pair pair = softmax_pair(op);
    return fusion_ == Fusion::kLibrary ? pair.fused : chosen(pair, fusion_, price_);
  }
  std::vector<Operator> layer_norm(const Operator& op) const {
    const Pair pair = layer_norm_pair(op, target_);
    const bool can_be_fused = fusion_ != Fusion::kLibrary && rows_can_be_fused(op, target_);
    return can_be_fused ? chosen(pair, fusion_, price_) : pair.apart;
  }

  static void replace(std::vector<TransformerOperator>& list, std::size_t first,
                      const std::vector<Operator>& operators) {
    for (const Operator& op : operators) list[first++].op = op;
  }

  const Target& target_;
  Fusion fusion_;
  const OperatorPricer& price_;
};

std::vector<TransformerOperator> scheduled(std::vector<TransformerOperator> list,
                                           const Target& target, const OperatorPricer& price) {
  Scheduler(target, target.fusion, price).apply(list);
  return list;
}

}  // namespace

bool rows_can_be_fused(const Operator& matmul, const Target& target) {
  return fused_tile(matmul, target).has_value();
}

Call compile(const Operator& op, const Target& target,
             const std::optional<MatmulSchedule>& schedule) {
  Call call;
  call.layer = -1;
  call.op = call.program = op;
  if (runs_on_host(op, target)) {
    call.runs_in = RunsIn::kHost;
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
  call.schedule = schedule ? *schedule : rows ? *rows : greedy_tile(matmul, target);
  if (rows) call.fused = wanted;
  if (!schedule)
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

std::vector<Operator> operators_to_schedule(const Architecture& architecture,
                                            const Workload& workload, const Target& target) {
  std::vector<Operator> operators;
  const auto add = [&](const std::vector<TransformerOperator>& list) {
    for (const TransformerOperator& item : list) operators.push_back(item.op);
  };
  if (target.fusion != Fusion::kBest) {
    add(scheduled_operators(architecture, workload, target));
    return operators;
  }
  for (const Fusion either : {Fusion::kOff, Fusion::kOn}) {
    std::vector<TransformerOperator> list = transformer_operators(architecture, workload);
    Scheduler(target, either, {}).apply(list);
    add(list);
  }
  return operators;
}

}  // namespace paretoformer::accel_sim
