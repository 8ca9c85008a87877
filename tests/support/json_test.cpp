#include "support/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "support/error.hpp"

namespace paretoformer {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseJson, NamesLineAndColumnOfASyntaxError) {
  EXPECT_THAT(message_of([] { parse_json("{\"a\": 1,\n  \"b\": }", "run.json"); }),
              testing::StartsWith("run.json:2:8: not valid JSON: "));
}

TEST(ParseJson, RejectsNumbersBeyondADouble) {
  EXPECT_EQ(message_of([] { parse_json("{\"a\": 1e999}", "run.json"); }),
            "run.json:1:12: not valid JSON: number overflow parsing '1e999'");
}

TEST(ParseJson, RejectsAKeyGivenTwice) {
  EXPECT_EQ(message_of([] { parse_json("{\"a\": {\"b\": 1, \"b\": 2}}", "run.json"); }),
            "run.json:1:18: key \"b\" appears twice in one object");
  EXPECT_NO_THROW(parse_json("[{\"a\": 1}, {\"a\": {\"a\": 2}}]", "run.json"));
}

// A document of `levels` arrays or objects.
std::string nested(int levels, const std::string& begin, const std::string& end) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += begin;
  text += "1";
  for (int i = 0; i < levels; ++i) text += end;
  return text;
}

TEST(ParseJson, RejectsDeepNesting) {
  EXPECT_NO_THROW(parse_json(nested(kDeepestJson, "[", "]"), "run.json"));
  EXPECT_NO_THROW(parse_json(nested(kDeepestJson, "{\"a\":", "}"), "run.json"));
  EXPECT_EQ(message_of([] { parse_json(nested(kDeepestJson + 1, "[", "]"), "run.json"); }),
            "run.json:1:257: is nested too deeply: expected at most 256 levels");
  EXPECT_THAT(message_of([] { parse_json(nested(100000, "{\"a\":[", "]}"), "run.json"); }),
              testing::HasSubstr("is nested too deeply"));
  EXPECT_THAT(message_of([] { parse_json(std::string(100000, '['), "run.json"); }),
              testing::HasSubstr("is nested too deeply"));
}

TEST(ParseJson, RejectsWhatFollowsAZeroByte) {
  EXPECT_EQ(message_of([] {
              parse_json({"{}\n\0{}", 6}, "run.json");
            }),
            "run.json:2:1: not valid JSON: a zero byte");
  EXPECT_THAT(message_of([] {
                parse_json({"{}\0", 3}, "run.json");
              }),
              testing::HasSubstr("a zero byte"));
  EXPECT_EQ(parse_json(R"("\u0000")", "run.json").get<std::string>().size(), 1u);
}

TEST(ParseJson, SkipsAByteOrderMark) {
  EXPECT_EQ(parse_json("\xef\xbb\xbf{\"a\": 1}", "run.json")["a"], 1);
}

TEST(ParseJson, QuotesOnlyTheBeginningOfALongToken) {
  const std::string message =
      message_of([] { parse_json("{\"a\": " + std::string(100000, 'x') + "}", "run.json"); });
  EXPECT_LT(message.size(), 300u);
  EXPECT_THAT(message, testing::StartsWith("run.json:1:7: not valid JSON: "));
}

TEST(JsonOrString, TakesJsonAsAFileWould) {
  EXPECT_EQ(json_or_string("12", "--set a"), Json(12));
  EXPECT_EQ(json_or_string("{\"a\": [1]}", "--set a"), Json::parse("{\"a\": [1]}"));
  EXPECT_EQ(json_or_string("runs/mine", "--set a"), Json("runs/mine"));
  EXPECT_EQ(json_or_string("{\"a\": ", "--set a"), Json("{\"a\": "));
  EXPECT_EQ(message_of([] { json_or_string("{\"b\": 1, \"b\": 2}", "--set a"); }),
            "--set a:1:12: key \"b\" appears twice in one object");
  EXPECT_THAT(message_of([] { json_or_string(nested(300, "[", "]"), "--set a"); }),
              testing::HasSubstr("--set a:1:257: is nested too deeply"));
  EXPECT_EQ(message_of([] { json_or_string("caf\xe9", "--set a"); }),
            "--set a: is not valid UTF-8");
}

TEST(ToText, NamesThatAreNotUtf8CannotBeWritten) {
  EXPECT_THAT(message_of([] {
                to_text(Json{{"run", "caf\xe9"}});
              }),
              testing::HasSubstr("not valid UTF-8"));
}

TEST(JsonNode, NamesHaveNoControlCharacters) {
  const Json json = parse_json(R"({"good": "caf\u00e9 1", "bad": "a\nb"})", "run.json");
  const JsonObject object(JsonNode(json, "run.json"));
  EXPECT_EQ(object.name("good", ""), "caf\u00e9 1");
  EXPECT_EQ(object.name("none", "other"), "other");
  EXPECT_EQ(message_of([&] { object.name("bad", ""); }),
            R"(run.json: /bad: "a\nb" has control characters: expected a name to be printed)");
}

TEST(JsonObject, LongKeysAndValuesAreCutShort) {
  const std::string word(100000, 'x');
  const Json json{{word, word}};
  const JsonObject object(JsonNode(json, "run.json"));
  object.integer("generations", 1, 10, 5);
  EXPECT_LT(message_of([&] { object.finish(); }).size(), 300u);
  EXPECT_LT(message_of([&] { JsonNode(json[word], "run.json", "/x").integer(1, 2); }).size(), 200u);
}

TEST(JsonObject, NamesPathValueAndRange) {
  const Json json = parse_json(R"({"search": {"generations": 0, "rate": "high"}})", "run.json");
  const JsonObject search(JsonObject(JsonNode(json, "run.json")).at("search"));
  EXPECT_EQ(message_of([&] { search.integer("generations", 1, 10); }),
            "run.json: /search/generations: 0 is out of range: expected an integer from 1 to 10");
  EXPECT_EQ(message_of([&] { search.number("rate", 0, 1); }),
            "run.json: /search/rate: \"high\" has the wrong type: expected a number from 0.0 to "
            "1.0");
  EXPECT_EQ(message_of([&] { search.integer("population", 1, 10); }),
            "run.json: /search: key \"population\" is missing");
  EXPECT_EQ(search.integer("population", 1, 10, 4), 4);
}

TEST(JsonObject, RejectsHugeIntegersInsteadOfWrapping) {
  const Json json = parse_json(R"({"seed": 18446744073709551615})", "run.json");
  const JsonObject object(JsonNode(json, "run.json"));
  EXPECT_THAT(message_of([&] { object.integer("seed", 0, INT64_MAX); }),
              testing::HasSubstr("is out of range"));
}

TEST(JsonObject, UnknownKeySuggestsTheNearestOne) {
  const Json json = parse_json(R"({"generation": 3})", "run.json");
  const JsonObject object(JsonNode(json, "run.json"));
  object.integer("generations", 1, 10, 5);
  EXPECT_EQ(message_of([&] { object.finish(); }),
            "run.json: /generation: unknown key (did you mean \"generations\"?)");
}

}  // namespace
}  // namespace paretoformer
