// What the embedded language holds per document, worked out from its rules instead of sampled.
#pragma once

#include <Eigen/LU>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "supernet/text/document.hpp"
#include "supernet/text/language.hpp"

namespace paretoformer::supernet {

// Expected bits and bytes of a part of a document.
struct Cost {
  double bits = 0, bytes = 0;
  Cost& operator+=(Cost other) { return *this = {bits + other.bits, bytes + other.bytes}; }
  friend Cost operator+(Cost a, Cost b) { return a += b; }
  friend Cost operator*(double p, Cost a) { return {p * a.bits, p * a.bytes}; }
};

inline Cost branch_cost(std::span<const double> probabilities) {
  Cost cost;
  for (double p : probabilities) cost.bits -= p * std::log2(p);
  return cost;
}

inline Cost option_cost(double p) { return branch_cost(std::array{p, 1 - p}); }

template <typename Distribution>
double entropy(const Distribution& distribution) {
  double bits = 0;
  for (int i = 0; i < distribution.size(); ++i)
    if (const double p = distribution.probability(i); p > 0) bits -= p * std::log2(p);
  return bits;
}

// A word of the class drawn from `distribution`; its forms have probabilities `forms`.
template <typename Distribution>
Cost pick_cost(const Distribution& distribution, Kind kind, std::span<const double> forms) {
  Cost cost{entropy(distribution), 1};  // the space before it
  for (int i = 0; i < distribution.size(); ++i)
    for (std::size_t form = 0; form < forms.size(); ++form)
      cost.bytes +=
          distribution.probability(i) * forms[form] *
          static_cast<double>(Language::get().spelling(kind, i, static_cast<int>(form)).size());
  return cost;
}

template <typename Distribution>
Cost pick_cost(const Distribution& distribution, Kind kind) {
  return pick_cost(distribution, kind, std::array{1.0});
}

inline Cost word_cost(Kind kind) {
  const auto letters = static_cast<double>(Language::get().spelling(kind, 0).size());
  return {0, letters + (spaced(kind, "x") ? 1 : 0)};
}

// Sums over everything that can happen. What makes this a finite sum: number is independent of
// the noun, and by linearity of expectation the dependence between parts (an echo of a clause, a
// pronoun for an earlier subject) does not matter, only how each part is distributed by itself. A
// repeated clause and a last subject are distributed as fresh ones, because what happens between
// has the same probabilities whatever they are.
class Expectation {
 public:
  Expectation() {
    for (int i = 0; i < kDeterminers; ++i)
      plural_ += Language::plural(i) ? language_.determiners().probability(i) : 0;
    number_ = {1 - plural_, plural_};
    determiner_ = pick_cost(language_.determiners(), Kind::kDeterminer);
    noun_bytes_.resize(kNouns);
    for (int noun = 0; noun < kNouns; ++noun)
      for (int form = 0; form < 2; ++form)
        noun_bytes_[noun] +=
            number_[form] * static_cast<double>(language_.spelling(Kind::kNoun, noun, form).size());
    verb_.resize(kNouns);
    object_.resize(kNouns);
    to_noun_.assign(kNouns, std::vector<double>(kNouns, 0.0));
    for (int subject = 0; subject < kNouns; ++subject) add_subject(subject);
  }

  Cost document() const {
    Cost cost;
    for (int topic = 0; topic < kTopics; ++topic)
      cost += language_.topics().probability(topic) * document(topic);
    cost += pick_cost(language_.topics(), Kind::kTopic);
    cost.bytes -= 1;  // no space at the start of a line
    return cost;
  }

 private:
  // Of a subject: its verb; and whatever of the rest of the verb phrase depends on neither topic
  // nor nested clauses, while to_noun_ counts the expected objects by noun.
  void add_subject(int subject) {
    const Preference verbs = language_.verbs(subject);
    std::array<double, 4> agreement{};
    for (int plural = 0; plural < 2; ++plural)
      agreement[2 * plural + Language::gender(subject)] = number_[plural];
    verb_[subject] = pick_cost(verbs, Kind::kVerb, agreement);
    for (int verb = 0; verb < kVerbs; ++verb) {
      const double p = verbs.probability(verb);
      Cost rest = kPlaceProbability * pick_cost(language_.prepositions(verb), Kind::kPreposition);
      if (Language::transitive(verb)) {
        const Preference objects = language_.objects(subject, verb);
        rest += determiner_ + Cost{entropy(objects), 1};
        for (int noun = 0; noun < kNouns; ++noun) {
          const double q = objects.probability(noun);
          rest.bytes += q * noun_bytes_[noun];
          to_noun_[subject][noun] += p * q;
        }
      }
      object_[subject] += p * rest;
    }
  }

