#include "nas/run/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel_sim/workload/networks.hpp"
#include "nas/run/run_folder.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

RunConfig parse(const Json& json) { return run_config_from_json(JsonNode(json, "c.json"), ""); }

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "no InputError";
}

std::string error_in(const Json& json) {
  return error_of([&] { parse(json); });
}

std::string override_error(const std::string& text) {
  return error_of([&] { load_run_config("quickstart", {text}); });
}

TEST(RunConfigJson, OnlyTheSpaceIsRequired) {
  const RunConfig config = parse({{"search_space", "quickstart"}});
  EXPECT_EQ(config.space, SearchSpace::find("quickstart"));
  EXPECT_EQ(config.corpus, supernet::CorpusConfig{});
  EXPECT_EQ(config.training.to_json(), supernet::TrainingConfig{}.to_json());
  EXPECT_EQ(to_json(config.hardware), to_json(accel_sim::find_target("gemmini_transformer")));
  EXPECT_EQ(config.workload.sequence_length, config.training.context);
  EXPECT_EQ(config.objectives, (std::vector{Objective::kPerplexity, Objective::kEdp}));
  EXPECT_TRUE(config.limits.empty());
  EXPECT_EQ(config.search, SearchConfig{});
  EXPECT_EQ(config.seed, 1u);
  EXPECT_EQ(config.run, "runs/quickstart");
  EXPECT_THAT(error_in(Json::object()), HasSubstr("c.json: /: key \"search_space\" is missing"));
}

TEST(RunConfigJson, ThePresetsLoadAndRoundTrip) {
  for (const char* preset : {"enumerable", "quickstart", "survey", "wikitext2"}) {
    const Json json = to_json(load_run_config(preset, {}));
    EXPECT_EQ(to_json(parse(json)), json) << preset;
  }
}

TEST(RunConfigJson, EveryKeyRoundTrips) {
  const Json json = to_json(load_run_config(
      "quickstart", {"limits.energy=1e9", "soft_limits.energy=5e8", "soft_limits.macs=1e7",
                     "objectives=[\"perplexity\",\"latency\",\"energy\"]", "workload.mode=decode",
                     "workload.sequence_length=77", "workload.mask=causal", "workload.biases=true",
                     "workload.nonlinear_inputs=sums", "search.algorithm=random", "seed=9",
                     "training.distillation=0.25", "validation_sequences=3", "run=elsewhere"}));
  EXPECT_EQ(to_json(parse(json)), json);
  EXPECT_EQ(json["workload"], (Json{{"sequence_length", 77},
                                    {"mode", "decode"},
                                    {"mask", "causal"},
                                    {"biases", true},
                                    {"nonlinear_inputs", "sums"}}));
  EXPECT_EQ(json["limits"], (Json{{"energy", 1e9}}));
  EXPECT_EQ(json["soft_limits"], (Json{{"energy", 5e8}, {"macs", 1e7}}));
  EXPECT_EQ(json["run"], "elsewhere");
}

TEST(RunConfigJson, Bf16ProductsWhereTheProcessorHasThem) {
  const Json json = to_json(load_run_config("quickstart", {}));
  EXPECT_EQ(json["training"]["products"], "fp32");
  Json bf16 = json;
  bf16["training"]["products"] = "bf16";
  if (supernet::bf16_unit() == supernet::Bf16Unit::none)
    EXPECT_THAT(error_in(bf16), HasSubstr("/training/products: \"bf16\" needs a processor"));
  else
    EXPECT_EQ(to_json(parse(bf16)), bf16);
  bf16["training"]["products"] = "fp16";
  EXPECT_THAT(error_in(bf16), HasSubstr("/training/products: \"fp16\""));
}

TEST(RunConfigJson, TextIsRelativeToTheConfigurationWhereverItIsReadAgain) {
  const Json json{{"search_space", "quickstart"},
                  {"corpus", {{"train", "../t.txt"}, {"validation", "/v.txt"}}}};
  const RunConfig config = run_config_from_json(JsonNode(json, "c.json"), "some/folder");
  EXPECT_EQ(config.corpus.train, fs::current_path() / "some/t.txt");
  EXPECT_EQ(config.corpus.validation, "/v.txt");
  const Json again = to_json(config);
  EXPECT_EQ(to_json(run_config_from_json(JsonNode(again, "c.json"), "another")), again);
}

