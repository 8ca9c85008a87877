// The verb `map`: its answer is consistent, the same every time, and bad input is refused.
#include <gmock/gmock.h>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class Map : public ::testing::Test {
 protected:
  Json map(Words arguments) {
    arguments.insert(arguments.begin(), "map");
    arguments.push_back("--json");
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.status == 0 ? parse(result.out) : Json();
  }

  void expect_refused(Words arguments, const std::string& part) {
    arguments.insert(arguments.begin(), "map");
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(part));
  }

  Sandbox box_;
};

double objective(const Json& answer, const char* part, const std::string& objective) {
  return answer[part][objective == "latency"  ? "cycles"
                      : objective == "energy" ? "energy_pj"
                                              : "edp"]
      .get<double>();
}

TEST_F(Map, TheBestIsNoWorseThanGreedyAndSamples) {
  for (const std::string name : {"latency", "energy", "edp"}) {
    const Json answer =
        map({"--m", "512", "--k", "768", "--n", "768", "--objective", name, "--samples", "10000"});
    const double best = objective(answer, "best", name);
    EXPECT_LE(best, objective(answer, "greedy", name));
    EXPECT_LE(best, answer["distribution"]["best_sampled"].get<double>());
    EXPECT_GE(answer["best"]["cycles"].get<double>(), 512. * 768 * 768 / 256);
    EXPECT_NEAR(answer["greedy"]["over_best"].get<double>(),
                objective(answer, "greedy", name) / best, 1e-3);
    EXPECT_EQ(answer["distribution"]["samples"], 10000);
  }
}

TEST_F(Map, AnswersForConvolutionsAndIsTheSameEveryTime) {
  const Words arguments{"--conv", "7,7,512,512,3,3", "--samples",
                        "1000",   "--hardware",      "gemmini_cnn"};
  const Json answer = map(arguments);
  EXPECT_EQ(answer, map(arguments));
  EXPECT_EQ(answer["workpiece"]["R"], 3);
  EXPECT_GE(answer["best"]["cycles"].get<double>(), 49. * 512 * 512 * 9 / 256);
  EXPECT_GE(answer["greedy"]["over_best"].get<double>(), 1);
}

