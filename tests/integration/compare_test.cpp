// Search algorithms against each other.
#include <gmock/gmock.h>

#include <cctype>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kNetworks = 252;  // of the space; each has two losses
constexpr std::size_t kTrained = 4;     // so many are known once it is trained
constexpr std::size_t kRecord = 32;     // bytes of a loss in losses.cache, and of its header

// Whether every tag is closed in order, every attribute is quoted and every & begins an entity.
bool well_formed(const std::string& xml) {
  std::vector<std::string> open;
  std::size_t at = 0, roots = 0;
  for (; at < xml.size(); ++at) {
    if (xml[at] == '&') {
      const std::size_t end = xml.find(';', at);
      if (end == std::string::npos || end - at > 8) return false;
    }
    if (xml[at] != '<') continue;
    if (xml.compare(at, 2, "<?") == 0 || xml.compare(at, 2, "<!") == 0) {
      at = xml.find('>', at);
      if (at == std::string::npos) return false;
      continue;
    }
    const bool closing = xml[at + 1] == '/';
    std::size_t end = at + 1 + (closing ? 1 : 0);
    std::string name;
    while (end < xml.size() && std::isalnum(static_cast<unsigned char>(xml[end])))
      name += xml[end++];
    char quote = 0;
    for (; end < xml.size() && (quote || xml[end] != '>'); ++end) {
      if (xml[end] == '<') return false;
      if (quote ? xml[end] == quote : xml[end] == '"' || xml[end] == '\'')
        quote = quote ? 0 : xml[end];
    }
    if (end == xml.size() || name.empty()) return false;
    if (closing) {
      if (open.empty() || open.back() != name) return false;
      open.pop_back();
    } else if (xml[end - 1] != '/') {
      if (open.empty()) ++roots;
      open.push_back(name);
    }
    at = end;
  }
  return open.empty() && roots == 1;
}

class Compare : public TrainedFolder {
 protected:
  Compare() {
    config_["search_space"]["name"] = "a<b & \"c\"";
    config_["search"]["evaluations"] = 48;
  }

  const Words contest_{"--algorithms", "evolution,nsga2:population=20,random", "--seeds", "3"};
};

TEST(WellFormed, TellsWhatIsNot) {
  EXPECT_TRUE(well_formed("<a x=\"1>\"><b/>1 &lt; 2</a>"));
  for (const char* wrong :
       {"<a><b></a></b>", "<a>", "<a x=\"></a>", "<a>1 & 2</a>", "<a/b", "1 < 2"})
    EXPECT_FALSE(well_formed(wrong)) << wrong;
}

TEST_F(Compare, FilesTextAndJson) {
  const Json json = answer("compare", "base", contest_);
  const Json file = parse(this->file("base", "compare.json"));
  EXPECT_EQ(file["evaluations"], (Json{12, 24, 36, 48}));
  EXPECT_EQ(file["unit"], "share of the true front's hypervolume");
  ASSERT_EQ(file["algorithms"].size(), 3u);
  EXPECT_EQ(file["algorithms"][1]["name"], "nsga2:population=20");
  EXPECT_EQ(file["algorithms"][1]["search"]["population"], 20);
  for (const Json& each : file["algorithms"]) {
    EXPECT_EQ(each["seeds"], 3);
    EXPECT_EQ(each["evaluations_used"], (Json{48, 48, 48}));
    for (const Json& share : each["final"]) EXPECT_LE(share, 1);
    EXPECT_GT(each["median"][3], each["median"][0]);
  }
  EXPECT_EQ(json["algorithms"], file["algorithms"]);
  EXPECT_EQ(json["run"], "base");
  EXPECT_EQ(json["losses"],
            (Json{{"measured_now", 2 * kNetworks - kTrained}, {"known_before", kTrained}}));
  EXPECT_EQ(line_count(box_ / "base/losses.txt"), kNetworks);
  const std::string picture = this->file("base", "compare.svg");
  EXPECT_TRUE(well_formed(picture));
  EXPECT_THAT(picture, HasSubstr("a&lt;b &amp; "));
  EXPECT_THAT(picture, HasSubstr("nsga2:population=20"));

  // Again, as text, on other threads: nothing is measured, and the answer is the same.
  Words words{"compare", "--threads", "1"};
  words.insert(words.end(), contest_.begin(), contest_.end());
  words.insert(words.end(), {"base", "--resume"});
  const auto before = snapshot();
  const Result text = box_.run(words);
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(snapshot() == before);
  for (const char* part :
       {"all 252 networks of the space evaluated: ", "nsga2:population=20 ", "of 3 seeds",
        "losses measured now: 0, known before: 504", "Comparison: base/compare.json"})
    EXPECT_THAT(text.out, HasSubstr(part));
  EXPECT_THAT(text.err, HasSubstr("252/252"));
  EXPECT_THAT(text.err, HasSubstr("searches 100%  9/9"));
}

TEST_F(Compare, ASpaceThatIsNotEnumerated) {
  const Json json =
      answer("compare", "base",
             {"--algorithms", "evolution,random", "--seeds", "2", "--enumerate", "251"});
  EXPECT_EQ(json["unit"], "share of the reference box");
  EXPECT_FALSE(json.contains("true_front"));
  EXPECT_FALSE(fs::exists(box_ / "base/losses.txt"));
  EXPECT_LT(json["losses"]["measured_now"], 2 * kNetworks);
  for (const Json& each : json["algorithms"])
    for (const Json& share : each["final"]) {
      EXPECT_GT(share, 0);
      EXPECT_LT(share, 1);
    }
}

