#include "accel_sim/lowering/scheduler.hpp"

#include <algorithm>
#include <cstddef>

#include "accel_sim/lowering/program.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

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

Pair layer_norm_pair(const Operator& product) {
  Operator fused = product;
  fused.activation = Activation::kAddLayerNorm;
  return {{product, elementwise(OperatorKind::kResidualAdd, product.rows, product.columns),
           elementwise(OperatorKind::kLayerNorm, product.rows, product.columns)},
          {fused, residual_add_of(fused), layer_norm_of(fused)}};
}

HardwareCost sum(const std::vector<Operator>& operators, const OperatorPricer& price) {
  HardwareCost total;
  for (const Operator& op : operators) total += price(op);
  return total;
}

// Of a pair that can be fused.
const std::vector<Operator>& chosen(const Pair& pair, bool by_library, Fusion fusion,
                                    const OperatorPricer& price) {
  bool fused = false;
  switch (fusion) {
    case Fusion::kLibrary:
      fused = by_library;
      break;
    case Fusion::kOff:
      break;
    case Fusion::kOn:
      fused = true;
      break;
    case Fusion::kBest:
      fused = sum(pair.fused, price).energy_delay_product() <
              sum(pair.apart, price).energy_delay_product();
  }
  return fused ? pair.fused : pair.apart;
}

class Scheduler {
 public:
  Scheduler(const Hardware& hardware, const OperatorPricer& price)
      : hardware_(hardware), price_(price) {
    if (hardware.fusion == Fusion::kBest && !price)
      throw Error("the best fusion is found by prices: expected a cost model");
  }

  void apply(std::vector<TransformerOperator>& list) const {
    for (std::size_t i = 0; i + 1 < list.size(); ++i) {
      const Operator& op = list[i].op;
      if (op.kind != OperatorKind::kMatmul || !rows_can_be_fused(op, hardware_)) continue;
      if (op.activation == Activation::kSoftmax)
        replace(list, i, softmax_choice(op));
      else if (i + 2 < list.size() && list[i + 1].op.kind == OperatorKind::kResidualAdd &&
               list[i + 2].op.kind == OperatorKind::kLayerNorm)
        replace(list, i, chosen(layer_norm_pair(op), false, hardware_.fusion, price_));
    }
  }

  // Scores and softmax.
  std::vector<Operator> softmax_choice(const Operator& scores) const {
    return chosen(softmax_pair(scores), true, hardware_.fusion, price_);
  }

 private:
  static void replace(std::vector<TransformerOperator>& list, std::size_t first,
                      const std::vector<Operator>& operators) {
    for (const Operator& op : operators) list[first++].op = op;
  }

  const Hardware& hardware_;
  const OperatorPricer& price_;
};

}  // namespace

std::vector<TransformerOperator> scheduled_operators(const Architecture& architecture,
                                                     const Workload& workload,
                                                     const Hardware& hardware,
                                                     const OperatorPricer& price) {
  return scheduled(transformer_operators(architecture, workload), hardware, price);
}

std::vector<TransformerOperator> scheduled(std::vector<TransformerOperator> list,
                                           const Hardware& hardware, const OperatorPricer& price) {
  if (hardware.fusion != Fusion::kLibrary) Scheduler(hardware, price).apply(list);
  return list;
}

Operator scheduled_scores(const Operator& scores, const Hardware& hardware,
                          const OperatorPricer& price) {
  if (hardware.fusion == Fusion::kLibrary || !rows_can_be_fused(scores, hardware)) return scores;
  return Scheduler(hardware, price).softmax_choice(scores).front();
}

std::vector<Operator> operators_to_schedule(const Architecture& architecture,
                                            const Workload& workload, const Hardware& hardware) {
  std::vector<Operator> operators;
  const auto add = [&](Fusion fusion) {
    Hardware other = hardware;
    other.fusion = fusion;
    for (const TransformerOperator& item : scheduled_operators(architecture, workload, other))
      operators.push_back(item.op);
  };
  if (hardware.fusion != Fusion::kBest) {
    add(hardware.fusion);
  } else {
    add(Fusion::kOff);
    add(Fusion::kOn);
  }
  return operators;
}

}  // namespace paretoformer::accel_sim
