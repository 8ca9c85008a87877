#include "supernet/text/language.hpp"

#include <algorithm>
#include <numeric>

namespace paretoformer::supernet {
namespace {

constexpr std::uint64_t kLanguageSeed = 20220408;  // changing it changes every generated text

constexpr double kLikedAdjectiveWeights[] = {0.45, 0.25, 0.15};
constexpr double kLikedVerbWeights[] = {0.36, 0.25, 0.16, 0.09};
constexpr double kLikedObjectWeights[] = {0.50, 0.22, 0.12};
constexpr double kLikedPrepositionWeights[] = {0.75};

constexpr int kTopicNouns = 40;       // nouns that a topic prefers ...
constexpr double kTopicShare = 0.85;  // ... with this probability in all
constexpr double kZipfOffset = 3;     // rank r has weight 1 / (r + offset), Mandelbrot's form
constexpr double kAdverbOffset = 1;

std::vector<int> shuffled(int n, Random& random) {
  std::vector<int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int i = n - 1; i > 0; --i)
    std::swap(order[static_cast<std::size_t>(i)],
              order[random.below(static_cast<std::uint64_t>(i) + 1)]);
  return order;
}

// Zipf-Mandelbrot weights over `ranked`, zero for the others of `n`. Only sums and divisions, so
// the same bits on every machine.
std::vector<double> zipf(const std::vector<int>& ranked, int n, double offset) {
  std::vector<double> weights(static_cast<std::size_t>(n), 0.0);
  double total = 0;
  for (std::size_t rank = 0; rank < ranked.size(); ++rank)
    total += 1 / (static_cast<double>(rank) + offset);
  for (std::size_t rank = 0; rank < ranked.size(); ++rank)
    weights[static_cast<std::size_t>(ranked[rank])] =
        1 / (static_cast<double>(rank) + offset) / total;
  return weights;
}

// `count` different alternatives drawn from `choice`.
template <std::size_t count>
std::array<std::uint16_t, count> draw_distinct(const Choice& choice, Random& random) {
  std::array<std::uint16_t, count> drawn{};
  for (std::size_t i = 0; i < count;) {
    drawn[i] = static_cast<std::uint16_t>(choice.sample(random));
    if (std::find(drawn.begin(), drawn.begin() + i, drawn[i]) == drawn.begin() + i) ++i;
  }
  return drawn;
}

}  // namespace

Choice::Choice(const std::vector<double>& weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  for (double weight : weights) {
    probability_.push_back(weight / total);
    cumulative_.push_back(sum += weight / total);
  }
}

int Choice::sample(Random& random) const {
  const double draw = random.uniform();
  auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), draw);
  // Rounding can leave the last sum a little below 1: then take the last possible alternative.
  if (found == cumulative_.end())
    found = std::lower_bound(cumulative_.begin(), cumulative_.end(), cumulative_.back());
  return static_cast<int>(found - cumulative_.begin());
}

Preference::Preference(std::span<const std::uint16_t> liked, std::span<const double> weights,
                       const Choice& base)
    : liked_(liked), weights_(weights), base_(&base) {
  for (double weight : weights) rest_ -= weight;
}

int Preference::sample(Random& random) const {
  double draw = random.uniform();
  for (std::size_t i = 0; i < liked_.size(); ++i) {
    if (draw < weights_[i]) return liked_[i];
    draw -= weights_[i];
  }
  return base_->sample(random);
}

double Preference::probability(int i) const {
  double probability = rest_ * base_->probability(i);
  for (std::size_t k = 0; k < liked_.size(); ++k)
    if (liked_[k] == i) probability += weights_[k];
  return probability;
}

const Language& Language::get() {
  static const Language language;
  return language;
}

Language::Language() {
  build_lexicon();
  build_distributions();
  build_facts();
}

const std::string& Language::spelling(Kind kind, int index, int form) const {
  return spelling_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(index)]
                  [static_cast<std::size_t>(form)];
}

Word Language::look_up(std::string_view spelling) const {
  const auto found = words_.find(spelling);
  return found == words_.end() ? Word{} : found->second;
}

void Language::add(Kind kind, int index, int form, const std::string& spelling) {
  auto& indices = spelling_[static_cast<std::size_t>(kind)];
  if (indices.size() <= static_cast<std::size_t>(index))
    indices.resize(static_cast<std::size_t>(index) + 1);
  indices[static_cast<std::size_t>(index)].push_back(spelling);
  words_.emplace(spelling, Word{kind, index, form});
}

void Language::invent(Kind kind, int index, int syllables, const std::vector<std::string>& endings,
                      Random& random) {
  static constexpr std::string_view kOnsets[] = {"b",  "d",  "f",  "g",  "k",  "l",  "m",
                                                 "n",  "p",  "r",  "s",  "t",  "v",  "z",
                                                 "br", "dr", "kl", "pl", "st", "tr", "sh"};
  static constexpr std::string_view kNuclei[] = {"a", "e", "i", "o", "u"};
  static constexpr std::string_view kCodas[] = {"n", "r", "l", "m", "k", "t"};
  while (true) {
    std::string stem;
    for (int i = 0; i < syllables; ++i) {
      stem += kOnsets[random.below(std::size(kOnsets))];
      stem += kNuclei[random.below(std::size(kNuclei))];
    }
    stem += kCodas[random.below(std::size(kCodas))];
    const bool taken = std::any_of(endings.begin(), endings.end(), [&](const std::string& ending) {
      return words_.contains(stem + ending);
    });
    if (taken) continue;
    for (std::size_t form = 0; form < endings.size(); ++form)
      add(kind, index, static_cast<int>(form), stem + endings[form]);
    return;
  }
}

