#include "accel_sim/hardware/hardware_space.hpp"

#include <algorithm>

#include "search_spaces/architecture.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/json.hpp"

namespace paretoformer::accel_sim {
namespace {

std::vector<std::string> parameter_names() {
  const Json schema = target_schema();
  std::vector<std::string> names;
  for (const auto& [key, unused] : schema["properties"].items())
    if (key != "preset") names.push_back(key);
  return names;
}

std::vector<std::string> values_from_json(const JsonNode& node) {
  std::vector<std::string> values;
  for (const JsonNode& element : node.elements()) {
    values.push_back(element.json().dump());
    if (std::find(values.begin(), values.end() - 1, values.back()) != values.end() - 1)
      element.fail("appears twice: expected distinct values");
  }
  if (values.empty() || values.size() > kMostHardwareChoices)
    node.fail("has " + std::to_string(values.size()) + " values: expected 1 to " +
              std::to_string(kMostHardwareChoices));
  return values;
}

}  // namespace

HardwareSpace HardwareSpace::from_json(const JsonNode& node, const Target& base) {
  const JsonObject object(node);
  HardwareSpace space;
  space.base_ = base;
  std::int64_t count = 1;
  for (const std::string& name : parameter_names()) {
    if (!object.has(name)) continue;
    space.keys_.push_back({name, values_from_json(object.at(name))});
    count *= std::ssize(space.keys_.back().values);
    if (count > kMost)
      node.fail("has too many combinations: expected at most " + std::to_string(kMost));
  }
  object.finish();
  if (space.keys_.empty() || space.keys_.size() > kMostHardwareGenes)
    node.fail("has " + std::to_string(space.keys_.size()) + " keys: expected 1 to " +
              std::to_string(kMostHardwareGenes));
  for (const std::vector<int>& combination : space.combinations()) {
    Json json = accel_sim::to_json(base);
    json.update(space.values(combination));
    try {
      target_from_json(JsonNode(json, node.file(), node.path()));
    } catch (const InputError& error) {
      throw InputError(std::string(error.what()) + "; every combination must be possible: " +
                       space.describe(combination) + " is not");
    }
  }
  return space;
}

Json HardwareSpace::to_json() const {
  Json json = Json::object();
  for (const Key& key : keys_)
    for (const std::string& value : key.values) json[key.name].push_back(Json::parse(value));
  return json;
}

Json HardwareSpace::schema() {
  Json properties = Json::object();
  const Json target = target_schema();
  for (const std::string& name : parameter_names()) {
    Json value = target["properties"][name];
    value.erase("default");
    value.erase("description");
    properties[name] = {{"type", "array"},
                        {"minItems", 1},
                        {"maxItems", kMostHardwareChoices},
                        {"uniqueItems", true},
                        {"items", value},
                        {"description", "choices of `hardware." + name + "`"}};
  }
  return object_schema(std::move(properties));
}

std::vector<int> HardwareSpace::choices() const {
  std::vector<int> counts;
  for (const Key& key : keys_) counts.push_back(static_cast<int>(key.values.size()));
  return counts;
}

std::vector<std::vector<int>> HardwareSpace::combinations() const {
  std::vector<std::vector<int>> all{{}};
  for (const Key& key : keys_) {
    std::vector<std::vector<int>> longer;
    for (const std::vector<int>& each : all)
      for (int number = 1; number <= std::ssize(key.values); ++number) {
        longer.push_back(each);
        longer.back().push_back(number);
      }
    all = std::move(longer);
  }
  return all;
}

Json HardwareSpace::values(const std::vector<int>& combination) const {
  if (combination.size() != keys_.size())
    throw Error("a combination of " + std::to_string(combination.size()) +
                " choices: the space of hardware has " + std::to_string(keys_.size()) + " keys");
  Json json = Json::object();
  for (std::size_t i = 0; i < keys_.size(); ++i)
    json[keys_[i].name] =
        Json::parse(keys_[i].values.at(static_cast<std::size_t>(combination[i]) - 1));
  return json;
}

Target HardwareSpace::at(const std::vector<int>& combination) const {
  Json json = accel_sim::to_json(base_);
  json.update(values(combination));
  return target_from_json(JsonNode(json, "hardware_space"));
}

std::string HardwareSpace::describe(const std::vector<int>& combination) const {
  std::string text;
  const Json chosen = values(combination);
  for (const auto& [key, value] : chosen.items())
    text += (text.empty() ? "" : ", ") + key + " " +
            (value.is_string() ? value.get<std::string>() : value.dump());
  return text;
}

}  // namespace paretoformer::accel_sim
