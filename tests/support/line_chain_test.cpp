#include "support/line_chain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> three_lines() {
  LineChain chain;
  std::vector<std::string> lines;
  for (int i = 0; i < 3; ++i) {
    lines.push_back(chain.line(Json{{"n", i}, {"text", "a\"b"}}));
    EXPECT_EQ(lines.back().back(), '\n');
    lines.back().pop_back();
  }
  return lines;
}

// The number of lines read before one is refused, or all.
std::size_t accepted(const std::vector<std::string>& lines) {
  LineChain chain;
  for (std::size_t i = 0; i < lines.size(); ++i) try {
      chain.read(lines[i], "log:" + std::to_string(i + 1), [](const JsonNode&) {});
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("log:" + std::to_string(i + 1) + ": was changed"));
      return i;
    }
  return lines.size();
}

TEST(LineChains, LinesComeBackWithoutTheirChecks) {
  LineChain chain;
  int number = 0;
  for (const std::string& line : three_lines())
    chain.read(line, "log", [&](const JsonNode& node) {
      EXPECT_EQ(node.json(), (Json{{"n", number++}, {"text", "a\"b"}}));
    });
  EXPECT_EQ(number, 3);
}

TEST(LineChains, WhatIsWrongWithTheContentIsSaidFirst) {
  std::string line = three_lines()[0];
  line.replace(line.find(":0"), 2, ":x");
  LineChain chain;
  try {
    chain.read(line, "log:1", [](const JsonNode&) {});
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not valid JSON"));
  }
  line = three_lines()[0];
  line.replace(line.find(":0"), 2, ":7");
  try {
    chain.read(line, "log:1", [](const JsonNode& node) { JsonObject(node).integer("n", 0, 6); });
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("log:1: /n: 7 is out of range"));
  }
}

TEST(LineChains, GoOnWhereTheyEnded) {
  const std::vector<std::string> lines = three_lines();
  LineChain chain({lines[0], lines[1]});
  EXPECT_EQ(chain.line(Json{{"n", 2}, {"text", "a\"b"}}), lines[2] + "\n");
}

TEST(LineChains, ChangesAreNoticed) {
  const std::vector<std::string> lines = three_lines();
  EXPECT_EQ(accepted(lines), 3u);
  EXPECT_EQ(accepted({lines[0], lines[1]}), 2u);  // a killed process wrote no more
  for (std::size_t at = 0; at < lines[1].size(); ++at) {
    std::vector<std::string> edited = lines;
    char& letter = edited[1][at];
    if (letter < '0' || letter > '9') continue;
    letter = letter == '9' ? '8' : static_cast<char>(letter + 1);
    EXPECT_EQ(accepted(edited), 1u) << edited[1];
  }
  EXPECT_EQ(accepted({lines[0], lines[2]}), 1u);            // removed
  EXPECT_EQ(accepted({lines[1], lines[0]}), 0u);            // moved
  EXPECT_EQ(accepted({lines[0], lines[0], lines[1]}), 1u);  // twice
  EXPECT_EQ(accepted({lines[0], R"({"n":1})"}), 1u);        // without its check
  EXPECT_EQ(accepted({lines[0], lines[1] + " "}), 1u);
  EXPECT_EQ(accepted({lines[0], R"({"check":1})"}), 1u);
}

TEST(LineChains, LinesOfBeforeThereWereChecksComeFirst) {
  std::vector<std::string> lines{R"({"n":0})", R"({"n":1})"};
  LineChain chain(lines);
  lines.push_back(chain.line(Json{{"n", 2}}));
  lines.back().pop_back();
  EXPECT_EQ(accepted(lines), 3u);
  lines.emplace_back(R"({"n":3})");
  EXPECT_EQ(accepted(lines), 3u);
}

}  // namespace
}  // namespace paretoformer