  Cost document(int topic) const {
    const Choice& nouns = language_.nouns(topic);
    const Cost bare = determiner_ + pick_cost(nouns, Kind::kNoun, number_);
    const Cost place = option_cost(kPlaceProbability) + kPlaceProbability * bare;
    const std::vector<Cost> after = after_noun(nouns, bare, place);

    // Per occurrence of a subject: its phrase, and what it does.
    Cost phrase = bare, verbs;
    for (int noun = 0; noun < kNouns; ++noun) {
      phrase += nouns.probability(noun) * after[noun];
      verbs += nouns.probability(noun) * (verb_phrase(noun, after) + place);
    }
    const Cost predicate =
        1 / (1 - kAndProbability) *
        (verbs + option_cost(kAndProbability) + kAndProbability * word_cost(Kind::kAnd));
    const Cost period = word_cost(Kind::kPeriod), colon = word_cost(Kind::kColon);
    const Cost opening = phrase + predicate + period;

    const auto names = pick_cost(Choice(std::vector<double>(kNames, 1.0)), Kind::kName);
    Cost quote = names + word_cost(Kind::kSays) + colon + opening;
    const Cost first_quote = quote;
    quote.bits += std::log2(kNames - 1.0) - std::log2(static_cast<double>(kNames));
    Cost echo = word_cost(Kind::kAgain) + names + colon + period;
    echo.bits = option_cost(kEchoRecent).bits;
    echo.bytes += (phrase + predicate).bytes;
    const Cost sentence = option_cost(kAdverbProbability) +
                          kAdverbProbability * (pick_cost(language_.adverbs(topic), Kind::kAdverb) +
                                                word_cost(Kind::kComma)) +
                          option_cost(kPronounProbability) + kPronounProbability * pronoun(nouns) +
                          (1 - kPronounProbability) * phrase + predicate + period;
    const Cost items = 1 / kItemProbability[kEnd] *
                       (branch_cost(kItemProbability) + kItemProbability[kQuote] * quote +
                        kItemProbability[kEcho] * echo + kItemProbability[kSentence] * sentence);
    return colon + first_quote + quote + opening + items + word_cost(Kind::kNewline);
  }

  Cost pronoun(const Choice& nouns) const {
    Cost cost{0, 1};
    for (int noun = 0; noun < kNouns; ++noun)
      for (int plural = 0; plural < 2; ++plural) {
        const int agreement = 2 * plural + Language::gender(noun);
        cost.bytes += nouns.probability(noun) * number_[plural] *
                      static_cast<double>(language_.spelling(Kind::kPronoun, agreement).size());
      }
    return cost;
  }

  // Without the place.
  Cost verb_phrase(int subject, const std::vector<Cost>& after) const {
    Cost cost = verb_[subject] + object_[subject];
    for (int noun = 0; noun < kNouns; ++noun) cost += to_noun_[subject][noun] * after[noun];
    return cost;
  }

  // What follows each noun inside its phrase: the solution of x = fixed + M x, where x holds bits
  // and bytes by noun, and M the expected nouns inside what follows one.
  std::vector<Cost> after_noun(const Choice& nouns, Cost bare, Cost place) const {
    const Cost comma = word_cost(Kind::kComma);
    Cost object_clause = word_cost(Kind::kWhom) + bare + comma;
    for (int noun = 0; noun < kNouns; ++noun)
      object_clause += nouns.probability(noun) * verb_[noun];
    Eigen::MatrixXd system = Eigen::MatrixXd::Identity(kNouns, kNouns);
    Eigen::MatrixX2d fixed(kNouns, 2);
    for (int noun = 0; noun < kNouns; ++noun) {
      const Cost subject_clause =
          word_cost(Kind::kThat) + verb_[noun] + object_[noun] + place + comma;
      const Cost cost =
          option_cost(kAdjectiveProbability) +
          kAdjectiveProbability * pick_cost(language_.adjectives(noun), Kind::kAdjective) +
          branch_cost(kRelativeProbability) + kRelativeProbability[kObjectClause] * object_clause +
          kRelativeProbability[kSubjectClause] * subject_clause;
      fixed.row(noun) << cost.bits, cost.bytes;
      for (int other = 0; other < kNouns; ++other)
        system(noun, other) -= kRelativeProbability[kObjectClause] * nouns.probability(other) +
                               kRelativeProbability[kSubjectClause] * to_noun_[noun][other];
    }
    const Eigen::MatrixX2d x = system.partialPivLu().solve(fixed);
    std::vector<Cost> after(kNouns);
    for (int noun = 0; noun < kNouns; ++noun) after[noun] = {x(noun, 0), x(noun, 1)};
    return after;
  }

  const Language& language_ = Language::get();
  double plural_ = 0;
  std::array<double, 2> number_{};
  Cost determiner_;
  std::vector<double> noun_bytes_;            // without the space
  std::vector<Cost> verb_, object_;           // [subject]
  std::vector<std::vector<double>> to_noun_;  // [subject][object]
};

// Expectations over documents.
struct LanguageEntropy {
  double bits_per_document = 0;
  double bytes_per_document = 0;
  double bits_per_byte() const { return bits_per_document / bytes_per_document; }
};

inline LanguageEntropy language_entropy() {
  const Cost cost = Expectation().document();
  return {cost.bits, cost.bytes};
}

}  // namespace paretoformer::supernet
