// The fast engine against the reference on random operators and hardware: cycles within a few
// percent, the same accesses.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_search.hpp"
#include "accel_sim/mapper/mapspace.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "tests/accel_sim/random_choice.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr int kCases = 200;
constexpr std::int64_t kCycleLimit = 50'000'000;

Target random_hardware(Random& random) {
  Target target;
  target.array_size = pick(random, {8, 16, 16, 32});
  target.scratchpad_kib = pick(random, {16, 32, 64, 128, 256});
  target.accumulator_kib = pick(random, {16, 32, 64, 128, 256});
  target.bus_latency_cycles = between(random, 0, 15);
  target.l2_hit_cycles = between(random, 10, 49);
  target.dram_latency_cycles = between(random, 30, 149);
  target.dram_page_miss_cycles = between(random, 0, 119);
  target.write_latency_cycles = between(random, 15, 54);
  // At least one mvin of one-line rows, as every Gemmini has.
  target.requests_in_flight = std::max(target.array_size, between(random, 8, 64));
  target.l2_misses_in_flight = between(random, 4, 20);
  target.dram_bytes_per_cycle = pick(random, {4.0, 8.0, 16.0});
  target.bus_bytes_per_cycle = pick(random, {8, 16, 16, 32});
  target.last_level_kib = pick(random, {0, 4096});
  target.operand_reuse = random.chance(0.5);
  target.stores_wait_for_completion = random.chance(0.5);
  target.loop_issue_cycles = between(random, 20, 119);
  target.nonlinear_units = NonlinearUnits::kOnChip;
  return target;
}

// Odd extents, sometimes whole blocks.
int random_extent(Random& random) {
  return random.chance(0.2) ? 16 * between(random, 1, 18) : between(random, 1, 300);
}

Operator random_operator(Random& random, Target& target) {
  constexpr RightOperand kTransposed = RightOperand::kTransposedActivations;
  const int rows = random_extent(random);
  const int inner = random_extent(random);
  const int columns = random_extent(random);
  switch (random.below(10)) {
    case 0:
      return matmul(rows, inner, columns, kTransposed, Activation::kSoftmax);
    case 1:
      return matmul(rows, inner, columns, kTransposed);
    case 2: {
      // Whole rows have to fit.
      const int longest = target.accumulator_blocks() * target.array_size;
      return elementwise(OperatorKind::kLayerNorm, rows, std::min(columns, longest));
    }
    case 3:
      return elementwise(OperatorKind::kResidualAdd, rows, columns);
    case 4:
      return elementwise(OperatorKind::kEmbedding, rows, columns);
    case 5:
      target.dataflow = Dataflow::kOutputStationary;
      return matmul(rows, inner, columns,
                    random.chance(0.5) ? RightOperand::kWeights : kTransposed);
    case 6:
      return matmul(between(random, 1, 16), inner, columns);
    default:
      return matmul(rows, inner, columns);
  }
}

double relative(std::int64_t ours, std::int64_t truth) {
  return static_cast<double>(ours) / static_cast<double>(truth) - 1;
}

// How far cycles are apart, relative to the reference. The limits of the mean hold for other seeds
// as well (docs/results.md gives those of eleven for the first test). The worst case and the number
// of bad ones are a matter of the draw: their limits are near what this seed gives, so that a
// change of either engine is noticed.
struct Differences {
  double sum = 0, worst = 0;
  int cases = 0, far = 0;  // beyond 8 %

  void add(double difference) {
    ++cases;
    sum += std::abs(difference);
    worst = std::max(worst, std::abs(difference));
    if (std::abs(difference) > 0.08) ++far;
  }
  void expect(double most_mean, double most_worst, int most_far) const {
    std::printf("%d cases: mean %.2f %%, worst %.1f %%, beyond 8 %%: %d\n", cases,
                100 * sum / cases, 100 * worst, far);
    EXPECT_LE(sum / cases, most_mean);
    EXPECT_LE(worst, most_worst);
    EXPECT_LE(far, most_far);
  }
};

// The same matmul onto sums of that many bytes behind its matrices.
Program with_sums(Program program, const Operator& op, int bytes) {
  Matrix sums{program.bytes, std::int64_t{op.columns} * bytes, bytes};
  program.bytes += (op.rows * sums.stride + 63) / 64 * 64;
  const Matrix result = program.tiles.front().result;
  for (Tile& tile : program.tiles) {
    const std::int64_t offset = tile.result.address - result.address;
    tile.sums = sums.at(offset / result.stride, offset % result.stride);
    tile.load_sums = !tile.accumulate;
    tile.accumulate = true;
  }
  return program;
}

