#include "support/words.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "support/json.hpp"

namespace paretoformer {
namespace {

using testing::ElementsAre;

enum class Colour { kRed, kGreen, kBlue };
constexpr Words<Colour, 3> kWords{
    {{Colour::kRed, "red"}, {Colour::kGreen, "green"}, {Colour::kBlue, "blue"}}};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Words, ThereAndBack) {
  EXPECT_THAT(kWords.all(), ElementsAre("red", "green", "blue"));
  EXPECT_THAT(kWords.values(), ElementsAre(Colour::kRed, Colour::kGreen, Colour::kBlue));
  for (const Colour colour : kWords.values())
    EXPECT_EQ(kWords.value_of(kWords.word_of(colour), "x"), colour);
  static_assert(kWords.word_of(Colour::kGreen) == "green");
  static_assert(!kWords.find("gree") && !kWords.find(""));
}

// On the command line and in a file it is the same sentence.
TEST(Words, OthersAreInputErrors) {
  EXPECT_EQ(error_of([] { kWords.value_of("gren", "--colour"); }),
            "--colour: \"gren\" is not known: expected one of red, green, blue (did you mean "
            "\"green\"?)");
  const Json json = {{"colour", "gren"}, {"other", 3}};
  const JsonObject object(JsonNode(json, "a.json"));
  EXPECT_EQ(error_of([&] { kWords.read(object.at("colour")); }),
            "a.json: /colour: \"gren\" is not known: expected one of red, green, blue (did you "
            "mean \"green\"?)");
  EXPECT_EQ(error_of([&] { kWords.read(object, "other", Colour::kRed); }),
            "a.json: /other: 3 has the wrong type: expected a string");
}

TEST(Words, AKeyMayBeAbsent) {
  const Json json = {{"colour", "blue"}};
  const JsonObject object(JsonNode(json, "a.json"));
  EXPECT_EQ(kWords.read(object, "colour", Colour::kRed), Colour::kBlue);
  EXPECT_EQ(kWords.read(object, "tint", Colour::kRed), Colour::kRed);
  object.finish();
}

}  // namespace
}  // namespace paretoformer
