// Tables whose rows have a `name`, by which files and the command line ask for them: the values of
// an enumeration, presets, algorithms, exporters.
#pragma once

#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.hpp"

namespace paretoformer {

template <typename Table>
std::vector<std::string> names_in(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

// Null when there is none.
template <typename Table>
constexpr auto find_row(const Table& table, std::string_view name)
    -> decltype(&*std::begin(table)) {
  for (const auto& row : table)
    if (row.name == name) return &row;
  return nullptr;
}

// "is not known: expected one of x, y", and what `name` may have meant.
inline std::string not_among(std::string_view name, const std::vector<std::string>& names) {
  std::string expected;
  for (const std::string& each : names) expected += (expected.empty() ? "" : ", ") + each;
  return "is not known: expected one of " + expected + did_you_mean(name, names);
}

// Throws InputError when there is none: "WHERE: "x" is not known: expected one of ...".
template <typename Table>
const auto& row_named(const Table& table, std::string_view name, std::string_view where) {
  if (const auto* row = find_row(table, name)) return *row;
  throw InputError(std::string(where) + ": \"" + std::string(name) + "\" " +
                   not_among(name, names_in(table)));
}

// Of a JsonNode, whose place is in the error.
template <typename Table, typename Node>
const auto& read_row(const Table& table, const Node& node) {
  return *find_row(table, node.choice(names_in(table)));
}

template <typename Enum>
struct Word {
  Enum value;
  std::string_view name;
};

// constexpr Words<Mode, 2> kModeWords{{{Mode::kPrefill, "prefill"}, {Mode::kDecode, "decode"}}};
template <typename Enum, std::size_t kSize>
class Words {
 public:
  // All enumerators in their order, which the compiler checks.
  explicit consteval Words(const Word<Enum> (&words)[kSize]) : words_(std::to_array(words)) {
    for (std::size_t i = 0; i < kSize; ++i)
      if (static_cast<std::size_t>(words_[i].value) != i)
        throw "not in the order of the enumerators";
  }

  static constexpr std::size_t size() { return kSize; }
  constexpr std::string_view word_of(Enum value) const {
    return words_[static_cast<std::size_t>(value)].name;
  }
  constexpr std::optional<Enum> find(std::string_view word) const {
    const Word<Enum>* found = find_row(words_, word);
    return found ? std::optional(found->value) : std::nullopt;
  }
  // Throws what row_named() throws.
  Enum value_of(std::string_view word, std::string_view where) const {
    return row_named(words_, word, where).value;
  }

  // Of a JsonNode.
  template <typename Node>
  Enum read(const Node& node) const {
    return read_row(words_, node).value;
  }
  // At a key of a JsonObject, `absent` where it has none.
  template <typename Object>
  Enum read(const Object& object, const std::string& key, Enum absent) const {
    return object.has(key) ? read(object.at(key)) : absent;
  }

  std::vector<std::string> all() const { return names_in(words_); }
  // A value for each word.
  static std::vector<Enum> values() {
    std::vector<Enum> values;
    for (std::size_t i = 0; i < kSize; ++i) values.push_back(static_cast<Enum>(i));
    return values;
  }

 private:
  std::array<Word<Enum>, kSize> words_;
};

}  // namespace paretoformer
