// What the file of a learned model holds.
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/file/predictor_file.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "support/fields.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr double kLargest = 1e18;
constexpr paretoformer::Range kCount{0, 1 << 20};
constexpr paretoformer::Range kError{0.0, kLargest};

// Numbers, ranges of them as [low, high], and lists of either that must have so many.
void read_value(const JsonNode& node, double& value) { value = node.number(-kLargest, kLargest); }
template <typename Value, std::size_t kSize>
void read_value(const JsonNode& node, std::array<Value, kSize>& values);
void read_value(const JsonNode& node, Range& range) {
  std::array<double, 2> ends{};
  read_value(node, ends);
  range = {ends[0], ends[1]};
  if (!(range.low <= range.high)) node.fail("is no range: expected the lower end first");
}
template <typename Value, std::size_t kSize>
void read_value(const JsonNode& node, std::array<Value, kSize>& values) {
  const std::vector<JsonNode> elements = node.elements();
  if (elements.size() != kSize)
    node.fail("has " + std::to_string(elements.size()) + " elements: expected " +
              std::to_string(kSize));
  for (std::size_t i = 0; i < kSize; ++i) read_value(elements[i], values[i]);
}

Json json_of(double value) { return value; }
Json json_of(const Range& range) { return {range.low, range.high}; }
template <typename Value, std::size_t kSize>
Json json_of(const std::array<Value, kSize>& values) {
  Json list = Json::array();
  for (const Value& value : values) list.push_back(json_of(value));
  return list;
}

struct AnyNumbers {
  static void read(const JsonNode& node, auto& value) { read_value(node, value); }
  static Json write(const auto& value) { return json_of(value); }
};

// The upper triangle, row by row.
struct AnySymmetric {
  using Triangle = std::array<double, kLearnedFeatures*(kLearnedFeatures + 1) / 2>;

  static void read(const JsonNode& node, FeatureMatrix& matrix) {
    Triangle triangle;
    read_value(node, triangle);
    const double* next = triangle.data();
    for (std::size_t i = 0; i < kLearnedFeatures; ++i)
      for (std::size_t j = i; j < kLearnedFeatures; ++j) matrix[i][j] = matrix[j][i] = *next++;
  }
  static Json write(const FeatureMatrix& matrix) {
    Json list = Json::array();
    for (std::size_t i = 0; i < kLearnedFeatures; ++i)
      for (std::size_t j = i; j < kLearnedFeatures; ++j) list.push_back(matrix[i][j]);
    return list;
  }
};

constexpr std::tuple kErrorFields{Field{"networks", &HeldOutErrors::networks, kCount},
                                  Field{"latency_mape", &HeldOutErrors::latency_mape, kError},
                                  Field{"latency_p95", &HeldOutErrors::latency_p95, kError},
                                  Field{"energy_mape", &HeldOutErrors::energy_mape, kError},
                                  Field{"energy_p95", &HeldOutErrors::energy_p95, kError}};

constexpr std::tuple kGroupFields{
    Field{"samples", &LearnedGroup::samples, paretoformer::Range{1, 1 << 20}},
    Field{"rows_inner_columns", &LearnedGroup::extents, AnyNumbers{}},
    Field{"features", &LearnedGroup::features, AnyNumbers{}},
    Field{"mean", &LearnedGroup::mean, AnyNumbers{}},
    Field{"scale", &LearnedGroup::scale, AnyNumbers{}},
    // Of log(cycles / estimate), and of log(DRAM bytes / estimate).
    Field{"coefficients", &LearnedGroup::coefficients, AnyNumbers{}},
    Field{"seen", &LearnedGroup::targets, AnyNumbers{}},
    Field{"spread", &LearnedGroup::spread, AnyNumbers{}},
    Field{"inverse", &LearnedGroup::inverse, AnySymmetric{}}};

using Content = LearnedModel::Content;
constexpr std::tuple kContentFields{
    Field{"samples", &Content::samples, kCount},
    Field{"seed", &Content::seed,
          paretoformer::Range{std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}},
    Field{"sequence_length", &Content::length, AnyNumbers{}},
    Field{"prefill", &Content::prefill, AnyFlag{}},
    Field{"decode", &Content::decode, AnyFlag{}},
#define PARETOFORMER_KNOB_FIELD(key) Field{#key, &Content::key, AnyNumbers{}},
    PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_KNOB_FIELD)
#undef PARETOFORMER_KNOB_FIELD
};

std::vector<std::string> group_names() {
  std::vector<std::string> names;
  for (int g = 0; g < kLearnedGroups; ++g) names.push_back(learned_group_name(g));
  return names;
}

void read_group(const JsonNode& node, std::vector<LearnedGroup>& groups) {
  const JsonObject object(node);
  const std::vector<std::string> names = group_names();
  const std::string name = object.at("group").choice(names);
  const auto index = std::find(names.begin(), names.end(), name) - names.begin();
  read_fields(object, kGroupFields, groups[static_cast<std::size_t>(index)], true);
  object.finish();
}

}  // namespace

std::string LearnedModel::text() const {
  Json json = write_fields(kContentFields, content_);
  json["held_out"] = write_fields(kErrorFields, content_.held_out);
  json["groups"] = Json::array();
  const std::vector<std::string> names = group_names();
  for (std::size_t g = 0; g < names.size(); ++g) {
    if (content_.groups[g].samples == 0) continue;
    json["groups"].push_back({{"group", names[g]}});
    json["groups"].back().update(write_fields(kGroupFields, content_.groups[g]));
  }
  return predictor_text(
      {PredictorKind::kLearned, accel_sim::kSimulatorModel, /*device=*/"", content_.base}, json);
}

void LearnedModel::save(const std::filesystem::path& path) const {
  write_file_atomic(path, text());
}

LearnedModel LearnedModel::load(const std::filesystem::path& path) {
  return from(PredictorFile::read(path));
}

LearnedModel LearnedModel::from(const PredictorFile& file) {
  file.require(PredictorKind::kLearned);
  const JsonObject& object = file.content();
  if (file.head().model != accel_sim::kSimulatorModel || !file.head().hardware)
    object.at("model").fail(std::string("is not what this program simulates with: expected \"") +
                            accel_sim::kSimulatorModel + "\" on hardware");
  Content content;
  content.base = *file.head().hardware;
  read_fields(object, kContentFields, content, true);
  const JsonObject held_out(object.at("held_out"));
  read_fields(held_out, kErrorFields, content.held_out, true);
  held_out.finish();
  for (const JsonNode& group : object.at("groups").elements()) read_group(group, content.groups);
  object.finish();
  return LearnedModel(std::move(content));
}

}  // namespace paretoformer::latency_predictor
