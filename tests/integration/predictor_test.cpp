// The verb `predictor`: a checked predictor of a new accelerator, one of measurements, and a search
// that uses it.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "support/hash.hpp"
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kSpace = R"({"name": "tiny", "head_width": 16, "depth": [1, 2],
    "model_width": [32, 48, 96], "heads": [1, 2, 4], "ffn_width": [64, 96, 256, 512]})";
constexpr const char* kHardware = R"({"array_size": 8, "scratchpad_kib": 64,
    "accumulator_kib": 32, "nonlinear_units": "on_chip"})";
constexpr const char* kPredictedNetwork =
    R"({"model_width": 48, "head_width": 16, "vocabulary": 300, "layers": [{"heads": 2, "ffn_width": 96}]})";

class Predictor : public ::testing::Test {
 protected:
  void SetUp() override {
    write(box_ / "space.json", kSpace);
    write(box_ / "hardware.json", kHardware);
    write(box_ / "network.json", kPredictedNetwork);
  }
  Result build(const std::string& output, Words more = {}) {
    Words words{"predictor",     "build",    "--space",  "space.json", "--hardware",
                "hardware.json", "--length", "32",       "--networks", "60",
                "--vocabulary",  "300",      "--output", output};
    words.insert(words.end(), more.begin(), more.end());
    return box_.run(words);
  }
  // Of `predict ARGUMENTS --predictor FILE`, which may be a file and a pipe.
  void expect_same_through_a_pipe(const std::string& arguments, const std::string& file) {
    Limits bash;
    bash.binary = "/bin/bash";
    const std::string command =
        std::string("exec " PARETOFORMER_BINARY " predict ") + arguments + " --json --predictor ";
    const Result direct = box_.run({"-c", command + file}, bash);
    const Result piped = box_.run({"-c", command + "<(cat " + file + ")"}, bash);
    ASSERT_EQ(direct.status, 0) << direct.err;
    ASSERT_EQ(piped.status, 0) << piped.err;
    EXPECT_EQ(piped.out, direct.out);
  }
  void expect_refused(const Words& words, const std::string& part, int status = 2) {
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
  }

  Sandbox box_;
};

