// The file of a learned model: JSON whose last key is the hash of the text before it.
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "support/checksum.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr const char* kFormat = "paretoformer_learned_model";
// Goes up with the file's layout, and with the features, whose coefficients it holds.
constexpr int kVersion = 1;
constexpr const char* kUnits = "cycles picojoules";
constexpr std::string_view kEnd = "\n}\n";
constexpr Checksum kChecksum{",\n  \"checksum\": \"", "\"\n}\n"};
constexpr double kLargest = 1e18;

// --- writing

template <typename Numbers>
Json list_of(const Numbers& numbers) {
  Json list = Json::array();
  for (const double number : numbers) list.push_back(number);
  return list;
}

Json to_json(const Range& range) { return {range.low, range.high}; }

template <typename Ranges>
Json ranges_of(const Ranges& ranges) {
  Json list = Json::array();
  for (const Range& range : ranges) list.push_back(to_json(range));
  return list;
}

Json to_json(const LearnedGroup& group, std::size_t index) {
  Json json = {{"group", learned_group_name(static_cast<int>(index))},
               {"samples", group.samples},
               {"rows_inner_columns", ranges_of(group.extents)},
               {"features", ranges_of(group.features)},
               {"mean", list_of(group.mean)},
               {"scale", list_of(group.scale)},
               {"log_cycles_over_estimate", list_of(group.coefficients[0])},
               {"log_dram_bytes_over_estimate", list_of(group.coefficients[1])},
               {"seen", ranges_of(group.targets)},
               {"spread", list_of(group.spread)}};
  // The upper triangle, row by row.
  Json inverse = Json::array();
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = i; j < kLearnedFeatures; ++j) inverse.push_back(group.inverse[i][j]);
  json["inverse"] = std::move(inverse);
  return json;
}

Json to_json(const HeldOutErrors& errors) {
  return {{"networks", errors.networks},
          {"latency_mape", errors.latency_mape},
          {"latency_p95", errors.latency_p95},
          {"energy_mape", errors.energy_mape},
          {"energy_p95", errors.energy_p95}};
}

// Lists that hold no objects on one line each: a line per row of numbers, not per number.
std::string with_short_lists(const std::string& text) {
  std::string result;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '[' && (depth > 0 || text.find_first_of("{]", i) == text.find(']', i))) ++depth;
    if (c == ']' && depth > 0) --depth;
    if (depth > 0 && (c == '\n' || c == ' ')) continue;
    result += c;
    if (depth > 0 && c == ',') result += ' ';
  }
  return result;
}

// --- reading

Range read_range(const JsonNode& node) {
  const std::vector<JsonNode> ends = node.elements();
  if (ends.size() != 2) node.fail("is no range: expected two numbers");
  const double low = ends[0].number(-kLargest, kLargest);
  return {low, ends[1].number(low, kLargest)};
}

// The elements of a list that must have so many.
std::vector<JsonNode> list_at(const JsonObject& object, const std::string& key, std::size_t size) {
  const JsonNode node = object.at(key);
  std::vector<JsonNode> elements = node.elements();
  if (elements.size() != size)
    node.fail("has " + std::to_string(elements.size()) + " elements: expected " +
              std::to_string(size));
  return elements;
}

template <typename Numbers>
void read_numbers(const JsonObject& object, const std::string& key, Numbers& numbers) {
  const std::vector<JsonNode> elements = list_at(object, key, numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = elements[i].number(-kLargest, kLargest);
}

template <typename Ranges>
void read_ranges(const JsonObject& object, const std::string& key, Ranges& ranges) {
  const std::vector<JsonNode> elements = list_at(object, key, ranges.size());
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i] = read_range(elements[i]);
}

