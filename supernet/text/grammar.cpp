#include "supernet/text/grammar.hpp"

#include <cmath>
#include <span>
#include <utility>

#include "supernet/text/document.hpp"

namespace paretoformer::supernet {
namespace {

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

}  // namespace

GeneratedText generate_text(std::uint64_t seed, std::size_t bytes) {
  Writer writer(seed);
  while (writer.position() < bytes) Document<Writer>(writer).run();
  return {writer.take_text(), writer.bits()};
}

}  // namespace paretoformer::supernet
