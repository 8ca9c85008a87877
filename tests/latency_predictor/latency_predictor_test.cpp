#include "latency_predictor/latency_predictor.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/simulator.hpp"
#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/network_cost.hpp"
#include "latency_predictor/tables.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::latency_predictor {
namespace {

// A member of the published space (survey Sec. 6.4), with a language-model head.
Architecture draw(Random& random) {
  Architecture architecture{384 + 96 * static_cast<int>(random.below(5)), 64, 30522, {}};
  architecture.layers.resize(3 + random.below(4));
  for (Layer& layer : architecture.layers)
    layer = {4 + 2 * static_cast<int>(random.below(5)),
             768 + 128 * static_cast<int>(random.below(19))};
  return architecture;
}

accel_sim::HardwareCost sum(const std::vector<OperatorPrediction>& predictions) {
  accel_sim::HardwareCost total;
  for (const OperatorPrediction& prediction : predictions) total += prediction.cost;
  return total;
}

class EveryPreset : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Presets, EveryPreset,
                         testing::Values("gemmini_cnn", "gemmini_transformer"));

TEST_P(EveryPreset, PredictIsTheSumOfTheBreakdown) {
  for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
    const LatencyPredictor predictor(accel_sim::find_target(GetParam()), {512, mode});
    Random random(1);
    for (int i = 0; i < 20; ++i) {
      const Architecture architecture = draw(random);
      EXPECT_EQ(predictor.predict(architecture), sum(predictor.breakdown(architecture)));
    }
  }
}

// The analytical model is monotone; the simulator is so within the cost of misaligned rows (see
// simulator_property_test).
TEST_P(EveryPreset, GrowsWithEveryGene) {
  const accel_sim::Target hardware = accel_sim::find_target(GetParam());
  Random random(2);
  for (const int length : {128, 512, 2048}) {
    const LatencyPredictor predictor(hardware, {length, accel_sim::Mode::kPrefill},
                                     analytical_table(hardware));
    for (int i = 0; i < 40; ++i) {
      const Architecture small = draw(random);
      const accel_sim::HardwareCost before = predictor.predict(small);
      const auto expect_grown = [&](const Architecture& large) {
        const accel_sim::HardwareCost after = predictor.predict(large);
        EXPECT_GE(after.latency, before.latency) << describe(small) << " -> " << describe(large);
        EXPECT_GT(after.energy, before.energy) << describe(small) << " -> " << describe(large);
      };
      Architecture large = small;
      large.model_width += 96;
      expect_grown(large);
      for (std::size_t layer = 0; layer < small.layers.size(); ++layer) {
        large = small;
        large.layers[layer].heads += 2;
        expect_grown(large);
        large = small;
        large.layers[layer].ffn_width += 128;
        expect_grown(large);
      }
      large = small;
      large.layers.push_back({4, 768});
      expect_grown(large);
    }
  }
}

TEST_P(EveryPreset, GrowsWithTheSequence) {
  const accel_sim::Target hardware = accel_sim::find_target(GetParam());
  Random random(3);
  const Architecture architecture = draw(random);
  for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
    accel_sim::HardwareCost before;
    for (int length = 16; length <= 4096; length += 16) {
      const accel_sim::HardwareCost now =
          LatencyPredictor(hardware, {length, mode}, analytical_table(hardware))
              .predict(architecture);
      EXPECT_GE(now.latency, before.latency) << length;
      EXPECT_GT(now.energy, before.energy) << length;
      before = now;
    }
  }
}

TEST_P(EveryPreset, ThreadsGetTheSameAnswers) {
  std::vector<Architecture> architectures;
  Random random(4);
  for (int i = 0; i < 80; ++i) {
    architectures.push_back(draw(random));
    architectures.back().vocabulary = 1024;  // the head is what takes longest to simulate
  }
  const LatencyPredictor serial(accel_sim::find_target(GetParam()),
                                {512, accel_sim::Mode::kPrefill});
  const LatencyPredictor shared(accel_sim::find_target(GetParam()),
                                {512, accel_sim::Mode::kPrefill});
  constexpr std::size_t kThreads = 4;
  std::vector<std::vector<accel_sim::HardwareCost>> answers(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (const Architecture& architecture : architectures)
        answers[t].push_back(shared.predict(architecture));
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < architectures.size(); ++i)
    for (std::size_t t = 0; t < kThreads; ++t)
      EXPECT_EQ(answers[t][i], serial.predict(architectures[i]));
  EXPECT_EQ(shared.table().size(), serial.table().size());
}