void read_group(const JsonNode& node, std::vector<LearnedGroup>& groups) {
  const JsonObject object(node);
  std::vector<std::string> names;
  for (int g = 0; g < kLearnedGroups; ++g) names.push_back(learned_group_name(g));
  const std::string name = object.at("group").choice(names);
  std::size_t index = 0;
  while (names[index] != name) ++index;
  LearnedGroup& group = groups[index];
  group.samples = static_cast<int>(object.integer("samples", 1, 1 << 20));
  read_ranges(object, "rows_inner_columns", group.extents);
  read_ranges(object, "features", group.features);
  read_numbers(object, "mean", group.mean);
  read_numbers(object, "scale", group.scale);
  read_numbers(object, "log_cycles_over_estimate", group.coefficients[0]);
  read_numbers(object, "log_dram_bytes_over_estimate", group.coefficients[1]);
  read_ranges(object, "seen", group.targets);
  read_numbers(object, "spread", group.spread);
  const std::vector<JsonNode> inverse =
      list_at(object, "inverse", kLearnedFeatures * (kLearnedFeatures + 1) / 2);
  std::size_t next = 0;
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = i; j < kLearnedFeatures; ++j)
      group.inverse[i][j] = group.inverse[j][i] = inverse[next++].number(-kLargest, kLargest);
  object.finish();
}

HeldOutErrors read_errors(const JsonNode& node) {
  const JsonObject object(node);
  HeldOutErrors errors;
  errors.networks = static_cast<int>(object.integer("networks", 0, 1 << 20));
  errors.latency_mape = object.number("latency_mape", 0, kLargest);
  errors.latency_p95 = object.number("latency_p95", 0, kLargest);
  errors.energy_mape = object.number("energy_mape", 0, kLargest);
  errors.energy_p95 = object.number("energy_p95", 0, kLargest);
  object.finish();
  return errors;
}

void require(const JsonObject& object, const std::string& key, const std::string& expected) {
  const std::string found = object.string(key);
  if (found != expected)
    object.node().fail("has " + key + " \"" + found + "\": expected \"" + expected + "\"");
}

}  // namespace

std::string LearnedModel::text() const {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"simulator", accel_sim::kSimulatorModel},
               {"units", kUnits},
               {"samples", content_.samples},
               {"seed", content_.seed},
               {"held_out", to_json(content_.held_out)},
               {"sequence_length", to_json(content_.length)},
               {"prefill", content_.prefill},
               {"decode", content_.decode}};
#define PARETOFORMER_WRITE_KNOB(key) json[#key] = to_json(content_.key);
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_WRITE_KNOB)
#undef PARETOFORMER_WRITE_KNOB
  json["base"] = accel_sim::to_json(content_.base);
  Json groups = Json::array();
  for (std::size_t g = 0; g < content_.groups.size(); ++g)
    if (content_.groups[g].samples > 0) groups.push_back(to_json(content_.groups[g], g));
  json["groups"] = std::move(groups);
  std::string body = with_short_lists(to_text(json));
  body.resize(body.size() - kEnd.size());
  return kChecksum.added_to(body);
}

void LearnedModel::save(const std::filesystem::path& path) const {
  write_file_atomic(path, text());
}

LearnedModel LearnedModel::load(const std::filesystem::path& path) {
  return parse(read_text_file(path), path.string());
}

LearnedModel LearnedModel::parse(const std::string& text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonObject object(JsonNode(json, file));
  // What the file is comes first, so that the wrong file is called that, not a damaged one.
  require(object, "format", kFormat);
  object.integer("version", kVersion, kVersion);
  require(object, "simulator", accel_sim::kSimulatorModel);
  require(object, "units", kUnits);
  kChecksum.require(text, file);

  Content content;
  content.samples = static_cast<int>(object.integer("samples", 0, 1 << 20));
  content.seed = static_cast<std::uint64_t>(
      object.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  content.held_out = read_errors(object.at("held_out"));
  content.length = read_range(object.at("sequence_length"));
  content.prefill = object.boolean("prefill", true);
  content.decode = object.boolean("decode", true);
#define PARETOFORMER_READ_KNOB(key) content.key = read_range(object.at(#key));
  PARETOFORMER_LEARNED_KNOBS(PARETOFORMER_READ_KNOB)
#undef PARETOFORMER_READ_KNOB
  content.base = accel_sim::target_from_json(object.at("base"));
  for (const JsonNode& group : object.at("groups").elements()) read_group(group, content.groups);
  object.string("checksum");
  object.finish();
  return LearnedModel(std::move(content));
}

}  // namespace paretoformer::latency_predictor