// Whether a row of the results takes more than half the accumulator.
bool is_alone(const Operator& op, const Target& target) {
  return !whole_row_tile(op, target).has_value();
}

void compare(const Program& program, const Target& target, Differences& differences,
             double most_traffic = 0.03) {
  const EngineResult fast = run_fast_engine(program, target);
  const EngineResult truth = run_reference_engine(program, target, kCycleLimit);
  differences.add(relative(fast.cycles, truth.cycles));
  EXPECT_EQ(fast.breakdown.total(), fast.cycles);
  EXPECT_EQ(truth.breakdown.total(), truth.cycles);
  EXPECT_EQ(fast.accesses.scratchpad, truth.accesses.scratchpad);
  EXPECT_EQ(fast.accesses.accumulator, truth.accesses.accumulator);
  EXPECT_EQ(fast.accesses.pe_register, truth.accesses.pe_register);
  EXPECT_EQ(fast.accesses.l2_bytes, truth.accesses.l2_bytes);
  // Which lines L2 gives up depends on the order of requests.
  EXPECT_LE(std::abs(relative(fast.accesses.dram_bytes, truth.accesses.dram_bytes)), most_traffic);
}

void compare(const Operator& op, const Target& target, Differences& differences) {
  SCOPED_TRACE(describe(op) + " on " + to_json(target).dump());
  compare(lower(op, target), target, differences);
}

// Any operator on any hardware. The mean is within 2 %; a few cases exceed 8 %: the fast
// engine takes an mvin after the other and rows of mvouts between, and misses what it costs or
// saves when their requests interleave at DRAM, at the port of the scratchpad or in front of the
// scaling units.
TEST(EnginesAgree, OnRandomOperatorsAndHardware) {
  Differences differences;
  for (int i = 0; i < kCases; ++i) {
    Random random(2026, {static_cast<std::uint64_t>(i)});
    Target target = random_hardware(random);
    const Operator op = random_operator(random, target);
    compare(op, target, differences);
  }
  differences.expect(0.02, 0.22, 6);
}

// Passes over int8: LayerNorms that read their rows again and again, and GELUs, which are mvins and
// mvouts in turns and nothing else: all of their time is the two at L2, where the fast engine's
// instructions do not interleave request by request, or the normaliser's latency, which little host
// time hides.
TEST(EnginesAgree, OnRandomPassesOverInt8) {
  Differences differences;
  for (int i = 0; i < kCases; ++i) {
    Random random(2031, {static_cast<std::uint64_t>(i)});
    Target target = random_hardware(random);
    target.nonlinear_units = NonlinearUnits::kOnChip;
    const int rows = random_extent(random);
    const int longest = target.accumulator_blocks() * target.array_size;
    const int columns = std::min(random_extent(random), longest);
    compare(of_int8(i % 2 == 0 ? OperatorKind::kLayerNorm : OperatorKind::kGelu, rows, columns),
            target, differences);
  }
  // The host hides nothing here: its loop is quicker than memory and units. The fast engine is up
  // to 20 % slower in LayerNorms, 27 % faster in GELUs, most of them on arrays of 8 x 8 or with
  // rows that are no whole lines; on gemmini_soc with rows of 96 and 128 it is within 1 %.
  differences.expect(0.045, 0.3, 31);
}

// Matmuls of up to 500 on the hardware that comes with the library.
TEST(EnginesAgree, OnRandomMatmulsAndThePresets) {
  const std::vector<std::string> presets = target_presets();
  Differences differences;
  for (int i = 0; i < kCases; ++i) {
    Random random(2027, {static_cast<std::uint64_t>(i)});
    const Target target = find_target(presets[static_cast<std::size_t>(i) % presets.size()]);
    const auto extent = [&] { return between(random, 1, 500); };
    const int rows = extent(), inner = extent(), columns = extent();
    const bool scores = random.chance(0.2);
    compare(scores ? matmul(rows, inner, columns, RightOperand::kTransposedActivations,
                            Activation::kSoftmax)
                   : matmul(rows, inner, columns),
            target, differences);
  }
  differences.expect(0.012, 0.08, 0);
}

