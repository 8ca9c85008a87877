#include "support/json.hpp"

#include <algorithm>
#include <cmath>

#include "support/error.hpp"
#include "support/files.hpp"

namespace paretoformer {
namespace {

std::string where(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t last_newline = before.rfind('\n');
  const std::size_t column =
      last_newline == std::string_view::npos ? before.size() : before.size() - last_newline - 1;
  return std::to_string(line) + ":" + std::to_string(std::max<std::size_t>(column, 1));
}

// The library's message without its own prefix.
std::string after(const std::string& message, const std::string& mark) {
  const std::size_t at = message.find(mark);
  return at == std::string::npos ? message : message.substr(at + mark.size());
}

std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

std::string number_text(double value) { return Json(value).dump(); }

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  // nlohmann keeps the last of two equal keys silently; a configuration must not.
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw InputError(file + ": key " + parsed.dump() + " appears twice in one object");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const nlohmann::json::parse_error& error) {
    throw InputError(file + ":" + where(text, error.byte) +
                     ": not valid JSON: " + after(error.what(), ": "));
  } catch (const nlohmann::json::out_of_range& error) {  // 1e999
    throw InputError(file + ": not valid JSON: " + after(error.what(), "] "));
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

std::string to_text(const Json& json) { return json.dump(2) + "\n"; }

void JsonNode::fail(const std::string& message) const {
  throw InputError(file_ + ": " + (path_.empty() ? "/" : path_) + ": " + shown(*json_) + " " +
                   message);
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
  const std::string expected =
      "expected an integer from " + std::to_string(low) + " to " + std::to_string(high);
  if (!json_->is_number_integer()) fail("has the wrong type: " + expected);
  const bool too_large = json_->is_number_unsigned() &&
                         json_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (too_large || json_->get<std::int64_t>() < low || json_->get<std::int64_t>() > high)
    fail("is out of range: " + expected);
  return json_->get<std::int64_t>();
}

double JsonNode::number(double low, double high) const {
  const std::string expected =
      "expected a number from " + number_text(low) + " to " + number_text(high);
  if (!json_->is_number()) fail("has the wrong type: " + expected);
  const double value = json_->get<double>();
  if (!(value >= low && value <= high)) fail("is out of range: " + expected);
  return value;
}

bool JsonNode::boolean() const {
  if (!json_->is_boolean()) fail("has the wrong type: expected true or false");
  return json_->get<bool>();
}

std::string JsonNode::string() const {
  if (!json_->is_string()) fail("has the wrong type: expected a string");
  return json_->get<std::string>();
}

std::string JsonNode::choice(const std::vector<std::string>& allowed) const {
  std::string value = string();
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  std::string expected;
  for (const std::string& option : allowed) expected += (expected.empty() ? "" : ", ") + option;
  fail("is not known: expected one of " + expected + did_you_mean(value, allowed));
}

std::vector<JsonNode> JsonNode::elements() const {
  if (!json_->is_array()) fail("has the wrong type: expected an array");
  std::vector<JsonNode> nodes;
  nodes.reserve(json_->size());
  for (std::size_t i = 0; i < json_->size(); ++i)
    nodes.emplace_back((*json_)[i], file_, path_ + "/" + std::to_string(i));
  return nodes;
}

JsonObject::JsonObject(const JsonNode& node) : node_(node) {
  if (!node.json().is_object()) node.fail("has the wrong type: expected an object");
}

bool JsonObject::has(const std::string& key) const {
  known_.insert(key);
  return node_.json().contains(key);
}

JsonNode JsonObject::at(const std::string& key) const {
  if (!has(key))
    throw InputError(node_.file() + ": " + (node_.path().empty() ? "/" : node_.path()) +
                     ": key \"" + key + "\" is missing");
  return {node_.json()[key], node_.file(), node_.path() + "/" + key};
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t low,
                                 std::int64_t high) const {
  return at(key).integer(low, high);
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t low, std::int64_t high,
                                 std::int64_t fallback) const {
  return has(key) ? at(key).integer(low, high) : fallback;
}

double JsonObject::number(const std::string& key, double low, double high) const {
  return at(key).number(low, high);
}

double JsonObject::number(const std::string& key, double low, double high, double fallback) const {
  return has(key) ? at(key).number(low, high) : fallback;
}

bool JsonObject::boolean(const std::string& key, bool fallback) const {
  return has(key) ? at(key).boolean() : fallback;
}

std::string JsonObject::string(const std::string& key) const { return at(key).string(); }

std::string JsonObject::string(const std::string& key, const std::string& fallback) const {
  return has(key) ? at(key).string() : fallback;
}

std::string JsonObject::choice(const std::string& key, const std::vector<std::string>& allowed,
                               const std::string& fallback) const {
  return has(key) ? at(key).choice(allowed) : fallback;
}

void JsonObject::finish() const {
  for (const auto& item : node_.json().items()) {
    if (known_.count(item.key())) continue;
    const std::vector<std::string> candidates(known_.begin(), known_.end());
    std::string expected;
    for (const std::string& key : candidates) expected += (expected.empty() ? "" : ", ") + key;
    std::string hint = did_you_mean(item.key(), candidates);
    if (hint.empty()) hint = "; known keys: " + expected;
    throw InputError(node_.file() + ": " + node_.path() + "/" + item.key() + ": unknown key" +
                     hint);
  }
}

}  // namespace paretoformer
