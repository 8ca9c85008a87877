// The fixed tables of the artificial language: its words, and how probable each is where.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/random.hpp"

namespace paretoformer::supernet {

// Word classes. No two words of the language, inflected forms included, are spelt alike.
enum class Kind {
  kTopic,
  kName,
  kAdverb,
  kPronoun,
  kDeterminer,
  kNoun,
  kAdjective,
  kVerb,
  kPreposition,
  kSays,
  kAgain,
  kThat,
  kWhom,
  kAnd,
  kComma,
  kColon,
  kPeriod,
  kNewline,
  kNone,  // not a word of the language
};
inline constexpr int kKinds = static_cast<int>(Kind::kNone);

inline constexpr int kTopics = 12;
inline constexpr int kNames = 32;
inline constexpr int kAdverbs = 24;
inline constexpr int kNouns = 192;
inline constexpr int kAdjectives = 64;
inline constexpr int kVerbs = 96;
inline constexpr int kPrepositions = 8;
inline constexpr int kDeterminers = 6;   // the first half singular, the second half plural
inline constexpr int kNounClasses = 8;   // what a verb demands of its object
inline constexpr int kLikedVerbs = 4;    // verbs that a noun prefers
inline constexpr int kLikedObjects = 3;  // objects that a noun with a verb prefers

// A number of alternatives with fixed probabilities.
class Choice {
 public:
  Choice() = default;
  // Proportional to `weights`, which may contain zeros.
  explicit Choice(const std::vector<double>& weights);

  int sample(Random& random) const;
  double probability(int i) const { return probability_[static_cast<std::size_t>(i)]; }
  int size() const { return static_cast<int>(probability_.size()); }

 private:
  std::vector<double> probability_;
  std::vector<double> cumulative_;
};

// A few liked alternatives with probabilities of their own; the rest of the probability falls on
// a base choice, which may hit a liked one as well.
class Preference {
 public:
  // The views must outlive the preference.
  Preference(std::span<const std::uint16_t> liked, std::span<const double> weights,
             const Choice& base);

  int sample(Random& random) const;
  double probability(int i) const;
  int size() const { return base_->size(); }

 private:
  std::span<const std::uint16_t> liked_;
  std::span<const double> weights_;
  const Choice* base_;
  double rest_ = 1;
};

// What a spelling means: alternative `index` of a class, in one of its inflected forms.
struct Word {
  Kind kind = Kind::kNone;
  int index = 0;
  int form = 0;
};

// Nouns inflect for number: form = plural. Verbs agree with the subject: form = 2 * plural +
// gender; so does the pronoun, as its index.
class Language {
 public:
  // The one language, built at first use.
  static const Language& get();

  const std::string& spelling(Kind kind, int index, int form = 0) const;
  // Kind::kNone when it is no word.
  Word look_up(std::string_view spelling) const;

  static int gender(int noun) { return noun % 2; }
  static int noun_class(int noun) { return (noun / 2) % kNounClasses; }
  static bool transitive(int verb) { return verb % 4 != 3; }

  const Choice& topics() const { return topics_; }
  const Choice& determiners() const { return determiners_; }
  static bool plural(int determiner) { return determiner >= kDeterminers / 2; }
  const Choice& adverbs(int topic) const { return adverbs_[topic]; }
  const Choice& nouns(int topic) const { return nouns_[topic]; }
  Preference adjectives(int noun) const;
  Preference verbs(int subject) const;
  // The objects of a transitive verb: facts about the pair when the subject prefers the verb, else
  // about the verb; always of the class that the verb demands.
  Preference objects(int subject, int verb) const;
  Preference prepositions(int verb) const;

 private:
  Language();
  void add(Kind kind, int index, int form, const std::string& spelling);
  // A pronounceable word that is new in all the forms `stem + endings[form]`.
  void invent(Kind kind, int index, int syllables, const std::vector<std::string>& endings,
              Random& random);
  void build_lexicon();
  void build_distributions();
  void build_facts();

  std::array<std::vector<std::vector<std::string>>, kKinds> spelling_;  // [kind][index][form]
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, Word, Hash, std::equal_to<>> words_;

  Choice topics_, determiners_, all_verbs_, all_adjectives_, all_prepositions_;
  std::array<Choice, kTopics> adverbs_, nouns_;
  std::array<Choice, kNounClasses> class_nouns_;
  std::array<std::array<std::uint16_t, 3>, kNouns> liked_adjectives_{};
  std::array<std::array<std::uint16_t, kLikedVerbs>, kNouns> liked_verbs_{};
  std::array<std::array<std::array<std::uint16_t, kLikedObjects>, kLikedVerbs>, kNouns>
      pair_objects_{};
  std::array<std::array<std::uint16_t, kLikedObjects>, kVerbs> verb_objects_{};
  std::array<std::array<std::uint16_t, 1>, kVerbs> liked_preposition_{};
  std::array<int, kVerbs> object_class_{};
};

}  // namespace paretoformer::supernet
