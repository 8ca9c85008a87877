// What a newcomer does with the winners of a search: exports them and runs them elsewhere.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

const std::string kSource = PARETOFORMER_SOURCE_DIR;
const fs::path kNode = fs::path(kSource) / "build/node";  // where scripts/test installs engines

bool installed(const std::string& package) { return fs::exists(kNode / "node_modules" / package); }

int run_in(const fs::path& folder, const std::string& command) {
  return std::system(("cd '" + folder.string() + "' && " + command).c_str());
}

class ExportedNetworks : public ::testing::Test {
 protected:
  void SetUp() override {
    Json config = tiny_config();
    config["search_space"]["heads"] = {2};  // for which a model width of 16 is none of gpt2's
    write(box_ / "config.json", config.dump(2));
    const Result result = box_.run({"search", "config.json", "--quiet"});
    ASSERT_EQ(result.status, 0) << result.err;
  }

  // Its members' IDs.
  std::vector<std::string> exported(const std::string& format) {
    const Result result = box_.run({"export", "run", "--format", format, "--output", format});
    EXPECT_EQ(result.status, 0) << result.err;
    said_ = result.out;
    std::vector<std::string> ids;
    for (const auto& file : fs::directory_iterator(box_ / format))
      if (file.path().extension() == "." + format) ids.push_back(file.path().stem().string());
    EXPECT_FALSE(ids.empty());
    return ids;
  }

  std::string quoted(const std::string& name) const { return "'" + (box_ / name).string() + "'"; }

  // Every member with its example, and one whose recorded loss is not what it has.
  void expect_recorded_losses(const std::string& format, const fs::path& folder,
                              const std::string& interpreter, const std::string& example) {
    const std::vector<std::string> ids = exported(format);
    const std::string program = interpreter + " '" + kSource + "/examples/" + example + "' ";
    for (const std::string& id : ids)
      EXPECT_EQ(run_in(folder, program + quoted(format + "/" + id + ".json")), 0) << id;
    Json changed = parse(content(box_ / (format + "/" + ids[0] + ".json")));
    changed["example"]["loss"] = changed["example"]["loss"].get<double>() + 4e-3;
    write(box_ / (format + "/changed.json"), changed.dump());
    EXPECT_NE(run_in(folder, program + quoted(format + "/changed.json")), 0);
  }

  Sandbox box_;
  std::string said_;
};