// Loops in any order, operands that stay, sums that leave and come back. Random tiles are small,
// and most of them wait for memory, where the fast engine is too slow: it takes the last computes
// of a tile to be emitted as late as if they had not waited.
TEST(EnginesAgree, OnRandomSchedules) {
  Differences differences;
  for (int i = 0; i < kCases; ++i) {
    Random random(2030, {static_cast<std::uint64_t>(i)});
    const Target target = random_hardware(random);
    const Operator op = matmul(random_extent(random), random_extent(random), random_extent(random));
    const Workpiece work = matmul_workpiece(op.rows, op.inner, op.columns);
    Mapping mapping = Mapspace(work, target, Factors::kBlocks).sample(random);
    mapping.reloads = random.chance(0.3);
    SCOPED_TRACE(describe(op) + ", " + describe(mapping, work));
    compare(lower(op, target, schedule_of(mapping, work, target)), target, differences, 0.05);
  }
  differences.expect(0.04, 0.2, 22);
}

// Schedules that `tiling: optimal` chooses from.
TEST(EnginesAgree, OnTheMappersBest) {
  Differences differences;
  for (const char* preset : {"gemmini_cnn", "gemmini_transformer", "gemmini_dosa"}) {
    const Target target = find_target(preset);
    for (const auto& [m, k, n] : {std::array{128, 768, 256},
                                  {128, 1024, 192},
                                  {128, 64, 128},
                                  {128, 128, 64},
                                  {512, 64, 512},
                                  {512, 512, 64},
                                  {512, 384, 480},
                                  {1, 2048, 1000}}) {
      const Workpiece work = matmul_workpiece(m, k, n);
      const Mapspace space(work, target, Factors::kBlocks);
      for (const auto objective : {MappingObjective::kEdp, MappingObjective::kLatency}) {
        const Mapping mapping = best_mapping(space, objective).mapping;
        SCOPED_TRACE(std::string(preset) + ", " + describe(mapping, work));
        compare(lower(matmul(m, k, n), target, schedule_of(mapping, work, target)), target,
                differences);
      }
    }
  }
  differences.expect(0.016, 0.08, 0);
}

// Matmuls whose LayerNorm is fused, on hardware where whole rows fit. Tiles are a few rows high, so
// that more of them than usual wait for memory.
TEST(EnginesAgree, OnRandomFusedLayerNorms) {
  Differences differences;
  int alone = 0;
  for (int i = 0; i < kCases; ++i) {
    Random random(2028, {static_cast<std::uint64_t>(i)});
    Target target = random_hardware(random);
    Operator op = matmul(random_extent(random), random_extent(random), random_extent(random));
    op.activation = Activation::kLayerNorm;
    target.fusion = random.chance(0.5) ? Fusion::kLibrary : Fusion::kOn;  // half or all of it
    if (!rows_can_be_fused(op, target)) continue;
    if (is_alone(op, target)) ++alone;
    compare(op, target, differences);
  }
  differences.expect(0.02, 0.12, 6);
  EXPECT_GE(alone, 10);
}

// Matmuls onto int32 sums, or int8 ones that are scaled, that are loaded first.
TEST(EnginesAgree, OnRandomLoadedSums) {
  Differences differences;
  for (int i = 0; i < kCases; ++i) {
    Random random(2029, {static_cast<std::uint64_t>(i)});
    const Target target = random_hardware(random);
    const Operator op = matmul(random_extent(random), random_extent(random), random_extent(random));
    compare(with_sums(lower(op, target), op, random.chance(0.5) ? 4 : 1), target, differences);
  }
  // Compilers draw the extents in their own order: two sets of cases, g++'s and clang's.
  differences.expect(0.02, 0.21, 2);
}

// Biases by the row and in full, with and without softmax (a mask), in whichever tiles.
TEST(EnginesAgree, OnRandomBiases) {
  Differences differences;
  for (int i = 0; i < kCases; ++i) {
    Random random(2031, {static_cast<std::uint64_t>(i)});
    Target target = random_hardware(random);
    Operator op = matmul(random_extent(random), random_extent(random), random_extent(random));
    op.bias = random.chance(0.5) ? Bias::kRow : Bias::kFull;
    const double kind = random.uniform();
    if (kind < 0.4) {
      op.right = RightOperand::kTransposedActivations;
      op.activation = Activation::kSoftmax;
    } else if (kind < 0.6) {
      target.fusion = Fusion::kOn;
      op.activation = Activation::kLayerNorm;
      if (!rows_can_be_fused(op, target)) continue;
    } else if (kind < 0.7) {
      target.dataflow = Dataflow::kOutputStationary;
    }
    compare(op, target, differences);
  }
  differences.expect(0.02, 0.15, 4);
}

}  // namespace
}  // namespace paretoformer::accel_sim
