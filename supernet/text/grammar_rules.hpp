// How probable the rules of grammar.hpp are, and how words are spaced.
#pragma once

#include <string_view>

#include "supernet/text/language.hpp"

namespace paretoformer::supernet {

// What comes next in a document, told apart by the first word.
enum Item { kQuote, kEcho, kEnd, kSentence };
inline constexpr double kItemProbability[] = {0.22, 0.20, 0.07, 0.51};
inline constexpr Kind kItemStart[] = {Kind::kName, Kind::kAgain, Kind::kNewline};

// The relative clause after a noun: its subject is the noun, or its object is.
enum Relative { kSubjectClause, kObjectClause, kNoClause };
inline constexpr double kRelativeProbability[] = {0.12, 0.08, 0.80};
inline constexpr Kind kRelativeStart[] = {Kind::kThat, Kind::kWhom};

inline constexpr double kEchoRecent = 0.75;  // of the last two speakers, the later one
inline constexpr double kAdverbProbability = 0.20;
inline constexpr double kPronounProbability = 0.25;
inline constexpr double kAdjectiveProbability = 0.30;
inline constexpr double kPlaceProbability = 0.25;  // preposition phrase
inline constexpr double kAndProbability = 0.22;

// Punctuation and line ends stand right after the word before them; other words after a space,
// except at the start of a line.
inline bool spaced(Kind kind, std::string_view before) {
  const bool attached = kind == Kind::kComma || kind == Kind::kColon || kind == Kind::kPeriod ||
                        kind == Kind::kNewline;
  return !attached && !before.empty() && before.back() != '\n';
}

}  // namespace paretoformer::supernet
