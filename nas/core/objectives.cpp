#include "nas/core/objectives.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <variant>

#include "accel_sim/hardware/area.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/network_cost.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

// A unit or key in time, where the table has cycles.
std::string in_unit(std::string_view text, bool in_time) {
  constexpr std::string_view kCycles = "cycles";
  std::string result(text);
  const std::size_t at = in_time ? result.find(kCycles) : std::string::npos;
  return at == std::string::npos ? result : result.replace(at, kCycles.size(), "ns");
}

// What is known of a network without training it.
struct Priced {
  const Architecture& network;
  const latency_predictor::LatencyPredictor& predictor;
  int context;
  latency_predictor::NetworkCost cost;
};

// An objective is a member of Objectives or computed from others.
using Member =
    std::variant<double Objectives::*, std::int64_t Objectives::*, double (*)(const Objectives&)>;

struct Row {
  Objective objective;
  std::string_view name, key;       // in a configuration; in an output
  std::string_view quantity, unit;  // for people; the unit may be empty
  Member member;
  void (*price)(const Priced&, Objectives&) = nullptr;  // sets the member, unless with_loss() does
  bool latency = false, energy = false, adds_up = true;
  // As it is shown: digits of what is no whole number, in a unit that is so many of its own.
  int digits = 3;
  double per_shown = 1;
  std::string_view shown_unit = unit;
};

constexpr Row kRows[] = {
    {Objective::kPerplexity, "perplexity", "perplexity", "perplexity", "", &Objectives::perplexity,
     nullptr, false, false, false, 4},
    {Objective::kPerplexityInt8, "perplexity_int8", "perplexity_int8", "perplexity in int8", "",
     &Objectives::perplexity_int8, nullptr, false, false, false, 4},
    {Objective::kLatency, "latency", "latency_cycles", "latency", "cycles", &Objectives::latency,
     [](const Priced& p, Objectives& o) { o.latency = p.predictor.latency(p.cost.hardware); },
     true},
    {Objective::kEnergy, "energy", "energy_pj", "energy", "pJ", &Objectives::energy_pj,
     [](const Priced& p, Objectives& o) { o.energy_pj = p.cost.hardware.energy.value(); }, false,
     true, true, 3, 1e6, "uJ"},
    {Objective::kEdp, "edp", "edp", "energy-delay product", "pJ x cycles",
     [](const Objectives& o) { return o.edp(); }, nullptr, true, true, false},
    {Objective::kParameters, "parameters", "parameters", "parameters", "", &Objectives::parameters,
     [](const Priced& p, Objectives& o) { o.parameters = parameter_count(p.network, p.context); }},
    {Objective::kPeakMemory, "peak_memory", "peak_memory_bytes", "peak memory", "bytes",
     &Objectives::peak_memory_bytes,
     [](const Priced& p, Objectives& o) { o.peak_memory_bytes = p.cost.memory.bytes(); }},
    {Objective::kMacs, "macs", "macs", "multiply-accumulates", "", &Objectives::macs,
     [](const Priced& p, Objectives& o) { o.macs = p.cost.macs; }},
    {Objective::kArea, "area", "area_mm2", "area", "mm2", &Objectives::area_mm2,
     [](const Priced& p, Objectives& o) {
       if (!p.network.hardware.empty() && p.predictor.hardware())
         o.area_mm2 = accel_sim::area(*p.predictor.hardware()).total();
     },
     false, false, false, 4}};

static_assert(std::is_sorted(std::begin(kRows), std::end(kRows),
                             [](const Row& a, const Row& b) { return a.objective < b.objective; }));

const Row& row_of(Objective objective) { return kRows[static_cast<std::size_t>(objective)]; }

}  // namespace

const std::vector<Objective>& all_objectives() {
  static const std::vector<Objective> all = [] {
    std::vector<Objective> list;
    for (const Row& row : kRows) list.push_back(row.objective);
    return list;
  }();
  return all;
}

std::string name_of(Objective objective) { return std::string(row_of(objective).name); }

std::string key_of(Objective objective, bool in_time) {
  return in_unit(row_of(objective).key, in_time);
}

std::string label_of(Objective objective, bool in_time) {
  const Row& row = row_of(objective);
  return std::string(row.quantity) +
         (row.unit.empty() ? "" : " (" + in_unit(row.unit, in_time) + ")");
}

