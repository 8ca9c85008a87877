#include "supernet/training/shards.hpp"

#include <algorithm>
#include <array>

#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::size_t kSumBlock = 2048;  // numbers, which stay in the cache

void find_nodes(const ShardRange& node, const ShardRange& range, std::vector<ShardRange>& found) {
  if (node.last <= range.first || range.last <= node.first) return;
  if (range.first <= node.first && node.last <= range.last) return found.push_back(node);
  find_nodes({node.first, node.middle()}, range, found);
  find_nodes({node.middle(), node.last}, range, found);
}

// Calls body(first, count) for blocks of so many numbers, side by side.
template <class Body>
void in_blocks(std::size_t count, const Body& body) {
  parallel_tasks((count + kSumBlock - 1) / kSumBlock, [&](std::size_t block) {
    const std::size_t first = block * kSumBlock;
    body(first, std::min(kSumBlock, count - first));
  });
}

template <class T>
void add_to(std::size_t count, const T* values, T* sum) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += values[i];
}

}  // namespace

ShardRange shards_of_rank(int rank, int ranks, int shards) {
  return {rank * shards / ranks, (rank + 1) * shards / ranks};
}

std::vector<ShardRange> nodes_within(const ShardRange& range, int shards) {
  std::vector<ShardRange> found;
  find_nodes({0, shards}, range, found);
  return found;
}

TrainingConfig shard_config(const TrainingConfig& config) {
  TrainingConfig shard = config;
  const int sequences = config.sequences_per_network() / config.shards;
  shard.shards = 1;
  shard.batch = std::min(config.batch, sequences);
  while (sequences % shard.batch != 0) --shard.batch;
  shard.accumulation = sequences / shard.batch;
  return shard;
}

ShardBatch::ShardBatch(const TrainingConfig& config, const Batch& step, int shard)
    : length_(step.length) {
  const std::ptrdiff_t all = std::ptrdiff_t{config.sequences_per_network()} * step.length;
  const std::ptrdiff_t own = all / config.shards;
  dropout_ = step.dropout.from_row(shard * own);
  for (std::ptrdiff_t begin = shard * own; begin < step.rows(); begin += all) {
    tokens_.insert(tokens_.end(), step.tokens + begin, step.tokens + begin + own);
    targets_.insert(targets_.end(), step.targets + begin, step.targets + begin + own);
  }
  sequences_ = static_cast<int>(std::ssize(tokens_) / length_);
}

Batch ShardBatch::batch() const {
  return {tokens_.data(), targets_.data(), sequences_, length_, dropout_};
}

template <class T>
ShardSum<T>::ShardSum(std::size_t size, int shards, Communicator* ranks)
    : ranks_(ranks), shards_(shards), rank_(ranks ? ranks->rank() : 0) {
  const int count = ranks ? ranks->size() : 1;
  const auto border = [&](int rank) {
    return size * static_cast<std::size_t>(rank) / static_cast<std::size_t>(count);
  };
  std::size_t longest = 0;
  for (int rank = 0; rank < count; ++rank) {
    all_.push_back({nodes_within(shards_of_rank(rank, count, shards), shards), border(rank),
                    border(rank + 1)});
    longest = std::max(longest, all_.back().length());
  }
  own_ = shards_of_rank(rank_, count, shards);
  const Rank& own = all_[static_cast<std::size_t>(rank_)];
  nodes_.assign(own.nodes.size(), std::vector<T>(size));
  // A half on the right that is one shard is added as it comes.
  for (int width = own_.size(); width > 2; width = (width + 1) / 2) right_.emplace_back(size);
  if (count == 1) return;
  mean_.resize(size);
  sent_.resize(own.nodes.size() * longest);
  for (const Rank& rank : all_) received_.emplace_back(rank.nodes.size() * own.length());
  received_[static_cast<std::size_t>(rank_)] = {};
}

template <class T>
void ShardSum<T>::add(const std::function<std::span<const T>(int shard)>& gradient) {
  const std::vector<ShardRange>& nodes = all_[static_cast<std::size_t>(rank_)].nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) sum(nodes[i], 0, nodes_[i], gradient);
}

