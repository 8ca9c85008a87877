#include "accel_sim/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/lowering/network_memory.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_search.hpp"

namespace paretoformer::accel_sim {
namespace {

// Setting the constants of the activation unit: one RoCC command from the CPU (an estimate).
constexpr std::int64_t kConfigCycles = 4;
// Passes of the normaliser that only read; the last is the way out that there is anyway.
constexpr std::int64_t kStatisticPasses = 2;
// Of the accumulator by a fused residual add: one operand is loaded, read with the first product
// that is added to it, and the sum is read once more than without.
constexpr std::int64_t kResidualAccesses = 3;

SimulationReport on_host(const Operator& op, const Hardware& hardware, Trace* trace) {
  const double cycles =
      static_cast<double>(op.rows) * op.columns * host_cycles_per_element(op.kind, hardware);
  if (!(cycles < 0x1.0p63)) cost_arithmetic::overflow();
  SimulationReport report;
  report.breakdown.host = static_cast<std::int64_t>(std::ceil(cycles));
  report.accesses.dram_bytes = statistics(op).bytes;
  if (trace != nullptr) trace->push_back({Lane::kHost, "floating point", 0, report.breakdown.host});
  return report;
}

SimulationReport on_accelerator(const Operator& op, const Hardware& hardware,
                                const SimulationOptions& options) {
  std::optional<MatmulSchedule> schedule = options.schedule;
  if (op.kind == OperatorKind::kMatmul && !schedule) schedule = default_schedule(op, hardware);
  const Program program = lower(op, hardware, schedule, options.placement);
  std::optional<MemorySystem> cold;
  MemorySystem& memory =
      options.memory != nullptr ? *options.memory : cold.emplace(hardware, program.bytes);
  const EngineResult result =
      options.engine == Engine::kFast
          ? run_fast_engine(program, hardware, memory, options.trace)
          : run_reference_engine(program, hardware, memory, options.cycle_limit, options.trace);
  SimulationReport report;
  report.breakdown = result.breakdown;
  report.accesses = result.accesses;
  report.accesses.macs = statistics(op).macs;
  report.accesses.pe_register += report.accesses.macs;
  report.load_busy = result.load_busy;
  report.store_busy = result.store_busy;
  return report;
}

// The common run of a matmul and what is fused with it, in its parts.
struct FusedRun {
  SimulationReport matmul, norm, residual;