TEST_F(Map, WritesAHistogram) {
  const Result result = box_.run(
      {"map", "--m", "64", "--k", "64", "--n", "64", "--samples", "100", "--svg", "map.svg"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("greedy"));
  EXPECT_THAT(content(box_ / "map.svg"), HasSubstr("</svg>"));
}

// What `map` finds runs in the cycle simulator, in both engines; the model's cycles are not far
// off.
TEST_F(Map, TheBestMappingRunsInTheSimulator) {
  const Json answer = map({"--m", "128", "--k", "768", "--n", "768", "--hardware", "gemmini_dosa",
                           "--samples", "100", "--output", "best.json"});
  for (const std::string engine : {"fast", "reference"}) {
    const Result result = box_.run({"simulate", "--mapping", "best.json", "--hardware",
                                    "gemmini_dosa", "--engine", engine, "--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    const Json run = parse(result.out);
    const Json& op = run["operators"][0];
    EXPECT_EQ(op["operator"], "matmul weights - 128 768 768");
    EXPECT_EQ(op["tile"]["rows"], answer["best"]["mapping"]["tile"]["P"]);
    EXPECT_EQ(op["tile"]["inner"], answer["best"]["mapping"]["tile"]["C"]);
    EXPECT_EQ(op["tile"]["columns"], answer["best"]["mapping"]["tile"]["K"]);
    EXPECT_EQ(op["loops"].size(), 3U);
    EXPECT_EQ(op["reloads"], false);
    const auto model = answer["best"]["cycles"].get<double>();
    EXPECT_NEAR(run["cycles"].get<double>() / model, 1, 0.15);
  }
}

TEST_F(Map, WeightsOfFourBitsAreMappedAsSuch) {
  write(box_ / "int4.json", R"({"preset": "gemmini_transformer", "int4_weights": true})");
  const Words matmul{"--m", "128",        "--k",       "768",       "--n",
                     "768", "--hardware", "int4.json", "--samples", "100"};
  Words of_four_bits = matmul;
  of_four_bits.insert(of_four_bits.end(), {"--int4-weights", "--output", "best.json"});
  const Json int8 = map(matmul), int4 = map(of_four_bits);
  EXPECT_FALSE(int8["workpiece"].contains("weight_bits"));
  EXPECT_EQ(int4["workpiece"]["weight_bits"], 4);
  EXPECT_LT(int4["best"]["edp"], int8["best"]["edp"]);
  const Result run =
      box_.run({"simulate", "--mapping", "best.json", "--hardware", "int4.json", "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(parse(run.out)["operators"][0]["operator"], "matmul int4_weights - 128 768 768");

  // A network's matmuls of one shape are two if their weights have other bits.
  write(box_ / "net.json", R"({"model_width": 64, "layers": [{"heads": 1, "ffn_width": 64},
      {"heads": 1, "ffn_width": 64, "weight_bits": 4}]})");
  const Json network = map({"net.json", "--length", "16", "--hardware", "int4.json"});
  int with_four = 0, with_eight = 0;
  for (const Json& each : network["matmuls"])
    if (each["m"] == 16 && each["k"] == 64 && each["n"] == 64)
      (each["weight_bits"] == 4 ? with_four : with_eight) = each["runs"].get<int>();
  EXPECT_EQ(with_four, 6);
  EXPECT_EQ(with_eight, 6);
  expect_refused({"net.json", "--length", "16"}, "expected int4_weights true");
  expect_refused({"--m", "16", "--k", "16", "--n", "16", "--int4-weights"},
                 "expected int4_weights true");
  expect_refused({"--conv", "7,7,64,64,3,3", "--int4-weights"}, "--int4-weights");
}

TEST_F(Map, AMappingThatTheSimulatorCannotRunIsNamed) {
  const auto expect_simulation_refused = [&](const std::string& file, const std::string& part) {
    const Result result = box_.run({"simulate", "--mapping", file});
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(file + ": "));
    EXPECT_THAT(result.err, HasSubstr(part));
  };
  expect_simulation_refused("missing.json", "missing.json");
  map({"--conv", "7,7,64,64,3,3", "--samples", "1", "--output", "conv.json"});
  expect_simulation_refused("conv.json", "the simulator runs matmuls");
  write(box_ / "odd.json", R"({"workpiece": {"P": 64, "C": 48, "K": 32}, "mapping":
      {"tile": {"P": 64, "C": 24, "K": 32}, "dram": [{"dimension": "C", "tiles": 2}]}})");
  expect_simulation_refused("odd.json", "tile C: 24 is not what the simulator runs");
  write(box_ / "large.json", R"({"workpiece": {"P": 512, "C": 512, "K": 512}, "mapping":
      {"tile": {"P": 512, "C": 512, "K": 512}, "dram": []}})");
  expect_simulation_refused("large.json", "/mapping/tile: ");
}

TEST_F(Map, ALongOneShowsItsProgressOnATerminal) {
  const std::string words = "map --m 512 --k 768 --n 768 --json --samples ";
  const Result shown = box_.run_on_terminal(words + "10000000", "shown.json");
  EXPECT_EQ(shown.status, 0) << shown.out;
  EXPECT_THAT(shown.out, HasSubstr("\rmap      ["));
  EXPECT_THAT(shown.out, HasSubstr("100%"));
  EXPECT_EQ(parse(content(box_ / "shown.json"))["distribution"]["samples"], 10000000);
  EXPECT_EQ(box_.run_on_terminal(words + "10", "short.json").out, "");
}

TEST_F(Map, RefusesWhatCannotBeMapped) {
  expect_refused({}, "expected --m, --k and --n, or --conv");
  expect_refused({"--m", "16", "--k", "16"}, "--n");
  expect_refused({"--m", "0", "--k", "16", "--n", "16"}, "--m");
  expect_refused({"--conv", "7,7,512"}, "is not P,Q,C,K,R,S");
  expect_refused({"--conv", "7,7,512,512,3,3,1,1"}, "is not P,Q,C,K,R,S");
  expect_refused({"--conv", "7,7,512,512,300,3"}, "is not P,Q,C,K,R,S");
  expect_refused({"--m", "16", "--k", "16", "--n", "16", "--objective", "speed"}, "--objective");
  expect_refused({"--m", "16", "--k", "16", "--n", "16", "--svg", ""}, "--svg");
  expect_refused({"--m", "16", "--k", "16", "--n", "16", "--output", ""}, "--output");
  write(box_ / "os.json", R"({"dataflow": "output_stationary"})");
  expect_refused({"--m", "16", "--k", "16", "--n", "16", "--hardware", "os.json"},
                 "weight-stationary");
}

}  // namespace
}  // namespace paretoformer::integration
