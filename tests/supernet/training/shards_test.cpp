#include "supernet/training/shards.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/random.hpp"
#include "tests/support/thread_ranks.hpp"

namespace paretoformer::supernet {
namespace {

using Nodes = std::vector<ShardRange>;

TEST(Shards, OfAllRanksFollowOneAnother) {
  for (const int ranks : {1, 2, 3, 5, 8, 20})
    for (const int shards : {1, 2, 7, 16}) {
      int at = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const ShardRange range = shards_of_rank(rank, ranks, shards);
        EXPECT_EQ(range.first, at);
        EXPECT_LE(range.size(), (shards + ranks - 1) / ranks);
        at = range.last;
      }
      EXPECT_EQ(at, shards);
    }
}

// Of 8 shards the tree is ((0 1) (2 3)) ((4 5) (6 7)); of 5, (0 1) (2 (3 4)).
TEST(Shards, NodesAreTheLargestThatAreWithin) {
  EXPECT_EQ(nodes_within({0, 8}, 8), (Nodes{{0, 8}}));
  EXPECT_EQ(nodes_within({0, 2}, 8), (Nodes{{0, 2}}));
  EXPECT_EQ(nodes_within({2, 5}, 8), (Nodes{{2, 4}, {4, 5}}));
  EXPECT_EQ(nodes_within({5, 8}, 8), (Nodes{{5, 6}, {6, 8}}));
  EXPECT_EQ(nodes_within({1, 5}, 5), (Nodes{{1, 2}, {2, 5}}));
  EXPECT_EQ(nodes_within({3, 3}, 5), Nodes());
}

TEST(Shards, EachHasItsPartOfEveryNetworksSequences) {
  TrainingConfig config;
  config.batch = 3;
  config.accumulation = 2;
  config.context = 2;
  config.shards = 3;
  std::vector<std::int32_t> tokens(24), targets(24);  // two networks, six sequences each
  for (int i = 0; i < 24; ++i) {
    tokens[static_cast<std::size_t>(i)] = i;
    targets[static_cast<std::size_t>(i)] = 100 + i;
  }
  const ShardBatch shard(config, {tokens.data(), targets.data(), 12, 2}, 1);
  const Batch batch = shard.batch();
  ASSERT_EQ(batch.sequences, 4);
  EXPECT_EQ(std::vector<std::int32_t>(batch.tokens, batch.tokens + 8),
            (std::vector<std::int32_t>{4, 5, 6, 7, 16, 17, 18, 19}));
  EXPECT_EQ(std::vector<std::int32_t>(batch.targets, batch.targets + 8),
            (std::vector<std::int32_t>{104, 105, 106, 107, 116, 117, 118, 119}));
}

TEST(Shards, HaveTheirPartOfTheBatchesAtATime) {
  const auto cut = [](int batch, int accumulation, int shards) {
    TrainingConfig config;
    config.batch = batch;
    config.accumulation = accumulation;
    config.shards = shards;
    const TrainingConfig shard = shard_config(config);
    EXPECT_EQ(shard.sequences_per_network() * shards, batch * accumulation);
    EXPECT_EQ(shard.shards, 1);
    return shard.batch;
  };
  EXPECT_EQ(cut(8, 1, 8), 1);
  EXPECT_EQ(cut(8, 1, 2), 4);
  EXPECT_EQ(cut(2, 8, 4), 2);
  EXPECT_EQ(cut(4, 9, 6), 3);  // 6 sequences, not more than 4 at a time
}

// Sums that are rounded: (a + b) + c is another number than a + (b + c).
std::vector<std::vector<float>> some_gradients(std::size_t size, int shards) {
  std::vector<std::vector<float>> gradients;
  Random random(5);
  for (int shard = 0; shard < shards; ++shard) {
    gradients.emplace_back();
    for (std::size_t i = 0; i < size; ++i)
      gradients.back().push_back(static_cast<float>(random.normal()));
  }
  return gradients;
}

// By the definition of the tree.
float sum_at(const std::vector<std::vector<float>>& gradients, std::size_t i,
             const ShardRange& node) {
  if (node.size() == 1) return gradients[static_cast<std::size_t>(node.first)][i];
  return sum_at(gradients, i, {node.first, node.middle()}) +
         sum_at(gradients, i, {node.middle(), node.last});
}

TEST(ShardSum, HasTheBitsOfTheTreeOnAnyNumberOfRanksDependOnThreads) {
  for (const std::size_t size : {std::size_t{5000}, std::size_t{3}})
    for (const int shards : {2, 3, 7, 8, 16}) {
      const auto gradients = some_gradients(size, shards);
      std::vector<float> expected;
      for (std::size_t i = 0; i < size; ++i)
        expected.push_back(sum_at(gradients, i, {0, shards}) * (1.0F / static_cast<float>(shards)));
      for (const int ranks : {0, 1, 2, 3, 5, 9}) {
        SCOPED_TRACE(std::to_string(shards) + " shards, " + std::to_string(ranks) + " ranks");
        std::vector<std::vector<float>> means(static_cast<std::size_t>(std::max(ranks, 1)));
        const auto body = [&](Communicator* self) {
          ShardSum<float> sum(size, shards, self);
          for (int again = 0; again < 2; ++again) {
            sum.add([&](int shard) -> std::span<const float> {
              return gradients[static_cast<std::size_t>(shard)];
            });
            const std::span<const float> mean = sum.mean();
            means[static_cast<std::size_t>(self ? self->rank() : 0)].assign(mean.begin(),
                                                                            mean.end());
          }
        };
        if (ranks == 0)
          body(nullptr);
        else
          on_thread_ranks(ranks, [&](Communicator& self) { body(&self); });
        for (const std::vector<float>& mean : means) EXPECT_EQ(mean, expected);
      }
    }
}

}  // namespace
}  // namespace paretoformer::supernet
