// Latency and energy of a whole Transformer on one accelerator: the sum over its operators, each
// looked up in a table, by its place in the network if that is known.
//
// This header is kept light, for whoever includes it: what most programs do not mention is in
// tables.hpp, in_place_costs.hpp and network_cost.hpp.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"
#include "support/owned.hpp"

namespace paretoformer {

class SearchSpace;

}  // namespace paretoformer

namespace paretoformer::latency_predictor {

class LookupTable;
class PredictorFile;
struct InPlaceCosts;
struct NetworkCost;

// The cost of an operator at its place in the network.
struct OperatorPrediction {
  std::string_view role;    // as in TransformerOperator
  int layer = 0;            // -1 outside the layers
  std::int64_t repeat = 1;  // how often it runs there
  accel_sim::Operator op;
  accel_sim::HardwareCost cost;  // of all repeats
};

// Answers are the same on any number of threads. A network of layers already seen takes two
// look-ups per layer, without a lock or an allocation. What was moved from may be assigned.
class LatencyPredictor {
 public:
  // With the cycle simulator, on demand.
  LatencyPredictor(const accel_sim::Target& hardware, const accel_sim::Workload& workload);
  // With prices from `table`, but for operators whose cost at their place `in_place` has. Throws
  // InputError when the table was made for other hardware.
  LatencyPredictor(const accel_sim::Target& hardware, const accel_sim::Workload& workload,
                   LookupTable table);
  LatencyPredictor(const accel_sim::Target& hardware, const accel_sim::Workload& workload,
                   LookupTable table, InPlaceCosts in_place);
  // Of a device that is not described here, from measurements: `table` has device_hash() and all
  // operators. Both throw InputError unless the name is a line of text and not empty.
  LatencyPredictor(std::string_view device, const accel_sim::Workload& workload, LookupTable table);
  static std::uint64_t device_hash(std::string_view device);

  LatencyPredictor(const LatencyPredictor& other);
  LatencyPredictor(LatencyPredictor&& other) noexcept;
  LatencyPredictor& operator=(const LatencyPredictor& other);
  LatencyPredictor& operator=(LatencyPredictor&& other) noexcept;
  ~LatencyPredictor();

  // A file of everything (latency_predictor/file/predictor_file.hpp): model, hardware, workload,
  // units, a row per operator and one per operator in its place. A predictor that was loaded knows
  // the operators of the file and no others. save() throws Error naming the path when it cannot;
  // load() throws InputError naming the file, in one line, when it was cut or edited, or is of
  // another version or another kind.
  static LatencyPredictor load(std::string_view path);
  static LatencyPredictor from(const PredictorFile& file);
  void save(std::string_view path) const;

  // The sum of breakdown(), exactly. Throws what scheduled_operators() and LookupTable::cost()
  // throw; the same holds for breakdown().
  accel_sim::HardwareCost predict(const Architecture& architecture) const;
  // That and the rest, of the same calls. Throws Error, too, for more MACs than fit 64 bits.
  NetworkCost network_cost(const Architecture& architecture) const;
  std::vector<OperatorPrediction> breakdown(const Architecture& architecture) const;
  // Of each in turn. Throws Error when the spans differ in length.
  void predict(std::span<const Architecture> architectures,
               std::span<accel_sim::HardwareCost> costs) const;

  // Prices all operators of a space ahead, on all threads.
  void fill(const SearchSpace& space) const;

  // Whether costs are of a device that was measured in time: HardwareCost::latency then counts
  // femtoseconds, not cycles.
  bool in_time() const;
  // Of a cost that the predictor gave: nanoseconds where it is in_time(), else cycles.
  double latency(const accel_sim::HardwareCost& cost) const;

  const std::string& device() const;
  // What the prices are for; nothing for a device that was measured.
  const std::optional<accel_sim::Target>& hardware() const;
  const accel_sim::Workload& workload() const;
  const LookupTable& table() const;
  const InPlaceCosts& in_place() const;

  // The 95th percentile of the relative error against whole networks, when that has been measured
  // (predictor_check.hpp).
  std::optional<double> relative_uncertainty;

 private:
  struct State;

  Owned<State> state_;
};

}  // namespace paretoformer::latency_predictor

// What most programs ask with, by short names.
namespace paretoformer {

using accel_sim::find_target;
using accel_sim::HardwareCost;
using accel_sim::Mode;
using accel_sim::Target;
using accel_sim::Workload;
using latency_predictor::LatencyPredictor;

}  // namespace paretoformer
