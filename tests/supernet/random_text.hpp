// Random texts to run networks on.
#pragma once

#include <cstdint>
#include <vector>

#include "supernet/model/network.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {

// Positions: attention of more than one block of queries, or tile.
inline constexpr int kLongContext = 70;

// Sequences: two row tasks.
inline constexpr int kTwoTasks = 9;

inline std::vector<std::int32_t> random_tokens(std::uint64_t seed, int count, int vocabulary) {
  Random random(seed);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back(
        static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocabulary))));
  return tokens;
}

// Whose targets are the next tokens.
struct RandomText {
  RandomText(std::uint64_t seed, int sequences, int length, int vocabulary)
      : tokens(random_tokens(seed, sequences * length + 1, vocabulary)),
        targets(tokens.begin() + 1, tokens.end()) {
    tokens.pop_back();
    batch = {tokens.data(), targets.data(), sequences, length};
  }

  std::vector<std::int32_t> tokens, targets;
  Batch batch;
};

// Whose targets a network can learn from the tokens.
struct LearnableText {
  LearnableText(std::uint64_t seed, int sequences_, int length_, int vocabulary)
      : sequences(sequences_),
        length(length_),
        tokens(random_tokens(seed, sequences * length, vocabulary)),
        targets(tokens) {
    for (std::int32_t& target : targets) target = (target * 3 + 1) % vocabulary;
  }
  // `step`, `seed`: of dropout.
  Batch batch(double dropout = 0, std::int64_t step = 0, std::uint64_t seed = 7) const {
    return {tokens.data(), targets.data(), sequences, length,
            Dropout::of_step(dropout, seed, step)};
  }

  int sequences, length;
  std::vector<std::int32_t> tokens, targets;
};

}  // namespace paretoformer::supernet
