// Latency and energy of a whole Transformer on one accelerator: the sum over its operators, each
// looked up in a table.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "accel_sim/hardware.hpp"
#include "accel_sim/hardware_cost.hpp"
#include "accel_sim/operators.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer {

// The cost of an operator at its place in the network.
struct OperatorPrediction {
  std::string_view role;    // as in TransformerOperator
  int layer = 0;            // -1 outside the layers
  std::int64_t repeat = 1;  // how often it runs there
  Operator op;
  HardwareCost cost;  // of all repeats
};

// A table that prices operators with the cycle simulator (accel_sim/simulator.hpp), a few
// milliseconds each the first time.
LookupTable simulated_table(const Hardware& hardware);

// A table that prices operators with the analytical model (accel_sim/analytical_model.hpp), which
// knows neither L2 nor queues, in less than a microsecond each.
LookupTable analytical_table(const Hardware& hardware);

// Answers are the same on any number of threads, and for a network of layers already seen take no
// more than the look-ups.
class LatencyPredictor {
 public:
  // With the cycle simulator.
  LatencyPredictor(const Hardware& hardware, const Workload& workload);
  // With prices from `table`. Throws InputError when it was made for other hardware.
  LatencyPredictor(const Hardware& hardware, const Workload& workload, LookupTable table);

  // The sum of breakdown(), exactly. Throws what transformer_operators() and LookupTable::cost()
  // throw; the same holds for breakdown().
  HardwareCost predict(const Architecture& architecture) const;
  std::vector<OperatorPrediction> breakdown(const Architecture& architecture) const;

  const Hardware& hardware() const { return hardware_; }
  const Workload& workload() const { return workload_; }
  const LookupTable& table() const { return table_; }

 private:
  Hardware hardware_;
  Workload workload_;
  LookupTable table_;
};

}  // namespace paretoformer
