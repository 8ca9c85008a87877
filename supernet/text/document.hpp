// The rules of grammar.hpp, how probable they are, and a document as a walk over its choices, each
// made by whoever walks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

// All names but one, equally probable.
struct OtherName {
  int excluded;  // -1: none
  int count() const { return excluded < 0 ? kNames : kNames - 1; }
  int sample(Random& random) const {
    const int name = static_cast<int>(random.below(static_cast<std::uint64_t>(count())));
    return excluded >= 0 && name >= excluded ? name + 1 : name;
  }
  double probability(int name) const { return name == excluded ? 0.0 : 1.0 / count(); }
};

struct EchoedName {
  int recent, older;
  int sample(Random& random) const { return random.chance(kEchoRecent) ? recent : older; }
  double probability(int name) const {
    return name == recent ? kEchoRecent : name == older ? 1 - kEchoRecent : 0.0;
  }
};

// The Chooser writes a text (grammar.cpp), or recovers the choices from one (the tests).
template <typename Chooser>
class Document {
 public:
  explicit Document(Chooser& chooser) : chooser_(chooser) {}

  void run() {
    topic_ = chooser_.pick(language_.topics(), Kind::kTopic);
    chooser_.word(Kind::kColon);
    quote();
    quote();
    sentence_after_adverb(noun_phrase());
    while (true) {
      switch (chooser_.branch(kItemProbability, kItemStart)) {
        case kQuote:
          quote();
          break;
        case kEcho:
          echo();
          break;
        case kSentence:
          sentence();
          break;
        case kEnd:
          chooser_.word(Kind::kNewline);
          return;
      }
    }
  }

 private:
  struct Subject {
    int noun = 0;
    bool plural = false;
    int agreement() const { return 2 * (plural ? 1 : 0) + Language::gender(noun); }
  };
  struct Speech {
    int name = -1;
    std::size_t begin = 0, end = 0;  // where the text of the clause is
  };

  bool option(double probability, Kind start) {
    const double probabilities[] = {probability, 1 - probability};
    return chooser_.branch(probabilities, std::span(&start, 1)) == 0;
  }

  void quote() {
    // The earlier speech is forgotten; the one that stays must be called by another name.
    older_ = recent_;
    recent_.name = chooser_.pick(OtherName{older_.name}, Kind::kName);
    chooser_.word(Kind::kSays);
    chooser_.word(Kind::kColon);
    recent_.begin = chooser_.position();
    predicate(noun_phrase());
    recent_.end = chooser_.position();
    chooser_.word(Kind::kPeriod);
  }

  void echo() {
    chooser_.word(Kind::kAgain);
    const int name = chooser_.pick(EchoedName{recent_.name, older_.name}, Kind::kName);
    chooser_.word(Kind::kColon);
    const Speech& speech = name == recent_.name ? recent_ : older_;
    chooser_.copy(speech.begin, speech.end);
    chooser_.word(Kind::kPeriod);
  }

  void sentence() {
    if (option(kAdverbProbability, Kind::kAdverb)) {
      chooser_.pick(language_.adverbs(topic_), Kind::kAdverb);
      chooser_.word(Kind::kComma);
    }
    if (option(kPronounProbability, Kind::kPronoun)) {
      chooser_.word(Kind::kPronoun, last_subject_.agreement());
      sentence_after_adverb(last_subject_);
    } else {
      sentence_after_adverb(noun_phrase());
    }
  }

  void sentence_after_adverb(Subject subject) {
    last_subject_ = subject;
    predicate(subject);
    chooser_.word(Kind::kPeriod);
  }

  void predicate(Subject subject) {
    verb_phrase(subject);
    while (option(kAndProbability, Kind::kAnd)) {
      chooser_.word(Kind::kAnd);
      verb_phrase(subject);
    }
  }

  Subject noun_phrase() { return noun_phrase(language_.nouns(topic_)); }

  template <typename Distribution>
  Subject noun_phrase(const Distribution& nouns) {
    const Subject noun = bare_noun_phrase(nouns);
    if (option(kAdjectiveProbability, Kind::kAdjective))
      chooser_.pick(language_.adjectives(noun.noun), Kind::kAdjective);
    switch (chooser_.branch(kRelativeProbability, kRelativeStart)) {
      case kSubjectClause:
        chooser_.word(Kind::kThat);
        verb_phrase(noun);
        chooser_.word(Kind::kComma);
        break;
      case kObjectClause:
        chooser_.word(Kind::kWhom);
        verb(noun_phrase());
        chooser_.word(Kind::kComma);
        break;
      default:
        break;
    }
    return noun;
  }

  template <typename Distribution>
  Subject bare_noun_phrase(const Distribution& nouns) {
    Subject noun;
    noun.plural = Language::plural(chooser_.pick(language_.determiners(), Kind::kDeterminer));
    noun.noun = chooser_.pick(nouns, Kind::kNoun, noun.plural ? 1 : 0);
    return noun;
  }

  int verb(Subject subject) {
    return chooser_.pick(language_.verbs(subject.noun), Kind::kVerb, subject.agreement());
  }

  void verb_phrase(Subject subject) {
    const int predicate = verb(subject);
    if (Language::transitive(predicate)) noun_phrase(language_.objects(subject.noun, predicate));
    if (option(kPlaceProbability, Kind::kPreposition)) {
      chooser_.pick(language_.prepositions(predicate), Kind::kPreposition);
      bare_noun_phrase(language_.nouns(topic_));
    }
  }

  Chooser& chooser_;
  const Language& language_ = Language::get();
  int topic_ = 0;
  Speech recent_, older_;
  Subject last_subject_;
};

}  // namespace paretoformer::supernet
