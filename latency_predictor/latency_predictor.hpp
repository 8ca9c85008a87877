// Latency and energy of a whole Transformer on one accelerator: the sum over its operators, each
// looked up in a table, by its place in the network if that is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/peak_memory.hpp"
#include "accel_sim/workload/operators.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "search_spaces/architecture.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::latency_predictor {

class PredictorFile;

// The cost of an operator at its place in the network.
struct OperatorPrediction {
  std::string_view role;    // as in TransformerOperator
  int layer = 0;            // -1 outside the layers
  std::int64_t repeat = 1;  // how often it runs there
  accel_sim::Operator op;
  accel_sim::HardwareCost cost;  // of all repeats
};

// An operator at a place where it runs `repeat` times (as many heads lie in one row of queries), in
// the first layer, which finds nothing of its buffers in L2, or elsewhere.
struct PlacedOperator {
  accel_sim::Operator op;
  std::int64_t repeat = 1;
  bool first = false;

  bool operator==(const PlacedOperator&) const = default;
};
// The place of an operator of transformer_operators().
PlacedOperator placed(const accel_sim::TransformerOperator& item);
struct PlacedOperatorHash {
  std::size_t operator()(const PlacedOperator& at) const;
};

// What one run of an operator costs at its place in a network, by role, where that is known:
// earlier operators leave their results in L2, and heads lie in rows of all heads.
using InPlaceCosts =
    std::map<std::string,
             std::unordered_map<PlacedOperator, accel_sim::HardwareCost, PlacedOperatorHash>,
             std::less<>>;

// A table that prices operators with the cycle simulator (accel_sim/simulator.hpp), a few
// milliseconds each the first time.
LookupTable simulated_table(const accel_sim::Target& hardware);

// A table that prices operators with the analytical model
// (accel_sim/closed_form/analytical_model.hpp), which knows neither L2 nor queues, in less than a
// microsecond each.
LookupTable analytical_table(const accel_sim::Target& hardware);

// The operators of all networks of a space, each once: those of transformer_operators(), or what
// scheduled_operators() may answer or price for that hardware.
std::vector<accel_sim::Operator> operators_of(
    const SearchSpace& space, const accel_sim::Workload& workload,
    const std::optional<accel_sim::Target>& hardware = std::nullopt);

// What a network or a part of it costs, all read off one list of calls.
struct NetworkCost {
  accel_sim::HardwareCost hardware;
  accel_sim::PeakMemory memory;
  std::int64_t macs = 0;

  NetworkCost& operator+=(const NetworkCost& other);
};

// Answers are the same on any number of threads. A network of layers already seen takes two
// look-ups per layer, without a lock or an allocation.
class LatencyPredictor {
 public:
  // With the cycle simulator, on demand.
  LatencyPredictor(const accel_sim::Target& hardware, const accel_sim::Workload& workload);
  // With prices from `table`, but for operators whose cost at their place `in_place` has. Throws
  // InputError when the table was made for other hardware.
  LatencyPredictor(const accel_sim::Target& hardware, const accel_sim::Workload& workload,
                   LookupTable table, InPlaceCosts in_place = {});
  // Of a device that is not described here, from measurements: `table` has device_hash() and all
  // operators. Both throw InputError unless the name is a line of text and not empty.
  LatencyPredictor(std::string device, const accel_sim::Workload& workload, LookupTable table);
  static std::uint64_t device_hash(const std::string& device);

  // A file of everything (latency_predictor/file/predictor_file.hpp): model, hardware, workload,
  // units, a row per operator and one per operator in its place. A predictor that was loaded knows
  // the operators of the file and no others. save() throws Error naming the path when it cannot;
  // load() throws InputError naming the file, in one line, when it was cut or edited, or is of
  // another version or another kind. A std::filesystem::path converts to `path`.
  static LatencyPredictor load(const std::string& path);
  static LatencyPredictor from(const PredictorFile& file);
  void save(const std::string& path) const;

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
  bool in_time() const { return table_.time_unit() == TimeUnit::kFemtoseconds; }
  // Of a cost that the predictor gave: nanoseconds where it is in_time(), else cycles.
  double latency(const accel_sim::HardwareCost& cost) const;

  const std::string& device() const { return device_; }
  // What the prices are for; nothing for a device that was measured.
  const std::optional<accel_sim::Target>& hardware() const { return hardware_; }
  const accel_sim::Workload& workload() const { return workload_; }
  const LookupTable& table() const { return table_; }
  const InPlaceCosts& in_place() const { return in_place_; }

  // The 95th percentile of the relative error against whole networks, when that has been measured
  // (predictor_check.hpp).
  std::optional<double> relative_uncertainty;

 private:
  struct PartKey;  // a part that networks share
  // The costs of parts, in the source for the sake of those who include this. What was moved from
  // is empty.
  class Parts {
   public:
    Parts();
    Parts(const Parts& other);
    Parts(Parts&& other);  // NOLINT(performance-noexcept-move-constructor)
    Parts& operator=(Parts other) noexcept;
    ~Parts();

    const NetworkCost* find(const PartKey& key) const;
    const NetworkCost& add(const PartKey& key, const NetworkCost& cost);

   private:
    struct Map;
    std::unique_ptr<Map> map_;
  };
  // Hands `add` the costs of all parts of a network.
  template <typename Add>
  void for_each_part(const Architecture& architecture, Add add) const;
  const NetworkCost& part(const PartKey& key) const;
  std::vector<accel_sim::TransformerOperator> operators_of_part(const PartKey& key) const;
  // By the prices of the table; as they are for a device that was measured.
  std::vector<accel_sim::Call> compile(std::vector<accel_sim::TransformerOperator> list) const;
  accel_sim::HardwareCost price(const accel_sim::TransformerOperator& item) const;

  std::string device_;
  std::optional<accel_sim::Target> hardware_;
  accel_sim::Workload workload_;
  LookupTable table_;
  InPlaceCosts in_place_;
  mutable Parts parts_;
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
