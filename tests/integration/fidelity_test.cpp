// The supernet against networks trained alone: killed and resumed anywhere, nothing trained twice.
#include <gmock/gmock.h>

#include <map>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class Fidelity : public ::testing::Test {
 protected:
  void SetUp() override {
    Json config = tiny_config();
    config["corpus"]["tokenizer"] = "bytes";
    config["corpus"]["vocabulary"] = 256;
    config["training"]["steps"] = 60;
    config["training"]["checkpoint_seconds"] = 0;
    write(box_ / "config.json", config.dump());
  }

  Result fidelity(const std::string& run, int networks, const Words& more = {}) const {
    return box_.run(words(run, networks, more));
  }
  static Words words(const std::string& run, int networks, const Words& more) {
    Words all{"fidelity", "config.json", "--run",      run,
              "--quiet",  "--json",      "--networks", std::to_string(networks)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // By name, the networks trained alone and everything else that is in their folder.
  std::map<std::string, fs::file_time_type> standalone(const std::string& run) const {
    std::map<std::string, fs::file_time_type> files;
    for (const auto& entry : fs::directory_iterator(box_ / (run + "/fidelity")))
      files[entry.path().filename().string()] = entry.last_write_time();
    return files;
  }

  Sandbox box_;
};

TEST_F(Fidelity, KilledAndStoppedItResumesToTheSameAndTrainsNothingTwice) {
  const Result whole = fidelity("whole", 4, {"--threads", "2"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  const std::string expected = content(box_ / "whole/fidelity.json");

  const auto networks_begun = [&](std::size_t count) {
    return [this, count] {
      std::size_t logs = 0;
      std::error_code missing;
      for (const auto& entry : fs::directory_iterator(box_ / "run/fidelity", missing))
        if (entry.path().extension() == ".jsonl" && line_count(entry.path()) > 9) ++logs;
      return logs >= count;
    };
  };
  const Result killed =
      box_.run_and_signal(words("run", 4, {"--threads", "2"}), SIGKILL, networks_begun(1));
  EXPECT_EQ(killed.status, -SIGKILL);
  const Result stopped = box_.run_and_signal(words("run", 4, {"--resume", "--threads", "1"}),
                                             SIGINT, networks_begun(3));
  EXPECT_EQ(stopped.status, 130);
  EXPECT_THAT(stopped.err, HasSubstr("of 4 networks trained; continue with --resume"));
  EXPECT_FALSE(fs::exists(box_ / "run/fidelity.json"));
  const Result resumed = fidelity("run", 4, {"--resume", "--threads", "1"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(content(box_ / "run/fidelity.json"), expected);
  EXPECT_EQ(content(box_ / "run/fidelity.svg"), content(box_ / "whole/fidelity.svg"));
  // Finished networks and their loss logs; no checkpoints, no optimiser state.
  const auto files = standalone("run");
  EXPECT_EQ(files.size(), 8u);
  for (const auto& [name, time] : files) {
    EXPECT_TRUE(name.ends_with(".safetensors") || name.ends_with(".jsonl")) << name;
    EXPECT_TRUE(content(box_ / ("run/fidelity/" + name)) ==
                content(box_ / ("whole/fidelity/" + name)))
        << name;
  }

  ASSERT_EQ(fidelity("run", 4, {"--resume"}).status, 0);
  EXPECT_EQ(standalone("run"), files);
  const Result more = fidelity("run", 6, {"--resume"});
  ASSERT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(standalone("run").size(), 12u);
  for (const auto& [name, time] : files) EXPECT_EQ(standalone("run")[name], time) << name;
  const Json before = parse(expected), after = parse(more.out);
  ASSERT_EQ(after["networks"].size(), 6u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(after["networks"][i], before["networks"][i]);
}

TEST_F(Fidelity, AfterASearchWhichItLeavesAlone) {
  ASSERT_EQ(box_.run({"search", "config.json", "--quiet"}).status, 0);
  std::map<std::string, std::string> files;
  for (const std::string& name : box_.files())
    if (fs::is_regular_file(box_ / name) && name != "run/run.log")
      files[name] = content(box_ / name);
  const Result result = box_.run({"fidelity", "run", "--resume", "--networks", "3"});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const auto& [name, text] : files) EXPECT_TRUE(content(box_ / name) == text) << name;
  for (const char* part : {"slice", "parameters", "flops", "top-5 regret", "nats per token",
                           "3 networks, each trained alone for 60 steps"})
    EXPECT_THAT(result.out, HasSubstr(part));
  EXPECT_THAT(result.err, HasSubstr("3 of 3 networks"));

  const Json report = parse(content(box_ / "run/fidelity.json"));
  EXPECT_EQ(report["format"], "paretoformer.fidelity.1");
  EXPECT_EQ(report["tokens"], 60 * 4 * 32);
  for (const char* predictor : {"slice", "parameters", "flops"})
    for (const char* statistic : {"tau", "rho", "top5_regret_nats"})
      EXPECT_TRUE(report["predictors"][predictor][statistic]["value"].is_number());
  // What was trained alone is an exported network: the verb `evaluate` reads it.
  const Json& network = report["networks"][0];
  write(box_ / "network.json", network.dump());
  const std::string weights = "run/fidelity/" + network["id"].get<std::string>() + ".safetensors";
  EXPECT_EQ(box_.run({"evaluate", "run", "network.json", "--weights", weights}).status, 0);

  // Kept networks that were trained as something else, or are damaged, are not compared.
  const std::string other =
      "run/fidelity/" + report["networks"][1]["id"].get<std::string>() + ".safetensors";
  fs::copy_file(box_ / weights, box_ / other, fs::copy_options::overwrite_existing);
  const Result refused = fidelity("run", 3, {"--resume"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(lines(refused.err).size(), 1u) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr(other + ": is not this network"));
  write(box_ / other, content(box_ / weights).substr(0, 5000));
  const Result damaged = fidelity("run", 3, {"--resume"});
  EXPECT_EQ(damaged.status, 2);
  EXPECT_EQ(lines(damaged.err).size(), 1u) << damaged.err;
  EXPECT_THAT(damaged.err, HasSubstr(other));
}

TEST_F(Fidelity, BadInputWritesNothing) {
  for (const auto& [networks, part] : {std::pair{1, "--networks"},
                                       {0, "--networks"},
                                       {253, "search space \"tiny\" holds 252 networks"}}) {
    const Result result = fidelity("run", networks);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_FALSE(fs::exists(box_ / "run"));
  }
  EXPECT_EQ(fidelity("run", 4, {"--networks", "many"}).status, 2);
  const Result nothing = fidelity("run", 4, {"--resume"});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, HasSubstr("there is no run to resume"));
}

}  // namespace
}  // namespace paretoformer::integration
