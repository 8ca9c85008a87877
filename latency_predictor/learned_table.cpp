#include "latency_predictor/learned_table.hpp"

#include "support/hash.hpp"

namespace paretoformer {

LookupTable learned_table(const LearnedModel& model, const Hardware& hardware) {
  model.predict(matmul(1, 1, 1), hardware);  // refuses other hardware now, not at the first network
  return LookupTable(
      hardware_hash(hardware), "learned/" + hex(hash_text(model.text())),
      [model, hardware](const Operator& op) { return model.predict(op, hardware).cost; });
}

}  // namespace paretoformer
