// What a newcomer does with the winners of a search: exports them to ONNX and runs them elsewhere.
#include <cstdlib>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

const std::string kSource = PARETOFORMER_SOURCE_DIR;

int run_in(const fs::path& folder, const std::string& command) {
  return std::system(("cd '" + folder.string() + "' && " + command).c_str());
}

class Onnx : public ::testing::Test {
 protected:
  void SetUp() override {
    write(box_ / "config.json", tiny_config().dump(2));
    for (const std::vector<std::string>& verb :
         {std::vector<std::string>{"search", "config.json", "--quiet"},
          {"export", "run", "--format", "onnx", "--output", "out"}}) {
      const Result result = box_.run(verb);
      ASSERT_EQ(result.status, 0) << result.err;
    }
    for (const auto& file : fs::directory_iterator(box_ / "out"))
      if (file.path().extension() == ".onnx") stems_.push_back(file.path().stem().string());
    ASSERT_FALSE(stems_.empty());
  }

  Sandbox box_;
  std::vector<std::string> stems_;
};

TEST_F(Onnx, EveryMemberHasItsRecordedLossInOnnxRuntime) {
  const fs::path node = fs::path(kSource) / "build/node";
  if (!fs::exists(node / "node_modules/onnxruntime-node"))
    GTEST_SKIP() << "no ONNX Runtime: npm install --prefix build/node onnxruntime-node";
  for (const std::string& stem : stems_) {
    const std::string file = "'" + (box_ / ("out/" + stem + ".json")).string() + "'";
    EXPECT_EQ(run_in(node, "node '" + kSource + "/examples/run_onnx.mjs' " + file), 0);
  }
  // It does compare.
  const fs::path about = box_ / ("out/" + stems_[0] + ".json");
  Json changed = parse(content(about));
  changed["example"]["loss"] = changed["example"]["loss"].get<double>() + 2e-4;
  write(about, changed.dump());
  EXPECT_NE(run_in(node, "node '" + kSource + "/examples/run_onnx.mjs' '" + about.string() + "'"),
            0);
}

TEST_F(Onnx, EveryMemberPassesTheChecker) {
  if (run_in(box_.path(), "/usr/bin/python3 -c 'import onnx' 2>/dev/null") != 0)
    GTEST_SKIP() << "no checker: it needs python3-onnx";
  write(box_ / "check.py",
        "import onnx, sys\n"
        "for file in sys.argv[1:]:\n"
        "    onnx.checker.check_model(file, full_check=True)\n");
  EXPECT_EQ(run_in(box_.path(), "/usr/bin/python3 check.py out/*.onnx"), 0);
}

}  // namespace
}  // namespace paretoformer::integration