TEST(RunConfigJson, ErrorsNameFilePathAndValue) {
  const auto with = [](const std::string& key, const Json& value) {
    Json json{{"search_space", "quickstart"}};
    json[key] = value;
    return error_in(json);
  };
  EXPECT_THAT(with("trainnig", 1), AllOf(HasSubstr("c.json: /trainnig: unknown key"),
                                         HasSubstr("did you mean \"training\"?")));
  EXPECT_THAT(with("training", {{"step", 1}}), HasSubstr("/training/step: unknown key"));
  EXPECT_THAT(with("training", {{"accumulation", 0}}), HasSubstr("/training/accumulation: 0"));
  EXPECT_THAT(with("training", {{"batch", 65536}, {"accumulation", 65536}, {"context", 2}}),
              HasSubstr("/training: batch * accumulation * context of all networks of a step are "
                        "34359738368 tokens"));
  EXPECT_THAT(with("training", 5), HasSubstr("/training: 5 has the wrong type"));
  EXPECT_THAT(with("seed", -1), HasSubstr("c.json: /seed: -1 is out of range"));
  EXPECT_THAT(with("seed", 1.5), HasSubstr("/seed: 1.5 has the wrong type"));
  EXPECT_THAT(with("workload", {{"sequence_length", 0}}),
              HasSubstr("/workload/sequence_length: 0"));
  EXPECT_THAT(with("workload", {{"mode", "decoding"}}), HasSubstr("/workload/mode: \"decoding\""));
  EXPECT_THAT(with("objectives", {"perplexity"}), HasSubstr("two or more"));
  EXPECT_THAT(with("objectives", {"edp", "edp"}),
              HasSubstr("/objectives/1: \"edp\" appears twice"));
  EXPECT_THAT(with("objectives", {"edp", "speed"}), HasSubstr("/objectives/1: \"speed\""));
  EXPECT_THAT(with("hardware", "gemini_transformer"), HasSubstr("did you mean"));
  EXPECT_THAT(with("run", 5), HasSubstr("/run: 5 has the wrong type"));
  EXPECT_THAT(error_in({{"search_space", "quickstrat"}}),
              HasSubstr("did you mean \"quickstart\"?"));
  EXPECT_THAT(error_in({{"search_space", {{"depth", {1}}}}}),
              HasSubstr("/search_space: key \"model_width\" is missing"));
  EXPECT_THAT(error_in(5), HasSubstr("c.json: /: 5 has the wrong type: expected an object"));
}

TEST(RunConfigJson, ASoftLimitIsBelowTheHardOne) {
  const auto error = [](double soft) {
    return error_in({{"search_space", "quickstart"},
                     {"limits", {{"latency", 900}, {"macs", 5}}},
                     {"soft_limits", {{"latency", soft}}}});
  };
  EXPECT_EQ(error(899), "no InputError");
  EXPECT_THAT(error(900), HasSubstr("c.json: /soft_limits/latency: 900.0 is not below the hard "
                                    "limit: expected less than /limits/latency, 900.0"));
  EXPECT_THAT(override_error("soft_limits.macs=0"), HasSubstr("/soft_limits/macs: 0"));
}

TEST(LoadRunConfig, Overrides) {
  const RunConfig config = load_run_config(
      "quickstart", {"training.steps=7", "search.algorithm=random", "limits.latency=5e6", "run=a=b",
                     "corpus.vocabulary=300", "training.steps=8"});
  EXPECT_EQ(config.training.steps, 8);
  EXPECT_EQ(config.search.algorithm, "random");
  EXPECT_EQ(config.limits, (std::vector<Limit>{{Objective::kLatency, 5e6}}));
  EXPECT_EQ(config.run, "a=b");
  EXPECT_EQ(config.corpus.vocabulary, 300);

  EXPECT_THAT(override_error("seed"), HasSubstr("--set seed: expected KEY=VALUE"));
  EXPECT_THAT(override_error("=5"), HasSubstr("expected KEY=VALUE"));
  EXPECT_THAT(override_error("seed.x=5"), HasSubstr("\"seed\" is not an object"));
  EXPECT_THAT(override_error("search_space.depth=[1]"), HasSubstr("is not an object"));
  EXPECT_THAT(override_error("training.stepz=5"),
              AllOf(HasSubstr("preset quickstart: /training/stepz"), HasSubstr("\"steps\"")));
  EXPECT_THAT(override_error("training.steps=many"), HasSubstr("/training/steps: \"many\""));
  for (const char* wrong : {"1", "-0.1", "true", "\"0.1\""})
    EXPECT_THAT(override_error("training.dropout=" + std::string(wrong)),
                HasSubstr("/training/dropout: "))
        << wrong;
  EXPECT_THAT(override_error("training.dropout=1"), HasSubstr("0.9999"));
  for (const char* wrong : {"-1", "0.5", "true"})
    EXPECT_THAT(override_error("training.patience=" + std::string(wrong)),
                HasSubstr("/training/patience: "))
        << wrong;
}

