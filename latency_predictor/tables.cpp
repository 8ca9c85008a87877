#include "latency_predictor/tables.hpp"

#include <unordered_set>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/simulator.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "support/hash.hpp"

namespace paretoformer::latency_predictor {

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

LookupTable learned_table(const LearnedModel& model, const accel_sim::Target& hardware) {
  model.predict(accel_sim::matmul(1, 1, 1),
                hardware);  // refuses other hardware now, not at the first network
  return LookupTable(target_hash(hardware), "learned/" + hex(hash_text(model.text())),
                     [model, hardware](const accel_sim::Operator& op) {
                       return model.predict(op, hardware).cost;
                     });
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
  // But for the bits of its weights, no operator depends on two genes of a layer: heads are
  // attention's, FFN widths the FFN's.
  const std::vector<int> all_bits = space.weight_bits();
  Architecture network = space.smallest();
  for (const int width : space.model_widths()) {
    network.model_width = width;
    for (const auto& [gene, choices] : space.layer_genes())
      for (const int choice : choices)
        for (const int bits : all_bits) {
          Layer layer = network.layers[0];
          layer.weight_bits = bits;
          gene.set(layer, choice);
          add_layer(network, layer);
        }
  }
  return operators;
}

}  // namespace paretoformer::latency_predictor