TEST_F(Predictor, BuildsAndChecksOneOfNewHardware) {
  const Result built = build("my.predictor", {"--json", "-q"});
  ASSERT_EQ(built.status, 0) << built.err;
  const Json answer = parse(built.out);
  EXPECT_EQ(answer["check"]["complaint"], "");
  EXPECT_EQ(answer["check"]["networks"], 60);
  EXPECT_LE(answer["check"]["latency"]["mape"], 0.01);
  const Result again = build("again.predictor", {"--json", "-q", "--threads", "1"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(content(box_ / "my.predictor"), content(box_ / "again.predictor"));

  const Result checked = box_.run({"predictor", "check", "my.predictor", "--space", "space.json",
                                   "--vocabulary", "300", "--networks", "60"});
  EXPECT_EQ(checked.status, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("tau within depth"));

  const Result predicted =
      box_.run({"predict", "network.json", "--predictor", "my.predictor", "--json"});
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  const Json cost = parse(predicted.out);
  EXPECT_EQ(cost["relative_uncertainty"], answer["check"]["latency"]["p95"]);
  EXPECT_GT(cost["cycles"], 0);
  expect_same_through_a_pipe("network.json", "my.predictor");
}

TEST_F(Predictor, RefusesWhatItDoesNotKnow) {
  ASSERT_EQ(build("my.predictor", {"-q"}).status, 0);
  write(box_ / "other.json",
        R"({"model_width": 48, "head_width": 16, "layers": [{"heads": 2, "ffn_width": 97}]})");
  expect_refused({"predict", "other.json", "--predictor", "my.predictor"},
                 "no entry for \"matmul weights - 32 48 97 row_bias\"", 1);
  std::string text = content(box_ / "my.predictor");
  write(box_ / "cut.predictor", text.substr(0, text.size() / 2));
  expect_refused({"predict", "network.json", "--predictor", "cut.predictor"},
                 "cut.predictor: the checksum does not match");
  expect_refused({"predictor", "check", "space.json"},
                 "space.json: is no predictor of this version");
  expect_refused({"predict", "network.json", "--predictor", "my.predictor", "--length", "64"},
                 "says hardware and workload itself");
}

// One operator ten times as slow as it is, under a checksum that fits.
TEST_F(Predictor, ABadOneIsNotBlessed) {
  ASSERT_EQ(build("my.predictor", {"-q"}).status, 0);
  std::string text = content(box_ / "my.predictor");
  const std::string key = ",\n  \"checksum\": \"",
                    head = "[\"matmul weights sums 32 48 300 row_bias\",1,false,";
  text.resize(text.rfind(key));
  const std::size_t at = text.find(head, text.find("\"language_model_head\""));
  ASSERT_NE(at, std::string::npos);
  text.insert(at + head.size(), "9");
  write(box_ / "bad.predictor", text + key + hex(hash_text(text)) + "\"\n}\n");
  expect_refused({"predictor", "check", "bad.predictor", "--space", "space.json", "--vocabulary",
                  "300", "--networks", "60"},
                 "the predictor is not good enough: latency is off by", 1);
}

TEST_F(Predictor, IsMadeOfMeasurements) {
  const Result listed = box_.run(
      {"predictor", "operators", "--space", "space.json", "--length", "32", "--vocabulary", "300"});
  ASSERT_EQ(listed.status, 0) << listed.err;
  std::string csv = listed.out;
  expect_refused({"predictor", "import", "none.csv", "--device", "phone", "--space", "space.json",
                  "--length", "32", "--output", "phone.predictor"},
                 "none.csv");
  write(box_ / "phone.csv", csv);
  expect_refused({"predictor", "import", "phone.csv", "--device", "phone", "--space", "space.json",
                  "--length", "32", "--output", "phone.predictor"},
                 "phone.csv:2: \"\" is no latency");
  for (std::size_t at = 0; (at = csv.find(",,", at)) != std::string::npos;)
    csv.replace(at, 2, ",2,3");
  write(box_ / "phone.csv", csv.substr(0, csv.rfind('\n', csv.size() - 2) + 1));
  expect_refused({"predictor", "import", "phone.csv", "--device", "phone", "--space", "space.json",
                  "--length", "32", "--vocabulary", "300", "--output", "phone.predictor"},
                 "1 operators of the space \"space.json\" have not been measured");
  write(box_ / "phone.csv", csv);
  const Result imported =
      box_.run({"predictor", "import", "phone.csv", "--device", "phone", "--space", "space.json",
                "--length", "32", "--vocabulary", "300", "--output", "phone.predictor"});
  ASSERT_EQ(imported.status, 0) << imported.err;
  expect_refused({"predictor", "check", "phone.predictor", "--space", "space.json"},
                 "the device \"phone\" was measured");
  // 2 us for every run: 15 operators, q, k and v three times, three of two heads each.
  const Result predicted =
      box_.run({"predict", "network.json", "--predictor", "phone.predictor", "--json"});
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_EQ(parse(predicted.out)["latency_ns"], 2000 * (15 + 2 + 3));
  EXPECT_FALSE(parse(predicted.out).contains("cycles"));
  for (const char* clock : {"nan", "inf", "-inf", "0", "-1"}) {
    const Result refused = box_.run({"predictor", "import", "phone.csv", "--device", "phone",
                                     "--space", "space.json", "--length", "32", "--vocabulary",
                                     "300", "--output", "no.predictor", "--clock-mhz", clock});
    EXPECT_EQ(refused.status, 2) << clock;
    EXPECT_THAT(refused.err, HasSubstr("--clock-mhz")) << clock;
  }
  EXPECT_FALSE(fs::exists(box_ / "no.predictor"));
}

// A device whose operators take about a nanosecond each, with and without energies.
class MeasuredDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    config_["corpus"]["tokenizer"] = "bytes";
    config_["corpus"].erase("vocabulary");
    config_["training"]["steps"] = 8;
    config_["search"]["evaluations"] = 36;
    config_["predictor"] = "phone.predictor";
    write(box_ / "config.json", config_.dump());
    write(box_ / "space.json", config_["search_space"].dump());
    const Result listed = box_.run({"predictor", "operators", "--space", "space.json", "--length",
                                    "32", "--vocabulary", "256"});
    ASSERT_EQ(listed.status, 0) << listed.err;
    operators_ = lines(listed.out);
    operators_.erase(operators_.begin());
    for (std::string& line : operators_) line.resize(line.find(','));
  }

  void import(bool energy) {
    std::string csv = energy ? "operator,latency_ns,energy_nj\n" : "operator,latency_ns\n";
    for (std::size_t i = 0; i < operators_.size(); ++i)
      csv += operators_[i] + ",0." + std::to_string(101 + 7 * i) + (energy ? ",2.5\n" : "\n");
    write(box_ / "phone.csv", csv);
    const Result imported =
        box_.run({"predictor", "import", "phone.csv", "--device", "phone", "--space", "space.json",
                  "--length", "32", "--vocabulary", "256", "--output", "phone.predictor"});
    ASSERT_EQ(imported.status, 0) << imported.err;
    EXPECT_EQ(imported.out.find("no energy") == std::string::npos, energy) << imported.out;
  }

  Json config_ = tiny_config();
  Words operators_;
  Sandbox box_;
};

