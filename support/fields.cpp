#include "support/fields.hpp"

#include <fmt/format.h>

#include <cmath>

namespace paretoformer {
namespace {

// A number without an exponent where it is a whole one, a word as code.
std::string text_of(const Json& value) {
  if (value.is_number_float() && value == std::trunc(value.get<double>()) &&
      std::abs(value.get<double>()) < 1e15)
    return fmt::format("{:.0f}", value.get<double>());
  if (value.is_number() || value.is_boolean()) return value.dump();
  return "`" + (value.is_string() ? value.get<std::string>() : value.dump()) + "`";
}

std::string list_of(const Json& values) {
  std::string list;
  for (const Json& value : values) list += (list.empty() ? "" : ", ") + text_of(value);
  return list;
}

std::string range_of(const Json& schema) {
  if (schema.contains("enum")) return list_of(schema["enum"]);
  if (schema.contains("minimum"))
    return text_of(schema["minimum"]) + " to " + text_of(schema["maximum"]);
  if (schema.value("type", Json()) == "boolean") return "true, false";
  return "";
}

}  // namespace

std::string table_of(const Json& schema) {
  const Json required = schema.value("required", Json::array());
  std::string table = "| key | default | range | meaning |\n|---|---|---|---|\n";
  for (const auto& [key, property] : schema["properties"].items()) {
    std::string initial = "none";
    if (property.contains("default")) initial = text_of(property["default"]);
    if (property.contains("properties")) initial = "";
    for (const Json& name : required)
      if (name == key) initial = "required";
    table += fmt::format("| `{}` | {} | {} | {} |\n", key, initial, range_of(property),
                         property["description"].get<std::string>());
  }
  return table;
}

}  // namespace paretoformer
