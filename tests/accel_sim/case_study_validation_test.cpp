// Compares the cycle simulator with the published Gemmini case study and architecture search
// (survey, arXiv 2302.14017, Sec. 3.4 and 6.4). Prints published beside simulated; tolerances are
// stated with each. Nothing in the simulator is fitted to these figures but the host's cycles per
// element (hardware.hpp says how).
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "accel_sim/simulator.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr Workload kWorkload{512, Mode::kPrefill};

Architecture bert_base() { return {768, 64, 0, std::vector<Layer>(12, {12, 3072})}; }

Target with_memories(int scratchpad_kib, int accumulator_kib) {
  Target target = find_target("gemmini_cnn");
  target.scratchpad_kib = scratchpad_kib;
  target.accumulator_kib = accumulator_kib;
  return target;
}

struct Matmuls {
  double cycles = 0;
  double utilization = 0;
};

Matmuls matmuls(const Target& target) {
  Matmuls sum;
  double macs = 0;
  for (const OperatorReport& each : simulate(bert_base(), kWorkload, target)) {
    if (each.item.op.kind != OperatorKind::kMatmul) continue;
    const auto repeat = static_cast<double>(each.item.repeat);
    sum.cycles += repeat * static_cast<double>(each.report.cost.latency.value());
    macs += repeat * static_cast<double>(each.report.accesses.macs);
  }
  sum.utilization = macs / (256 * sum.cycles);
  return sum;
}

// Sec. 3.4, matmul utilisation for nine pairs of memories. With 64 KiB of accumulator, tiles of 5x5
// blocks move rows of 80 bytes, misaligned, and every operand more often, which a full L2 of 8 ways
// makes dearer than the survey's memory: within 12 points of the published 66 to 71 %, below them.
// From 128 KiB on within 11 points of 88 to 91 %: we are high throughout, as the measured machine
// is (96 to 99 % of the array on such tiles, rtl_validation_test).
TEST(CaseStudy, MatmulUtilisationByMemories) {
  struct Row {
    int accumulator, scratchpad;
    double published;
  };
  std::printf("accumulator  scratchpad  published  simulated\n");
  for (const Row& row : {Row{64, 64, 0.66}, Row{64, 128, 0.71}, Row{64, 256, 0.69},
                         Row{128, 64, 0.91}, Row{128, 128, 0.91}, Row{128, 256, 0.88},
                         Row{256, 64, 0.91}, Row{256, 128, 0.91}, Row{256, 256, 0.90}}) {
    const double ours = matmuls(with_memories(row.scratchpad, row.accumulator)).utilization;
    std::printf("%7d KiB%8d KiB%9.0f %%%9.1f %%\n", row.accumulator, row.scratchpad,
                100 * row.published, 100 * ours);
    EXPECT_NEAR(ours, row.published, row.accumulator == 64 ? 0.12 : 0.11);
  }
}

// Sec. 3.4: from 256 KiB scratchpad and 64 KiB accumulator to 64 and 256, matmuls take 36 % less
// time. (The published utilisations give 24 %: 69 / 91.) Within 12 points.
TEST(CaseStudy, MovingMemoryToTheAccumulatorSpeedsUpMatmuls) {
  const double before = matmuls(with_memories(256, 64)).cycles;
  const double after = matmuls(with_memories(64, 256)).cycles;
  std::printf("latency of matmuls: published -36 %%, simulated %+.1f %%\n",
              100 * (after / before - 1));
  EXPECT_NEAR(after / before, 1 - 0.36, 0.12);
}

std::map<std::string, double> shares(const Target& target, double& cycles) {
  std::map<std::string, double> shares;
  cycles = 0;
  for (const OperatorReport& each : simulate(bert_base(), kWorkload, target)) {
    const double all = static_cast<double>((each.report.cost.latency * each.item.repeat).value());
    const std::string text = describe(each.item.op);
    shares[text.substr(0, text.find(' '))] += all;
    cycles += all;
  }
  for (auto& [kind, share] : shares) share *= 100 / cycles;
  return shares;
}

// Sec. 3.4, shares of time at length 512 with the non-linear operators on chip: within 2 points of
// the published ones (which add up to 101).
TEST(CaseStudy, SharesOfTimeWithUnitsOnChip) {
  double cycles = 0;
  std::map<std::string, double> ours = shares(find_target("gemmini_transformer"), cycles);
  const double matmul = ours["matmul"] + ours["gelu"];
  std::printf("share of time, %%     published  simulated\n");
  std::printf("matmul and GELU            87%11.1f\n", matmul);
  std::printf("softmax                     3%11.1f\n", ours["softmax"]);
  std::printf("LayerNorm                   7%11.1f\n", ours["layer_norm"]);
  std::printf("residual add                4%11.1f\n", ours["residual_add"]);
  EXPECT_NEAR(matmul, 87, 2);
  EXPECT_NEAR(ours["softmax"], 3, 2);
  EXPECT_NEAR(ours["layer_norm"], 7, 2);
  EXPECT_NEAR(ours["residual_add"], 4, 2);
}