TEST_F(MeasuredDevice, WithoutEnergiesIsNotSearchedForThem) {
  import(false);
  for (const Words& verb : {Words{"search"}, Words{"train"}, Words{"validate"},
                            Words{"compare", "--algorithms", "evolution,random", "--seeds", "2"}}) {
    Words words{verb[0], "config.json"};
    words.insert(words.end(), verb.begin() + 1, verb.end());
    const Result refused = box_.run(words);
    EXPECT_EQ(refused.status, 2) << verb[0];
    EXPECT_THAT(refused.err, HasSubstr("/objectives/1: edp needs energy, which device \"phone\""));
    EXPECT_FALSE(fs::exists(box_ / "run/supernet.safetensors"));
  }
  const Result found =
      box_.run({"search", "config.json", "--set", "objectives=[\"perplexity\",\"latency\"]"});
  EXPECT_EQ(found.status, 0) << found.err;
}

TEST_F(MeasuredDevice, IsSearchedInNanoseconds) {
  import(true);
  const Result found = box_.run({"search", "config.json"});
  ASSERT_EQ(found.status, 0) << found.err;
  EXPECT_EQ((found.out + found.err).find("nan"), std::string::npos) << found.out << found.err;
  std::set<double> latencies;
  for (const std::string& line : lines(content(box_ / "run/history.jsonl"))) {
    const Json objectives = parse(line)["objectives"];
    EXPECT_FALSE(objectives.contains("latency_cycles"));
    const double latency = objectives["latency_ns"];
    latencies.insert(latency);
    // Thousandths of a nanosecond, as measured.
    EXPECT_NEAR(latency * 1000, std::round(latency * 1000), 1e-6);
    EXPECT_EQ(objectives["edp"], latency * objectives["energy_pj"].get<double>());
  }
  EXPECT_GT(latencies.size(), 10u);
  for (const std::string& line : lines(content(box_ / "run/generations.jsonl")))
    EXPECT_GT(parse(line)["hypervolume"].get<double>(), 0);
  EXPECT_EQ(box_.run({"search", "run", "--resume"}).status, 0);
  const Result compared =
      box_.run({"compare", "config.json", "--run", "compared", "--set", "supernet=run",
                "--algorithms", "evolution,random", "--seeds", "2", "--enumerate", "0"});
  EXPECT_EQ(compared.status, 0) << compared.err;
}

