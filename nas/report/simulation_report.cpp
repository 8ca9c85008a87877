#include "nas/report/simulation_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "accel_sim/lowering/tiling.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct AccessKind {
  const char* name;       // of the count
  const char* component;  // of the energy
  std::int64_t accel_sim::AccessCounts::*count;
  double accel_sim::AccessEnergies::*energy;
};
constexpr std::array<AccessKind, 6> kAccessKinds = {{
    {"macs", "mac", &accel_sim::AccessCounts::macs, &accel_sim::AccessEnergies::mac},
    {"pe_register", "pe_register", &accel_sim::AccessCounts::pe_register,
     &accel_sim::AccessEnergies::pe_register},
    {"scratchpad", "scratchpad", &accel_sim::AccessCounts::scratchpad,
     &accel_sim::AccessEnergies::scratchpad},
    {"accumulator", "accumulator", &accel_sim::AccessCounts::accumulator,
     &accel_sim::AccessEnergies::accumulator},
    {"l2_bytes", "l2", &accel_sim::AccessCounts::l2_bytes, &accel_sim::AccessEnergies::l2_byte},
    {"dram_bytes", "dram", &accel_sim::AccessCounts::dram_bytes,
     &accel_sim::AccessEnergies::dram_byte},
}};

// What the array does or waits for, in words.
constexpr std::array<std::pair<const char*, std::int64_t accel_sim::CycleBreakdown::*>, 7>
    kCauseTexts = {{
        {"works", &accel_sim::CycleBreakdown::array},
        {"waits for loads", &accel_sim::CycleBreakdown::load},
        {"waits for room in the accumulator", &accel_sim::CycleBreakdown::store},
        {"waits for the host", &accel_sim::CycleBreakdown::host},
        {"fills or drains", &accel_sim::CycleBreakdown::pipeline},
        {"waits for results to be written", &accel_sim::CycleBreakdown::writeback},
        {"waits for the normaliser", &accel_sim::CycleBreakdown::normaliser},
    }};

// The cost goes first: its arithmetic throws where the parts of it would overflow.
void add(accel_sim::SimulationReport& sum, const accel_sim::OperatorReport& part) {
  const std::int64_t repeat = part.item.repeat;
  sum.cost += part.report.cost * repeat;
  sum.breakdown += part.report.breakdown * repeat;
  sum.accesses += part.report.accesses * repeat;
  sum.load_busy += part.report.load_busy * repeat;
  sum.store_busy += part.report.store_busy * repeat;
}

// The sum over the operators for which `included` holds.
template <typename Predicate>
accel_sim::SimulationReport total_of(const Simulation& simulation, Predicate included) {
  accel_sim::SimulationReport sum;
  for (const accel_sim::OperatorReport& part : simulation.operators)
    if (included(part)) add(sum, part);
  return sum;
}

accel_sim::SimulationReport total_of_matmuls(const Simulation& simulation) {
  return total_of(simulation, [](const accel_sim::OperatorReport& part) {
    return part.item.op.kind == accel_sim::OperatorKind::kMatmul;
  });
}

Json to_json(const accel_sim::CycleBreakdown& breakdown) {
  Json json;
  for (const accel_sim::CycleCause& cause : accel_sim::kCycleCauses)
    json[cause.name] = breakdown.*cause.cycles;
  return json;
}

Json to_json(const accel_sim::AccessCounts& accesses) {
  Json json;
  for (const AccessKind& kind : kAccessKinds) json[kind.name] = accesses.*kind.count;
  return json;
}

void add_schedule(Json& json, const accel_sim::MatmulSchedule& schedule,
                  const accel_sim::Target& hardware) {
  constexpr std::array<const char*, 3> kLoopNames = {"rows", "columns", "inner"};
  const auto& [tile, order, reloads] = schedule;
  const int size = hardware.array_size;
  json["tile"] = {
      {"rows", tile.rows * size}, {"inner", tile.inner * size}, {"columns", tile.columns * size}};
  for (const accel_sim::MatmulLoop loop : order)
    json["loops"].push_back(kLoopNames[static_cast<std::size_t>(loop)]);
  json["reloads"] = reloads;
}

// What both the whole and an operator say.
void add_report(Json& json, const accel_sim::SimulationReport& report,
                const accel_sim::Target& hardware) {
  json["cycles"] = report.cost.latency.value();
  json["energy_pj"] = report.cost.energy.value();
  json["utilization"] = report.utilization(hardware);
  json["breakdown"] = to_json(report.breakdown);
  json["accesses"] = to_json(report.accesses);
  json["load_busy"] = report.load_busy;
  json["store_busy"] = report.store_busy;
}

