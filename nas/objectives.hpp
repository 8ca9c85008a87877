// What a candidate is judged by, all minimised: its values, and the limits set on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/json.hpp"

namespace paretoformer {

enum class Objective { kPerplexity, kLatency, kEnergy, kEdp, kParameters };

// All of them, in the order above.
const std::vector<Objective>& all_objectives();

// The name in a configuration: "perplexity", "latency", "energy", "edp", "parameters".
std::string name_of(Objective objective);
// The key in an output: the same, with units: "latency_cycles", "energy_pj".
std::string key_of(Objective objective);
// Reads a configuration name. Throws InputError.
Objective objective_from_json(const JsonNode& node);

struct Objectives {
  double validation_loss = 0;  // nats per token
  double perplexity = 0;
  double latency_cycles = 0;
  double energy_pj = 0;
  std::int64_t parameters = 0;

  // Energy-delay product: cycles x picojoules.
  double edp() const { return latency_cycles * energy_pj; }

  bool operator==(const Objectives&) const = default;
};

double value(const Objectives& objectives, Objective objective);

// {"validation_loss", "perplexity", "latency_cycles", "energy_pj", "edp", "parameters"}, every
// double with all its digits. Throws Error when a value is not finite, which JSON cannot hold.
Json to_json(const Objectives& objectives);
// The exact inverse. Throws InputError, also when "edp" is not the product it should be.
Objectives objectives_from_json(const JsonNode& node);

// A hard limit: a candidate above `maximum` is infeasible.
struct Limit {
  Objective objective = Objective::kPerplexity;
  double maximum = 0;  // > 0

  bool operator==(const Limit&) const = default;
};

// {"latency": 1.5e6, "energy": 2e9}: at most one positive maximum per objective. Throws InputError.
Json to_json(const std::vector<Limit>& limits);
std::vector<Limit> limits_from_json(const JsonNode& node);

// Sum over the limits of how far above it the candidate is, relative to it; 0 when it keeps all.
double violation(const Objectives& objectives, const std::vector<Limit>& limits);
bool feasible(const Objectives& objectives, const std::vector<Limit>& limits);

}  // namespace paretoformer
