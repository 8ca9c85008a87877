#include "accel_sim/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

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

// What a call ran as: by itself, or a matmul's run with what is fused with it, in its parts.
struct Run {
  SimulationReport whole;  // less `norm`
  SimulationReport norm = {};

  const SimulationReport& part(const Call& call) const {
    return call.runs_in == RunsIn::kFusedRun ? norm : whole;
  }
};

// Where a program lies in a network, and its caches as earlier calls left them.
struct InPlace {
  Placement placement;
  MemorySystem* memory;
};

SimulationReport run_on_host(const Operator& op, const Hardware& hardware, Trace* trace) {
  const double cycles =
      static_cast<double>(op.rows) * op.columns * host_cycles_per_element(op.kind, hardware);
  if (!(cycles < 0x1.0p63)) cost_arithmetic::overflow();
  SimulationReport report;
  report.breakdown.host = static_cast<std::int64_t>(std::ceil(cycles));
  report.accesses.dram_bytes = statistics(op).bytes;
  if (trace != nullptr) trace->push_back({Lane::kHost, "floating point", 0, report.breakdown.host});
  return report;
}

// Masked scores leave some of their operator's out, and have others for the mask.
std::int64_t macs_of(const Program& program) {
  std::int64_t macs = 0;
  for (const Tile& tile : program.tiles)
    if (is_matmul(tile)) macs += std::int64_t{tile.rows} * tile.inner * tile.columns;
  return macs;
}

SimulationReport run_program(const Call& call, const Target& target, const EngineOptions& options,
                             Trace* trace, const InPlace* place) {
  const Program program = lower(call, target, place != nullptr ? &place->placement : nullptr);
  std::optional<MemorySystem> cold;
  MemorySystem& memory =
      place != nullptr ? *place->memory : cold.emplace(target, program.bytes, options.state);
  const auto run_once = [&](Trace* its_trace) {
    return options.engine == Engine::kFast
               ? run_fast_engine(program, target, memory, its_trace)
               : run_reference_engine(program, target, memory, options.cycle_limit, its_trace);
  };
  if (place == nullptr && options.state == CacheState::kWarm) run_once(nullptr);
  const EngineResult result = run_once(trace);
  SimulationReport report;
  report.breakdown = result.breakdown;
  report.accesses = result.accesses;
  report.accesses.macs = macs_of(program);
  report.accesses.pe_register += report.accesses.macs;
  report.load_busy = result.load_busy;
  report.store_busy = result.store_busy;
  return report;
}

// Words of the accumulator that hold a matmul's results.
std::int64_t result_words(const Call& call) {
  const auto words = [&](int rows, int columns) {
    return rows * std::int64_t{ceil_divide(columns, call.block_size)} * call.block_size;
  };
  const Operator& matmul = call.program;
  if (matmul.bias != Bias::kTriangle) return words(matmul.rows, matmul.columns);
  std::int64_t sum = 0;
  for (const RowBlock& block : row_blocks(call)) sum += words(block.rows, block.columns);
  return sum;
}

// Takes what the parts cost out of the whole run.
void split(Run& run, const Call& call) {
  run.norm.breakdown.normaliser = run.whole.breakdown.normaliser;
  run.norm.accesses.accumulator = kStatisticPasses * result_words(call);
  run.whole.breakdown.normaliser = 0;
  run.whole.accesses.accumulator -= run.norm.accesses.accumulator;
}

Run run(const Call& call, const Target& target, const EngineOptions& options, Trace* trace,
        const InPlace* place = nullptr) {
  switch (call.runs_in) {
    case RunsIn::kHost:
      return {run_on_host(call.op, target, trace)};
    case RunsIn::kStores: {
      Run constants;
      constants.whole.breakdown.host = kConfigCycles;
      return constants;
    }
    case RunsIn::kFusedRun:
    case RunsIn::kOwnProgram:
      break;
  }
  Run result{run_program(call, target, options, trace, place)};
  if (call.fused != Normalisation::kNone) split(result, call);
  return result;
}

// Prices the accesses and cycles counted.
SimulationReport priced(SimulationReport report, const Call& call, const Hardware& hardware) {
  const Cycles total(report.breakdown.total());
  report.cost = {total, energy(report.accesses, total,
                               call.runs_in == RunsIn::kHost ? total : Cycles(), hardware)};
  return report;
}

