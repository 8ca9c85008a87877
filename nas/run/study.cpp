#include "nas/run/study.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "nas/run/confirmation.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Target;

// Memories of the survey's baseline (Sec. 3.4), Gemmini's default for convolutions.
constexpr int kScratchpadKib = 256, kAccumulatorKib = 64;
// Sec. 6.4: distances from the baseline's perplexity, 22.4, and what share of it they are.
constexpr std::pair<const char*, double> kBudgets[] = {{"+0.1", 0.1}, {"+1", 1}};
constexpr std::pair<const char*, double> kShares[] = {{"+0.45 %", 0.0045}, {"+4.5 %", 0.045}};

struct Machine {
  const char* name;
  std::string change;
  Target target;
};

std::vector<Machine> machines_of(const Target& own) {
  Target first = own;
  first.scratchpad_kib = kScratchpadKib;
  first.accumulator_kib = kAccumulatorKib;
  first.nonlinear_units = accel_sim::NonlinearUnits::kHost;
  Target second = first;
  second.scratchpad_kib = own.scratchpad_kib;
  second.accumulator_kib = own.accumulator_kib;
  Target third = second;
  third.nonlinear_units = accel_sim::NonlinearUnits::kOnChip;
  Target fourth = third;
  fourth.tiling = accel_sim::Tiling::kOptimal;
  fourth.fusion = accel_sim::Fusion::kBest;
  fourth.masking = accel_sim::Masking::kBest;
  return {
      {"a",
       fmt::format("{} + {} KiB, the rest in floats on the host", kScratchpadKib, kAccumulatorKib),
       first},
      {"b", fmt::format("{} + {} KiB", own.scratchpad_kib, own.accumulator_kib), second},
      {"c", "integer operators on chip", third},
      {"d", "best tiles, fusion and mask", fourth}};
}

StudyStep step_on(const Machine& machine, const accel_sim::Workload& workload,
                  const Architecture& network, const Objectives& confirmed) {
  StudyStep step{machine.name, machine.change, network, confirmed.perplexity,
                 confirmed.has_int8() ? confirmed.perplexity_int8 : 0};
  for (const accel_sim::OperatorReport& each :
       simulate_network(network, workload, machine.target)) {
    const auto cycles = static_cast<double>(each.report.cost.latency.value());
    step.latency += cycles;
    step.energy_pj += each.report.cost.energy.value();
    if (each.item.op.kind == accel_sim::OperatorKind::kMatmul) step.matmul_latency += cycles;
  }
  return step;
}

StudyChoice best_within(const std::string& budget, double most, const StudyStep& largest,
                        const std::vector<StudyStep>& members) {
  StudyChoice choice{budget, most, largest};
  for (const StudyStep& each : members)
    if (each.counted() <= most && each.edp() < choice.step.edp()) choice.step = each;
  choice.step.name = "e";
  choice.step.change = "searched network, at most " + budget;
  return choice;
}

Json to_json(const StudyStep& step) {
  Json json{{"step", step.name},
            {"change", step.change},
            {"id", hex(architecture_id(step.network))},
            {"architecture", to_json(step.network)},
            {"perplexity", step.perplexity}};
  if (step.perplexity_int8 > 0) json["perplexity_int8"] = step.perplexity_int8;
  json["latency_cycles"] = step.latency;
  json["matmul_cycles"] = step.matmul_latency;
  json["energy_pj"] = step.energy_pj;
  json["edp"] = step.edp();
  return json;
}

}  // namespace

Study make_study(const RunFolder& run, ProxyTask& proxy,
                 const latency_predictor::LatencyPredictor& predictor, const Archive& archive,
                 const FinalFront& front) {
  if (!front.confirmed)
    throw InputError(run.path().string() + ": the front is not confirmed yet; finish it with " +
                     "search --resume");
  if (!front.unsimulated.empty())
    throw InputError(run.path().string() + ": a study simulates networks: " + front.unsimulated);
  const accel_sim::Workload& workload = predictor.workload();
  const std::vector<Machine> machines = machines_of(*predictor.hardware());
  const Architecture largest = proxy.space().largest();
  const Objectives confirmed = confirmed_objectives(run, proxy, predictor, archive, largest);
  Study study;
  for (const Machine& machine : machines)
    study.machines.push_back(step_on(machine, workload, largest, confirmed));

  std::vector<StudyStep> members(front.members.size());
  parallel_tasks(members.size(), [&](std::size_t i) {
    const FrontMember& member = front.members[i];
    members[i] =
        step_on(machines.back(), workload, member.candidate.architecture, member.confirmed);
  });
  const StudyStep& base = study.machines.back();
  for (const auto& [name, above] : kBudgets)
    study.choices.push_back(best_within(name, base.counted() + above, base, members));
  for (const auto& [name, share] : kShares)
    study.choices.push_back(best_within(name, base.counted() * (1 + share), base, members));
  return study;
}

Json to_json(const Study& study) {
  Json json{{"machines", Json::array()}, {"choices", Json::array()}};
  for (const StudyStep& each : study.machines) json["machines"].push_back(to_json(each));
  for (const StudyChoice& each : study.choices) {
    Json choice{{"budget", each.budget}, {"most_perplexity", each.most}};
    choice.update(to_json(each.step));
    json["choices"].push_back(choice);
  }
  return json;
}

}  // namespace paretoformer::nas
