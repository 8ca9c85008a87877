// The cycle simulator: what an operator, or a whole Transformer, costs on the accelerator, and
// where its cycles and its energy go.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "accel_sim/engines/engine.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/hardware/energy.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/lowering/tiling.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

// The name under which look-up tables carry the simulator's numbers; its number goes up when they
// change.
inline constexpr const char* kSimulatorModel = "simulator/10";

enum class Engine {
  kFast,       // recurrences over instructions (fast_engine.hpp)
  kReference,  // cycle by cycle (reference_engine.hpp), some hundred times slower
};

// Where the spans of a network's call of an operator go; null: nowhere.
using CallTraces = std::function<Trace*(const Operator&)>;
// Told, at the beginning and after every call of a network, how many are done of how many.
using CallsDone = std::function<void(std::int64_t done, std::int64_t total)>;

struct EngineOptions {
  Engine engine = Engine::kFast;
  CacheState state = CacheState::kCold;  // of the caches when the operator, or the network, begins
  std::int64_t cycle_limit = kDefaultCycleLimit;  // of the reference engine, which throws beyond it
};

struct NetworkOptions : EngineOptions {  // the limit is each call's
  // By which Fusion::kBest decides; simulated_prices() when absent.
  const OperatorPricer* prices = nullptr;
  const CallTraces* traces = nullptr;
  const CallsDone* done = nullptr;
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

// compile() with the schedules that Library::tiling asks for. With Tiling::kOptimal, the best
// energy-delay product of a matmul's whole run, simulated by itself, for the mapper's cost model
// knows neither L2 nor queues nor normaliser; never worse than the library's. Candidates are
// - the mapper's best mappings for the energy-delay product and for latency, and its best ones for
//   the energy-delay product with the library's loops, of any tile and of whole lines;
// - where something is fused with the matmul, tiles of whole rows that fit half the accumulator, so
//   that the normaliser works on one while the next is computed; rows too long for that, all of it.
// It stands here because lowering, where compile() is, sees neither mapper nor engines.
Call compile_with_mapper(const Operator& op, const Target& target);
std::vector<Call> compile_with_mapper(const Architecture& architecture, const Workload& workload,
                                      const Target& target, const OperatorPricer& price);
std::vector<Call> compile_with_mapper(std::vector<TransformerOperator> list, const Target& target,
                                      const OperatorPricer& price);

// Simulates a call by itself: its matrices are packed and the caches cold. The parts of one run are
// priced where they belong: a softmax or a LayerNorm that is fused with the matmul before it costs
// the cycles and accesses of the normaliser in their common run; the matmul the rest. A fused GELU
// costs setting its constants. What runs on the host costs its cycles per element. Spans are
// appended to `trace`; those of a fused part are in its matmul's. Throws what lower() throws. Pure,
// and callable from several threads at once.
SimulationReport simulate(const Call& call, const Target& target, const EngineOptions& options = {},
                          Trace* trace = nullptr);

// The same of compile_with_mapper().
SimulationReport simulate(const Operator& op, const Target& target,
                          const EngineOptions& options = {}, Trace* trace = nullptr);

// simulate().cost.
HardwareCost simulated_cost(const Operator& op, const Target& target);

// simulated_cost() of that hardware, which simulates an operator once; for one thread at a time.
OperatorPricer simulated_prices(const Target& target);

struct OperatorReport {
  Call item;
  SimulationReport report;  // of one of the item's repeats
};

// The calls of a network, each by itself, in the order in which they run; equal ones are simulated
// once.
std::vector<OperatorReport> simulate(const Architecture& architecture, const Workload& workload,
                                     const Target& target, const NetworkOptions& options = {});
// The same of a list of operators.
std::vector<OperatorReport> simulate(std::vector<TransformerOperator> list, const Target& target,
                                     const NetworkOptions& options = {});

// The whole network as one program, call after call on one memory: activations that the call before
// left in L2 are found there, weights and heads lie where the network has them. Every call of the
// library ends with a fence (gemmini.h L833) and begins with loads, so that calls do not overlap
// and nothing stays in the scratchpad. A report per call, in their order (repeat is 1), of which
// what runs on the host leaves the caches alone. Throws InputError when the network spans more than
// 2 GiB.
std::vector<OperatorReport> simulate_network(const Architecture& architecture,
                                             const Workload& workload, const Target& target,
                                             const NetworkOptions& options = {});

}  // namespace paretoformer::accel_sim