// The schedule with the lowest energy-delay product of a matmul's whole run, simulated by itself.
class BestSchedule {
 public:
  // To begin with, the call's own.
  BestSchedule(const Call& call, const Target& target)
      : call_(call), target_(target), best_(*call.schedule) {
    call_.give_schedule(best_);
    lowest_ = price();
  }

  // Keeps it if it is better than all before.
  bool offer(const MatmulSchedule& schedule) {
    call_.give_schedule(schedule);
    const EnergyDelayProduct cost = price();
    if (cost >= lowest_) return false;
    lowest_ = cost;
    best_ = schedule;
    return true;
  }

  const MatmulSchedule& best() const { return best_; }

 private:
  EnergyDelayProduct price() const {
    return priced(run_program(call_, target_, {}, nullptr, nullptr), call_, target_)
        .cost.energy_delay_product();
  }

  Call call_;
  const Target& target_;
  MatmulSchedule best_;
  EnergyDelayProduct lowest_;
};

MatmulSchedule mapped_schedule(const Call& call, const Target& target) {
  const Workpiece work = matmul_workpiece(call.program);
  BestSchedule schedules(call, target);
  const auto offer_best = [&](int weight_bits) {
    Workpiece ranked = work;
    ranked.weight_bits = weight_bits;
    const Mapspace mapspace(ranked, target, Factors::kBlocks);
    for (const FoundMapping& found :
         {best_mapping(mapspace, MappingObjective::kEdp),
          best_mapping(mapspace, MappingObjective::kLatency),
          best_library_mapping(mapspace, MappingObjective::kEdp),
          best_library_mapping(mapspace, MappingObjective::kEdp, /*whole_lines=*/true)})
      if (found.evaluations > 0) schedules.offer(schedule_of(found.mapping, work, target));
  };
  offer_best(work.weight_bits);
  // To the cost model many tiles are bound by the array when weights have four bits, and what L2
  // saves of the DRAM's energy it does not know. The best for int8 load less, and in the simulator
  // one of them is at times the better one.
  if (work.weight_bits != kInt8Bits) offer_best(kInt8Bits);
  return schedules.best();
}

// Of a matmul that something is fused with. How well the normaliser's passes overlap with the next
// tile decides, of which the mapper's cost model knows nothing; but whole rows leave so few tiles
// that each is simulated: every number of rows with all that fits of `inner`, then every `inner`
// with that many rows, then the rows once more.
MatmulSchedule whole_row_schedule(const Call& call, const Target& target) {
  const MatmulTile whole = blocks(call.program, target);
  BestSchedule schedules(call, target);
  const int most_rows =
      call.program.bias == Bias::kTriangle ? highest_row_block(call.program, target) : whole.rows;
  const auto offer = [&](int rows, int inner) {
    const MatmulTile tile{rows, inner, whole.columns};
    if (rows <= most_rows && fits(tile, target, call.takes_turns)) schedules.offer(tile);
  };
  const std::vector<int> inners = tile_extents(whole.inner);
  for (const int rows : tile_extents(whole.rows)) {
    const auto largest = std::find_if(inners.rbegin(), inners.rend(), [&](int inner) {
      return fits({rows, inner, whole.columns}, target, call.takes_turns);
    });
    if (largest != inners.rend()) offer(rows, *largest);
  }
  for (const int inner : inners) offer(schedules.best().tile.rows, inner);
  for (const int rows : tile_extents(whole.rows)) offer(rows, schedules.best().tile.inner);
  return schedules.best();
}

MatmulSchedule optimal_schedule(const Call& call, const Target& target) {
  return call.fused == Normalisation::kNone ? mapped_schedule(call, target)
                                            : whole_row_schedule(call, target);
}

std::vector<Call> calls_of(std::vector<TransformerOperator> list, const Target& target,
                           const NetworkOptions& options) {
  return compile_with_mapper(
      std::move(list), target,
      options.prices != nullptr ? *options.prices : simulated_prices(target));
}

Trace* trace_of(const Call& call, const NetworkOptions& options) {
  return options.traces != nullptr ? (*options.traces)(call.op) : nullptr;
}

// The reports of a network so far, of so many in all.
class Reports {
 public:
  Reports(std::int64_t total, const CallsDone* done) : total_(total), done_(done) { tell(); }

  void add(const Call& call, const SimulationReport& report) {
    reports_.push_back({call, report});
    tell();
  }
  std::vector<OperatorReport> take() { return std::move(reports_); }