TEST_F(ExportedNetworks, HaveTheirRecordedLossInNumPy) {
  if (run_in(box_.path(), "/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "it needs python3-numpy";
  expect_recorded_losses("safetensors", box_.path(), "/usr/bin/python3", "run_network.py");
  ASSERT_EQ(box_.run({"export", "run", "--format", "huggingface", "--knee"}).status, 0);
  const std::string knee = parse(content(box_ / "run/front.json"))["knee"];
  EXPECT_EQ(run_in(box_.path(), "/usr/bin/python3 '" + kSource + "/examples/run_network.py' " +
                                    quoted("run/export/" + knee + ".json")),
            0);
}

// Its folder is all that is needed to make a network again.
TEST_F(ExportedNetworks, AreMadeAgainAsTheirModelCardSays) {
  const Result result =
      box_.run({"export", "run", "--format", "huggingface", "--knee", "--output", "hub"});
  ASSERT_EQ(result.status, 0) << result.err;
  const std::string id = parse(content(box_ / "run/front.json"))["knee"];
  const Json network = parse(content(box_ / ("hub/" + id + ".json")));
  const std::string card = content(box_ / ("hub/" + id + "/README.md"));
  const Json& confirmed = network["confirmed"];
  for (const std::string& said :
       {fmt::format("| per token | {:.4f} |", confirmed["perplexity"].get<double>()),
        fmt::format("| latency, cycles | {:.0f} |", confirmed["latency_cycles"].get<double>()),
        fmt::format("| parameters | {} |", network["objectives"]["parameters"].dump()),
        std::string("paretoformer search run_config.json --run again"),
        "paretoformer export again --format huggingface --id " + id})
    EXPECT_THAT(card, HasSubstr(said));
  const std::string config = "hub/" + id + "/run_config.json";
  ASSERT_EQ(box_.run({"search", config, "--run", "again", "--quiet"}).status, 0);
  const Result again =
      box_.run({"export", "again", "--format", "huggingface", "--id", id, "--output", "hub_again"});
  ASSERT_EQ(again.status, 0) << again.err;
  for (const char* file : {"model.safetensors", "config.json", "tokenizer.json", "README.md"})
    EXPECT_EQ(content(box_ / ("hub/" + id + "/" + file)),
              content(box_ / ("hub_again/" + id + "/" + file)))
        << file;
}

TEST_F(ExportedNetworks, HaveTheirRecordedLossInOnnxRuntime) {
  if (!installed("onnxruntime-node"))
    GTEST_SKIP() << "no ONNX Runtime: npm install --prefix build/node onnxruntime-node";
  expect_recorded_losses("onnx", kNode, "node", "run_onnx.mjs");
  ASSERT_EQ(box_.run({"export", "run", "--format", "onnx-int8", "--knee"}).status, 0);
  const std::string knee = parse(content(box_ / "run/front.json"))["knee"];
  EXPECT_EQ(run_in(kNode, "node '" + kSource + "/examples/run_onnx.mjs' " +
                              quoted("run/export/" + knee + ".json")),
            0);
}

TEST_F(ExportedNetworks, PassOnnxsChecker) {
  if (run_in(box_.path(), "/usr/bin/python3 -c 'import onnx' 2>/dev/null") != 0)
    GTEST_SKIP() << "no checker: it needs python3-onnx";
  exported("onnx");
  for (const char* other : {"onnx-int8", "zigzag"})
    ASSERT_EQ(box_.run({"export", "run", "--format", other, "--output", "onnx"}).status, 0);
  write(box_ / "check.py",
        "import onnx, sys\n"
        "for file in sys.argv[1:]:\n"
        "    onnx.checker.check_model(file, full_check=True)\n");
  EXPECT_EQ(run_in(box_.path(), "/usr/bin/python3 check.py onnx/*.onnx"), 0);
}

// The example beside a SCALE-Sim that takes 100 cycles for every matmul.
TEST_F(ExportedNetworks, AreComparedWithScaleSim) {
  ASSERT_EQ(box_.run({"export", "run", "--format", "scalesim", "--knee", "--output", "out"}).status,
            0);
  const std::string id = parse(content(box_ / "run/front.json"))["knee"];
  fs::create_directories(box_ / "peer/scalesim");
  write(box_ / "peer/scalesim/scale.py",
        "import os, sys\n"
        "given = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "assert 'ArrayHeight: 16' in open(given['-c']).read()\n"
        "rows = open(given['-t']).read().splitlines()[1:]\n"
        "os.makedirs(given['-p'] + '/run')\n"
        "with open(given['-p'] + '/run/COMPUTE_REPORT.csv', 'w') as report:\n"
        "    report.write('LayerID, Total Cycles (incl. prefetch), Total Cycles,\\n')\n"
        "    report.writelines(f'{i}, 100, 60,\\n' for i in range(len(rows)))\n");
  ASSERT_EQ(
      run_in(box_.path(), "PATH=" + fs::path(PARETOFORMER_BINARY).parent_path().string() +
                              ":$PATH /usr/bin/python3 '" + kSource +
                              "/examples/compare_scalesim.py' peer out/" + id + ".json > table"),
      0);
  std::int64_t runs = 0, cycles = 0;
  const Json answer =
      parse(box_.run({"predict", "out/" + id + ".json", "--breakdown", "--json"}).out);
  for (const Json& each : answer["operators"])
    if (each["operator"].get<std::string>().starts_with("matmul ")) {
      runs += each["repeat"].get<std::int64_t>();
      cycles += each["cycles"].get<std::int64_t>();
    }
  EXPECT_THAT(content(box_ / "table"),
              HasSubstr(fmt::format("all matmuls{:>33} {:>9}", cycles, 100 * runs)));
}

TEST_F(ExportedNetworks, HaveTheirRecordedLossInLlamaCpp) {
  if (!installed("@node-llama-cpp/linux-x64"))
    GTEST_SKIP() << "no llama.cpp: npm install --prefix build/node node-llama-cpp "
                    "@node-llama-cpp/linux-x64 --omit=optional --ignore-scripts";
  expect_recorded_losses("gguf", kNode, "node", "run_gguf.mjs");
  EXPECT_THAT(said_, HasSubstr("are not written, the first of them: a GGUF file of d=16"));
}

TEST_F(ExportedNetworks, HaveTheSameDistributionsAndTokensInLlamaCpp) {
  if (!installed("@node-llama-cpp/linux-x64") || !installed("onnxruntime-node"))
    GTEST_SKIP() << "no llama.cpp or no ONNX Runtime in build/node";
  exported("onnx");
  for (const std::string& id : exported("gguf")) {
    ASSERT_EQ(run_in(kNode, "node '" + kSource + "/tests/integration/gguf_agrees.mjs' " +
                                quoted("gguf/" + id + ".json") + " " +
                                quoted("onnx/" + id + ".onnx") + " > " + quoted("answer.json")),
              0);
    const Json answer = parse(content(box_ / "answer.json"));
    // llama.cpp keeps keys, values and a table of GELU in 16 bits.
    EXPECT_LT(answer["divergence"].get<double>(), 1e-5) << answer;
    EXPECT_LT(answer["largest"].get<double>(), 1e-4) << answer;
    EXPECT_GE(answer["same"].get<int>(), answer["until"].get<int>()) << answer;
    EXPECT_GE(answer["until"].get<int>(), answer["positions"].get<int>() / 2) << answer;
  }
}

}  // namespace
}  // namespace paretoformer::integration