// A preset's parameters, one of them changed.
TEST(LoadRunConfig, HardwareParametersAreThoseOfItsPresetUnlessSaid) {
  accel_sim::Target expected = accel_sim::find_target("gemmini_transformer");
  expected.fusion = accel_sim::Fusion::kBest;
  EXPECT_EQ(load_run_config("enumerable", {"hardware.fusion=best"}).hardware, expected);
  EXPECT_EQ(parse({{"search_space", "quickstart"},
                   {"hardware", {{"preset", "gemmini_transformer"}, {"fusion", "best"}}}})
                .hardware,
            expected);
  accel_sim::Target soc = accel_sim::find_target("gemmini_soc");
  soc.scratchpad_kib = 64;
  soc.accumulator_kib = 256;
  soc.fusion = accel_sim::Fusion::kBest;
  EXPECT_EQ(load_run_config("quickstart", {"hardware.fusion=best"}).hardware, soc);
  accel_sim::Target cnn = accel_sim::find_target("gemmini_cnn");
  cnn.l2_kib = 1024;
  EXPECT_EQ(
      load_run_config("quickstart", {"hardware=gemmini_cnn", "hardware.l2_kib=1024"}).hardware,
      cnn);
  EXPECT_THAT(override_error("hardware.fusion=maybe"),
              HasSubstr("/hardware/fusion: \"maybe\" is not known: expected one of"));
  EXPECT_THAT(override_error("hardware.preset=gemmini"),
              HasSubstr("/hardware/preset: \"gemmini\""));
}

TEST(LoadRunConfig, FilesAndPresets) {
  EXPECT_THAT(error_of([] { load_run_config("quickstrat", {}); }),
              HasSubstr("did you mean \"quickstart\"?"));
  EXPECT_THAT(error_of([] { load_run_config("no/such.json", {}); }),
              HasSubstr("\"no/such.json\" is neither a preset (enumerable, quickstart, "
                        "quickstart_int4, survey, wikitext2) nor a file"));
  const TemporaryFolder empty;
  EXPECT_THAT(error_of([&] { load_run_config(empty.path().string(), {}); }),
              HasSubstr("nor a file"));
}

// A file system's limit is no other error than "not there".
TEST(LoadRunConfig, NamesTooLongForAFileAreInputErrors) {
  const std::string name(300, 'x');
  for (const std::string& override : {"hardware=" + name, "search_space=" + name})
    EXPECT_THAT(error_of([&] { load_run_config("quickstart", {override}); }),
                HasSubstr(name + "\" is neither a preset"));
  EXPECT_THAT(error_of([&] { load_run_config(name, {}); }), HasSubstr("is neither a preset"));
  EXPECT_THAT(error_of([&] { accel_sim::find_model(name); }), HasSubstr("is neither a preset"));
  EXPECT_THAT(error_of([&] { RunFolder::read(name); }), HasSubstr("is not a run folder"));
}

TEST(ConfigHash, IgnoresFolderAndCheckpointsAndNothingElse) {
  const auto hashes = [](const std::string& override) {
    const RunConfig config = load_run_config("quickstart", {override});
    return std::pair(config_hash(config), training_hash(config));
  };
  const auto base = hashes("seed=1");
  for (const char* same : {"run=elsewhere", "training.checkpoint_seconds=1", "training.device=cpu"})
    EXPECT_EQ(hashes(same), base) << same;
  // Probes only watch, unless the training ends when they say so.
  EXPECT_NE(hashes("training.probe_interval=9").first, base.first);
  EXPECT_EQ(hashes("training.probe_interval=9").second, base.second);
  // What was trained before there were these has the hash that it had.
  for (const char* none : {"training.dropout=0", "training.patience=0"})
    EXPECT_EQ(hashes(none), base) << none;
  for (const char* both :
       {"seed=2", "training.steps=5", "training.learning_rate=0.001", "training.distillation=0.25",
        "training.accumulation=2", "training.stop_when_converged=true", "training.patience=3",
        "training.dropout=0.1", "search_space=survey"}) {
    EXPECT_NE(hashes(both).first, base.first) << both;
    EXPECT_NE(hashes(both).second, base.second) << both;
  }
  for (const char* search :
       {"limits.energy=1e9", "soft_limits.energy=1e9", "objectives=[\"perplexity\",\"energy\"]",
        "search.population=5", "search.algorithm=random", "workload.mode=decode",
        "workload.sequence_length=9", "validation_sequences=3", "corpus.seed=2",
        "corpus.vocabulary=300", "hardware=gemmini_cnn"}) {
    EXPECT_NE(hashes(search).first, base.first) << search;
    EXPECT_EQ(hashes(search).second, base.second) << search;
  }
}

}  // namespace
}  // namespace paretoformer::nas