  const SimulationReport& part(OperatorKind kind) const {
    if (kind == OperatorKind::kMatmul) return matmul;
    return kind == OperatorKind::kResidualAdd ? residual : norm;
  }
};
FusedRun simulate_fused(const Operator& op, const Hardware& hardware,
                        const SimulationOptions& options) {
  FusedRun run{on_accelerator(op, hardware, options), {}, {}};
  const std::int64_t results =
      op.rows * std::int64_t{blocks(op, hardware).columns} * hardware.array_size;
  run.norm.breakdown.normaliser = run.matmul.breakdown.normaliser;
  run.norm.accesses.accumulator = kStatisticPasses * results;
  if (op.activation == Activation::kAddLayerNorm) {
    run.residual.accesses.accumulator = kResidualAccesses * results;
    run.residual.accesses.dram_bytes = std::int64_t{op.rows} * op.columns;
  }
  run.matmul.breakdown.normaliser = 0;
  run.matmul.accesses.accumulator -=
      run.norm.accesses.accumulator + run.residual.accesses.accumulator;
  run.matmul.accesses.dram_bytes -= run.residual.accesses.dram_bytes;
  return run;
}

// The operators of one fused run.
std::vector<Operator> parts_of(const Operator& matmul) {
  if (matmul.activation == Activation::kSoftmax) return {matmul, softmax_of(matmul)};
  if (matmul.activation == Activation::kLayerNorm) return {matmul, layer_norm_of(matmul)};
  return {matmul, residual_add_of(matmul), layer_norm_of(matmul)};
}

SimulationReport simulate_parts(const Operator& op, const Hardware& hardware,
                                const SimulationOptions& options) {
  if (runs_on_host(op, hardware)) return on_host(op, hardware, options.trace);
  if (op.kind == OperatorKind::kGelu) {
    SimulationReport report;
    report.breakdown.host = kConfigCycles;
    return report;
  }
  const std::optional<Operator> product = matmul_of(op);
  if (product && is_fused(*product, hardware)) {
    SimulationOptions silent = options;
    silent.trace = nullptr;  // its spans are in the trace of the matmul
    return simulate_fused(*product, hardware, silent).part(op.kind);
  }
  if (op.kind == OperatorKind::kMatmul && is_fused(op, hardware))
    return simulate_fused(op, hardware, options).matmul;
  return on_accelerator(op, hardware, options);
}

// Prices the accesses and cycles counted.
SimulationReport priced(SimulationReport report, const Operator& op, const Hardware& hardware) {
  const Cycles total(report.breakdown.total());
  report.cost = {total, energy(report.accesses, total,
                               runs_on_host(op, hardware) ? total : Cycles(), hardware)};
  return report;
}

}  // namespace

double SimulationReport::utilization(const Hardware& hardware) const {
  const double possible =
      static_cast<double>(cost.latency.value()) * hardware.array_size * hardware.array_size;
  return possible > 0 ? static_cast<double>(accesses.macs) / possible : 0;
}

SimulationReport simulate(const Operator& op, const Hardware& hardware,
                          const SimulationOptions& options) {
  return priced(simulate_parts(op, hardware, options), op, hardware);
}

MatmulSchedule default_schedule(const Operator& op, const Hardware& hardware) {
  MatmulSchedule best = default_tile(op, hardware);
  if (hardware.tiling == Tiling::kGreedy || is_fused(op, hardware)) return best;
  const Workpiece work = matmul_workpiece(op.rows, op.inner, op.columns);
  const Mapspace mapspace(work, hardware, Factors::kBlocks);
  SimulationOptions options;
  const auto edp = [&](const MatmulSchedule& schedule) {
    options.schedule = schedule;
    return simulate(op, hardware, options).cost.energy_delay_product();
  };
  EnergyDelayProduct lowest = edp(best);
  for (const Mapping& mapping : {best_mapping(mapspace, MappingObjective::kEdp).mapping,
                                 best_mapping(mapspace, MappingObjective::kLatency).mapping,
                                 best_library_mapping(mapspace, MappingObjective::kEdp).mapping}) {
    const MatmulSchedule schedule = schedule_of(mapping, work, hardware);
    const EnergyDelayProduct cost = edp(schedule);
    if (cost >= lowest) continue;
    lowest = cost;
    best = schedule;
  }
  return best;
}

HardwareCost simulated_cost(const Operator& op, const Hardware& hardware) {
  return simulate(op, hardware).cost;
}

OperatorPricer simulated_prices(const Hardware& hardware) {
  return [hardware, known = std::unordered_map<Operator, HardwareCost, OperatorHash>()](
             const Operator& op) mutable {
    const auto found = known.find(op);
    return found != known.end() ? found->second
                                : known.emplace(op, simulated_cost(op, hardware)).first->second;
  };
}

std::vector<OperatorReport> simulate(const Architecture& architecture, const Workload& workload,
                                     const Hardware& hardware, const SimulationOptions& options) {
  SimulationOptions each;
  each.engine = options.engine;
  each.cycle_limit = options.cycle_limit;
  std::unordered_map<Operator, SimulationReport, OperatorHash> known;
  std::vector<OperatorReport> reports;
  const OperatorPricer prices =
      options.prices != nullptr ? *options.prices : simulated_prices(hardware);
  const auto list = scheduled_operators(architecture, workload, hardware, prices);
  const auto tell = [&] {
    if (options.done != nullptr) (*options.done)(std::ssize(reports), std::ssize(list));
  };
  tell();
  for (const TransformerOperator& item : list) {
    auto entry = known.find(item.op);
    if (entry == known.end() && options.traces != nullptr) each.trace = (*options.traces)(item.op);
    if (entry == known.end() && item.op.kind == OperatorKind::kMatmul &&
        is_fused(item.op, hardware)) {
      // One run for all its parts.
      const FusedRun run = simulate_fused(item.op, hardware, each);
      for (const Operator& part : parts_of(item.op))
        known.emplace(part, priced(run.part(part.kind), part, hardware));
      entry = known.find(item.op);
    } else if (entry == known.end()) {
      entry = known.emplace(item.op, simulate(item.op, hardware, each)).first;
    }
    reports.push_back({item, entry->second});
    tell();
  }
  return reports;
}

namespace {

using Schedules = std::unordered_map<Operator, MatmulSchedule, OperatorHash>;

Schedules schedules_of(const std::vector<TransformerOperator>& list, const Hardware& hardware) {
  Schedules schedules;
  for (const auto& [role, layer, repeat, op] : list)
    if (op.kind == OperatorKind::kMatmul && !schedules.contains(op))
      schedules.emplace(op, default_schedule(op, hardware));
  return schedules;
}

std::int64_t count_calls(const std::vector<TransformerOperator>& list) {
  std::int64_t calls = 0;
  for (const TransformerOperator& item : list) calls += item.repeat;
  return calls;
}

std::int64_t most_partial_sums(const Schedules& schedules, const Hardware& hardware) {
  std::int64_t most = 0;
  for (const auto& [op, schedule] : schedules)
    if (spills_sums(schedule, op, hardware))
      most = std::max(most, std::int64_t{op.rows} * op.columns);
  return most;
}

}  // namespace

std::vector<OperatorReport> simulate_network(const Architecture& architecture,
                                             const Workload& workload, const Hardware& hardware,
                                             const SimulationOptions& options) {
  const OperatorPricer prices =
      options.prices != nullptr ? *options.prices : simulated_prices(hardware);
  const auto list = scheduled_operators(architecture, workload, hardware, prices);
  const auto schedules = schedules_of(list, hardware);
  const NetworkMemory buffers(architecture, workload, hardware, list,
                              most_partial_sums(schedules, hardware));
  MemorySystem memory(hardware, buffers.bytes());
  SimulationOptions call;
  call.engine = options.engine;
  call.cycle_limit = options.cycle_limit;
  call.memory = &memory;
  const std::int64_t calls = count_calls(list);
  std::vector<OperatorReport> reports;
  const auto tell = [&] {
    if (options.done != nullptr) (*options.done)(std::ssize(reports), calls);
  };
  tell();
  std::vector<FusedRun> runs;  // of the last fused matmul, with the parts that follow it
  for (const TransformerOperator& item : list) {
    const bool fused = item.op.kind == OperatorKind::kMatmul && is_fused(item.op, hardware);
    const std::optional<Operator> product = matmul_of(item.op);
    const bool is_part = product && is_fused(*product, hardware);
    if (fused) runs.clear();
    TransformerOperator run = item;
    run.repeat = 1;
    for (int i = 0; i < item.repeat; ++i) {
      if (is_part) {
        const SimulationReport& part = runs[static_cast<std::size_t>(i)].part(item.op.kind);
        reports.push_back({run, priced(part, item.op, hardware)});
        tell();
        continue;
      }
      const Placement placement = buffers.placement(item, i);
      call.placement = &placement;
      if (options.traces != nullptr) call.trace = (*options.traces)(item.op);
      if (item.op.kind == OperatorKind::kMatmul) call.schedule = schedules.at(item.op);
      if (fused) {
        runs.push_back(simulate_fused(item.op, hardware, call));
        reports.push_back({run, priced(runs.back().matmul, item.op, hardware)});
      } else {
        reports.push_back({run, simulate(item.op, hardware, call)});
      }
      tell();
    }
  }
  return reports;
}

}  // namespace paretoformer::accel_sim
