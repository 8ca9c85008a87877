#include "support/jsonl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <vector>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/captured_log.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;
using Lines = std::vector<std::string>;

const Json kDocument{{"n", 0}, {"text", "a\"b"}};

class Jsonl : public ::testing::Test {
 protected:
  void write(const Lines& lines) const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    write_file_atomic(log_, text);
  }
  void append(int n) const {
    Json json = kDocument;
    json["n"] = n;
    JsonlWriter(log_).append(json);
  }
  // Of a log of three documents.
  Lines three_lines() const {
    write({});
    for (int i = 0; i < 3; ++i) append(i);
    return split(read_file(log_));
  }
  static Lines split(const std::string& text) {
    Lines lines;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
         begin = end + 1)
      lines.push_back(text.substr(begin, end - begin));
    return lines;
  }

  std::string read_error(const std::function<void(const JsonNode&)>& use) const {
    try {
      read_jsonl(log_, use);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  }
  // The number of lines read before one is refused, or all.
  std::size_t accepted(const Lines& lines) const {
    write(lines);
    std::size_t read = 0;
    const std::string error = read_error([&](const JsonNode&) { ++read; });
    if (error == "no InputError") return read;
    EXPECT_THAT(error, HasSubstr("log:" + std::to_string(read) + ": was changed"));
    return read - 1;
  }

  TemporaryFolder box_;
  std::filesystem::path log_ = box_ / "log";
};

TEST_F(Jsonl, LinesComeBackWithoutTheirChecks) {
  three_lines();
  int number = 0;
  read_jsonl(log_, [&](const JsonNode& node) {
    EXPECT_EQ(node.json(), (Json{{"n", number++}, {"text", "a\"b"}}));
    EXPECT_EQ(node.file(), log_.string() + ":" + std::to_string(number));
  });
  EXPECT_EQ(number, 3);
}

TEST_F(Jsonl, WithoutAFileThereAreNoLines) {
  read_jsonl(log_, [](const JsonNode&) { FAIL(); });
  cut_jsonl(log_, [](const JsonNode&) { return false; });
  EXPECT_FALSE(std::filesystem::exists(log_));
}

TEST_F(Jsonl, WhatIsWrongWithTheContentIsSaidFirst) {
  Lines lines = three_lines();
  lines[0].replace(lines[0].find(":0"), 2, ":x");
  write(lines);
  EXPECT_THAT(read_error([](const JsonNode&) {}), HasSubstr("not valid JSON"));
  lines[0].replace(lines[0].find(":x"), 2, ":7");
  write(lines);
  EXPECT_THAT(read_error([](const JsonNode& node) { JsonObject(node).integer("n", 0, 6); }),
              HasSubstr("log:1: /n: 7 is out of range"));
}

// One that opens the log again writes what one would have that had not closed it.
TEST_F(Jsonl, GoesOnWhereItEnded) {
  const Lines lines = three_lines();
  write({});
  JsonlWriter log(log_);
  for (int i = 0; i < 3; ++i) log.write(Json{{"n", i}, {"text", "a\"b"}});
  log.flush();
  EXPECT_EQ(split(read_file(log_)), lines);
}

TEST_F(Jsonl, ChangesAreNoticed) {
  const Lines lines = three_lines();
  EXPECT_EQ(accepted(lines), 3u);
  EXPECT_EQ(accepted({lines[0], lines[1]}), 2u);  // a killed process wrote no more
  for (std::size_t at = 0; at < lines[1].size(); ++at) {
    Lines edited = lines;
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

TEST_F(Jsonl, LinesOfBeforeThereWereChecksComeFirst) {
  write({R"({"n":0})", R"({"n":1})"});
  append(2);
  Lines lines = split(read_file(log_));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[2], HasSubstr("\"check\""));
  EXPECT_EQ(accepted(lines), 3u);
  lines.emplace_back(R"({"n":3})");
  EXPECT_EQ(accepted(lines), 3u);
}

// While it is only read it may be that the line is being written.
TEST_F(Jsonl, ALineThatWasCutShortIsNoneAndIsDroppedByWhoWrites) {
  const Lines lines = three_lines();
  const std::string whole = read_file(log_), cut = whole.substr(0, whole.size() - 5);
  write_file_atomic(log_, cut);
  int read = 0;
  read_jsonl(log_, [&](const JsonNode&) { ++read; });
  EXPECT_EQ(read, 2);
  EXPECT_EQ(read_file(log_), cut);
  const std::string warning =
      "paretoformer: warning: " + log_.string() + ": the last line was cut short, and is dropped\n";
  {
    CapturedLog said;
    append(2);
    EXPECT_EQ(said.text(), warning);
    EXPECT_EQ(read_file(log_), whole);
  }
  write_file_atomic(log_, cut);
  CapturedLog said;
  cut_jsonl(log_, [](const JsonNode&) { return true; });
  EXPECT_EQ(said.text(), warning);
  EXPECT_EQ(read_file(log_), lines[0] + "\n" + lines[1] + "\n");
}

TEST_F(Jsonl, IsCutWhereItIsNoLongerWanted) {
  const Lines lines = three_lines();
  const auto keep = [&](int last) {
    write(lines);
    cut_jsonl(log_, [last](const JsonNode& node) { return node.json()["n"] != last; });
    return split(read_file(log_));
  };
  EXPECT_EQ(keep(7), lines);
  EXPECT_EQ(keep(2), Lines(lines.begin(), lines.begin() + 2));
  EXPECT_EQ(keep(0), Lines());
}

TEST_F(Jsonl, OnlyRegularFilesThatCanBeReadAreLogs) {
  ASSERT_EQ(::mkfifo(log_.c_str(), 0600), 0);
  EXPECT_THROW(JsonlWriter{log_}, InputError);
  EXPECT_THROW(JsonlWriter{box_.path()}, InputError);
  // Reading one's own memory at address 0 is an input/output error, in a file that is a regular
  // one.
  try {
    JsonlWriter log("/proc/self/mem");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/proc/self/mem: cannot read file: Input/output error");
  }
}

}  // namespace
}  // namespace paretoformer
