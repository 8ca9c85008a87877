// Run folders that share the cost of one training, for tests of what comes after it.
#pragma once

#include <map>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {

// "base" is a run that is trained and nothing else; copies of it are runs of their own.
class TrainedFolder : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  // Before SetUp(): on so many sequences a network is scored.
  explicit TrainedFolder(int validation_sequences = 16) : config_(tiny_config()) {
    config_["training"]["steps"] = 24;
    config_["validation_sequences"] = validation_sequences;
  }

  void SetUp() override {
    write(box_ / "config.json", config_.dump(2));
    const Result base = box_.run({"train", "config.json", "--quiet", "--run", "base"});
    ASSERT_EQ(base.status, 0) << base.err;
  }

  void copy(const std::string& from, const std::string& to) {
    fs::copy(box_ / from, box_ / to, fs::copy_options::recursive);
  }

  // `verb` goes on in `folder`.
  static Words resumed(const std::string& verb, const std::string& folder, const Words& more = {}) {
    Words words{verb, folder, "--resume", "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // The answer of the same, which is to succeed.
  Json answer(const std::string& verb, const std::string& folder, const Words& more = {}) {
    Words words = resumed(verb, folder, more);
    words.emplace_back("--json");
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status == 0 ? parse(result.out) : Json();
  }

  std::string file(const std::string& folder, const std::string& name) {
    return content(box_ / (folder + "/" + name));
  }
  void expect_same(const std::string& a, const std::string& b, const Words& names) {
    for (const std::string& name : names) {
      EXPECT_NE(file(a, name), "") << a << "/" << name;
      EXPECT_TRUE(file(a, name) == file(b, name)) << name << " of " << a << " and " << b;
    }
  }

  // Every file below `folder` with its content, but for the log, in which every run writes.
  std::map<std::string, std::string> snapshot(const std::string& folder = ".") {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(box_ / folder))
      if (entry.is_regular_file() && entry.path().filename() != "run.log")
        files[entry.path().string()] = content(entry.path());
    return files;
  }

  // One line on standard error that contains all of `parts`, and no file created or changed.
  void expect_refused(const Words& arguments, const Words& parts) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const auto before = snapshot();
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    for (const std::string& part : parts)
      EXPECT_NE(result.err.find(part), std::string::npos) << part << " is not in " << result.err;
    EXPECT_TRUE(snapshot() == before) << ::testing::PrintToString(box_.files());
  }

  Json config_;
  Sandbox box_;
};

const std::vector<std::string> kSearchResults{"history.jsonl",   "generations.jsonl",
                                              "confirmed.jsonl", "front.json",
                                              "front.svg",       "report.html"};

}  // namespace paretoformer::integration
