// A table of prices from a learned model.
#pragma once

#include "latency_predictor/learned/learned_model.hpp"
#include "latency_predictor/lookup_table.hpp"

namespace paretoformer::latency_predictor {

// A table that prices operators with the model, for a LatencyPredictor: after the first networks
// on one hardware, nothing but look-ups. It carries the hash of the model's text in its name.
LookupTable learned_table(const LearnedModel& model, const accel_sim::Target& hardware);

}  // namespace paretoformer::latency_predictor
