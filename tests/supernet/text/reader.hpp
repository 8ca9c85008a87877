// The probability of a text of the artificial language, recovered from the text alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "supernet/text/document.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {

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

// -log2 of the probability of `text`. Throws InputError naming the byte offset of the first word
// that the language does not allow there, and when the last document is cut short.
inline double information_bits(std::string_view text) {
  Reader reader(text);
  while (!reader.done()) Document<Reader>(reader).run();
  return reader.bits();
}

}  // namespace paretoformer::supernet
