#include "support/json.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <type_traits>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/text.hpp"
#include "support/words.hpp"

namespace paretoformer {

// json_fwd.hpp declares it piece by piece.
static_assert(std::is_same_v<Json, nlohmann::ordered_json>);

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
  return shortened(json.dump(-1, ' ', false, Json::error_handler_t::replace), 57);
}

std::string number_text(double value) { return Json(value).dump(); }

// Bytes of a text that tell how many of them have been read.
class CountedBytes {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountedBytes() = default;
  CountedBytes(const char* at, std::size_t* read) : at_(at), read_(read) {}
  reference operator*() const { return *at_; }
  CountedBytes& operator++() {
    ++at_;
    ++*read_;
    return *this;
  }
  CountedBytes operator++(int) {
    CountedBytes before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountedBytes& other) const { return at_ == other.at_; }

 private:
  const char* at_ = nullptr;
  std::size_t* read_ = nullptr;
};

constexpr std::size_t kMostQuoted = 200;  // bytes of a message

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  std::size_t read = 0;
  const auto fail = [&](const std::string& what) {
    throw InputError(file + ":" + where(text, read) + ": " + shortened(what, kMostQuoted));
  };
  // nlohmann takes a zero byte for the end. JSON has none.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    read = zero + 1;
    fail("not valid JSON: a zero byte");
  }
  // It also keeps the last of two equal keys silently; a configuration must not.
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool starts =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (starts && depth >= kDeepestJson)
      fail("is nested too deeply: expected at most " + std::to_string(kDeepestJson) + " levels");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      fail("key " + shown(parsed) + " appears twice in one object");
    return true;
  };
  try {
    return Json::parse(CountedBytes(text.data(), &read),
                       CountedBytes(text.data() + text.size(), &read), check);
  } catch (const nlohmann::json::parse_error& error) {
    read = error.byte;
    fail("not valid JSON: " + after(error.what(), ": "));
  } catch (const nlohmann::json::out_of_range& error) {  // 1e999
    fail("not valid JSON: " + after(error.what(), "] "));
  }
  return {};
}

Json json_or_string(std::string_view text, const std::string& where) {
  if (valid_utf8_prefix(text) < text.size()) throw InputError(where + ": is not valid UTF-8");
  return Json::accept(text) ? parse_json(text, where) : Json(std::string(text));
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

std::string to_text(const Json& json) {
  try {
    return json.dump(2) + "\n";
  } catch (const nlohmann::json::type_error&) {
    throw InputError("a name cannot be written as JSON: it is not valid UTF-8");
  }
}

void JsonNode::fail(const std::string& message) const {
  throw InputError(file_ + ": " + (path_.empty() ? "/" : path_) + ": " + shown(*json_) + " " +
                   message);
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
  const auto refuse = [&](const char* why) {  // a text that most calls can do without
    fail(std::string(why) + ": expected an integer from " + std::to_string(low) + " to " +
         std::to_string(high));
  };
  if (!json_->is_number_integer()) refuse("has the wrong type");
  const bool too_large = json_->is_number_unsigned() &&
                         json_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (too_large || json_->get<std::int64_t>() < low || json_->get<std::int64_t>() > high)
    refuse("is out of range");
  return json_->get<std::int64_t>();
}

double JsonNode::number(double low, double high) const {
  const auto refuse = [&](const char* why) {
    fail(std::string(why) + ": expected a number from " + number_text(low) + " to " +
         number_text(high));
  };
  if (!json_->is_number()) refuse("has the wrong type");
  const double value = json_->get<double>();
  if (!(value >= low && value <= high)) refuse("is out of range");
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

std::string JsonNode::name() const {
  std::string text = string();
  if (printable(text) != text) fail("has control characters: expected a name to be printed");
  return text;
}

std::string JsonNode::choice(const std::vector<std::string>& allowed) const {
  std::string value = string();
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  fail(not_among(value, allowed));
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

std::string JsonObject::name(const std::string& key, const std::string& fallback) const {
  return has(key) ? at(key).name() : fallback;
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
    throw InputError(node_.file() + ": " + node_.path() + "/" + shortened(item.key(), kMostQuoted) +
                     ": unknown key" + hint);
  }
}

}  // namespace paretoformer
