#include "latency_predictor/learned/learned_candidates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace paretoformer::latency_predictor {
namespace {

FitOptions few_options() {
  FitOptions options;
  options.space = SearchSpace::find("quickstart");
  options.shortest = 32;
  options.longest = 64;
  options.array_size = {8, 16};
  options.scratchpad_kib = {64};
  options.accumulator_kib = {32, 64};
  options.bus_bytes_per_cycle = {};
  options.combinations = 12;
  return options;
}

bool among(int value, const std::vector<int>& values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

TEST(DrawCombination, IsWithinTheOptionsAndTheSameForANumber) {
  const FitOptions options = few_options();
  std::set<CombinationKey> keys;
  for (std::uint64_t n = 0; n < 100; ++n) {
    const Combination drawn = draw_combination(options, 1, n);
    EXPECT_TRUE(options.space.contains(drawn.network));
    EXPECT_GE(drawn.workload.sequence_length, options.shortest);
    EXPECT_LE(drawn.workload.sequence_length, options.longest);
    EXPECT_TRUE(among(drawn.hardware.array_size, options.array_size));
    EXPECT_EQ(drawn.hardware.scratchpad_kib, 64);
    EXPECT_TRUE(among(drawn.hardware.accumulator_kib, options.accumulator_kib));
    EXPECT_EQ(drawn.hardware.bus_bytes_per_cycle, options.base.bus_bytes_per_cycle);
    const Combination again = draw_combination(options, 1, n);
    EXPECT_EQ(again.network, drawn.network);
    EXPECT_EQ(key_of(again), key_of(drawn));
    keys.insert(key_of(drawn));
  }
  EXPECT_GT(keys.size(), 50u);
}

TEST(FitCandidates, EveryOperatorIsThereOncePerHardware) {
  const FitCandidates candidates(few_options());
  std::set<std::pair<std::size_t, std::string>> seen;
  for (const FitCandidate& candidate : candidates.all) {
    ASSERT_LT(candidate.hardware, candidates.hardware.size());
    EXPECT_FALSE(candidate.features.exact());
    EXPECT_TRUE(seen.emplace(candidate.hardware, describe(candidate.op)).second)
        << describe(candidate.op);
  }
  EXPECT_GT(seen.size(), 100u);
}

// What the model is told of its limits holds every candidate.
TEST(FitCandidates, AreWithinTheRanges) {
  const FitOptions options = few_options();
  const FitCandidates candidates(options);
  const LearnedModel::Content& content = candidates.content;
  EXPECT_EQ(content.array_size.low, 8);
  EXPECT_EQ(content.array_size.high, 16);
  EXPECT_EQ(content.accumulator_kib.low, 32);
  EXPECT_EQ(content.accumulator_kib.high, 64);
  EXPECT_EQ(content.length.low, options.shortest);
  EXPECT_EQ(content.length.high, options.longest);
  // The corners are among them, which draws might miss: the largest network on the largest
  // hardware.
  const Architecture largest = options.space.largest();
  EXPECT_TRUE(std::ranges::any_of(candidates.all, [&](const FitCandidate& each) {
    const accel_sim::Hardware& hardware = candidates.hardware[each.hardware];
    return each.op.rows == options.longest && each.op.inner == largest.model_width &&
           each.op.columns == largest.layers.front().ffn_width && hardware.array_size == 16 &&
           hardware.accumulator_kib == 64;
  }));
  for (const CombinationKey& key : candidates.keys) EXPECT_TRUE(among(std::get<2>(key), {8, 16}));
}

}  // namespace
}  // namespace paretoformer::latency_predictor
