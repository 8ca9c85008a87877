// What the file of a LatencyPredictor holds.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "accel_sim/workload/workload_fields.hpp"
#include "latency_predictor/file/predictor_file.hpp"
#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr Words<TimeUnit, 2> kUnitWords{{{TimeUnit::kCycles, "cycles femtojoules"},
                                         {TimeUnit::kFemtoseconds, "femtoseconds femtojoules"}}};

// A row of a table: [OPERATOR, LATENCY, FEMTOJOULES], in its place [OPERATOR, REPEAT, FIRST,
// LATENCY, FEMTOJOULES].
class Row {
 public:
  Row(const JsonNode& node, std::size_t size) : node_(node), parts_(node.elements()) {
    if (parts_.size() != size)
      node.fail("is no row of the table: expected " + std::to_string(size) + " values");
  }

  accel_sim::Operator op() const {
    try {
      return accel_sim::operator_from_text(parts_[0].string());
    } catch (const InputError& error) {
      throw InputError(node_.file() + ": " + parts_[0].path() + ": " + error.what());
    }
  }
  PlacedOperator placed() const { return {op(), parts_[1].integer(1, kMost), parts_[2].boolean()}; }
  accel_sim::HardwareCost cost() const {
    const std::size_t end = parts_.size();
    return {accel_sim::Cycles(parts_[end - 2].integer(0, kMost)),
            accel_sim::Picojoules::from_femtojoules(parts_[end - 1].integer(0, kMost))};
  }
  void require_new(bool is_new) const {
    if (!is_new) node_.fail("is there twice");
  }

 private:
  const JsonNode& node_;
  std::vector<JsonNode> parts_;
};

InPlaceCosts read_in_place(const JsonNode& roles) {
  InPlaceCosts in_place;
  const JsonObject object(roles);
  for (const auto& item : roles.json().items())
    for (const JsonNode& node : object.at(item.key()).elements()) {
      const Row row(node, 5);
      row.require_new(in_place[item.key()].emplace(row.placed(), row.cost()).second);
    }
  return in_place;
}

Json to_json(const InPlaceCosts& in_place) {
  Json json = Json::object();
  for (const auto& [role, costs] : in_place) {
    Json::array_t rows;
    for (const auto& [at, cost] : costs)
      rows.push_back(
          {describe(at.op), at.repeat, at.first, cost.latency.value(), cost.energy.femtojoules()});
    std::sort(rows.begin(), rows.end());
    json[role] = std::move(rows);
  }
  return json;
}

}  // namespace

void LatencyPredictor::save(std::string_view path) const {
  Json content{{"workload", write_fields(accel_sim::kWorkloadFields, workload())},
               {"units", kUnitWords.word_of(table().time_unit())},
               {"uncertainty", relative_uncertainty ? Json(*relative_uncertainty) : Json()},
               {"entries", Json::array()},
               {"in_place", to_json(in_place())}};
  for (const auto& [op, cost] : table().entries())
    content["entries"].push_back({describe(op), cost.latency.value(), cost.energy.femtojoules()});
  write_file_atomic(
      path,
      predictor_text({PredictorKind::kTable, table().model(), device(), hardware()}, content));
}

LatencyPredictor LatencyPredictor::load(std::string_view path) {
  return from(PredictorFile::read(std::string(path)));
}

LatencyPredictor LatencyPredictor::from(const PredictorFile& file) {
  file.require(PredictorKind::kTable);
  const JsonObject& object = file.content();
  const PredictorHead& head = file.head();
  accel_sim::Workload workload;
  const JsonObject about(object.at("workload"));
  read_fields(about, accel_sim::kWorkloadFields, workload, true);
  about.finish();
  const TimeUnit unit = kUnitWords.read(object.at("units"));
  if (head.hardware && unit != TimeUnit::kCycles)
    object.at("units").fail("is for a device that was measured: expected \"cycles femtojoules\"");
  LookupTable table(head.hardware ? target_hash(*head.hardware) : device_hash(head.device),
                    head.model, nullptr, unit);
  for (const JsonNode& node : object.at("entries").elements()) {
    const Row row(node, 3);
    row.require_new(table.insert(row.op(), row.cost()));
  }
  InPlaceCosts in_place = read_in_place(object.at("in_place"));
  LatencyPredictor predictor =
      head.hardware
          ? LatencyPredictor(*head.hardware, workload, std::move(table), std::move(in_place))
          : LatencyPredictor(head.device, workload, std::move(table));
  if (const JsonNode uncertainty = object.at("uncertainty"); !uncertainty.json().is_null())
    predictor.relative_uncertainty = uncertainty.number(0, std::numeric_limits<double>::max());
  object.finish();
  return predictor;
}

}  // namespace paretoformer::latency_predictor
