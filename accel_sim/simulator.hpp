// The cycle simulator: what an operator, or a whole Transformer, costs on the accelerator, and
// where its cycles and its energy go.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "accel_sim/engines/engine.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/hardware/energy.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/lowering/scheduler.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

// The name under which look-up tables carry the simulator's numbers; its number goes up when they
// change.
inline constexpr const char* kSimulatorModel = "simulator/1";

enum class Engine {
  kFast,       // recurrences over instructions (fast_engine.hpp)
  kReference,  // cycle by cycle (reference_engine.hpp), some hundred times slower
};

// Where the spans of a network's call of an operator go; null: nowhere.
using CallTraces = std::function<Trace*(const Operator&)>;
// Told, at the beginning and after every call of a network, how many are done of how many.
using CallsDone = std::function<void(std::int64_t done, std::int64_t total)>;

struct SimulationOptions {
  std::optional<MatmulSchedule> schedule;  // of a matmul; default_schedule() when absent
  Engine engine = Engine::kFast;
  Trace* trace = nullptr;                         // spans are appended
  std::int64_t cycle_limit = kDefaultCycleLimit;  // of the reference engine, which throws beyond it
  // Both or neither: where the matrices lie, and the caches as earlier calls left them. Without
  // them the matrices are packed and the caches cold.
  const Placement* placement = nullptr;
  MemorySystem* memory = nullptr;
  // By which Fusion::kBest decides in networks; simulated_prices() when absent.
  const OperatorPricer* prices = nullptr;
  const CallTraces* traces = nullptr;  // of networks, which do not use `trace`
  const CallsDone* done = nullptr;     // of networks
};

// One operator, run once.
struct SimulationReport {
  HardwareCost cost;
  CycleBreakdown breakdown;     // adds up to cost.latency
  AccessCounts accesses;        // the energy is counted from them
  std::int64_t load_busy = 0;   // cycles with an mvin in flight
  std::int64_t store_busy = 0;  // cycles with an mvout in flight

  // MACs done over MACs that the array could have done in the time; 0 when it took none.
  double utilization(const Hardware& hardware) const;
};

// Simulates an operator. The parts of one run are priced where they belong: a softmax or a
// LayerNorm that is fused with the matmul before it costs the cycles and accesses of the normaliser
// in their common run; a residual add that is, its accesses of the accumulator and what it writes,
// as its cycles cannot be told apart; the matmul the rest. A fused GELU costs setting its
// constants. What runs on the host costs its cycles per element. Throws what lower() throws. Pure,
// and callable from several threads at once.
SimulationReport simulate(const Operator& op, const Hardware& hardware,
                          const SimulationOptions& options = {});

// What simulate() takes for a matmul when no schedule is given: default_tile() as the library runs
// it. With Tiling::kOptimal, unless something is fused with it: the best energy-delay product,
// simulated by itself, among that, the mapper's best mappings for the energy-delay product and for
// latency, and the best one with the library's loops; for the mapper's cost model knows neither L2
// nor queues.
MatmulSchedule default_schedule(const Operator& matmul, const Hardware& hardware);

// simulate().cost.
HardwareCost simulated_cost(const Operator& op, const Hardware& hardware);

// simulated_cost() of that hardware, which simulates an operator once; for one thread at a time.
OperatorPricer simulated_prices(const Hardware& hardware);

struct OperatorReport {
  TransformerOperator item;
  SimulationReport report;  // of one of the item's repeats
};

// All scheduled_operators() of a network in the order in which they run; equal ones are simulated
// once. Of the options, `schedule` and `trace` are for single operators and not used.
std::vector<OperatorReport> simulate(const Architecture& architecture, const Workload& workload,
                                     const Hardware& hardware,
                                     const SimulationOptions& options = {});

// The whole network as one program, call after call on one memory: activations that the call before
// left in L2 are found there, weights and heads lie where the network has them. Every call of the
// library ends with a fence (gemmini.h L833) and begins with loads, so that calls do not overlap
// and nothing stays in the scratchpad. A report per call, in their order (repeat is 1), of which
// what runs on the host leaves the caches alone. Of the options, `engine`, `cycle_limit` (of each
// call), `prices`, `traces` and `done` are used. Throws InputError when the network spans more than
// 2 GiB.
std::vector<OperatorReport> simulate_network(const Architecture& architecture,
                                             const Workload& workload, const Hardware& hardware,
                                             const SimulationOptions& options = {});

}  // namespace paretoformer::accel_sim
