// Fusion-optimised schedules: published changes of latency (survey, arXiv 2302.14017, Sec. 5.5)
// beside simulated ones. Nothing is fitted to them. What does not agree is said with each test.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/simulator.hpp"

namespace paretoformer::accel_sim {
namespace {

// BERT-Base: 12 heads of 64, d = 768, f = 3072.
constexpr int kHeads = 12, kHeadWidth = 64, kWidth = 768, kFfnWidth = 3072;

double cycles(const Operator& op, const Target& target) {
  return static_cast<double>(simulate(op, target).cost.latency.value());
}

// Of a matmul and the normalisation of its results, apart and fused.
struct PairCycles {
  double matmul = 0, norm = 0, fused = 0, fused_matmul = 0;

  double change() const { return fused / (matmul + norm) - 1; }
  double slowdown() const { return fused_matmul / matmul - 1; }  // of the matmul
  friend PairCycles operator+(const PairCycles& a, const PairCycles& b) {
    return {a.matmul + b.matmul, a.norm + b.norm, a.fused + b.fused,
            a.fused_matmul + b.fused_matmul};
  }
  friend PairCycles operator*(double n, const PairCycles& a) {
    return {n * a.matmul, n * a.norm, n * a.fused, n * a.fused_matmul};
  }
};

// Before a normalisation by itself results are int32, as in the survey's machine (its Sec. 3.3) and
// in Gemmini's transformer.c.
PairCycles pair_of(Operator apart, Activation fusion, const Target& target) {
  const bool softmax = fusion == Activation::kSoftmax;
  const OperatorKind kind = softmax ? OperatorKind::kSoftmax : OperatorKind::kLayerNorm;
  Operator fused = apart;
  apart.activation = Activation::kSums;
  fused.activation = fusion;
  PairCycles pair;
  pair.matmul = cycles(apart, target);
  pair.norm = cycles(elementwise(kind, apart.rows, apart.columns), target);
  pair.fused_matmul = cycles(fused, target);
  pair.fused =
      pair.fused_matmul + cycles(softmax ? softmax_of(fused) : layer_norm_of(fused), target);
  return pair;
}

PairCycles scores(int length, const Target& target) {
  return pair_of(matmul(length, kHeadWidth, length, RightOperand::kTransposedActivations),
                 Activation::kSoftmax, target);
}
PairCycles output(int length, const Target& target) {
  return pair_of(matmul(length, kWidth, kWidth), Activation::kLayerNorm, target);
}
PairCycles down(int length, const Target& target) {
  return pair_of(matmul(length, kFfnWidth, kWidth), Activation::kLayerNorm, target);
}
PairCycles attention(int length, const Target& target) {
  return kHeads * scores(length, target) + output(length, target);
}

struct Row {
  const char* pair;
  int accumulator_kib, length;
  int published;  // percent; only the sign where `worse` says so
  const char* text;
  PairCycles (*cycles)(int, const Target&);
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {"QxK + softmax", 128, 512, -78, "-78 %", scores},
      {"QxK + softmax", 256, 512, -78, "-78 %", scores},
      {"QxK + softmax", 256, 4096, -22, "-22 %", scores},
      {"Wout + LayerNorm", 128, 512, 1, "worse", output},
      {"Wout + LayerNorm", 256, 512, -4, "-4 %", output},
      {"both MHA pairs", 128, 512, -23, "-23 %", attention},
      {"both MHA pairs", 256, 512, -52, "-52 %", attention},
      {"both MHA pairs", 256, 4096, -21, "-21 %", attention},
      {"W2 + LayerNorm", 256, 512, 27, "+27 %", down},
      {"W2 + LayerNorm", 256, 4096, 27, "+27 %", down},
  };
  return kRows;
}

// The machine of the table: scratchpad of 256 KiB, normaliser on the chip.
Target machine(const std::string& preset, int norm_command_cycles) {
  Target target = find_target(preset);
  target.scratchpad_kib = 256;
  target.nonlinear_units = NonlinearUnits::kOnChip;
  target.norm_command_cycles = norm_command_cycles;
  target.fusion = Fusion::kOn;  // rows of 4096 scores take all of the accumulator
  return target;
}

// How many rows have another sign than published; prints all of them.
std::vector<std::string> disagreements(const std::string& preset, int norm_command_cycles) {
  std::vector<std::string> wrong;
  Target target = machine(preset, norm_command_cycles);
  std::printf("\n%s, %d cycles per command of tiled_norm\n", preset.c_str(), norm_command_cycles);
  std::printf("%-18s accumulator  length  published  simulated  norm's share  matmul slower by\n",
              "pair");
  for (const Row& row : rows()) {
    target.accumulator_kib = row.accumulator_kib;
    const PairCycles pair = row.cycles(row.length, target);
    const bool agrees = (pair.change() > 0) == (row.published > 0);
    std::printf("%-18s %7d KiB %7d %10s %+8.1f %%  %9.1f %% %12.1f %%%s\n", row.pair,
                row.accumulator_kib, row.length, row.text, 100 * pair.change(),
                100 * pair.norm / (pair.norm + pair.matmul), 100 * pair.slowdown(),
                agrees ? "" : "   another direction");
    if (!agrees)
      wrong.push_back(std::string(row.pair) + " " + std::to_string(row.accumulator_kib) + " " +
                      std::to_string(row.length));
  }
  return wrong;
}

using Wrong = std::vector<std::string>;

// The simulator as it is, with 29 cycles per command as in RTL: a LayerNorm by itself takes 71 % of
// the time of the matmul before it, so that fusing it pays off even where the matmul becomes half
// as slow again.
TEST(FusionTable, AsTheSimulatorIs) {
  for (const char* preset : {"gemmini_transformer", "survey_analytical"})
    EXPECT_EQ(disagreements(preset, Target().norm_command_cycles),
              (Wrong{"Wout + LayerNorm 128 512"}))
        << preset;
}

// Commands that come as fast as those of an output-stationary matmul, the simulator's other
// estimate for a host that issues command by command (command_issue_cycles, 12).
TEST(FusionTable, WithCommandsAsFastAsThoseOfAMatmul) {
  for (const char* preset : {"gemmini_transformer", "survey_analytical"})
    EXPECT_EQ(disagreements(preset, Target().command_issue_cycles), Wrong{}) << preset;
}

// Commands that cost the host nothing, as in the survey's analytical model, which has no host:
// memory and normaliser are the limit.
TEST(FusionTable, WithCommandsThatCostTheHostNothing) {
  for (const char* preset : {"gemmini_transformer", "survey_analytical"})
    EXPECT_EQ(disagreements(preset, 0), Wrong{}) << preset;
}

// Up to which cost of a command all rows agree: until LayerNorm by itself takes more than the
// matmul loses with one row of blocks per tile.
TEST(FusionTable, TheRangeInWhichAllRowsAgree) {
  Target target = machine("gemmini_transformer", 0);
  int last = -1;
  for (bool agree = true; agree && last < 40;) {
    target.norm_command_cycles = last + 1;
    target.accumulator_kib = 128;
    agree = output(512, target).change() > 0;
    target.accumulator_kib = 256;
    agree = agree && output(512, target).change() < 0 && down(512, target).change() > 0;
    if (agree) ++last;
  }
  std::printf("all LayerNorm rows of length 512 agree up to %d cycles per command\n", last);
  EXPECT_GE(last, 12);
  EXPECT_LT(last, Target().norm_command_cycles);
}

// Encoder layers in RTL simulation (DRAM latency 40, cold): cycles of output projection or FFN
// down, residual add and LayerNorm, the LayerNorm by itself and as the matmul's activation.
struct MeasuredPair {
  int scratchpad_kib, accumulator_kib;
  int length, inner, width;
  int own, fused;
};
constexpr MeasuredPair kMeasuredPairs[] = {
    {256, 64, 64, 128, 128, 34105, 14695},    {256, 64, 64, 512, 128, 45292, 31434},
    {256, 64, 128, 256, 256, 134607, 59413},  {256, 64, 128, 1024, 256, 256221, 196688},
    {64, 256, 64, 128, 128, 34073, 14663},    {64, 256, 64, 512, 128, 43802, 29006},
    {64, 256, 128, 256, 256, 138206, 65184},  {64, 256, 128, 1024, 256, 234852, 167031},
    {64, 256, 128, 768, 768, 603968, 466176}, {64, 256, 128, 3072, 768, 1498474, 1804563},
};

// The residual add is a call of its own in both forms. Fusion::kBest, which goes by the
// energy-delay product, agrees.
TEST(BestFusion, TakesTheFormThatRtlMeasuresAsFaster) {
  for (const MeasuredPair& row : kMeasuredPairs) {
    Target target = find_target("gemmini_soc");
    target.scratchpad_kib = row.scratchpad_kib;
    target.accumulator_kib = row.accumulator_kib;
    target.fusion = Fusion::kBest;
    const Operator product = matmul(row.length, row.inner, row.width);
    PairCycles pair = pair_of(product, Activation::kLayerNorm, target);
    const double residual =
        cycles(elementwise(OperatorKind::kResidualAdd, row.length, row.width), target);
    pair.norm += residual;
    pair.fused += residual;
    std::printf("%4d x %4d x %4d on %3d / %3d KiB: fused / own %.3f, in RTL %.3f\n", row.length,
                row.inner, row.width, row.scratchpad_kib, row.accumulator_kib, 1 + pair.change(),
                static_cast<double>(row.fused) / row.own);
    std::vector<TransformerOperator> list = {
        {"ffn.down", 0, 1, product},
        {"ffn.residual", 0, 1, elementwise(OperatorKind::kResidualAdd, row.length, row.width)},
        {"final.norm", -1, 1, elementwise(OperatorKind::kLayerNorm, row.length, row.width)}};
    const std::vector<Call> calls = compile(std::move(list), target, simulated_prices(target));
    const bool faster = row.fused < row.own;
    EXPECT_EQ(pair.change() < 0, faster);
    EXPECT_EQ(calls[0].fused == Normalisation::kLayerNorm, faster);
    EXPECT_NEAR((1 + pair.change()) / row.fused * row.own, 1, 0.15);
  }
}

// Scores of heads of 64 in row blocks of 32 as RTL measured them, each a call of the library on
// queries and keys with 32 columns more; the same calls before them.
TEST(RowBlocks, AsACallEachAreAsInRtl) {
  Target target = find_target("gemmini_soc");
  target.scratchpad_kib = 64;
  target.accumulator_kib = 256;
  constexpr int kHeight = 32;
  for (const auto& [length, measured] :
       {std::pair(64, 6161), std::pair(128, 16305), std::pair(256, 49809)}) {
    AddressSpace space;
    const int inner = kHeadWidth + kHeight;
    const Matrix queries = space.place(length, inner), keys = space.place(length, inner);
    const Matrix results = space.place(length, length);
    MemorySystem memory(target, space.bytes(), CacheState::kCold);
    std::int64_t sum = 0;
    for (const bool warm : {false, true}) {
      sum = 0;
      for (int first = 0; first < length; first += kHeight) {
        const Operator op = matmul(kHeight, inner, first + kHeight,
                                   RightOperand::kTransposedActivations, Activation::kSoftmax);
        const Placement placement{queries.at(first, 0), keys, results.at(first, 0), space.bytes()};
        const Program program = lower(compile(op, target), target, &placement);
        sum += run_fast_engine(program, target, memory).cycles;
      }
      if (warm) {
        EXPECT_NEAR(static_cast<double>(sum), measured, 0.1 * measured);
      }
    }
    std::printf("%d positions: %lld cycles, in RTL %d\n", length, static_cast<long long>(sum),
                measured);
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
