// The fields of a configuration struct, declared once: what reads, writes and documents them. The
// hash of a configuration is that of what is written.
//
//   constexpr std::tuple kFields{
//       Field{"steps", &TrainingConfig::steps, Range{1, 1000}, "sandwich steps"},
//       Field{"stop", &TrainingConfig::stop, AnyFlag{}, "end when nothing changes"}};
//   TrainingConfig config;
//   read_fields(JsonObject(node), kFields, config);
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer {

// What a field may be. Each reads a value from a node, which throws InputError, writes it, and says
// what it allows as JSON Schema has it.
template <typename Number>
struct Range {
  constexpr Range(Number lowest, Number highest) : low(lowest), high(highest) {}

  void read(const JsonNode& node, std::integral auto& value) const {
    value = static_cast<std::decay_t<decltype(value)>>(node.integer(low, high));
  }
  void read(const JsonNode& node, double& value) const { value = node.number(low, high); }
  static Json write(auto value) { return value; }
  Json schema(auto value) const {
    return {{"type", std::integral<decltype(value)> ? "integer" : "number"},
            {"minimum", low},
            {"maximum", high}};
  }

  Number low, high;
};

// A number that files leave out when it is the one of before there was such a field: so their
// hashes stay what they were.
template <typename Number>
struct RangeUnless : Range<Number> {
  constexpr RangeUnless(Number lowest, Number highest, Number the_one_left_out)
      : Range<Number>(lowest, highest), left_out(the_one_left_out) {}
  Number left_out;
};

struct AnyFlag {
  static void read(const JsonNode& node, bool& value) { value = node.boolean(); }
  static Json write(bool value) { return value; }
  static Json schema(bool) { return {{"type", "boolean"}}; }
};

// A word of a table.
template <typename Enum, std::size_t kSize>
struct AnyWord {
  explicit constexpr AnyWord(const Words<Enum, kSize>& table) : words(&table) {}

  void read(const JsonNode& node, Enum& value) const { value = words->read(node); }
  Json write(Enum value) const { return words->word_of(value); }
  Json schema(Enum) const { return {{"enum", words->all()}}; }

  const Words<Enum, kSize>* words;
};

// One of some names.
struct AnyName {
  void read(const JsonNode& node, std::string& value) const { value = node.choice(names()); }
  static Json write(const std::string& value) { return value; }
  Json schema(const std::string&) const { return {{"enum", names()}}; }

  const std::vector<std::string>& (*names)();
};

template <typename Struct, typename Value, typename Allowed>
struct Field {
  constexpr Field(std::string_view its_key, Value Struct::*its_member, Allowed what_it_may_be,
                  std::string_view its_meaning = "")
      : key(its_key), member(its_member), allowed(what_it_may_be), meaning(its_meaning) {}

  std::string_view key;
  Value Struct::*member;
  Allowed allowed;
  std::string_view meaning;  // a line of the documentation, in Markdown
};

// Fields whose key is absent keep their values, unless `all` must be there that are written. Throws
// InputError.
template <typename Struct, typename... Fields>
void read_fields(const JsonObject& object, const std::tuple<Fields...>& fields, Struct& values,
                 bool all = false) {
  const auto read = [&](const auto& field) {
    const std::string key(field.key);
    constexpr bool may_be_absent = requires { field.allowed.left_out; };
    if ((all && !may_be_absent) || object.has(key))
      field.allowed.read(object.at(key), values.*field.member);
  };
  std::apply([&](const auto&... field) { (read(field), ...); }, fields);
}

// In the order of the fields.
template <typename Struct, typename... Fields>
Json write_fields(const std::tuple<Fields...>& fields, const Struct& values) {
  Json json = Json::object();
  const auto write = [&](const auto& field) {
    if constexpr (requires { field.allowed.left_out; })
      if (values.*field.member == field.allowed.left_out) return;
    json[std::string(field.key)] = field.allowed.write(values.*field.member);
  };
  std::apply([&](const auto&... field) { (write(field), ...); }, fields);
  return json;
}

// A JSON Schema (draft 2020-12) of an object of nothing but these properties, each one's schema by
// its key; none is required.
inline Json object_schema(Json properties) {
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

// That of fields, `defaults` being what absent ones are.
template <typename Struct, typename... Fields>
Json schema_of(const std::tuple<Fields...>& fields, const Struct& defaults) {
  Json properties = Json::object();
  const auto describe = [&](const auto& field) {
    Json& schema = properties[std::string(field.key)];
    schema = field.allowed.schema(defaults.*field.member);
    schema["default"] = field.allowed.write(defaults.*field.member);
    schema["description"] = field.meaning;
  };
  std::apply([&](const auto&... field) { (describe(field), ...); }, fields);
  return object_schema(std::move(properties));
}

// The properties of an object's schema as a table in Markdown: key, default, range, meaning.
std::string table_of(const Json& schema);

}  // namespace paretoformer
