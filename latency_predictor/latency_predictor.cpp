#include "latency_predictor/latency_predictor.hpp"

#include <utility>

#include "accel_sim/analytical_model.hpp"
#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer {

LookupTable simulated_table(const Hardware& hardware) {
  return LookupTable(hardware_hash(hardware), kSimulatorModel,
                     [hardware](const Operator& op) { return simulated_cost(op, hardware); });
}

LookupTable analytical_table(const Hardware& hardware) {
  return LookupTable(hardware_hash(hardware), kAnalyticalModel,
                     [hardware](const Operator& op) { return analytical_cost(op, hardware); });
}

LatencyPredictor::LatencyPredictor(const Hardware& hardware, const Workload& workload)
    : LatencyPredictor(hardware, workload, simulated_table(hardware)) {}

LatencyPredictor::LatencyPredictor(const Hardware& hardware, const Workload& workload,
                                   LookupTable table)
    : hardware_(hardware), workload_(workload), table_(std::move(table)) {
  if (table_.hardware_hash() != hardware_hash(hardware_))
    throw InputError("the look-up table was made for hardware " + hex(table_.hardware_hash()) +
                     ": expected " + hex(hardware_hash(hardware_)));
}

HardwareCost LatencyPredictor::predict(const Architecture& architecture) const {
  HardwareCost total;
  for (const TransformerOperator& item : transformer_operators(architecture, workload_))
    total += table_.cost(item.op) * item.repeat;
  return total;
}

std::vector<OperatorPrediction> LatencyPredictor::breakdown(
    const Architecture& architecture) const {
  const std::vector<TransformerOperator> operators = transformer_operators(architecture, workload_);
  std::vector<OperatorPrediction> predictions;
  predictions.reserve(operators.size());
  for (const auto& [role, layer, repeat, op] : operators)
    predictions.push_back({role, layer, repeat, op, table_.cost(op) * repeat});
  return predictions;
}

}  // namespace paretoformer
