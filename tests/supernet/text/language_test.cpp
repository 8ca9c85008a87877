#include "supernet/text/language.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace paretoformer::supernet {
namespace {

// Probabilities of a distribution sum to one, its entropy is theirs, and samples follow them.
template <typename Distribution>
void expect_consistent(const Distribution& distribution) {
  Random random(7);
  std::vector<double> counts(static_cast<std::size_t>(distribution.size()), 0.0);
  constexpr int kSamples = 20000;
  for (int i = 0; i < kSamples; ++i)
    ++counts[static_cast<std::size_t>(distribution.sample(random))];
  double sum = 0;
  for (int i = 0; i < distribution.size(); ++i) {
    const double p = distribution.probability(i);
    const double count = counts[static_cast<std::size_t>(i)];
    sum += p;
    EXPECT_NEAR(count, p * kSamples, 5 * std::sqrt(p * kSamples) + (p > 0 ? 3 : 0)) << i;
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Language, DistributionsAreConsistent) {
  const Language& language = Language::get();
  expect_consistent(language.topics());
  expect_consistent(language.determiners());
  expect_consistent(language.nouns(3));
  expect_consistent(language.adverbs(11));
  expect_consistent(language.verbs(17));
  expect_consistent(language.adjectives(kNouns - 1));
  expect_consistent(language.prepositions(5));
}

TEST(Language, ObjectsAreFactsAboutThePairAndOfOneClassPerVerb) {
  const Language& language = Language::get();
  std::set<int> liked;  // most probable objects of one verb, by subject
  for (int subject = 0; subject < kNouns; ++subject) {
    const Preference objects = language.objects(subject, 0);
    if (subject % 40 == 0) expect_consistent(objects);
    std::set<int> classes;
    int best = 0;
    for (int noun = 0; noun < kNouns; ++noun) {
      if (objects.probability(noun) > 0) classes.insert(Language::noun_class(noun));
      if (objects.probability(noun) > objects.probability(best)) best = noun;
    }
    EXPECT_EQ(classes.size(), 1u) << subject;
    liked.insert(best);
  }
  EXPECT_GT(liked.size(), 1u);
}

TEST(Language, EverySpellingHasOneMeaning) {
  const Language& language = Language::get();
  const auto check = [&](Kind kind, int count, int forms) {
    for (int index = 0; index < count; ++index)
      for (int form = 0; form < forms; ++form) {
        const std::string& spelling = language.spelling(kind, index, form);
        const Word word = language.look_up(spelling);
        EXPECT_TRUE(word.kind == kind && word.index == index && word.form == form) << spelling;
      }
  };
  check(Kind::kTopic, kTopics, 1);
  check(Kind::kName, kNames, 1);
  check(Kind::kAdverb, kAdverbs, 1);
  check(Kind::kPronoun, 4, 1);
  check(Kind::kDeterminer, kDeterminers, 1);
  check(Kind::kNoun, kNouns, 2);
  check(Kind::kAdjective, kAdjectives, 1);
  check(Kind::kVerb, kVerbs, 4);
  check(Kind::kPreposition, kPrepositions, 1);
  for (int kind = static_cast<int>(Kind::kSays); kind < kKinds; ++kind)
    check(static_cast<Kind>(kind), 1, 1);
  EXPECT_EQ(language.look_up("paretoformer").kind, Kind::kNone);
}

}  // namespace
}  // namespace paretoformer::supernet