TEST_F(Predictor, LearnsOverLengthsAndHardware) {
  const Result fitted = box_.run({"predictor",
                                  "fit",
                                  "--samples",
                                  "150",
                                  "--networks",
                                  "10",
                                  "--shortest",
                                  "32",
                                  "--longest",
                                  "128",
                                  "--array-size",
                                  "8,16",
                                  "--scratchpad-kib",
                                  "64,128",
                                  "--accumulator-kib",
                                  "64",
                                  "--bus-bytes-per-cycle",
                                  "16",
                                  "--output",
                                  "model.json",
                                  "--json",
                                  "-q"});
  ASSERT_EQ(fitted.status, 0) << fitted.err;
  EXPECT_LT(parse(fitted.out)["latency"]["mape"], 0.1);
  write(box_ / "wide.json", R"({"model_width": 384, "layers": [{"heads": 8, "ffn_width": 1024}]})");
  const auto predict = [&](const Words& more) {
    Words words{"predict", "wide.json", "--predictor", "model.json", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = box_.run(words);
    EXPECT_EQ(result.status, 0) << result.err;
    return parse(result.out);
  };
  const Json known = predict({"--length", "96"});
  const Json simulated = parse(box_.run({"predict", "wide.json", "--length", "96", "--json"}).out);
  EXPECT_NEAR(known["cycles"].get<double>() / simulated["cycles"].get<double>(), 1, 0.15);
  EXPECT_GT(known["relative_uncertainty"], 0);
  EXPECT_EQ(predict({"--length", "2048"})["extrapolates"], true);
  expect_same_through_a_pipe("wide.json --length 96", "model.json");
  expect_refused(
      {"predict", "wide.json", "--predictor", "model.json", "--hardware", "gemmini_dosa"}, "model");
}

TEST_F(Predictor, ASearchUsesIt) {
  write(box_ / "run.json",
        R"({"search_space": "space.json", "hardware": "hardware.json",
            "corpus": {"text": "generated", "train_bytes": 60000, "validation_bytes": 20000,
                       "tokenizer": "bytes"},
            "training": {"steps": 5, "batch": 2, "context": 32}, "predictor": "my.predictor",
            "search": {"population": 4, "evaluations": 8}, "validation_sequences": 4})");
  Words words{"predictor",     "build",    "--space",  "space.json",   "--hardware",
              "hardware.json", "--length", "32",       "--networks",   "60",
              "--vocabulary",  "256",      "--output", "my.predictor", "-q"};
  ASSERT_EQ(box_.run(words).status, 0);
  const Result searched = box_.run({"search", "run.json", "--run", "run", "--json", "-q"});
  ASSERT_EQ(searched.status, 0) << searched.err;
  const Json member = parse(searched.out)["front"][0];
  write(box_ / "member.json", member.dump());
  const Json cost =
      parse(box_.run({"predict", "member.json", "--predictor", "my.predictor", "--json"}).out);
  EXPECT_EQ(member["objectives"]["latency_cycles"], cost["cycles"]);
  EXPECT_EQ(member["objectives"]["energy_pj"], cost["energy_pj"]);

  words.insert(words.end(), {"--seed", "2"});  // other networks
  ASSERT_EQ(box_.run(words).status, 0);
  expect_refused({"search", "run", "--resume", "-q"},
                 "/predictor/file: \"" + (box_ / "my.predictor").string() + "\" has other content");
  expect_refused({"search", "run.json", "--run", "other", "--set", "workload.sequence_length=16"},
                 "another workload");
  expect_refused({"search", "run.json", "--run", "other", "--set", "predictor=none"}, "none");
  expect_refused({"search", "run.json", "--run", "other", "--set", "hardware=gemmini_cnn"},
                 "another hardware");
}

}  // namespace
}  // namespace paretoformer::integration
