// The words for the values of an enumeration, in files and on the command line: one table each.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.hpp"

namespace paretoformer {

// "is not known: expected one of x, y", and what `word` may have meant.
inline std::string not_among(std::string_view word, const std::vector<std::string>& words) {
  std::string expected;
  for (const std::string& each : words) expected += (expected.empty() ? "" : ", ") + each;
  return "is not known: expected one of " + expected + did_you_mean(word, words);
}

template <typename Enum>
struct Word {
  Enum value;
  std::string_view word;
};

// constexpr Words<Mode, 2> kModeWords{{{Mode::kPrefill, "prefill"}, {Mode::kDecode, "decode"}}};
template <typename Enum, std::size_t kSize>
class Words {
 public:
  // All enumerators in their order, which the compiler checks.
  explicit consteval Words(const Word<Enum> (&words)[kSize]) {
    for (std::size_t i = 0; i < kSize; ++i) {
      if (static_cast<std::size_t>(words[i].value) != i)
        throw "not in the order of the enumerators";
      words_[i] = words[i].word;
    }
  }

  static constexpr std::size_t size() { return kSize; }
  constexpr std::string_view word_of(Enum value) const {
    return words_[static_cast<std::size_t>(value)];
  }
  constexpr std::optional<Enum> find(std::string_view word) const {
    for (std::size_t i = 0; i < kSize; ++i)
      if (words_[i] == word) return static_cast<Enum>(i);
    return std::nullopt;
  }
  // Throws InputError when there is no such word: "WHERE: "x" is not known: expected one of ...".
  Enum value_of(std::string_view word, std::string_view where) const {
    if (const std::optional<Enum> value = find(word)) return *value;
    throw InputError(std::string(where) + ": \"" + std::string(word) + "\" " +
                     not_among(word, all()));
  }

  // Of a JsonNode; throws as value_of().
  template <typename Node>
  Enum read(const Node& node) const {
    return *find(node.choice(all()));
  }
  // At a key of a JsonObject, `absent` where it has none.
  template <typename Object>
  Enum read(const Object& object, const std::string& key, Enum absent) const {
    return object.has(key) ? read(object.at(key)) : absent;
  }

  std::vector<std::string> all() const { return {words_.begin(), words_.end()}; }
  // A value for each word.
  static std::vector<Enum> values() {
    std::vector<Enum> values;
    for (std::size_t i = 0; i < kSize; ++i) values.push_back(static_cast<Enum>(i));
    return values;
  }

 private:
  std::array<std::string_view, kSize> words_;
};

}  // namespace paretoformer
