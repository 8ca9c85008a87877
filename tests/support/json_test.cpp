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
            "run.json: not valid JSON: number overflow parsing '1e999'");
}

TEST(ParseJson, RejectsAKeyGivenTwice) {
  EXPECT_EQ(message_of([] { parse_json("{\"a\": {\"b\": 1, \"b\": 2}}", "run.json"); }),
            "run.json: key \"b\" appears twice in one object");
  EXPECT_NO_THROW(parse_json("[{\"a\": 1}, {\"a\": {\"a\": 2}}]", "run.json"));
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