template <class T>
void ShardSum<T>::sum(const ShardRange& node, std::size_t depth, std::vector<T>& into,
                      const std::function<std::span<const T>(int shard)>& gradient) {
  if (node.size() == 1) {
    const std::span<const T> values = gradient(node.first);
    return in_blocks(values.size(), [&](std::size_t first, std::size_t count) {
      std::copy_n(values.data() + first, count, into.data() + first);
    });
  }
  sum({node.first, node.middle()}, depth, into, gradient);
  const ShardRange right{node.middle(), node.last};
  std::span<const T> values;
  if (right.size() == 1) {
    values = gradient(right.first);
  } else {
    sum(right, depth + 1, right_[depth], gradient);
    values = right_[depth];
  }
  in_blocks(values.size(), [&](std::size_t first, std::size_t count) {
    add_to(count, values.data() + first, into.data() + first);
  });
}

template <class T>
std::span<const T> ShardSum<T>::mean() {
  const T scale = T{1} / static_cast<T>(shards_);
  const Rank& own = all_[static_cast<std::size_t>(rank_)];
  if (all_.size() > 1) gather_nodes();
  std::vector<T>& means = all_.size() > 1 ? mean_ : nodes_[0];
  in_blocks(own.length(), [&](std::size_t first, std::size_t count) {
    T* const here = means.data() + own.begin + first;
    if (all_.size() > 1) sum_block({0, shards_}, first, count, here);
    for (std::size_t i = 0; i < count; ++i) here[i] *= scale;
  });
  if (all_.size() > 1) spread_means();
  return means;
}

// In every round each rank sends to another one and receives from another one.
template <class T>
void ShardSum<T>::gather_nodes() {
  const std::size_t count = all_.size();
  const auto self = static_cast<std::size_t>(rank_);
  for (std::size_t round = 1; round < count; ++round) {
    const std::size_t to = (self + round) % count;
    const std::size_t from = (self + count - round) % count;
    std::span<const T> out(nodes_.empty() ? nullptr : nodes_[0].data() + all_[to].begin,
                           nodes_.empty() ? 0 : all_[to].length());
    if (nodes_.size() > 1) {
      for (std::size_t i = 0; i < nodes_.size(); ++i)
        std::copy_n(nodes_[i].data() + all_[to].begin, all_[to].length(),
                    sent_.data() + i * all_[to].length());
      out = {sent_.data(), nodes_.size() * all_[to].length()};
    }
    ranks_->exchange(static_cast<int>(to), std::as_bytes(out), static_cast<int>(from),
                     std::as_writable_bytes(std::span(received_[from])));
  }
}

// The own segment of a node that a rank has; null: no rank has all its shards.
template <class T>
const T* ShardSum<T>::part_of(const ShardRange& node) const {
  const Rank& own = all_[static_cast<std::size_t>(rank_)];
  for (std::size_t rank = 0; rank < all_.size(); ++rank)
    for (std::size_t i = 0; i < all_[rank].nodes.size(); ++i)
      if (all_[rank].nodes[i] == node)
        return rank == static_cast<std::size_t>(rank_) ? nodes_[i].data() + own.begin
                                                       : received_[rank].data() + i * own.length();
  return nullptr;
}

template <class T>
void ShardSum<T>::sum_block(const ShardRange& node, std::size_t at, std::size_t count,
                            T* into) const {
  if (const T* const part = part_of(node)) {
    std::copy_n(part + at, count, into);
    return;
  }
  std::array<T, kSumBlock> right;
  sum_block({node.first, node.middle()}, at, count, into);
  sum_block({node.middle(), node.last}, at, count, right.data());
  add_to(count, right.data(), into);
}

template <class T>
void ShardSum<T>::spread_means() {
  const std::size_t count = all_.size();
  const auto self = static_cast<std::size_t>(rank_);
  const auto segment = [&](std::size_t rank) {
    return std::span(mean_).subspan(all_[rank].begin, all_[rank].length());
  };
  for (std::size_t round = 1; round < count; ++round) {
    const std::size_t to = (self + round) % count;
    const std::size_t from = (self + count - round) % count;
    ranks_->exchange(static_cast<int>(to), std::as_bytes(segment(self)), static_cast<int>(from),
                     std::as_writable_bytes(segment(from)));
  }
}

template class ShardSum<float>;
template class ShardSum<double>;

}  // namespace paretoformer::supernet
