#include "accel_sim/mapper/mapping_search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>

#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_spread.hpp"
#include "accel_sim/mapper/words.hpp"
#include "tests/accel_sim/mapper/other_searches.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr std::array kObjectives{MappingObjective::kLatency, MappingObjective::kEnergy,
                                 MappingObjective::kEdp};
constexpr std::array kFactors{Factors::kPerfect, Factors::kBlocks};

Target small_machine(int scratchpad_kib, int accumulator_kib, bool operand_reuse,
                     double bandwidth) {
  Target target;
  target.scratchpad_kib = scratchpad_kib;
  target.accumulator_kib = accumulator_kib;
  target.operand_reuse = operand_reuse;
  target.dram_bytes_per_cycle = bandwidth;
  target.int4_weights = true;
  return target;
}

// Memories in which few tiles fit, and slow and fast DRAM.
std::vector<Target> small_machines() {
  std::vector<Target> machines;
  for (const bool reuse : {false, true})
    for (const double bandwidth : {0.5, 8.0, 64.0}) {
      machines.push_back(small_machine(2, 4, reuse, bandwidth));
      machines.push_back(small_machine(16, 8, reuse, bandwidth));
    }
  return machines;
}

std::vector<Workpiece> small_workpieces() {
  std::vector<Workpiece> works;
  for (const int m : {1, 24, 50, 64})
    for (const int k : {1, 20, 48, 96})
      for (const int n : {1, 30, 64, 80}) works.push_back(matmul_workpiece(m, k, n));
  for (const int n : {30, 80}) works.push_back(matmul_workpiece(50, 48, n, 4));
  works.push_back({{6, 4, 12, 20, 3, 1}, 1});
  works.push_back({{5, 5, 32, 16, 3, 3}, 1});
  works.push_back({{4, 4, 8, 32, 2, 2}, 2});
  works.push_back({{7, 7, 3, 16, 3, 3}, 2});
  return works;
}

std::string text(const Mapspace& space) {
  std::string result(kFactorsWords.word_of(space.factors()));
  for (const int extent : space.work().extent) result += ' ' + std::to_string(extent);
  return result;
}

// Of all of them, or of one in `step`.
template <typename Check>
void for_each_small_mapspace(const Check& check, int step = 1) {
  int count = 0;
  for (const Target& target : small_machines())
    for (const Workpiece& work : small_workpieces())
      for (const Factors factors : kFactors) {
        if (count++ % step != 0) continue;
        const Mapspace space(work, target, factors);
        SCOPED_TRACE(text(space));
        check(space);
      }
}

TEST(MappingSearch, ExactEqualsBruteForce) {
  for_each_small_mapspace([](const Mapspace& space) {
    if (space.size() > 100'000) return;
    for (const MappingObjective objective : kObjectives) {
      const FoundMapping exact = best_mapping(space, objective);
      const FoundMapping brute = best_by_brute_force(space, objective);
      EXPECT_TRUE(is_valid(exact.mapping, space.work(), space.target()));
      EXPECT_LE(exact.evaluations, 3 * brute.evaluations);
      ASSERT_NEAR(exact.cost.of(objective) / brute.cost.of(objective), 1, 1e-12)
          << describe(exact.mapping, space.work()) << '\n'
          << describe(brute.mapping, space.work());
    }
  });
}

// 153 spaces, of every machine and with both kinds of factors; all 1680 take the address sanitizer
// most of a minute.
TEST(MappingSearch, TellsOfRisingSharesAndOfTheWholeOnce) {
  const auto check = [](const Mapspace& space) {
    std::vector<double> shares;
    const ShareDone note = [&](double share) { shares.push_back(share); };
    const auto expect_rising = [&] {
      EXPECT_LE(shares.size(), 101u);
      EXPECT_EQ(shares.back(), 1);
      EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end(), std::less_equal<>()));
      shares.clear();
    };
    const FoundMapping told = best_mapping(space, MappingObjective::kEdp, note);
    expect_rising();
    EXPECT_EQ(told.mapping, best_mapping(space, MappingObjective::kEdp).mapping);
    mapping_spread(space, MappingObjective::kEdp, 10'000, 1, CostRules::kGemmini, note);
    EXPECT_EQ(shares.size(), 4u);
    expect_rising();
  };
  for_each_small_mapspace(check, 11);
}

