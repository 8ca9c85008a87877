// Every verb once, by this build's binary and by those of other builds, e.g. of another compiler,
// without optimisation or with sanitizers: all end well, say the same and write the same bytes.
// Built where PARETOFORMER_OTHER_BINARIES is set, as scripts/test does:
//
//     cmake --preset release -DPARETOFORMER_OTHER_BINARIES=build/debug/paretoformer
//     cmake --build --preset release --target other_build_tests
//     ctest --preset release -R OtherBuild
//
// All must be for the same processor: products are summed in another order with AMX than without.
#include <regex>

#include "other_binaries.hpp"
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kSpace = R"({"name": "tiny", "head_width": 16, "depth": [1, 2],
    "model_width": [32, 48, 96], "heads": [1, 2, 4], "ffn_width": [64, 96, 256, 512]})";
constexpr const char* kNetwork = R"({"model_width": 48, "head_width": 16, "vocabulary": 330,
    "layers": [{"heads": 2, "ffn_width": 64}]})";
constexpr const char* kHardware = R"({"array_size": 8, "scratchpad_kib": 64,
    "accumulator_kib": 32, "nonlinear_units": "on_chip"})";

// Times, speeds and memory: all that may differ, but for times in run.log.
std::string without_times(const std::string& text) {
  static const std::regex times(R"([0-9.]+ (s|ms|min|h|MB|GB)\b|[0-9.,]+ (k |M )?[a-z]+/s)");
  return std::regex_replace(text, times, "TIME");
}

class EveryVerb {
 public:
  explicit EveryVerb(std::string binary) { limits_.binary = std::move(binary); }

  void run_all() {
    for (const auto& [name, text] : std::initializer_list<std::pair<const char*, std::string>>{
             {"config.json", tiny_config().dump()},
             {"space.json", kSpace},
             {"network.json", kNetwork},
             {"hardware.json", kHardware}})
      write(box_ / name, text);
    say({"validate", "config.json"});
    say({"train", "config.json", "--quiet"});
    say({"search", "config.json", "--resume", "--quiet"});
    say({"worker", "run", "--quiet"});
    say({"report", "run"});
    say({"show", "run"});
    say({"show", "run", "--knee"});
    say({"study", "run"});
    say({"schema"});
    say({"export", "run"});
    say({"evaluate", "run", "network.json", "--int8"});
    const std::string best = parse(content(box_ / "run/front.json"))["front"][0]["id"];
    say({"finetune", "run", "--id", best, "--steps", "8", "--quiet"});
    say({"finetune", "run", "--front", "2", "--bands", "2", "--steps", "8", "--resume", "--quiet"});
    say({"fidelity", "run", "--resume", "--networks", "3", "--steps-alone", "8", "--quiet"});
    say({"compare", "run", "--resume", "--algorithms", "evolution,random", "--seeds", "2",
         "--quiet"});
    say({"predict", "network.json", "--length", "32", "--breakdown"});
    say({"simulate", "network.json", "--length", "32", "--trace", "trace.json"});
    say({"simulate", "--gemm", "40,50,60", "--engine", "reference"});
    say({"simulate", "--gemm", "40,50,60", "--transpose-b", "--stride-b", "80", "--activation",
         "softmax", "--bias", "full", "--state", "warm"});
    say({"simulate", "--elementwise", "residual_add,40,60", "--scales", "1"});
    say({"simulate", "network.json", "--length", "32", "--mask", "causal", "--biases", "on"});
    say({"profile", "bert_base", "--hardware", "gemmini_transformer"});
    say({"map", "--m", "48", "--k", "64", "--n", "96", "--samples", "500", "--output", "best.json",
         "--svg", "samples.svg"});
    say({"simulate", "--mapping", "best.json"});
    say({"front", "space.json", "--length", "32", "--hardware", "hardware.json", "--output-losses",
         "layers.json"});
    say({"front", "space.json", "--length", "32", "--losses", "layers.json", "--objective", "edp"});
    say({"front", "run", "--members", "4"});
    say({"predictor", "build", "--space", "space.json", "--vocabulary", "330", "--hardware",
         "hardware.json", "--length", "32", "--networks", "40", "--output", "my.predictor", "-q"});
    say({"predictor", "check", "my.predictor", "--space", "space.json", "--vocabulary", "330",
         "--networks", "60"});
    say({"predictor", "fit", "--space", "space.json", "--shortest", "32", "--longest", "64",
         "--samples", "60", "--networks", "20", "--output", "my.model", "-q"});
    say({"predict", "network.json", "--length", "32", "--predictor", "my.model"});
    say({"predictor", "operators", "--space", "space.json", "--length", "32"});
    write(box_ / "phone.csv", measured(answers_.back()));
    say({"predictor", "import", "phone.csv", "--device", "phone", "--space", "space.json",
         "--length", "32", "--output", "phone.predictor"});
  }

  const std::vector<std::string>& answers() const { return answers_; }
  const Sandbox& box() const { return box_; }

 private:
  void say(const Words& words) {
    const Result result = box_.run(words, limits_);
    ASSERT_EQ(result.status, 0) << ::testing::PrintToString(words) << '\n' << result.err;
    answers_.push_back(without_times(result.out));
  }

  // The list of operators with costs filled in.
  static std::string measured(const std::string& list) {
    std::string text;
    for (const std::string& line : lines(list)) {
      const bool header = text.empty();
      text += header ? line : line.substr(0, line.find(',')) + ",2.5,0.75";
      text += '\n';
    }
    return text;
  }

  Sandbox box_;
  Limits limits_;
  std::vector<std::string> answers_;
};

std::vector<std::string> others() {
  std::vector<std::string> list;
  std::istringstream in(PARETOFORMER_OTHER_BINARIES);
  for (std::string each; std::getline(in, each, ';');) list.push_back(each);
  return list;
}

class OtherBuild : public ::testing::TestWithParam<std::string> {};

TEST_P(OtherBuild, EveryVerbSaysAndWritesTheSame) {
  EveryVerb one(PARETOFORMER_BINARY), other(GetParam());
  ASSERT_NO_FATAL_FAILURE(one.run_all());
  ASSERT_NO_FATAL_FAILURE(other.run_all());
  ASSERT_EQ(one.answers().size(), other.answers().size());
  for (std::size_t i = 0; i < one.answers().size(); ++i)
    EXPECT_EQ(one.answers()[i], other.answers()[i]);
  ASSERT_EQ(one.box().files(), other.box().files());
  for (const std::string& name : one.box().files())
    if (fs::is_regular_file(one.box() / name) && name != "run/run.log") {
      EXPECT_TRUE(content(one.box() / name) == content(other.box() / name)) << name << " differs";
    }
  // It is runs that are compared, not their absence.
  EXPECT_GT(fs::file_size(one.box() / "run/supernet.safetensors"), 0u);
  EXPECT_EQ(line_count(one.box() / "run/history.jsonl"), 96u);
}

// Named after the folder of the build: "asan", "debug".
INSTANTIATE_TEST_SUITE_P(Builds, OtherBuild, ::testing::ValuesIn(others()), [](const auto& other) {
  return fs::path(other.param).parent_path().filename().string();
});

}  // namespace
}  // namespace paretoformer::integration
