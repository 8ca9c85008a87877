// Reading JSON with errors that name the file, the path, the value and what was expected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/json_fwd.hpp"

namespace paretoformer {

// Arrays and objects may be nested so deeply. Whatever walks a document calls itself as often.
constexpr int kDeepestJson = 256;

// Parses `text`, which may begin with a byte order mark. What JSON does not say, duplicate keys and
// too deep nesting are errors: InputError, "FILE:LINE:COLUMN: ...".
Json parse_json(std::string_view text, const std::string& file);
Json read_json(const std::filesystem::path& path);
// A value given on the command line: JSON if it is that, else a string. Throws as parse_json() and
// when it is not UTF-8; `where` names the option.
Json json_or_string(std::string_view text, const std::string& where);

// Pretty-printed with a final newline. Throws InputError when a string is not UTF-8, as a path may
// be.
std::string to_text(const Json& json);

// One value of a document together with where it stands. Getters check the type and range and
// throw InputError: "FILE: /path/to/key: 12 is out of range: expected an integer from 1 to 8".
class JsonNode {
 public:
  // `json` must outlive the node.
  JsonNode(const Json& json, std::string file, std::string path = "")
      : json_(&json), file_(std::move(file)), path_(std::move(path)) {}

  const Json& json() const { return *json_; }
  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }

  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  double number(double low, double high) const;
  bool boolean() const;
  std::string string() const;
  // A string without control characters, which may stand in tables and lines of other files.
  std::string name() const;
  // A string that must be one of `allowed`.
  std::string choice(const std::vector<std::string>& allowed) const;
  // The elements of an array.
  std::vector<JsonNode> elements() const;

  // Throws "FILE: PATH: VALUE MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  const Json* json_;
  std::string file_;
  std::string path_;
};

// An object whose keys are all accounted for: read each key, then call finish(), which rejects the
// keys nobody asked for and suggests the nearest known one.
class JsonObject {
 public:
  // Throws when `node` is not an object.
  explicit JsonObject(const JsonNode& node);

  bool has(const std::string& key) const;
  // Throws when the key is absent.
  JsonNode at(const std::string& key) const;

  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) const;
  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high,
                       std::int64_t fallback) const;
  double number(const std::string& key, double low, double high) const;
  double number(const std::string& key, double low, double high, double fallback) const;
  bool boolean(const std::string& key, bool fallback) const;
  std::string string(const std::string& key) const;
  std::string string(const std::string& key, const std::string& fallback) const;
  std::string name(const std::string& key, const std::string& fallback) const;
  std::string choice(const std::string& key, const std::vector<std::string>& allowed,
                     const std::string& fallback) const;

  void finish() const;
  const JsonNode& node() const { return node_; }

 private:
  JsonNode node_;
  mutable std::set<std::string> known_;
};

}  // namespace paretoformer
