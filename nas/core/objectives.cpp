#include "nas/core/objectives.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/error.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

constexpr const char* kLatencyNs = "latency_ns";

constexpr Words<Objective, 7> kWords{{{Objective::kPerplexity, "perplexity"},
                                      {Objective::kLatency, "latency"},
                                      {Objective::kEnergy, "energy"},
                                      {Objective::kEdp, "edp"},
                                      {Objective::kParameters, "parameters"},
                                      {Objective::kPeakMemory, "peak_memory"},
                                      {Objective::kMacs, "macs"}}};
constexpr Words<Objective, 7> kKeys{{{Objective::kPerplexity, "perplexity"},
                                     {Objective::kLatency, "latency_cycles"},
                                     {Objective::kEnergy, "energy_pj"},
                                     {Objective::kEdp, "edp"},
                                     {Objective::kParameters, "parameters"},
                                     {Objective::kPeakMemory, "peak_memory_bytes"},
                                     {Objective::kMacs, "macs"}}};

}  // namespace

const std::vector<Objective>& all_objectives() {
  static const std::vector<Objective> all = kWords.values();
  return all;
}

std::string name_of(Objective objective) { return std::string(kWords.word_of(objective)); }

std::string key_of(Objective objective, bool in_time) {
  if (in_time && objective == Objective::kLatency) return kLatencyNs;
  return std::string(kKeys.word_of(objective));
}

Objective objective_from_json(const JsonNode& node) { return kWords.read(node); }

double value(const Objectives& objectives, Objective objective) {
  switch (objective) {
    case Objective::kPerplexity:
      return objectives.perplexity;
    case Objective::kLatency:
      return objectives.latency();
    case Objective::kEnergy:
      return objectives.energy_pj;
    case Objective::kEdp:
      return objectives.edp();
    case Objective::kParameters:
      return static_cast<double>(objectives.parameters);
    case Objective::kPeakMemory:
      return static_cast<double>(objectives.peak_memory_bytes);
    case Objective::kMacs:
      return static_cast<double>(objectives.macs);
  }
  throw Error("unknown objective");
}

Json to_json(const Objectives& objectives) {
  Json json;
  const auto put = [&json](const std::string& key, double number) {
    if (!std::isfinite(number)) throw Error("objective " + key + " is not finite");
    json[key] = number;
  };
  put("validation_loss", objectives.validation_loss);
  for (Objective objective :
       {Objective::kPerplexity, Objective::kLatency, Objective::kEnergy, Objective::kEdp})
    put(key_of(objective, objectives.latency_ns.has_value()), value(objectives, objective));
  json[key_of(Objective::kParameters)] = objectives.parameters;
  json[key_of(Objective::kPeakMemory)] = objectives.peak_memory_bytes;
  json[key_of(Objective::kMacs)] = objectives.macs;
  return json;
}

Objectives objectives_from_json(const JsonNode& node) {
  constexpr std::int64_t kLargestInteger = std::numeric_limits<std::int64_t>::max();
  const JsonObject object(node);
  Objectives objectives;
  objectives.validation_loss = object.number("validation_loss", 0, kLargest);
  objectives.perplexity = object.number("perplexity", 0, kLargest);
  if (object.has(kLatencyNs))
    objectives.latency_ns = object.number(kLatencyNs, 0, kLargest);
  else
    objectives.latency_cycles = object.number("latency_cycles", 0, kLargest);
  objectives.energy_pj = object.number("energy_pj", 0, kLargest);
  objectives.parameters = object.integer("parameters", 0, kLargestInteger);
  objectives.peak_memory_bytes = object.integer("peak_memory_bytes", 0, kLargestInteger);
  objectives.macs = object.integer("macs", 0, kLargestInteger);
  const double edp = object.number("edp", 0, kLargest);
  if (edp != objectives.edp())
    object.at("edp").fail("is wrong: expected latency times energy_pj, " +
                          Json(objectives.edp()).dump());
  object.finish();
  return objectives;
}

bool has_soft(const std::vector<Limit>& limits) {
  return std::any_of(limits.begin(), limits.end(), [](const Limit& limit) { return limit.soft; });
}

Json to_json(const std::vector<Limit>& limits, bool soft) {
  Json json = Json::object();
  for (const Limit& limit : limits)
    if (limit.soft == soft) json[name_of(limit.objective)] = limit.maximum;
  return json;
}

std::vector<Limit> limits_from_json(const JsonNode& node, bool soft) {
  const JsonObject object(node);
  std::vector<Limit> limits;
  for (Objective objective : all_objectives()) {
    const std::string name = name_of(objective);
    if (object.has(name))
      limits.push_back(
          {objective, object.number(name, std::numeric_limits<double>::min(), kLargest), soft});
  }
  object.finish();
  return limits;
}

Violation violation(const Objectives& objectives, const std::vector<Limit>& limits) {
  Violation total;
  for (const Limit& limit : limits)
    (limit.soft ? total.soft : total.hard) +=
        std::max(0.0, (value(objectives, limit.objective) - limit.maximum) / limit.maximum);
  return total;
}

bool feasible(const Objectives& objectives, const std::vector<Limit>& limits) {
  return std::all_of(limits.begin(), limits.end(), [&](const Limit& limit) {
    return limit.soft || value(objectives, limit.objective) <= limit.maximum;
  });
}

Json excess_json(const Objectives& objectives, const std::vector<Limit>& limits) {
  Json json = Json::object();
  for (const Limit& limit : limits) {
    const double excess = value(objectives, limit.objective) - limit.maximum;
    if (limit.soft && excess > 0) json[name_of(limit.objective)] = excess;
  }
  return json;
}

}  // namespace paretoformer::nas