// LayerNorms that are fused with the matmul before them belong to another part of the network.
TEST(LatencyPredictor, FusedNetworksAreTheSumOfTheirSchedule) {
  for (const accel_sim::Fusion fusion :
       {accel_sim::Fusion::kOff, accel_sim::Fusion::kOn, accel_sim::Fusion::kBest})
    for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
      accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
      hardware.fusion = fusion;
      hardware.accumulator_kib = 128;  // so that it is not always worth it
      const accel_sim::Workload workload{256, mode};
      const LookupTable table = analytical_table(hardware);
      const LatencyPredictor predictor(hardware, workload, analytical_table(hardware));
      Random random(3);
      for (int i = 0; i < 40; ++i) {
        Architecture architecture = draw(random);
        if (i % 2 == 0) architecture.vocabulary = 0;
        if (i % 5 == 0) architecture.layers.resize(1);
        EXPECT_EQ(predictor.predict(architecture), sum(predictor.breakdown(architecture)));
        accel_sim::HardwareCost total;
        for (const accel_sim::TransformerOperator& item :
             scheduled_operators(architecture, workload, hardware,
                                 [&](const accel_sim::Operator& op) { return table.cost(op); }))
          total += table.cost(item.op) * item.repeat;
        EXPECT_EQ(predictor.predict(architecture), total);
      }
    }
}

// A table without a model has to hold what decides as well as what is decided for.
TEST(LatencyPredictor, FillsASpaceWithWhatEitherScheduleNeeds) {
  const SearchSpace space = SearchSpace::find("quickstart");
  for (const accel_sim::Fusion fusion : {accel_sim::Fusion::kLibrary, accel_sim::Fusion::kOff,
                                         accel_sim::Fusion::kOn, accel_sim::Fusion::kBest}) {
    accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
    hardware.fusion = fusion;
    const accel_sim::Workload workload{64, accel_sim::Mode::kPrefill};
    LookupTable table(target_hash(hardware), accel_sim::kAnalyticalModel);
    for (const accel_sim::Operator& op : operators_of(space, workload, hardware))
      table.insert(op, analytical_cost(op, hardware));
    const LatencyPredictor filled(hardware, workload, table);
    const LatencyPredictor asking(hardware, workload, analytical_table(hardware));
    Random random(4);
    for (int i = 0; i < 20; ++i) {
      const Architecture network = space.sample(random);
      EXPECT_EQ(filled.predict(network), asking.predict(network));
    }
  }
}

TEST(LatencyPredictor, AsksTheSimulatorUnlessToldOtherwise) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const LatencyPredictor predictor(hardware, {32, accel_sim::Mode::kPrefill});
  EXPECT_EQ(predictor.table().model(), accel_sim::kSimulatorModel);
  const Architecture architecture{96, 16, 1000, {{4, 384}}};
  accel_sim::HardwareCost total;
  for (const accel_sim::OperatorReport& item :
       simulate(architecture, {32, accel_sim::Mode::kPrefill}, hardware))
    total += item.report.cost * item.item.repeat;
  EXPECT_EQ(predictor.predict(architecture), total);
}

TEST(LatencyPredictor, AddsRepeatsAtTheirPlaces) {
  const LatencyPredictor predictor(accel_sim::find_target("gemmini_transformer"),
                                   {32, accel_sim::Mode::kPrefill});
  const Architecture architecture{96, 16, 1000, {{4, 384}, {2, 384}}};
  const auto predictions = predictor.breakdown(architecture);
  ASSERT_EQ(predictions.size(), 2U * 12U + 3U);
  EXPECT_EQ(predictions.front().role, "embedding");
  EXPECT_EQ(predictions.front().layer, -1);
  EXPECT_EQ(predictions[3].role, "attention.scores");
  EXPECT_EQ(predictions[3].cost, predictor.table().cost(predictions[3].op) * 4);
  EXPECT_EQ(predictions[15].layer, 1);
  EXPECT_EQ(predictions[15].cost, predictor.table().cost(predictions[3].op) * 2);
}