bool needs_latency(Objective objective) { return row_of(objective).latency; }
bool needs_energy(Objective objective) { return row_of(objective).energy; }
bool adds_up(Objective objective) { return row_of(objective).adds_up; }

bool is_perplexity(Objective objective) {
  return objective == Objective::kPerplexity || objective == Objective::kPerplexityInt8;
}

Objective objective_from_json(const JsonNode& node) { return read_row(kRows, node).objective; }

bool Objectives::has(Objective objective) const {
  return objective == Objective::kPerplexityInt8 ? has_int8()
         : objective == Objective::kArea         ? has_area()
                                                 : true;
}

Objectives cost_of(const Architecture& network,
                   const latency_predictor::LatencyPredictor& predictor, int context) {
  const Priced priced{network, predictor, context, predictor.network_cost(network)};
  Objectives objectives;
  objectives.in_time = predictor.in_time();
  for (const Row& row : kRows)
    if (row.price) row.price(priced, objectives);
  return objectives;
}

Objectives with_loss(Objectives cost, double loss) {
  cost.validation_loss = loss;
  cost.perplexity = std::exp(loss);
  return cost;
}

Objectives with_int8_loss(Objectives objectives, double loss) {
  objectives.validation_loss_int8 = loss;
  objectives.perplexity_int8 = std::exp(loss);
  return objectives;
}

double searched_loss(const Objectives& objectives, const std::vector<Objective>& searched) {
  const auto first = std::find_if(searched.begin(), searched.end(), is_perplexity);
  return first != searched.end() && *first == Objective::kPerplexityInt8
             ? objectives.validation_loss_int8
             : objectives.validation_loss;
}

double value(const Objectives& objectives, Objective objective) {
  const Member& member = row_of(objective).member;
  if (const auto* number = std::get_if<double Objectives::*>(&member)) return objectives.**number;
  if (const auto* count = std::get_if<std::int64_t Objectives::*>(&member))
    return static_cast<double>(objectives.**count);
  return std::get<double (*)(const Objectives&)>(member)(objectives);
}

std::string shown(const Objectives& objectives, Objective objective) {
  const Row& row = row_of(objective);
  const double number = value(objectives, objective) / row.per_shown;
  std::string unit = in_unit(row.shown_unit, objectives.in_time);
  if (!unit.empty()) unit.insert(0, " ");
  return fmt::format("{} {:.{}f}{}", row.quantity, number,
                     number == std::trunc(number) ? 0 : row.digits, unit);
}

Json to_json(const Objectives& objectives) {
  Json json;
  const auto put = [&json](const std::string& key, double number) {
    if (!std::isfinite(number)) throw Error("objective " + key + " is not finite");
    json[key] = number;
  };
  put("validation_loss", objectives.validation_loss);
  if (objectives.has_int8()) put("validation_loss_int8", objectives.validation_loss_int8);
  for (const Row& row : kRows) {
    if (!objectives.has(row.objective)) continue;
    const std::string key = in_unit(row.key, objectives.in_time);
    if (const auto* count = std::get_if<std::int64_t Objectives::*>(&row.member))
      json[key] = objectives.**count;
    else
      put(key, value(objectives, row.objective));
  }
  return json;
}

Objectives objectives_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Objectives objectives;
  objectives.validation_loss = object.number("validation_loss", 0, kLargest);
  const bool has_int8 = object.has("validation_loss_int8");
  if (has_int8)
    objectives.validation_loss_int8 = object.number("validation_loss_int8", 0, kLargest);
  objectives.in_time = object.has(key_of(Objective::kLatency, true));
  for (const Row& row : kRows) {
    if (row.objective == Objective::kPerplexityInt8 && !has_int8) continue;
    if (row.objective == Objective::kArea && !object.has(key_of(row.objective))) continue;
    const JsonNode at = object.at(in_unit(row.key, objectives.in_time));
    if (const auto* number = std::get_if<double Objectives::*>(&row.member)) {
      objectives.** number = at.number(0, kLargest);
    } else if (const auto* count = std::get_if<std::int64_t Objectives::*>(&row.member)) {
      objectives.** count = at.integer(0, std::numeric_limits<std::int64_t>::max());
    } else if (const double computed = value(objectives, row.objective);
               at.number(0, kLargest) != computed) {
      at.fail("is wrong: expected what the others make it, " + Json(computed).dump());
    }
  }
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
