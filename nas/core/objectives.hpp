// What a candidate is judged by, all minimised: its values, and the limits set on them.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/json_fwd.hpp"

namespace paretoformer {
struct Architecture;
}
namespace paretoformer::latency_predictor {
class LatencyPredictor;
}

namespace paretoformer::nas {

// What each is, is a row of the table in objectives.cpp; everything else goes by that.
enum class Objective {
  kPerplexity,
  kPerplexityInt8,
  kLatency,
  kEnergy,
  kEdp,
  kParameters,
  kPeakMemory,
  kMacs,
  kArea
};

// All of them, in the order above.
const std::vector<Objective>& all_objectives();

// The name in a configuration: "perplexity", "perplexity_int8", "latency", "energy", "edp",
// "parameters", "peak_memory", "macs", "area".
std::string name_of(Objective objective);
// The key in an output: the same, with units: "latency_cycles", "energy_pj", "peak_memory_bytes",
// "area_mm2"; of a device that was measured in time "latency_ns".
std::string key_of(Objective objective, bool in_time = false);
// On an axis, with its unit: "latency (cycles)".
std::string label_of(Objective objective, bool in_time = false);
// What of an operator's cost it is made of; it is of no use where that is not known.
bool needs_latency(Objective objective);
bool needs_energy(Objective objective);
// Whether a network's is the sum of its layers' and of what is outside them.
bool adds_up(Objective objective);
// Whether it is a loss, known only when the network has been scored.
bool is_perplexity(Objective objective);
// Reads a configuration name. Throws InputError.
Objective objective_from_json(const JsonNode& node);

struct Objectives {
  double validation_loss = 0;  // nats per token
  double perplexity = 0;
  // Of the network in the accelerator's integers; 0 and 0 where it has not been scored.
  double validation_loss_int8 = 0;
  double perplexity_int8 = 0;
  double latency = 0;  // cycles; nanoseconds of a device that was measured in time
  double energy_pj = 0;
  std::int64_t parameters = 0;
  std::int64_t peak_memory_bytes = 0;  // peak_memory() of the workload
  std::int64_t macs = 0;               // macs() of the workload
  bool in_time = false;                // which of the two: all networks of a run have the same
  // Of the hardware, square millimetres, where the search chooses that; else 0.
  double area_mm2 = 0;

  // Energy-delay product: picojoules times cycles, or nanoseconds.
  double edp() const { return latency * energy_pj; }
  bool has_int8() const { return perplexity_int8 > 0; }
  bool has_area() const { return area_mm2 > 0; }
  // Whether there is a value of it: only of some there may be none.
  bool has(Objective objective) const;

  bool operator==(const Objectives&) const = default;
};

// All but losses and perplexities; `context` learned positions are among the parameters.
Objectives cost_of(const Architecture& network,
                   const latency_predictor::LatencyPredictor& predictor, int context);
// With that loss and its perplexity.
Objectives with_loss(Objectives cost, double loss);
Objectives with_int8_loss(Objectives objectives, double loss);
// The loss of which the first perplexity among the objectives is made, by default fp32's.
double searched_loss(const Objectives& objectives, const std::vector<Objective>& searched);

double value(const Objectives& objectives, Objective objective);
// As a person reads it: "perplexity 12.3456", "latency 1000 cycles", "energy 5.125 uJ".
std::string shown(const Objectives& objectives, Objective objective);

// {"validation_loss", "perplexity", "latency_cycles", "energy_pj", "edp", "parameters",
// "peak_memory_bytes", "macs"}, "latency_ns" where that is known, "validation_loss_int8" and
// "perplexity_int8" where those are, "area_mm2" where that is, every double with all its digits.
// Throws Error when a value is not finite, which JSON cannot hold.
Json to_json(const Objectives& objectives);
// The exact inverse. Throws InputError, also when "edp" is not the product it should be.
Objectives objectives_from_json(const JsonNode& node);

// A candidate above the `maximum` of a hard limit is infeasible. One above that of a soft limit is
// not: it may be on the front, but stands behind all that keep every limit when parents are chosen.
struct Limit {
  Objective objective = Objective::kPerplexity;
  double maximum = 0;  // > 0
  bool soft = false;

  bool operator==(const Limit&) const = default;
};

bool has_soft(const std::vector<Limit>& limits);

// {"latency": 1.5e6, "energy": 2e9}, of the limits of one kind: at most one positive maximum per
// objective. Throws InputError.
Json to_json(const std::vector<Limit>& limits, bool soft = false);
std::vector<Limit> limits_from_json(const JsonNode& node, bool soft = false);

// How far a candidate is beyond limits: a sum of (value - maximum) / maximum over the hard limits
// that it breaks, and one over the soft ones. In the order of preference, so that a difference in
// hard limits decides before one in soft limits; {} is to keep them all.
struct Violation {
  double hard = 0;
  double soft = 0;

  auto operator<=>(const Violation&) const = default;
};
Violation violation(const Objectives& objectives, const std::vector<Limit>& limits);
// Whether it keeps the hard limits.
bool feasible(const Objectives& objectives, const std::vector<Limit>& limits);
// {"latency": 2500}: by how much it exceeds each soft limit that it breaks, in units of that limit.
Json excess_json(const Objectives& objectives, const std::vector<Limit>& limits);

}  // namespace paretoformer::nas