// The second layer's two heads have the shape of the first one's four, but lie in other rows; the
// third layer finds other things in L2.
TEST(LatencyPredictor, WhatAnOperatorCostsInItsPlaceCounts) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const LatencyPredictor plain(hardware, {32, accel_sim::Mode::kPrefill},
                               analytical_table(hardware));
  const Architecture architecture{96, 16, 1000, {{4, 384}, {2, 384}, {4, 384}}};
  const auto before = plain.breakdown(architecture);
  InPlaceCosts in_place;
  in_place["attention.context"]
          [{accel_sim::matmul(32, 32, 16, accel_sim::RightOperand::kActivations), 4, true}] = {
              accel_sim::Cycles(5), accel_sim::Picojoules(0.7)};
  // In no network: what a LayerNorm costs elsewhere does not say what it costs here.
  in_place["nowhere"][{elementwise(accel_sim::OperatorKind::kLayerNorm, 32, 96), 1, false}] = {
      accel_sim::Cycles(1), {}};
  const LatencyPredictor placed(hardware, {32, accel_sim::Mode::kPrefill},
                                analytical_table(hardware), in_place);
  const auto after = placed.breakdown(architecture);
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const accel_sim::HardwareCost known =
        accel_sim::HardwareCost{accel_sim::Cycles(5), accel_sim::Picojoules(0.7)} *
        before[i].repeat;
    EXPECT_EQ(after[i].cost, before[i].role == "attention.context" && before[i].layer == 0
                                 ? known
                                 : before[i].cost)
        << before[i].role;
  }
  EXPECT_EQ(placed.predict(architecture), sum(after));
}

TEST(LatencyPredictor, ABatchIsItsNetworksInTurn) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_cnn");
  const LatencyPredictor predictor(hardware, {64, accel_sim::Mode::kDecode},
                                   analytical_table(hardware));
  Random random(6);
  std::vector<Architecture> architectures;
  for (int i = 0; i < 20; ++i) architectures.push_back(draw(random));
  std::vector<accel_sim::HardwareCost> costs(architectures.size());
  predictor.predict(architectures, costs);
  for (std::size_t i = 0; i < costs.size(); ++i)
    EXPECT_EQ(costs[i], predictor.predict(architectures[i]));
  costs.pop_back();
  EXPECT_THROW(predictor.predict(architectures, costs), Error);
}

// Networks that differ in every gene of the key of a part: heads, FFN width, head width, model
// width and vocabulary must not be taken for one another.
TEST(LatencyPredictor, PartsOfDifferentNetworksAreKeptApart) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_cnn");
  const LatencyPredictor shared(hardware, {64, accel_sim::Mode::kPrefill},
                                analytical_table(hardware));
  for (const int width : {64, 128})
    for (const int head_width : {16, 32})
      for (const int vocabulary : {0, 4, 64})
        for (const int heads : {4, 64})
          for (const int ffn_width : {4, 64}) {
            const Architecture network{width, head_width, vocabulary, {{heads, ffn_width}}};
            const LatencyPredictor fresh(hardware, {64, accel_sim::Mode::kPrefill},
                                         analytical_table(hardware));
            EXPECT_EQ(shared.predict(network), sum(fresh.breakdown(network))) << describe(network);
          }
}

