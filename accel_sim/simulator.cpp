#include "accel_sim/simulator.hpp"

#include <cmath>
#include <unordered_map>

#include "accel_sim/fast_engine.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_search.hpp"
#include "accel_sim/network_memory.hpp"
#include "accel_sim/program.hpp"

namespace paretoformer {
namespace {

// Setting the constants of the activation unit: one RoCC command from the CPU (an estimate).
constexpr std::int64_t kConfigCycles = 4;
// Passes of the normaliser that only read; the last is the way out that there is anyway.
constexpr std::int64_t kStatisticPasses = 2;

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

// The matmul whose results a softmax normalises.
Operator scores_of(const Operator& softmax) {
  return matmul(softmax.rows, softmax.inner, softmax.columns, softmax.right, Activation::kSoftmax);
}

// What of the common run of scores and softmax is the softmax's.
SimulationReport normaliser_part(const Operator& scores, const SimulationReport& both,
                                 const Hardware& hardware) {
  SimulationReport part;
  part.breakdown.normaliser = both.breakdown.normaliser;
  part.accesses.accumulator = kStatisticPasses * scores.rows *
                              std::int64_t{blocks(scores, hardware).columns} * hardware.array_size;
  return part;
}

// The common run of scores and softmax, in its two parts.
struct FusedScores {
  SimulationReport scores, softmax;
};
FusedScores simulate_fused(const Operator& scores, const Hardware& hardware,
                           const SimulationOptions& options) {
  FusedScores parts{on_accelerator(scores, hardware, options), {}};
  parts.softmax = normaliser_part(scores, parts.scores, hardware);
  parts.scores.breakdown.normaliser -= parts.softmax.breakdown.normaliser;
  parts.scores.accesses.accumulator -= parts.softmax.accesses.accumulator;
  return parts;
}

SimulationReport simulate_parts(const Operator& op, const Hardware& hardware,
                                const SimulationOptions& options) {
  if (runs_on_host(op, hardware)) return on_host(op, hardware, options.trace);
  if (op.kind == OperatorKind::kGelu) {
    SimulationReport report;
    report.breakdown.host = kConfigCycles;
    return report;
  }
  if (op.kind == OperatorKind::kSoftmax && op.inner > 0 &&
      softmax_is_fused(scores_of(op), hardware)) {
    SimulationOptions silent = options;
    silent.trace = nullptr;  // its spans are in the trace of the scores
    return simulate_fused(scores_of(op), hardware, silent).softmax;
  }
  if (op.kind == OperatorKind::kMatmul && softmax_is_fused(op, hardware))
    return simulate_fused(op, hardware, options).scores;
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
  if (hardware.tiling == Tiling::kGreedy || softmax_is_fused(op, hardware)) return best;
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

std::vector<OperatorReport> simulate(const Architecture& architecture, const Workload& workload,
                                     const Hardware& hardware, const SimulationOptions& options) {
  SimulationOptions each;
  each.engine = options.engine;
  each.cycle_limit = options.cycle_limit;
  std::unordered_map<Operator, SimulationReport, OperatorHash> known;
  std::vector<OperatorReport> reports;
  for (const TransformerOperator& item : transformer_operators(architecture, workload)) {
    auto entry = known.find(item.op);
    if (entry == known.end() && softmax_is_fused(item.op, hardware)) {
      // One run for both.
      const FusedScores parts = simulate_fused(item.op, hardware, each);
      const Operator softmax = softmax_of(item.op);
      known.emplace(softmax, priced(parts.softmax, softmax, hardware));
      entry = known.emplace(item.op, priced(parts.scores, item.op, hardware)).first;
    } else if (entry == known.end()) {
      entry = known.emplace(item.op, simulate(item.op, hardware, each)).first;
    }
    reports.push_back({item, entry->second});
  }
  return reports;
}

std::vector<OperatorReport> simulate_network(const Architecture& architecture,
                                             const Workload& workload, const Hardware& hardware,
                                             const SimulationOptions& options) {
  const NetworkMemory buffers(architecture, workload, hardware);
  MemorySystem memory(hardware, buffers.bytes());
  SimulationOptions call;
  call.engine = options.engine;
  call.cycle_limit = options.cycle_limit;
  call.memory = &memory;
  std::vector<OperatorReport> reports;
  std::vector<SimulationReport> softmaxes;  // of the scores before, run with them
  for (const TransformerOperator& item : transformer_operators(architecture, workload)) {
    const bool fused = softmax_is_fused(item.op, hardware);
    if (fused) softmaxes.clear();
    TransformerOperator run = item;
    run.repeat = 1;
    for (int i = 0; i < item.repeat; ++i) {
      const Placement placement = buffers.placement(item, i);
      call.placement = &placement;
      if (item.op.kind == OperatorKind::kMatmul) call.schedule = buffers.schedule(item.op);
      if (fused) {
        const FusedScores parts = simulate_fused(item.op, hardware, call);
        softmaxes.push_back(priced(parts.softmax, softmax_of(item.op), hardware));
        reports.push_back({run, priced(parts.scores, item.op, hardware)});
      } else if (item.op.kind == OperatorKind::kSoftmax && !softmaxes.empty()) {
        reports.push_back({run, softmaxes[static_cast<std::size_t>(i)]});
      } else {
        reports.push_back({run, simulate(item.op, hardware, call)});
      }
    }
  }
  return reports;
}

}  // namespace paretoformer
