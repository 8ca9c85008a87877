// One training for searches of many targets; and what goes wrong with the files that they share.
#include <gmock/gmock.h>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

class SharedSupernet : public TrainedFolder {
 protected:
  static Words on(const std::string& hardware, const std::string& run) {
    return {"search", "config.json",          "--quiet", "--json", "--set", "supernet=base",
            "--set",  "hardware=" + hardware, "--run",   run};
  }
  std::uintmax_t cache_size() { return fs::file_size(box_ / "base/losses.cache"); }
};

TEST_F(SharedSupernet, TrainOnceSearchForManyTargets) {
  answer("search", "base");
  const std::uintmax_t known = cache_size();
  const auto base = snapshot("base");
  // The same search again measures nothing.
  Result result = box_.run(on("gemmini_transformer", "same"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(snapshot("base") == base);
  expect_same("same", "base", {"history.jsonl", "generations.jsonl", "confirmed.jsonl"});

  // Another target, from a configuration in another folder; other networks are measured.
  Json config = config_;
  config["supernet"] = "../base/";
  config["hardware"] = "gemmini_cnn";
  config["run"] = "other";
  fs::create_directories(box_ / "project");
  write(box_ / "project/config.json", config.dump());
  result = box_.run({"search", "project/config.json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err.find("training:"), std::string::npos) << result.err;
  for (const char* name : {"supernet.safetensors", "losses.cache", "training.jsonl"})
    EXPECT_FALSE(fs::exists(box_ / "other" / name)) << name;
  EXPECT_GT(cache_size(), known);
  EXPECT_EQ(box_.run({"search", "project/config.json", "--resume", "--quiet"}).status, 0);

  // All that can be done with a run can be done with this one.
  const Json best = parse(file("other", "front.json"))["front"][0];
  const std::string stem = "other/export/" + best["id"].get<std::string>();
  ASSERT_EQ(box_.run({"export", "other"}).status, 0);
  for (const Words& more : {Words{}, Words{"--weights", stem + ".safetensors"}}) {
    Words words{"evaluate", "other", stem + ".json", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Result evaluated = box_.run(words);
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    EXPECT_EQ(parse(evaluated.out)["perplexity"], best["objectives"]["perplexity"]);
  }
  EXPECT_EQ(box_.run({"report", "other"}).status, 0);
  EXPECT_EQ(box_.run({"finetune", "other", "--id", best["id"].get<std::string>(), "--steps", "2",
                      "--quiet"})
                .status,
            0);
  // A run that uses it uses the one that it uses.
  Words chained = on("gemmini_cnn", "third");
  chained[5] = "supernet=other";
  result = box_.run(chained);
  ASSERT_EQ(result.status, 0) << result.err;
  expect_same("third", "other", {"history.jsonl"});

  // Fewer sequences score otherwise, and do not take the place of these losses.
  Words fewer = on("gemmini_cnn", "fewer");
  fewer.insert(fewer.end(), {"--set", "validation_sequences=8"});
  const std::uintmax_t before = cache_size();
  EXPECT_EQ(box_.run(fewer).status, 0);
  const std::uintmax_t after = cache_size();
  EXPECT_GT(after, before);
  EXPECT_EQ(box_.run(on("gemmini_cnn", "fourth")).status, 0);
  EXPECT_EQ(cache_size(), after);

  // Without the weights its results are still there; nothing new is.
  fs::rename(box_ / "base", box_ / "gone");
  EXPECT_EQ(box_.run({"report", "other"}).status, 0);
  for (const Words& words : {Words{"search", "other", "--resume"}, Words{"export", "other"},
                             Words{"evaluate", "other", stem + ".json"}})
    expect_refused(words, {"base/supernet.safetensors: there is no trained supernet"});
}

// The seed is the search's; that of the training is the other run's.
TEST_F(SharedSupernet, OtherSeedsUseIt) {
  answer("search", "base");
  const auto search = [&](const std::string& run) {
    return Words{"search",        "config.json", "--quiet", "--json", "--set",
                 "supernet=base", "--set",       "seed=4",  "--run",  run};
  };
  const Result result = box_.run(search("four"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(file("four", "history.jsonl"), file("base", "history.jsonl"));
  // All that has been paid for is known to both.
  const std::uintmax_t known = cache_size();
  EXPECT_EQ(box_.run(search("again")).status, 0);
  expect_same("again", "four", {"history.jsonl", "front.json"});
  EXPECT_EQ(cache_size(), known);
  EXPECT_EQ(box_.run(resumed("search", "four", {"--set", "search.evaluations=100"})).status, 0);
  EXPECT_EQ(box_.run({"export", "four"}).status, 0);
  const Result another = box_.run({"train", "config.json", "--quiet", "--set", "seed=4", "--set",
                                   "training.steps=2", "--run", "own"});
  EXPECT_EQ(another.status, 0);
  EXPECT_NE(file("own", "supernet.safetensors"), file("base", "supernet.safetensors"));
}

TEST_F(SharedSupernet, SeveralProcessesAtATime) {
  Limits limits;
  Result other;
  limits.meanwhile = [&](pid_t) { other = box_.run(on("gemmini_cnn", "b")); };
  EXPECT_EQ(box_.run(on("gemmini_transformer", "a"), limits).status, 0);
  EXPECT_EQ(other.status, 0) << other.err;
  const std::uintmax_t known = cache_size();
  for (const auto& [hardware, run, same] :
       {std::tuple{"gemmini_transformer", "c", "a"}, {"gemmini_cnn", "d", "b"}}) {
    EXPECT_EQ(box_.run(on(hardware, run)).status, 0);
    expect_same(run, same, kSearchResults);
  }
  EXPECT_EQ(cache_size(), known);
}

TEST_F(SharedSupernet, OneThatCannotBeUsedIsRefusedBeforeAnythingIsWritten) {
  const auto refused = [&](const std::string& folder, const Words& more, const Words& parts) {
    for (const char* verb : {"search", "validate"}) {
      Words words{verb, "config.json", "--run", "new", "--set", "supernet=" + folder};
      words.insert(words.end(), more.begin(), more.end());
      expect_refused(words, parts);
    }
  };
  const std::string other = "base/supernet.safetensors: was trained with another";
  refused("base", {"--set", "training.steps=25"}, {other});
  refused("base", {"--set", "corpus.seed=2"}, {other});
  refused("nowhere", {}, {"nowhere/supernet.safetensors: there is no trained supernet"});
  refused("new", {}, {"new/supernet.safetensors: there is no trained supernet"});
  refused("3", {}, {"/supernet: 3 has the wrong type"});

  // One that is being trained, and one whose training was interrupted.
  const Words train{"train", "config.json",          "--quiet", "--run", "half",
                    "--set", "training.steps=100000"};
  Limits limits;
  Result early;
  limits.meanwhile = [&](pid_t child) {
    while (!fs::exists(box_ / "half/supernet.safetensors"))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    early = box_.run({"search", "config.json", "--run", "new", "--set", "supernet=half", "--set",
                      "training.steps=100000", "--quiet"});
    ::kill(child, SIGINT);
  };
  EXPECT_EQ(box_.run(train, limits).status, 130);
  EXPECT_EQ(early.status, 2);
  EXPECT_EQ(lines(early.err).size(), 1u);
  EXPECT_THAT(early.err, HasSubstr("of 100000 steps only"));
  EXPECT_FALSE(fs::exists(box_ / "new"));
  refused("half", {"--set", "training.steps=100000"}, {"of 100000 steps only"});
}

TEST_F(SharedSupernet, DamagedOrForeignFiles) {
  answer("search", "base");
  const std::string cache = file("base", "losses.cache"), prices = file("base", "predictor.json");
  const Words more{"--set", "search.evaluations=100"};
  // Not a cache: it is not overwritten.
  for (const std::string& foreign : {std::string("notes\n"), std::string(5000, 'x')}) {
    write(box_ / "base/losses.cache", foreign);
    expect_refused(resumed("search", "base", {}), {"base/losses.cache: is no cache of losses"});
  }
  // A cache with a hole, and one cut short: what is lost is measured again.
  copy("base", "whole");
  fs::remove(box_ / "whole/losses.cache");
  answer("search", "whole", more);
  std::string damaged = cache;
  for (std::size_t at = 100; at < 300; ++at) damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
  write(box_ / "base/losses.cache", damaged.substr(0, damaged.size() - 7));
  answer("search", "base", more);
  expect_same("base", "whole", kSearchResults);

  const auto refused = [&](const std::string& text, const std::string& part) {
    write(box_ / "base/predictor.json", text);
    for (const Words& words : {resumed("search", "base"), Words{"export", "base"}})
      expect_refused(words, {"base/predictor.json", part});
  };
  refused("notes\n", "is no predictor of this version");
  refused(prices.substr(0, prices.size() / 2), "the file was cut or edited");
  for (const auto& [option, value, part] :
       {std::tuple{"--hardware", "gemmini_cnn", "another hardware"},
        {"--length", "64", "another workload"},
        {"--space", "quickstart", "was not made for the space \"tiny\""}}) {
    Words words{"predictor", "build",    "--space",   "small.json", "--length",
                "32",        "--output", "other.txt", "--networks", "2"};
    Json space = config_["search_space"];
    if (std::string(option) == "--space") {
      space["ffn_width"] = {128};
    } else {
      words.insert(words.end(), {option, value});
      if (std::string(option) == "--length") words.erase(words.begin() + 4, words.begin() + 6);
    }
    write(box_ / "small.json", space.dump());
    const Result built = box_.run(words);
    ASSERT_TRUE(fs::exists(box_ / "other.txt")) << built.err;
    refused(content(box_ / "other.txt"), part);
    fs::remove(box_ / "other.txt");
  }
  // Taken away it is made again, the same.
  fs::remove(box_ / "base/predictor.json");
  answer("search", "base");
  EXPECT_TRUE(file("base", "predictor.json") == prices);
}

TEST_F(SharedSupernet, AFullDiskWhileLossesAreKept) {
  copy("base", "whole");
  const Words contest{"--algorithms", "random", "--seeds", "1"};
  answer("compare", "whole", contest);
  const std::uintmax_t all = fs::file_size(box_ / "whole/losses.cache");
  Limits limits;
  limits.file_bytes = all - 2050;  // and a part of a record
  ASSERT_GT(limits.file_bytes, fs::file_size(box_ / "whole/predictor.json"));
  const Result full = box_.run(resumed("compare", "base", contest), limits);
  EXPECT_EQ(full.status, 1);
  EXPECT_EQ(lines(full.err).size(), 1u) << full.err;
  EXPECT_THAT(full.err, HasSubstr("base/losses.cache: cannot write: File too large"));
  const Json last = answer("compare", "base", contest);
  EXPECT_GT(last["losses"]["known_before"], 100);
  EXPECT_EQ(cache_size(), all);
  expect_same("base", "whole", {"compare.json", "losses.txt"});
}

}  // namespace
}  // namespace paretoformer::integration
