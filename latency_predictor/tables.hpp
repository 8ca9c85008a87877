// Tables of prices from each model, for a LatencyPredictor, and the operators of a space that they
// are filled with.
#pragma once

#include <optional>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::latency_predictor {

class LearnedModel;

// With the cycle simulator (accel_sim/simulator.hpp), a few milliseconds an operator the first
// time.
LookupTable simulated_table(const accel_sim::Target& hardware);

// With the analytical model (accel_sim/closed_form/analytical_model.hpp), which knows neither L2
// nor queues, in less than a microsecond each.
LookupTable analytical_table(const accel_sim::Target& hardware);

// With a learned model: after the first networks on one hardware, nothing but look-ups. It carries
// the hash of the model's text in its name.
LookupTable learned_table(const LearnedModel& model, const accel_sim::Target& hardware);

// The operators of all networks of a space, each once: those of transformer_operators(), or what
// scheduled_operators() may answer or price for that hardware.
std::vector<accel_sim::Operator> operators_of(
    const SearchSpace& space, const accel_sim::Workload& workload,
    const std::optional<accel_sim::Target>& hardware = std::nullopt);

}  // namespace paretoformer::latency_predictor