// Operators of BERT-Base at length 512 and of ResNet-50.
TEST(MappingSearch, ExactNeverLosesToRandomMappings) {
  const Target target = find_target("gemmini_transformer");
  for (const Workpiece& work :
       {matmul_workpiece(512, 768, 768), matmul_workpiece(512, 64, 512),
        matmul_workpiece(512, 512, 64), matmul_workpiece(512, 768, 3072),
        matmul_workpiece(512, 3072, 768), Workpiece{{112, 112, 3, 64, 7, 7}, 2},
        Workpiece{{56, 56, 64, 64, 3, 3}, 1}, Workpiece{{7, 7, 512, 512, 3, 3}, 1},
        Workpiece{{7, 7, 512, 2048, 1, 1}, 1}})
    for (const Factors factors : kFactors) {
      const Mapspace space(work, target, factors);
      SCOPED_TRACE(text(space));
      for (const MappingObjective objective : kObjectives) {
        const double best = best_mapping(space, objective).cost.of(objective) * (1 - 1e-12);
        EXPECT_LE(best, mapping_spread(space, objective, 100'000, 7).best());
        EXPECT_LE(best, local_search(space, objective, 20'000, 7).cost.of(objective));
      }
    }
}

TEST(MappingSearch, LocalSearchComesClose) {
  const Target target = find_target("gemmini_transformer");
  const Mapspace space(matmul_workpiece(512, 768, 3072), target, Factors::kPerfect);
  const MappingObjective edp = MappingObjective::kEdp;
  const FoundMapping found = local_search(space, edp, 20'000, 3);
  EXPECT_LE(found.evaluations, 20'000);
  EXPECT_LE(found.cost.edp(), 1.05 * best_mapping(space, edp).cost.edp());
}

// On the shapes of the presets' networks the blocks mapspace has what the greedy rule finds, or
// better.
TEST(MappingSearch, ExactNeverLosesToTheGreedyRule) {
  for (const char* preset : {"gemmini_cnn", "gemmini_transformer", "gemmini_dosa"}) {
    const Target target = find_target(preset);
    for (const int m : {1, 17, 128, 512})
      for (const int k : {64, 100, 768, 3072})
        for (const int n : {10, 64, 768, 1000})
          for (const MappingObjective objective : kObjectives) {
            const Workpiece work = matmul_workpiece(m, k, n);
            const Mapspace space(work, target, Factors::kBlocks);
            const MappingCost greedy = MappingCostModel(work, target)(greedy_mapping(work, target));
            EXPECT_LE(best_mapping(space, objective).cost.of(objective),
                      greedy.of(objective) * (1 + 1e-12))
                << preset << ' ' << text(space);
          }
  }
}

TEST(MappingSearch, TilesOfWholeLinesAreOfMultiplesOf64) {
  const Mapspace space(matmul_workpiece(128, 768, 3072), find_target("gemmini_soc"),
                       Factors::kBlocks);
  const auto best = [&](bool whole_lines) {
    return best_library_mapping(space, MappingObjective::kEdp, whole_lines);
  };
  const Mapping whole = best(true).mapping;
  EXPECT_EQ(whole.tile[kK] % 64, 0);
  EXPECT_EQ(whole.tile[kC] % 64, 0);
  EXPECT_LT(best(true).evaluations, best(false).evaluations);
}

// Half of 1 KiB holds two blocks of operands: no 64 columns; a narrower matrix has whole rows.
TEST(MappingSearch, TilesOfWholeLinesMayNotFit) {
  Target target;
  target.scratchpad_kib = 1;
  target.scratchpad_banks = 2;
  const auto found = [&](int columns) {
    return best_library_mapping({matmul_workpiece(16, 16, columns), target, Factors::kBlocks},
                                MappingObjective::kEdp, /*whole_lines=*/true);
  };
  EXPECT_EQ(found(64).evaluations, 0);
  EXPECT_EQ(found(16).mapping.tile[kK], 16);
}

TEST(MappingSearch, NothingIsCheaperThanItsLowerBounds) {
  for_each_small_mapspace([](const Mapspace& space) {
    const Workpiece& work = space.work();
    const MappingCostModel model(work, space.target());
    const AccessEnergies each(space.target());
    Random random(11);
    for (int i = 0; i < 100; ++i) {
      const MappingCost cost = model(space.sample(random));
      // At a stride above the kernel's size some inputs lie between tiles and are not read.
      const double inputs = work.stride == 1 ? work.inputs() : 0;
      const double weights = work.weight_bits == kInt8Bits
                                 ? work.weights()
                                 : static_cast<double>(right_bytes(matmul_of(work)));
      EXPECT_GE(cost.dram_bytes, inputs + weights + work.outputs());
      EXPECT_GE(cost.compute, work.macs() / 256);
      EXPECT_GE(cost.cycles, cost.compute);
      EXPECT_GE(cost.cycles, cost.memory);
      EXPECT_GE(cost.energy_pj,
                work.macs() * (each.mac + each.pe_register) + cost.dram_bytes * each.dram_byte);
    }
  });
}

TEST(Mapspace, SamplesAreValid) {
  for_each_small_mapspace([](const Mapspace& space) {
    Random random(5);
    for (int i = 0; i < 200; ++i)
      ASSERT_TRUE(is_valid(space.sample(random), space.work(), space.target()));
  });
}

// Every valid mapping comes up about equally often.
TEST(Mapspace, SamplesAreUniform) {
  // Half the accumulator holds two blocks of the four that 32 x 32 sums take.
  const Mapspace space(matmul_workpiece(32, 2, 32), small_machine(2, 4, false, 8),
                       Factors::kPerfect);
  using Key = std::tuple<PerDimension<int>, PerDimension<int>, PerDimension<std::uint8_t>>;
  std::map<Key, int> seen;
  Random random(3);
  std::int64_t draws = 0;
  constexpr int kPerMapping = 50;
  const std::int64_t valid = best_by_brute_force(space, MappingObjective::kLatency).evaluations;
  ASSERT_LT(static_cast<double>(valid), space.size());  // some do not fit
  for (std::int64_t i = 0; i < kPerMapping * valid; ++i) {
    const Mapping mapping = space.sample(random, &draws);
    ++seen[{mapping.tile, mapping.inner, mapping.order}];
  }
  EXPECT_EQ(static_cast<std::int64_t>(seen.size()), valid);
  // Pearson's chi-squared of the counts: mean `valid` - 1, standard deviation sqrt(2 valid).
  double chi_squared = 0;
  for (const auto& [key, count] : seen)
    chi_squared += (count - kPerMapping) * static_cast<double>(count - kPerMapping) / kPerMapping;
  const auto freedom = static_cast<double>(valid - 1);
  EXPECT_NEAR(chi_squared, freedom, 5 * std::sqrt(2 * freedom));
  // As many draws as there are mappings per valid one.
  EXPECT_NEAR(static_cast<double>(draws) / static_cast<double>(kPerMapping * valid),
              space.size() / static_cast<double>(valid), 0.02);
}

TEST(Mapspace, SplitsAreDivisorsOrSmallestTiles) {
  const Target target;
  const Mapspace perfect(matmul_workpiece(6, 100, 32), target, Factors::kPerfect);
  EXPECT_EQ(
      perfect.splits(kP),
      (std::vector<Split>{{1, 1}, {2, 1}, {2, 2}, {3, 1}, {3, 3}, {6, 1}, {6, 2}, {6, 3}, {6, 6}}));
  EXPECT_EQ(perfect.orders().size(), 6u);
  // A matmul's rows are in blocks like its channels, a convolution's as many as make a difference.
  const Mapspace blocks(matmul_workpiece(40, 100, 8), target, Factors::kBlocks);
  EXPECT_EQ(
      blocks.splits(kC),
      (std::vector<Split>{{16, 16}, {32, 16}, {48, 16}, {64, 16}, {80, 16}, {96, 16}, {100, 16}}));
  EXPECT_EQ(blocks.splits(kP), (std::vector<Split>{{16, 16}, {32, 32}, {40, 40}}));
  EXPECT_EQ(blocks.splits(kK), (std::vector<Split>{{8, 8}}));
  EXPECT_EQ(blocks.size(), 7. * 3 * 6);
  const Mapspace convolution({{10, 1, 16, 16, 3, 1}, 1}, target, Factors::kBlocks);
  EXPECT_EQ(convolution.splits(kP),
            (std::vector<Split>{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {10, 10}}));
  EXPECT_EQ(convolution.splits(kR), (std::vector<Split>{{1, 1}, {2, 1}, {3, 1}}));
}

TEST(Mapspace, SixLoopsHave720Orders) {
  const Mapspace space({{7, 7, 512, 512, 3, 3}, 1}, Target(), Factors::kPerfect);
  EXPECT_EQ(space.orders().size(), 720u);
}

}  // namespace
}  // namespace paretoformer::accel_sim
