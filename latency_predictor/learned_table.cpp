#include "latency_predictor/learned_table.hpp"

#include "support/hash.hpp"

namespace paretoformer::latency_predictor {

LookupTable learned_table(const LearnedModel& model, const accel_sim::Target& hardware) {
  model.predict(accel_sim::matmul(1, 1, 1),
                hardware);  // refuses other hardware now, not at the first network
  return LookupTable(target_hash(hardware), "learned/" + hex(hash_text(model.text())),
                     [model, hardware](const accel_sim::Operator& op) {
                       return model.predict(op, hardware).cost;
                     });
}

}  // namespace paretoformer::latency_predictor