// `part` is a merged() one.
Json operator_to_json(const accel_sim::OperatorReport& part, const Simulation& simulation) {
  const accel_sim::Operator& op = part.item.op;
  Json json{{"role", part.item.role},   {"layer", part.item.layer}, {"repeat", part.item.repeat},
            {"operator", describe(op)}, {"rows", op.rows},          {"inner", op.inner},
            {"columns", op.columns}};
  if (op.kind == accel_sim::OperatorKind::kMatmul)
    add_schedule(json, *part.item.schedule, simulation.hardware);
  add_report(json, part.report, simulation.hardware);
  return json;
}

Json energy_breakdown(const Simulation& simulation, const accel_sim::SimulationReport& whole) {
  const accel_sim::Target& hardware = simulation.hardware;
  const accel_sim::AccessEnergies each(hardware);
  Json json;
  for (const AccessKind& kind : kAccessKinds)
    json[kind.component] = static_cast<double>(whole.accesses.*kind.count) * each.*kind.energy;
  const accel_sim::SimulationReport host =
      total_of(simulation, [](const accel_sim::OperatorReport& part) {
        return part.item.runs_in == accel_sim::RunsIn::kHost;
      });
  json["static"] = static_cast<double>(whole.cost.latency.value()) * hardware.static_pj_per_cycle;
  json["host"] = static_cast<double>(host.cost.latency.value()) * hardware.host_pj_per_cycle;
  return json;
}

double percent(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? 100 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

// A line per cause, but for those that hardly matter.
std::string stall_list(const accel_sim::CycleBreakdown& breakdown) {
  constexpr double kWorthMentioning = 0.05;
  std::string text = "Of all cycles, the array\n";
  for (const auto& [words, cycles] : kCauseTexts) {
    const double share = percent(breakdown.*cycles, breakdown.total());
    if (share >= kWorthMentioning) text += fmt::format("{:>7.1f} %  {}\n", share, words);
  }
  return text;
}

}  // namespace

std::vector<accel_sim::OperatorReport> merged(const std::vector<accel_sim::OperatorReport>& calls) {
  std::vector<accel_sim::OperatorReport> result;
  for (const accel_sim::OperatorReport& call : calls) {
    const accel_sim::Call& item = call.item;
    const bool again = !result.empty() && result.back().item.role == item.role &&
                       result.back().item.layer == item.layer && result.back().item.op == item.op;
    if (!again) {
      result.push_back({item, {}});
      result.back().item.repeat = 0;
    }
    result.back().item.repeat += item.repeat;
    add(result.back().report, call);
  }
  return result;
}

accel_sim::SimulationReport total(const Simulation& simulation) {
  return total_of(simulation, [](const accel_sim::OperatorReport&) { return true; });
}

Json to_json(const Simulation& simulation) {
  const accel_sim::SimulationReport whole = total(simulation);
  Json json;
  add_report(json, whole, simulation.hardware);
  json["matmul_utilization"] = total_of_matmuls(simulation).utilization(simulation.hardware);
  json["energy_breakdown_pj"] = energy_breakdown(simulation, whole);
  json["operators"] = Json::array();
  for (const accel_sim::OperatorReport& part : merged(simulation.operators))
    json["operators"].push_back(operator_to_json(part, simulation));
  return json;
}

std::string simulation_table(const Simulation& simulation) {
  const accel_sim::SimulationReport whole = total(simulation);
  std::vector<std::string_view> roles;
  for (const accel_sim::OperatorReport& part : simulation.operators)
    if (std::find(roles.begin(), roles.end(), part.item.role) == roles.end())
      roles.push_back(part.item.role);
  std::string table = fmt::format("{:<24} {:>14} {:>8} {:>13} {:>14}\n", "operator", "cycles",
                                  "share/%", "utilisation/%", "energy/uJ");
  const auto line = [&](const std::string& name, const accel_sim::SimulationReport& report) {
    const std::int64_t cycles = report.cost.latency.value();
    table += fmt::format("{:<24} {:14} {:>8.1f} {:>13.1f} {:>14.3f}\n", name, cycles,
                         percent(cycles, whole.cost.latency.value()),
                         100 * report.utilization(simulation.hardware),
                         report.cost.energy.value() * 1e-6);
  };
  for (std::string_view role : roles)
    line(std::string(role), total_of(simulation, [role](const accel_sim::OperatorReport& part) {
           return part.item.role == role;
         }));
  line("total", whole);
  return table +
         fmt::format("{:<24} {:>37.1f}\n", "matmuls alone",
                     100 * total_of_matmuls(simulation).utilization(simulation.hardware)) +
         stall_list(whole.breakdown);
}

}  // namespace paretoformer::nas
