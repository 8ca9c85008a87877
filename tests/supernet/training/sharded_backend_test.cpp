#include "supernet/training/sharded_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "search_spaces/search_space.hpp"
#include "supernet/training/trainer.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/support/thread_ranks.hpp"

namespace paretoformer::supernet {
namespace {

using ::testing::HasSubstr;

constexpr int kShardedVocabulary = 41;
const std::string kCall = "train";

SearchSpace space() {
  const Json json = parse_json(R"({"head_width": 8, "vocabulary": 41, "depth": [1, 2],
                                   "model_width": [8, 16], "heads": [1, 2],
                                   "ffn_width": [16, 24]})",
                               "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

TrainingConfig config(int shards) {
  TrainingConfig config;
  config.steps = 20;
  config.batch = 2;
  config.accumulation = 3;
  config.context = 12;
  config.device = Device::cpu;
  config.shards = shards;
  config.dropout = 0.1;
  return config;
}

std::vector<std::int32_t> some_text() {
  std::vector<std::int32_t> text;
  for (int i = 0; i < 4000; ++i) text.push_back((i * i / 3 + i) % kShardedVocabulary);
  return text;
}

template <class T>
struct Result {
  TrainingState<T> state;
  std::vector<double> losses;
  std::vector<T> gradient;  // of the last step
};

template <class T>
Result<T> train(const TrainingConfig& config, Communicator* ranks, int steps = 4,
                bool reordered = false) {
  const ParameterLayout layout(space(), config.context);
  TrainingState<T> state;
  state.parameters = initial_parameters<T>(layout, 1);
  TrainingRanks others{ranks, kCall};
  Trainer<T> trainer(layout, config, std::move(state), Arithmetic::fp32, others);
  const std::vector<std::int32_t> text = some_text();
  std::vector<std::int32_t> tokens, targets;
  Result<T> result;
  for (int step = 0; step < steps; ++step) {
    const std::vector<Architecture> networks = sandwich(space(), 2, 3, step);
    const int sequences = config.sequences_per_step(networks.size());
    draw_batch(text, sequences, config.context, 3, step, tokens, targets);
    const std::span<const double> losses =
        trainer.compute_gradients({tokens.data(), targets.data(), sequences, config.context,
                                   Dropout::of_step(config.dropout, 3, step)},
                                  networks);
    result.losses.assign(losses.begin(), losses.end());
    if (step + 1 == steps) result.gradient = trainer.gradient();
    trainer.apply_gradients();
    if (reordered && step == 1)
      trainer.reorder([](std::vector<T>& values) { std::reverse(values.begin(), values.end()); });
  }
  result.state = trainer.state();
  return result;
}

// The others, as serve() calls them.
void serve(Communicator& self, const TrainingConfig& config) {
  ASSERT_EQ(self.broadcast(""), kCall);
  serve_training(self, [&]() -> TrainingSetup {
    return {ParameterLayout(space(), config.context), config};
  });
}

TEST(ShardedBackend, HasTheGradientOfTheWholeBatch) {
  for (const double distillation : {0.0, 0.5}) {
    TrainingConfig whole = config(1);
    whole.distillation = distillation;
    whole.dropout = 0.3;
    const Result<double> expected = train<double>(whole, nullptr, 1);
    double largest = 0;
    for (const double g : expected.gradient) largest = std::max(largest, std::abs(g));
    for (const int shards : {2, 3, 6}) {
      TrainingConfig cut = whole;
      cut.shards = shards;
      const Result<double> found = train<double>(cut, nullptr, 1);
      for (std::size_t i = 0; i < expected.losses.size(); ++i)
        EXPECT_NEAR(found.losses[i], expected.losses[i], 1e-12 * expected.losses[i]);
      for (std::size_t i = 0; i < expected.gradient.size(); ++i)
        ASSERT_NEAR(found.gradient[i], expected.gradient[i], 1e-12 * largest) << i;
    }
  }
}

TEST(ShardedBackend, AnyNumberOfRanksGivesTheSameBitsDependOnThreads) {
  for (const int shards : {2, 6}) {
    const Result<float> alone = train<float>(config(shards), nullptr, 4, true);
    EXPECT_NE(alone.state.parameters, train<float>(config(1), nullptr, 4, true).state.parameters);
    for (const int ranks : {1, 2, 3, 5, 7}) {
      SCOPED_TRACE(std::to_string(shards) + " shards, " + std::to_string(ranks) + " ranks");
      on_thread_ranks(ranks, [&](Communicator& self) {
        if (self.rank() > 0) return serve(self, config(shards));
        const Result<float> together = train<float>(config(shards), &self, 4, true);
        EXPECT_EQ(together.losses, alone.losses);
        EXPECT_EQ(together.gradient, alone.gradient);
        EXPECT_EQ(together.state.parameters, alone.state.parameters);
        EXPECT_EQ(together.state.m, alone.state.m);
        EXPECT_EQ(together.state.v, alone.state.v);
      });
    }
  }
}

TEST(ShardedBackend, WhatARankCannotDoIsSaidWithItsNameDependOnThreads) {
  on_thread_ranks(3, [&](Communicator& self) {
    if (self.rank() == 0) {
      try {
        train<float>(config(2), &self);
        FAIL();
      } catch (const InputError& error) {
        EXPECT_STREQ(error.what(), "rank 2: no such device");
      }
    } else if (self.rank() == 1) {
      serve(self, config(2));
    } else {
      ASSERT_EQ(self.broadcast(""), kCall);
      serve_training(self, []() -> TrainingSetup { throw InputError("no such device"); });
    }
  });
}

// Another number of tokens stands for another processor: the gradient of the first text differs.
TEST(ShardedBackend, ARankWithOtherBitsIsRefusedDependOnThreads) {
  on_thread_ranks(2, [&](Communicator& self) {
    if (self.rank() == 1) {
      TrainingConfig other = config(2);
      other.context = 11;
      ASSERT_EQ(self.broadcast(""), kCall);
      return serve_training(self, [&]() -> TrainingSetup {
        return {ParameterLayout(space(), config(2).context), other};
      });
    }
    try {
      train<float>(config(2), &self);
      FAIL();
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("rank 1: its gradients differ from those of rank 0"));
    }
  });
}

// A memory that flips a bit, say: no checkpoint is written then.
TEST(ShardedBackend, ARankWithOtherWeightsIsFoundBeforeTheyAreSavedDependOnThreads) {
  on_thread_ranks(2, [&](Communicator& self) {
    if (self.rank() == 1) {
      // Its answers, with another hash of its weights in the end.
      class Flipped : public Communicator {
       public:
        explicit Flipped(Communicator& inner) : inner_(inner) {}
        int rank() const override { return inner_.rank(); }
        int size() const override { return inner_.size(); }
        std::string name_of(int rank) const override { return inner_.name_of(rank); }
        void send(int to, std::string_view bytes) override {
          std::string sent(bytes);
          if (hashed_) sent.back() ^= 1;
          inner_.send(to, sent);
        }
        std::string receive(int from) override {
          std::string said = inner_.receive(from);
          hashed_ = said == "h";
          return said;
        }
        void exchange(int to, std::span<const std::byte> out, int from,
                      std::span<std::byte> in) override {
          inner_.exchange(to, out, from, in);
        }

       private:
        Communicator& inner_;
        bool hashed_ = false;
      } flipped(self);
      return serve(flipped, config(2));
    }
    try {
      train<float>(config(2), &self);
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("rank 1: its weights are no longer those of rank 0"));
    }
  });
}

}  // namespace
}  // namespace paretoformer::supernet
