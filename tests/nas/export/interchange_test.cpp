// Matmuls of networks as files of other simulators, written out for one small enough to count.
#include "nas/export/interchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/network_cost.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

// Two heads of 16 in the first layer, one in the second; a sequence of 8.
const Architecture kSmall{32, 16, 50, {{2, 64}, {1, 96}}};
const accel_sim::Workload kEight{8};

TEST(Interchange, IsOfEveryMatmulAsOftenAsItRuns) {
  EXPECT_EQ(scalesim_topology(matmul_runs(kSmall, kEight)),
            "Layer,M,N,K,\n"
            "layers.0.attention.qkv.x3,8,32,32,\n"    // 32 wide to two heads of 16
            "layers.0.attention.scores.x2,8,8,16,\n"  // per head
            "layers.0.attention.context.x2,8,16,8,\n"
            "layers.0.attention.output,8,32,32,\n"
            "layers.0.ffn.up,8,64,32,\n"
            "layers.0.ffn.down,8,32,64,\n"
            "layers.1.attention.qkv.x3,8,16,32,\n"
            "layers.1.attention.scores,8,8,16,\n"
            "layers.1.attention.context,8,16,8,\n"
            "layers.1.attention.output,8,32,16,\n"
            "layers.1.ffn.up,8,96,32,\n"
            "layers.1.ffn.down,8,32,96,\n"
            "language_model_head,8,50,32,\n");
  // One token with a cache of eight positions.
  EXPECT_THAT(scalesim_topology(matmul_runs(kSmall, {8, accel_sim::Mode::kDecode})),
              HasSubstr("layers.0.attention.scores.x2,1,8,16,\n"));
}

// Of random networks of three spaces the MACs that we price.
TEST(Interchange, HasTheMacsThatArePriced) {
  Random random(1);
  for (const char* name : {"quickstart", "enumerable", "survey"}) {
    const SearchSpace space = SearchSpace::find(name).with_vocabulary(500);
    const LatencyPredictor predictor(find_target("gemmini_transformer"), kEight);
    for (int i = 0; i < 5; ++i) {
      const Architecture network = space.sample(random);
      std::int64_t macs = 0;
      for (const MatmulRuns& each : matmul_runs(network, kEight))
        macs += each.runs * each.rows * each.inner * each.columns;
      EXPECT_EQ(macs, predictor.network_cost(network).macs) << describe(network);
    }
  }
}

TEST(Interchange, TakesTheMachineToScaleSim) {
  accel_sim::Target target = find_target("gemmini_transformer");
  target.array_size = 8;
  target.scratchpad_kib = 96;
  target.accumulator_kib = 24;
  target.dram_bytes_per_cycle = 12;
  const std::string config = scalesim_config(target);
  for (const char* line :
       {"ArrayHeight: 8\n", "ArrayWidth: 8\n", "IfmapSramSzkB: 48\n", "FilterSramSzkB: 48\n",
        "OfmapSramSzkB: 24\n", "Bandwidth: 12\n", "Dataflow: ws\n"})
    EXPECT_THAT(config, HasSubstr(line));
  target.dataflow = accel_sim::Dataflow::kOutputStationary;
  EXPECT_THAT(scalesim_config(target), HasSubstr("Dataflow: os\n"));
}

TEST(Interchange, IsAProblemOfTimeloops) {
  EXPECT_EQ(timeloop_problem({"layers.0.attention.scores", 2, 8, 16, 24, false}),
            "# layers.0.attention.scores.x2\n"
            "problem:\n"
            "  version: 0.4\n"
            "  shape:\n"
            "    name: matmul\n"
            "    dimensions: [M, N, K]\n"
            "    data_spaces:\n"
            "    - name: A\n"
            "      projection: [[[M]], [[K]]]\n"
            "    - name: B\n"
            "      projection: [[[K]], [[N]]]\n"
            "    - name: Z\n"
            "      projection: [[[M]], [[N]]]\n"
            "      read_write: True\n"
            "  instance:\n"
            "    M: 8\n"
            "    N: 24\n"
            "    K: 16\n");
}

// Nodes by their type and outputs; ONNX's checker reads the whole in tests/integration.
TEST(Interchange, IsAModelForZigZag) {
  const auto nodes = [](const MatmulRuns& matmul) {
    const std::string bytes = zigzag_model({matmul});
    std::size_t count = 0;
    for (std::size_t at = bytes.find("MatMul"); at != std::string::npos;
         at = bytes.find("MatMul", at + 1))
      ++count;
    return count;
  };
  EXPECT_EQ(nodes({"scores", 3, 8, 16, 8, false}), 1u);  // heads are a dimension
  EXPECT_EQ(nodes({"qkv", 3, 8, 32, 16, true}), 3u);
}

}  // namespace
}  // namespace paretoformer::nas
