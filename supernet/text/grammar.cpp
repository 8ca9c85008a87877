#include "supernet/text/grammar.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "supernet/text/language.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

// What comes next in a document, told apart by the first word.
enum Item { kQuote, kEcho, kEnd, kSentence };
constexpr double kItemProbability[] = {0.22, 0.20, 0.07, 0.51};
constexpr Kind kItemStart[] = {Kind::kName, Kind::kAgain, Kind::kNewline};

// The relative clause after a noun: its subject is the noun, or its object is.
enum Relative { kSubjectClause, kObjectClause, kNoClause };
constexpr double kRelativeProbability[] = {0.12, 0.08, 0.80};
constexpr Kind kRelativeStart[] = {Kind::kThat, Kind::kWhom};

constexpr double kEchoRecent = 0.75;  // of the last two speakers, the later one
constexpr double kAdverbProbability = 0.20;
constexpr double kPronounProbability = 0.25;
constexpr double kAdjectiveProbability = 0.30;
constexpr double kPlaceProbability = 0.25;  // preposition phrase
constexpr double kAndProbability = 0.22;

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

// Punctuation and line ends stand right after the word before them; other words after a space,
// except at the start of a line.
bool spaced(Kind kind, std::string_view before) {
  const bool attached = kind == Kind::kComma || kind == Kind::kColon || kind == Kind::kPeriod ||
                        kind == Kind::kNewline;
  return !attached && !before.empty() && before.back() != '\n';
}

// Makes every choice at random and writes it down.
class Writer {
 public:
  explicit Writer(std::uint64_t seed) : random_(seed, {0x74657874}) {}

  // Index of the alternative taken. All but the last begin with a word of class starts[i].
  int branch(std::span<const double> probabilities, std::span<const Kind> starts) {
    double draw = random_.uniform();
    std::size_t i = 0;
    while (i < starts.size() && draw >= probabilities[i]) draw -= probabilities[i++];
    bits_ -= std::log2(probabilities[i]);
    return static_cast<int>(i);
  }
  // Writes one word of the class, chosen from the distribution.
  template <typename Distribution>
  int pick(const Distribution& distribution, Kind kind, int form = 0) {
    const int index = distribution.sample(random_);
    bits_ -= std::log2(distribution.probability(index));
    word(kind, index, form);
    return index;
  }
  // Writes a word that leaves no choice.
  void word(Kind kind, int index = 0, int form = 0) {
    if (spaced(kind, text_)) text_ += ' ';
    text_ += Language::get().spelling(kind, index, form);
  }
  std::size_t position() const { return text_.size(); }
  // Repeats what was written in [begin, end).
  void copy(std::size_t begin, std::size_t end) { text_ += text_.substr(begin, end - begin); }

  double bits() const { return bits_; }
  std::string take_text() { return std::move(text_); }

 private:
  Random random_;
  std::string text_;
  double bits_ = 0;
};