// What is summed up from parts is that of the whole network's calls.
TEST(LatencyPredictor, ANetworkCostsWhatItsCallsCost) {
  accel_sim::Target fused = accel_sim::find_target("gemmini_transformer"), sums = fused,
                    best = fused;
  fused.fusion = accel_sim::Fusion::kOn;
  best.fusion = accel_sim::Fusion::kBest;
  sums.dataflow = accel_sim::Dataflow::kOutputStationary;
  for (const accel_sim::Target& target :
       {accel_sim::find_target("gemmini_transformer"), fused, best, sums})
    for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
      const accel_sim::Workload workload{64, mode};
      const LatencyPredictor predictor(target, workload, analytical_table(target));
      for (const int vocabulary : {0, 40, 4000})
        for (const std::vector<Layer>& layers :
             {std::vector<Layer>{}, {{2, 64}}, {{1, 512}, {8, 64}, {2, 256}}}) {
          const Architecture network{128, 16, vocabulary, layers};
          const auto calls = compile(network, workload, target, [&](const accel_sim::Operator& op) {
            return analytical_cost(op, target);
          });
          std::int64_t all_macs = 0;
          for (const accel_sim::Call& call : calls) all_macs += macs(call);
          accel_sim::PeakMemory memory = peak_memory(calls, workload, network.model_width);
          if (vocabulary == 0) memory += accel_sim::unused_final_norm(network.model_width);
          const NetworkCost cost = predictor.network_cost(network);
          EXPECT_EQ(cost.hardware, predictor.predict(network)) << describe(network);
          EXPECT_EQ(cost.macs, all_macs) << describe(network);
          EXPECT_EQ(cost.memory.stored, memory.stored) << describe(network);
          EXPECT_EQ(cost.memory.alive, memory.alive) << describe(network);
        }
    }
}

TEST(LatencyPredictor, FillsASpaceAhead) {
  const Json json = parse_json(R"({"name": "tiny", "head_width": 16, "vocabulary": 50,
      "depth": [1, 2], "model_width": [32, 48], "heads": [1, 2], "ffn_width": [64, 96]})",
                               "tiny.json");
  const SearchSpace space = SearchSpace::from_json(JsonNode(json, "tiny.json"));
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_cnn");
  std::atomic<int> priced = 0;
  const LatencyPredictor predictor(
      hardware, {24, accel_sim::Mode::kPrefill},
      LookupTable(target_hash(hardware), "counted", [&](const accel_sim::Operator& op) {
        ++priced;
        return analytical_cost(op, hardware);
      }));
  predictor.fill(space);
  const std::size_t filled = predictor.table().size();
  EXPECT_EQ(static_cast<std::size_t>(priced.load()), filled);
  Random random(7);
  for (int i = 0; i < 100; ++i) predictor.predict(space.sample(random));
  EXPECT_EQ(predictor.table().size(), filled);
}

TEST(LatencyPredictor, CopiesAndMovesAnswerAlike) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  LatencyPredictor predictor(hardware, {64, accel_sim::Mode::kPrefill}, analytical_table(hardware));
  Random random(1);
  const Architecture network = draw(random), other = draw(random);
  const accel_sim::HardwareCost cost = predictor.predict(network);
  LatencyPredictor copy = predictor;
  EXPECT_EQ(copy.predict(network), cost);
  EXPECT_EQ(copy.predict(other), predictor.predict(other));
  LatencyPredictor moved = std::move(copy);
  EXPECT_EQ(moved.predict(network), cost);
  // What was cached for another length goes with its predictor.
  copy = LatencyPredictor(hardware, {128, accel_sim::Mode::kPrefill}, analytical_table(hardware));
  EXPECT_NE(copy.predict(network), cost);
  copy = moved;
  EXPECT_EQ(copy.predict(network), cost);
}

TEST(LatencyPredictor, RefusesATableForOtherHardware) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_cnn");
  EXPECT_THROW(LatencyPredictor(accel_sim::find_target("gemmini_transformer"),
                                {512, accel_sim::Mode::kPrefill}, analytical_table(hardware)),
               InputError);
}

TEST(LatencyPredictor, ThrowsWhereNothingKnowsThePrice) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_cnn");
  const LatencyPredictor predictor(hardware, {512, accel_sim::Mode::kPrefill},
                                   LookupTable(target_hash(hardware), "measured"));
  EXPECT_THROW(predictor.predict({96, 16, 0, {{4, 384}}}), Error);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