// The same with everything on the host, (de)quantisation counted apart as the survey does. Within 2
// points (3 for the matmuls, which are 61 % of the array's rate here and 69 % in the survey; 4 for
// the largest share); the survey's own add up to 94.
TEST(CaseStudy, SharesOfTimeWithTheHost) {
  const Target target = find_target("gemmini_cnn");
  double cycles = 0;
  std::map<std::string, double> ours = shares(target, cycles);
  double conversions = 0;
  for (const auto& item : transformer_operators(bert_base(), kWorkload)) {
    const double share = 100 * 2 * target.host_conversion_cycles_per_element * item.op.rows *
                         item.op.columns * static_cast<double>(item.repeat) / cycles;
    const OperatorKind kind = item.op.kind;
    if (kind == OperatorKind::kMatmul || kind == OperatorKind::kResidualAdd) continue;
    const std::string text = describe(item.op);
    ours[text.substr(0, text.find(' '))] -= share;
    conversions += share;
  }
  struct Row {
    const char* name;
    double published, ours, tolerance;
  };
  std::printf("share of time, %%     published  simulated\n");
  for (const Row& row :
       {Row{"matmul", 1, ours["matmul"], 3}, Row{"softmax", 19, ours["softmax"], 2},
        Row{"LayerNorm", 4, ours["layer_norm"], 2},
        Row{"residual add", 11, ours["residual_add"], 2}, Row{"GELU", 10, ours["gelu"], 2},
        Row{"(de)quantisation", 49, conversions, 4}}) {
    std::printf("%-19s%10.0f%11.1f\n", row.name, row.published, row.ours);
    EXPECT_NEAR(row.ours, row.published, row.tolerance) << row.name;
  }
}

// Sec. 3.4: the units on chip make the whole inference 39.6 times faster. The host's cycles per
// element come from that figure and from about 20 M cycles a layer afterwards, so that what is
// tested independently is the latter: 20 M within 10 %.
TEST(CaseStudy, SpeedupOfTheWholeInference) {
  double host = 0, chip = 0;
  shares(find_target("gemmini_cnn"), host);
  shares(find_target("gemmini_transformer"), chip);
  std::printf("Mcycles per layer   published (decoded) 20, simulated %.2f\n", chip / 12e6);
  std::printf("speedup             published 39.6, simulated %.1f\n", host / chip);
  EXPECT_NEAR(chip / 12e6, 20, 2);
  EXPECT_NEAR(host / chip, 39.6, 0.1 * 39.6);
}

HardwareCost network_cost(const Architecture& architecture) {
  HardwareCost total;
  for (const OperatorReport& each :
       simulate(architecture, kWorkload, find_target("gemmini_transformer")))
    total += each.report.cost * each.item.repeat;
  return total;
}

// Sec. 6.4, Table 9: the largest network over the sample result, with a head of 50 257
// words: 1.4, 1.6 and 2.24, within 15 %. Without the head, for which nothing is published, both
// ratios are larger.
TEST(ArchitectureSearch, SampleResultAgainstTheBaseline) {
  struct Ratios {
    double latency, energy, edp;
  };
  const auto ratios = [](int vocabulary) {
    const HardwareCost baseline =
        network_cost({768, 64, vocabulary, std::vector<Layer>(6, {12, 3072})});
    const HardwareCost sample =
        network_cost({672,
                      64,
                      vocabulary,
                      {{12, 1280}, {6, 1280}, {12, 2560}, {8, 768}, {10, 2048}, {6, 1024}}});
    return Ratios{
        static_cast<double>(baseline.latency.value()) / static_cast<double>(sample.latency.value()),
        baseline.energy.value() / sample.energy.value(),
        baseline.energy_delay_product().value() / sample.energy_delay_product().value()};
  };
  const Ratios head = ratios(50257), layers = ratios(0);
  std::printf("baseline / sample   published   head 50257   no head\n");
  std::printf("latency             1.40        %.3f        %.3f\n", head.latency, layers.latency);
  std::printf("energy              1.60        %.3f        %.3f\n", head.energy, layers.energy);
  std::printf("EDP                 2.24        %.3f        %.3f\n", head.edp, layers.edp);
  EXPECT_NEAR(head.latency, 1.4, 0.15 * 1.4);
  EXPECT_NEAR(head.energy, 1.6, 0.15 * 1.6);
  EXPECT_NEAR(head.edp, 2.24, 0.15 * 2.24);
  EXPECT_GT(layers.latency, head.latency);
  EXPECT_GT(layers.energy, head.energy);
}

}  // namespace
}  // namespace paretoformer::accel_sim