// Recovers every choice from the next word of a given text: the same interface as Writer.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  int branch(std::span<const double> probabilities, std::span<const Kind> starts) {
    const Kind next = peek();
    const auto i =
        static_cast<std::size_t>(std::find(starts.begin(), starts.end(), next) - starts.begin());
    bits_ -= std::log2(probabilities[i]);
    return static_cast<int>(i);
  }
  template <typename Distribution>
  int pick(const Distribution& distribution, Kind kind, int form = 0) {
    const Word next = Language::get().look_up(next_spelling());
    if (next.kind != kind || !(distribution.probability(next.index) > 0)) fail();
    bits_ -= std::log2(distribution.probability(next.index));
    word(kind, next.index, form);
    return next.index;
  }
  void word(Kind kind, int index = 0, int form = 0) {
    if (spaced(kind, text_.substr(0, at_))) expect(" ");
    if (next_spelling() != Language::get().spelling(kind, index, form)) fail();
    expect(Language::get().spelling(kind, index, form));
  }
  std::size_t position() const { return at_; }
  void copy(std::size_t begin, std::size_t end) { expect(text_.substr(begin, end - begin)); }

  double bits() const { return bits_; }
  bool done() const { return at_ == text_.size(); }

 private:
  Kind peek() const { return Language::get().look_up(next_spelling()).kind; }
  // Letters up to the next space or punctuation, or one such character.
  std::string_view next_spelling() const {
    std::string_view rest = text_.substr(at_);
    if (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    const std::size_t end = rest.find_first_of(" ,:.\n");
    return rest.substr(0, end == 0 ? 1 : end);
  }
  void expect(std::string_view content) {
    if (text_.substr(at_, content.size()) != content) fail();
    at_ += content.size();
  }
  [[noreturn]] void fail() const {
    const std::string_view next = next_spelling();
    const std::string name = next.empty()   ? "end of text"
                             : next == "\n" ? "end of line"
                                            : "\"" + std::string(next.substr(0, 40)) + "\"";
    throw InputError("generated text: byte " + std::to_string(at_) + ": " + name +
                     " is not possible here");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  double bits_ = 0;
};

// One document, written by a Writer or read by a Reader.
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

// Expected bits and bytes of a part of a document.
struct Cost {
  double bits = 0, bytes = 0;
  Cost& operator+=(Cost other) { return *this = {bits + other.bits, bytes + other.bytes}; }
  friend Cost operator+(Cost a, Cost b) { return a += b; }
  friend Cost operator*(double p, Cost a) { return {p * a.bits, p * a.bytes}; }
};

Cost branch_cost(std::span<const double> probabilities) {
  Cost cost;
  for (double p : probabilities) cost.bits -= p * std::log2(p);
  return cost;
}

Cost option_cost(double p) { return branch_cost(std::array{p, 1 - p}); }

// A word of the class drawn from `distribution`; its forms have probabilities `forms`.
template <typename Distribution>
Cost pick_cost(const Distribution& distribution, Kind kind, std::span<const double> forms) {
  Cost cost{distribution.entropy(), 1};  // the space before it
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

Cost word_cost(Kind kind) {
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
        rest += determiner_ + Cost{objects.entropy(), 1};
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

  // What follows each noun inside its phrase, x = fixed + M x. A noun phrase holds 0.2 nested
  // noun phrases on average, so the iteration gains more than a digit every two rounds.
  std::vector<Cost> after_noun(const Choice& nouns, Cost bare, Cost place) const {
    std::vector<Cost> fixed(kNouns);
    for (int noun = 0; noun < kNouns; ++noun)
      fixed[noun] =
          option_cost(kAdjectiveProbability) +
          kAdjectiveProbability * pick_cost(language_.adjectives(noun), Kind::kAdjective) +
          branch_cost(kRelativeProbability);
    const Cost comma = word_cost(Kind::kComma);
    std::vector<Cost> after(kNouns);
    for (int round = 0; round < 30; ++round) {
      Cost object_clause = word_cost(Kind::kWhom) + bare + comma;
      for (int noun = 0; noun < kNouns; ++noun)
        object_clause += nouns.probability(noun) * (after[noun] + verb_[noun]);
      std::vector<Cost> next(kNouns);
      for (int noun = 0; noun < kNouns; ++noun)
        next[noun] = fixed[noun] + kRelativeProbability[kObjectClause] * object_clause +
                     kRelativeProbability[kSubjectClause] *
                         (word_cost(Kind::kThat) + verb_phrase(noun, after) + place + comma);
      after = std::move(next);
    }
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

}  // namespace

GeneratedText generate_text(std::uint64_t seed, std::size_t bytes) {
  Writer writer(seed);
  while (writer.position() < bytes) Document<Writer>(writer).run();
  return {writer.take_text(), writer.bits()};
}

double information_bits(std::string_view text) {
  Reader reader(text);
  while (!reader.done()) Document<Reader>(reader).run();
  return reader.bits();
}

LanguageEntropy language_entropy() {
  const Cost cost = Expectation().document();
  return {cost.bits, cost.bytes};
}

}  // namespace paretoformer::supernet