void Language::build_lexicon() {
  const auto add_all = [this](Kind kind, const std::vector<std::string>& spellings) {
    for (std::size_t i = 0; i < spellings.size(); ++i)
      add(kind, static_cast<int>(i), 0, spellings[i]);
  };
  add_all(Kind::kTopic, {"harbour", "mountain", "market", "court", "garden", "theatre", "war",
                         "kitchen", "forest", "school", "desert", "railway"});
  add_all(Kind::kPronoun, {"he", "she", "they", "those"});
  add_all(Kind::kDeterminer, {"this", "a", "each", "these", "some", "many"});
  add_all(Kind::kPreposition, {"in", "on", "near", "under", "over", "behind", "beside", "across"});
  add_all(Kind::kSays, {"says"});
  add_all(Kind::kAgain, {"again"});
  add_all(Kind::kThat, {"that"});
  add_all(Kind::kWhom, {"whom"});
  add_all(Kind::kAnd, {"and"});
  add_all(Kind::kComma, {","});
  add_all(Kind::kColon, {":"});
  add_all(Kind::kPeriod, {"."});
  add_all(Kind::kNewline, {"\n"});

  Random random(kLanguageSeed, {1});
  for (int i = 0; i < kNames; ++i) invent(Kind::kName, i, 1, {"ia"}, random);
  for (int i = 0; i < kAdverbs; ++i) invent(Kind::kAdverb, i, 1, {"ly"}, random);
  for (int i = 0; i < kNouns; ++i) invent(Kind::kNoun, i, 1 + i % 4 / 3, {"", "s"}, random);
  for (int i = 0; i < kAdjectives; ++i) invent(Kind::kAdjective, i, 1, {"ic"}, random);
  for (int i = 0; i < kVerbs; ++i) invent(Kind::kVerb, i, 1, {"o", "a", "oi", "ai"}, random);
}

void Language::build_distributions() {
  Random random(kLanguageSeed, {2});
  topics_ = Choice(zipf(shuffled(kTopics, random), kTopics, 8));
  determiners_ = Choice({0.28, 0.24, 0.10, 0.20, 0.12, 0.06});
  all_verbs_ = Choice(zipf(shuffled(kVerbs, random), kVerbs, kZipfOffset));
  all_adjectives_ = Choice(zipf(shuffled(kAdjectives, random), kAdjectives, kZipfOffset));
  all_prepositions_ = Choice(std::vector<double>(kPrepositions, 1.0));
  const std::vector<double> common = zipf(shuffled(kNouns, random), kNouns, kZipfOffset);
  for (int topic = 0; topic < kTopics; ++topic) {
    adverbs_[topic] = Choice(zipf(shuffled(kAdverbs, random), kAdverbs, kAdverbOffset));
    std::vector<int> own = shuffled(kNouns, random);
    own.resize(kTopicNouns);
    std::vector<double> weights = zipf(own, kNouns, kZipfOffset);
    for (int noun = 0; noun < kNouns; ++noun)
      weights[noun] = kTopicShare * weights[noun] + (1 - kTopicShare) * common[noun];
    nouns_[topic] = Choice(weights);
  }
  for (int kind = 0; kind < kNounClasses; ++kind) {
    std::vector<double> weights(kNouns, 0.0);
    for (int noun = 0; noun < kNouns; ++noun)
      if (noun_class(noun) == kind) weights[noun] = common[noun];
    class_nouns_[kind] = Choice(weights);
  }
}

void Language::build_facts() {
  Random random(kLanguageSeed, {3});
  // Uniform draws: a fact about a word says nothing about other words, it has to be memorised.
  const Choice any_adjective(std::vector<double>(kAdjectives, 1.0));
  const Choice any_verb(std::vector<double>(kVerbs, 1.0));
  std::array<Choice, kNounClasses> any_noun;
  for (int kind = 0; kind < kNounClasses; ++kind) {
    std::vector<double> weights(kNouns, 0.0);
    for (int noun = 0; noun < kNouns; ++noun) weights[noun] = noun_class(noun) == kind ? 1.0 : 0.0;
    any_noun[kind] = Choice(weights);
  }
  for (int verb = 0; verb < kVerbs; ++verb) {
    object_class_[verb] = static_cast<int>(random.below(kNounClasses));
    verb_objects_[verb] = draw_distinct<kLikedObjects>(any_noun[object_class_[verb]], random);
    liked_preposition_[verb] = draw_distinct<1>(all_prepositions_, random);
  }
  for (int noun = 0; noun < kNouns; ++noun) {
    liked_adjectives_[noun] = draw_distinct<3>(any_adjective, random);
    liked_verbs_[noun] = draw_distinct<kLikedVerbs>(any_verb, random);
    for (int k = 0; k < kLikedVerbs; ++k)
      pair_objects_[noun][k] =
          draw_distinct<kLikedObjects>(any_noun[object_class_[liked_verbs_[noun][k]]], random);
  }
}

Preference Language::adjectives(int noun) const {
  return {liked_adjectives_[noun], kLikedAdjectiveWeights, all_adjectives_};
}

Preference Language::verbs(int subject) const {
  return {liked_verbs_[subject], kLikedVerbWeights, all_verbs_};
}

Preference Language::objects(int subject, int verb) const {
  const auto& liked = liked_verbs_[subject];
  const auto found = std::find(liked.begin(), liked.end(), verb);
  const auto& facts =
      found == liked.end() ? verb_objects_[verb] : pair_objects_[subject][found - liked.begin()];
  return {facts, kLikedObjectWeights, class_nouns_[object_class_[verb]]};
}

Preference Language::prepositions(int verb) const {
  return {liked_preposition_[verb], kLikedPrepositionWeights, all_prepositions_};
}

}  // namespace paretoformer::supernet
