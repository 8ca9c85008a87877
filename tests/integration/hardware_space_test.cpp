// A search over networks and hardware, killed, resumed, shown, exported and refused.
#include <gmock/gmock.h>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

class HardwareSpace : public TrainedFolder {
 protected:
  static constexpr const char* kSpace =
      R"(hardware_space={"array_size": [8, 16], "nonlinear_units": ["host", "on_chip"]})";
  static Words search(const std::string& run, const Words& more = {}) {
    Words words{"search",
                "config.json",
                "--quiet",
                "--set",
                "supernet=base",
                "--set",
                kSpace,
                "--set",
                R"(objectives=["perplexity","edp","area"])",
                "--run",
                run};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(HardwareSpace, IsSearchedWithTheNetworks) {
  const Result whole = box_.run(search("whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("mm2"));
  EXPECT_THAT(whole.out, HasSubstr("on array_size 8, nonlinear_units "));

  const Result killed = box_.run_and_signal(
      search("killed"), SIGKILL, [&] { return line_count(box_ / "killed/history.jsonl") >= 5; });
  EXPECT_TRUE(killed.status == -SIGKILL || killed.status == 0) << killed.err;
  const Result resumed = box_.run({"search", "killed", "--resume", "--quiet"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same("killed", "whole", {"history.jsonl", "generations.jsonl", "confirmed.jsonl"});

  const Json front = parse(file("whole", "front.json"))["front"];
  const std::string id = front[0]["id"];
  EXPECT_TRUE(front[0]["hardware_choice"].contains("array_size"));
  const Result shown = box_.run({"show", "whole", "--id", id});
  ASSERT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("on array_size "));
  EXPECT_THAT(shown.out, HasSubstr("\n  area "));
  ASSERT_EQ(box_.run({"report", "whole"}).status, 0);

  // What is exported is simulated on the hardware that it chose, to the same cost.
  ASSERT_EQ(box_.run({"export", "whole", "--id", id}).status, 0);
  const std::string exported = "whole/export/" + id + ".json";
  const Result simulated = box_.run({"simulate", exported, "--json"});
  ASSERT_EQ(simulated.status, 0) << simulated.err;
  EXPECT_EQ(parse(simulated.out)["cycles"], front[0]["confirmed"]["latency_cycles"]);
  EXPECT_EQ(parse(simulated.out)["hardware"]["area_mm2"], front[0]["objectives"]["area_mm2"]);
  const Result evaluated = box_.run({"evaluate", "whole", exported, "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.err;
  EXPECT_EQ(parse(evaluated.out)["edp"], front[0]["objectives"]["edp"]);

  expect_refused({"search", "whole", "--resume", "--set", "hardware_space.array_size=[8]"},
                 {"/hardware_space/array_size: [8], was [8,16]"});
  expect_refused(search("other", {"--set", "hardware_space.scratchpad_kib=[3]"}),
                 {"/hardware_space/scratchpad_kib: 3", "power of two"});
  expect_refused({"study", "whole"}, {"hardware_space"});
}

}  // namespace
}  // namespace paretoformer::integration
