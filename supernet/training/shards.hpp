// The gradient of a step as a sum of shards, whoever computes them: one process, or several.
//
// A shard is a part of the sequences that every network of the step learns from, so all shards take
// as long. Their gradients are summed along one binary tree, each node of which is the sum of its
// left half and its right half of the shards. A rank has shards that follow one another and sums
// what nodes of the tree it has all shards of; then each rank sums, for its own segment of the
// parameters, the nodes of all ranks, and gives the result to all. So the bits depend on the number
// of shards alone, and every rank sends and receives twice the gradient at most, however many they
// are.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "supernet/model/network.hpp"
#include "supernet/training/training_config.hpp"
#include "support/communicator.hpp"

namespace paretoformer::supernet {

// Shards first ... last - 1; also a node of the tree, which has one or more.
struct ShardRange {
  int first, last;
  int size() const { return last - first; }
  int middle() const { return first + size() / 2; }
  bool operator==(const ShardRange&) const = default;
};

// Those of one of so many ranks; none where there are more ranks than shards.
ShardRange shards_of_rank(int rank, int ranks, int shards);
// The fewest nodes of the tree over `shards` that make up this range, from left to right.
std::vector<ShardRange> nodes_within(const ShardRange& range, int shards);

// What a shard's training is asked for: its part of the sequences, as many of them at a time as
// memory holds of the whole.
TrainingConfig shard_config(const TrainingConfig& config);

// A shard's sequences of every network of a step.
class ShardBatch {
 public:
  ShardBatch(const TrainingConfig& config, const Batch& step, int shard);
  Batch batch() const;

 private:
  int sequences_ = 0, length_;
  std::vector<std::int32_t> tokens_, targets_;
  Dropout dropout_;
};

// The sum of one rank's shards with those of the others.
template <class T>
class ShardSum {
 public:
  // Of `size` numbers; null: of one process. Plans all memory.
  ShardSum(std::size_t size, int shards, Communicator* ranks);

  ShardRange own() const { return own_; }
  // Sums this rank's nodes. `gradient` gives that of a shard, which is valid until the next.
  void add(const std::function<std::span<const T>(int shard)>& gradient);
  // With the nodes of all other ranks, which call it, too: the mean of all shards. Valid until the
  // next call of add().
  std::span<const T> mean();

 private:
  struct Rank {
    std::vector<ShardRange> nodes;
    std::size_t begin, end;  // of its segment
    std::size_t length() const { return end - begin; }
  };

  void sum(const ShardRange& node, std::size_t depth, std::vector<T>& into,
           const std::function<std::span<const T>(int shard)>& gradient);
  void gather_nodes();
  const T* part_of(const ShardRange& node) const;
  void sum_block(const ShardRange& node, std::size_t at, std::size_t count, T* into) const;
  void spread_means();

  Communicator* ranks_;
  int shards_, rank_ = 0;
  ShardRange own_;
  std::vector<Rank> all_;
  std::vector<std::vector<T>> nodes_;     // own, of all parameters
  std::vector<std::vector<T>> right_;     // halves on the right, by depth
  std::vector<T> sent_;                   // own nodes' parts of another rank's segment
  std::vector<std::vector<T>> received_;  // by rank: [node][length of the own segment]
  std::vector<T> mean_;
};

}  // namespace paretoformer::supernet