TEST_F(Compare, ThePrunedLargestNetwork) {
  const Json json = answer("compare", "base",
                           {"--algorithms", "evolution,magnitude,fisher,fisher_tuned", "--seeds",
                            "2", "--enumerate", "0"});
  ASSERT_EQ(json["algorithms"].size(), 4u);
  const double search = json["algorithms"][0]["final"][0];
  for (std::size_t i = 1; i < 4; ++i) {
    const Json& each = json["algorithms"][i];
    SCOPED_TRACE(each["name"]);
    EXPECT_EQ(each["final"][0], each["final"][1]);
    EXPECT_GT(each["final"][0], 0.2 * search);
    EXPECT_LT(each["final"][0], 1);
    EXPECT_LE(each["evaluations_used"][0], 24);
  }
  // Masks are the same, weights are not.
  EXPECT_EQ(json["algorithms"][2]["evaluations_used"], json["algorithms"][3]["evaluations_used"]);
  EXPECT_NE(json["algorithms"][2]["final"], json["algorithms"][3]["final"]);
}

// While all networks are evaluated, and while searches are.
TEST_F(Compare, KilledAndResumedNothingIsEvaluatedTwice) {
  for (const char* enumerate : {"1000", "0"}) {
    SCOPED_TRACE(enumerate);
    Words words = contest_;
    words.insert(words.end(), {"--enumerate", enumerate, "--set", "search.evaluations=96"});
    const auto make = [&](const std::string& folder) {
      fs::remove_all(box_ / folder);
      copy("base", folder);
    };
    make("whole");
    make("run");
    const Json whole = answer("compare", "whole", words);
    const auto all = kTrained + whole["losses"]["measured_now"].get<std::size_t>();
    EXPECT_EQ(whole["losses"]["known_before"], kTrained);
    std::size_t known = kTrained;
    for (int signal : {SIGKILL, SIGINT}) {
      const Result stopped = box_.run_and_signal(resumed("compare", "run", words), signal, [&] {
        std::error_code missing;
        const std::uintmax_t size = fs::file_size(box_ / "run/losses.cache", missing);
        return !missing && size >= (known + 60) * kRecord;
      });
      known = fs::file_size(box_ / "run/losses.cache") / kRecord - 1;
      if (stopped.status == 0) continue;  // a busy machine: the moment has passed
      EXPECT_FALSE(fs::exists(box_ / "run/compare.json"));
      EXPECT_EQ(stopped.status, signal == SIGINT ? 130 : -SIGKILL);
      if (signal == SIGINT) {
        EXPECT_THAT(stopped.err, HasSubstr("continue with --resume"));
      }
    }
    EXPECT_GT(known, kTrained);
    const Json last = answer("compare", "run", words);
    EXPECT_EQ(last["losses"], (Json{{"measured_now", all - known}, {"known_before", known}}));
    expect_same("run", "whole", {"compare.json", "compare.svg"});
    EXPECT_EQ(fs::file_size(box_ / "run/losses.cache"), (all + 1) * kRecord);
  }
}

TEST_F(Compare, LeavesASearchAsItIs) {
  answer("search", "base");
  auto before = snapshot("base");
  answer("compare", "base",
         {"--algorithms", "random", "--seeds", "1", "--set", "search.evaluations=20", "--set",
          "search.population=5"});
  auto after = snapshot("base");
  for (const char* name : {"compare.json", "compare.svg", "losses.txt"})
    EXPECT_EQ(after.erase((box_ / "base" / name).string()), 1u) << name;
  EXPECT_NE(after[(box_ / "base/losses.cache").string()],
            before[(box_ / "base/losses.cache").string()]);
  for (auto* files : {&before, &after}) files->erase((box_ / "base/losses.cache").string());
  EXPECT_TRUE(after == before);
}

class CompareBadInput : public TrainedFolder {
 protected:
  void SetUp() override { write(box_ / "config.json", config_.dump()); }  // nothing is trained
};

TEST_F(CompareBadInput, IsRefusedBeforeAnythingIsWritten) {
  const auto refused = [&](const Words& more, const Words& parts) {
    Words words{"compare", "config.json", "--run", "new"};
    words.insert(words.end(), more.begin(), more.end());
    expect_refused(words, parts);
  };
  refused({"--algorithms", "evolution,randon"},
          {"--algorithms randon: /algorithm: \"randon\" is not known", "did you mean \"random\"?"});
  refused({"--algorithms", "evolution:screenin=1"},
          {"--algorithms evolution:screenin=1: /screenin: unknown key", "\"screening\"?"});
  refused({"--algorithms", "evolution:screening"}, {"\"screening\" is not KEY=VALUE"});
  refused({"--algorithms", "evolution:"}, {"\"\" is not KEY=VALUE"});
  refused({"--algorithms", "nsga2:population=0"}, {"/population: 0 is out of range"});
  refused({"--algorithms", "nsga2:evaluations=10"}, {"\"evaluations=10\" is not one of the keys"});
  refused({"--algorithms", "nsga2:algorithm=random"}, {"\"algorithm=random\" is not one"});
  refused({"--algorithms", "fisher:population=5"}, {"pruning has no keys, expected \"fisher\""});
  refused({"--algorithms", "random:apart=2"}, {"there are 0 combinations of hardware"});
  refused({"--algorithms", "fisher", "--set", "hardware_space={\"array_size\":[8,16]}"},
          {"pruning is for one machine"});
  refused({"--seeds", "0"}, {"--seeds", "0"});
  refused({"--enumerate", "-1"}, {"--enumerate", "-1"});
  refused({"--resume"}, {"new: there is no run to resume"});
}

}  // namespace
}  // namespace paretoformer::integration
