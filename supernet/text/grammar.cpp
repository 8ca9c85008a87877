#include "supernet/text/grammar.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "supernet/text/grammar_rules.hpp"
#include "supernet/text/language.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

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

}  // namespace paretoformer::supernet