 private:
  void tell() const {
    if (done_ != nullptr) (*done_)(std::ssize(reports_), total_);
  }

  std::vector<OperatorReport> reports_;
  std::int64_t total_;
  const CallsDone* done_;
};

}  // namespace

double SimulationReport::utilization(const Hardware& hardware) const {
  const double possible =
      static_cast<double>(cost.latency.value()) * hardware.array_size * hardware.array_size;
  return possible > 0 ? static_cast<double>(accesses.macs) / possible : 0;
}

SimulationReport simulate(const Call& call, const Target& target, const EngineOptions& options,
                          Trace* trace) {
  // The spans of a part are in the trace of its matmul.
  Trace* const its = call.runs_in == RunsIn::kFusedRun ? nullptr : trace;
  return priced(run(call, target, options, its).part(call), call, target);
}

SimulationReport simulate(const Operator& op, const Target& target, const EngineOptions& options,
                          Trace* trace) {
  return simulate(compile_with_mapper(op, target), target, options, trace);
}

Call compile_with_mapper(const Operator& op, const Target& target) {
  Call call = compile(op, target);
  if (target.tiling == Tiling::kOptimal && call.schedule)
    call.give_schedule(optimal_schedule(call, target));
  return call;
}

std::vector<Call> compile_with_mapper(const Architecture& architecture, const Workload& workload,
                                      const Target& target, const OperatorPricer& price) {
  return compile_with_mapper(transformer_operators(architecture, workload), target, price);
}

std::vector<Call> compile_with_mapper(std::vector<TransformerOperator> list, const Target& target,
                                      const OperatorPricer& price) {
  if (target.tiling == Tiling::kGreedy) return compile(std::move(list), target, price);
  return compile(std::move(list), target, price,
                 [&](const Call& librarys) { return optimal_schedule(librarys, target); });
}

HardwareCost simulated_cost(const Operator& op, const Target& target) {
  return simulate(op, target).cost;
}

OperatorPricer simulated_prices(const Target& target) {
  return [target, known = std::unordered_map<Operator, HardwareCost, OperatorHash>()](
             const Operator& op) mutable {
    const auto found = known.find(op);
    return found != known.end() ? found->second
                                : known.emplace(op, simulated_cost(op, target)).first->second;
  };
}

std::vector<OperatorReport> simulate(const Architecture& architecture, const Workload& workload,
                                     const Target& target, const NetworkOptions& options) {
  return simulate(transformer_operators(architecture, workload), target, options);
}

std::vector<OperatorReport> simulate(std::vector<TransformerOperator> list, const Target& target,
                                     const NetworkOptions& options) {
  const std::vector<Call> calls = calls_of(std::move(list), target, options);
  std::unordered_map<Operator, Run, OperatorHash> known;  // by program: one run for all its parts
  Reports reports(std::ssize(calls), options.done);
  for (const Call& call : calls) {
    auto found = known.find(call.program);
    if (found == known.end())
      found =
          known.emplace(call.program, run(call, target, options, trace_of(call, options))).first;
    reports.add(call, priced(found->second.part(call), call, target));
  }
  return reports.take();
}

std::vector<OperatorReport> simulate_network(const Architecture& architecture,
                                             const Workload& workload, const Target& target,
                                             const NetworkOptions& options) {
  const std::vector<Call> calls =
      calls_of(transformer_operators(architecture, workload), target, options);
  const NetworkMemory buffers(architecture, workload, target, calls);
  MemorySystem memory(target, buffers.bytes(), options.state);
  std::int64_t total = 0;
  for (const Call& call : calls) total += call.repeat;
  Reports reports(total, options.done);
  std::vector<Run> runs;  // of the last program, whose parts may follow
  for (const Call& call : calls) {
    const bool is_part = call.runs_in == RunsIn::kFusedRun;
    if (!is_part) runs.clear();
    Call once = call;
    once.repeat = 1;
    for (int i = 0; i < call.repeat; ++i) {
      if (!is_part) {
        const InPlace place{buffers.placement(call, i), &memory};
        runs.push_back(run(call, target, options, trace_of(call, options), &place));
      }
      reports.add(once, priced(runs[static_cast<std::size_t>(i)].part(call), call, target));
    }
  }
  return reports.take();
}

}  // namespace paretoformer::accel_sim
