// The case study, from a configuration or of a run that is there.
#include <gmock/gmock.h>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

TEST(StudyVerb, SearchesFirstAndIsThatOfTheRun) {
  const Sandbox box;
  Json config = tiny_config();
  config["search"]["evaluations"] = 24;
  write(box / "config.json", config.dump());
  const Result whole = box.run({"study", "config.json", "--quiet", "--json"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  const Json study = parse(whole.out);
  EXPECT_EQ(study["machines"].size(), 4u);
  EXPECT_EQ(study["rivals"].size(), 5u);
  EXPECT_EQ(parse(content(box / "run/state.json"))["phase"], "finished");
  EXPECT_THAT(content(box / "run/report.html"), HasSubstr("From naive to co-designed"));
  const std::string first = content(box / "run/study.json");
  const Result again = box.run({"study", "run", "--quiet"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("uniform: perplexity"));
  EXPECT_EQ(content(box / "run/study.json"), first);
  // The same run, by its configuration: nothing is searched again.
  const std::string history = content(box / "run/history.jsonl");
  ASSERT_EQ(box.run({"study", "config.json", "--resume", "--quiet"}).status, 0);
  EXPECT_EQ(content(box / "run/study.json"), first);
  EXPECT_EQ(content(box / "run/history.jsonl"), history);

  // Trained on; a second time what is there is read.
  const std::vector<std::string> trained{"study", "run",    "--train-on", "--steps",
                                         "4",     "--json", "--quiet"};
  const Result after = box.run(trained);
  ASSERT_EQ(after.status, 0) << after.err;
  EXPECT_EQ(parse(after.out)["trained_on"]["steps"], 4);
  EXPECT_EQ(parse(after.out)["trained_on"]["networks"][0]["rival"], "largest");
  EXPECT_THAT(content(box / "run/report.html"), HasSubstr("Trained on for 4 steps"));
  const std::string id = parse(after.out)["trained_on"]["networks"][0]["id"];
  const std::string weights = content(box / ("run/finetune/" + id + ".safetensors"));
  EXPECT_EQ(parse(box.run(trained).out)["trained_on"], parse(after.out)["trained_on"]);
  EXPECT_EQ(content(box / ("run/finetune/" + id + ".safetensors")), weights);
  const Result otherwise = box.run({"study", "run", "--train-on", "--steps", "5", "--quiet"});
  EXPECT_EQ(otherwise.status, 2);
  EXPECT_THAT(otherwise.err, HasSubstr("was trained on otherwise"));

  // Together with that of another seed, but not with itself.
  std::filesystem::copy(box / "run", box / "other", std::filesystem::copy_options::recursive);
  Json other = parse(content(box / "other/study.json"));
  other["provenance"]["seed"] = 77;
  write(box / "other/study.json", other.dump());
  const Result seeds = box.run({"study", "run", "other", "--quiet"});
  EXPECT_EQ(seeds.status, 0) << seeds.err;
  EXPECT_THAT(seeds.out, HasSubstr("of 2 seeds"));
  EXPECT_EQ(parse(content(box / "run/study_seeds.json"))["seeds"][1], 77);
  const Result same = box.run({"study", "run", "run", "--quiet"});
  EXPECT_EQ(same.status, 2);
  EXPECT_THAT(same.err, HasSubstr("expected another one"));
  EXPECT_EQ(lines(same.err).size(), 1u) << same.err;
  EXPECT_EQ(box.run({"study", "run", "other", "--train-on"}).status, 2);

  // Seeds one after the other; of those that are there nothing is trained or searched again.
  const std::vector<std::string> several{"study", "config.json", "--seeds", "2",      "--run",
                                         "both",  "--resume",    "--json",  "--quiet"};
  const Result both = box.run(several);
  ASSERT_EQ(both.status, 0) << both.err;
  const std::uint64_t one = parse(first)["provenance"]["seed"];
  EXPECT_EQ(parse(both.out)["seeds"], Json({one, one + 1}));
  const auto own = [&] {
    return content(box / ("both/seed" + std::to_string(one) + "/study.json"));
  };
  EXPECT_EQ(own(), first);
  EXPECT_NE(content(box / ("both/seed" + std::to_string(one + 1) + "/study.json")), first);
  EXPECT_EQ(box.run(several).out, both.out);

  const Result refused = box.run({"study", "config.json", "--quiet"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("--resume"));
  write(box / "none.safetensors", "no weights");
  const Result wrong = box.run({"study", "run", "--largest", "none.safetensors", "--quiet"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("none.safetensors"));
  EXPECT_EQ(lines(wrong.err).size(), 1u) << wrong.err;
}

// The quickstart with a twelfth of its steps and evaluations. What the machine gives does not
// depend on them; the search's share is less than the whole one's (docs/results.md).
TEST(StudyVerb, OfTheQuickstartReachesTheSurveysFactors) {
  const Sandbox box;
  const Result whole = box.run({"study", "quickstart", "--run", "run", "--quiet", "--json", "--set",
                                "training.steps=300", "--set", "search.evaluations=120", "--set",
                                "validation_sequences=48", "--set", "corpus.train_bytes=1000000",
                                "--set", "corpus.validation_bytes=40000"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  const Json study = parse(whole.out);
  const auto edp = [](const Json& step) { return step["edp"].get<double>(); };
  const Json& machines = study["machines"];
  const double a = edp(machines.front()), d = edp(machines.back());
  const auto cycles = [&](std::size_t i) { return machines[i]["latency_cycles"].get<double>(); };
  EXPECT_GT(cycles(0) / cycles(2), 39.6);  // Kim et al. 2023, Sec. 3.4
  EXPECT_GT(cycles(2) / cycles(3), 1);
  const Json& close = study["choices"][0];
  EXPECT_EQ(close["budget"], "+0.1");
  EXPECT_LE(close["perplexity_int8"].get<double>(), close["most_perplexity"].get<double>());
  EXPECT_GT(a / edp(close), 88.7);  // Sec. 6.4
  EXPECT_GT(d / edp(study["choices"][1]), 2.24);
}

TEST(StudyVerb, FineTunesSeveralOfTheFront) {
  const Sandbox box;
  Json config = tiny_config();
  config["search"]["evaluations"] = 24;
  write(box / "config.json", config.dump());
  ASSERT_EQ(box.run({"search", "config.json", "--quiet"}).status, 0);
  const Result tuned =
      box.run({"finetune", "run", "--front", "2", "--bands", "2", "--steps", "8", "--quiet"});
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  EXPECT_THAT(tuned.out, HasSubstr("Kendall tau"));
  const std::string first = content(box / "run/finetune.json");
  EXPECT_GE(parse(first)["bands"].size(), 1u);
  EXPECT_EQ(box.run({"finetune", "run", "--front", "2", "--bands", "2", "--steps", "8", "--quiet"})
                .status,
            2);
  ASSERT_EQ(box.run({"finetune", "run", "--front", "2", "--bands", "2", "--steps", "8", "--quiet",
                     "--resume"})
                .status,
            0);
  EXPECT_EQ(content(box / "run/finetune.json"), first);
  EXPECT_NE(box.run({"finetune", "run"}).status, 0);
  EXPECT_NE(box.run({"finetune", "run", "--front", "2", "--id", "0"}).status, 0);
}

}  // namespace
}  // namespace paretoformer::integration
