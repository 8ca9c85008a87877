#include "nas/cluster/spread_losses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <thread>

#include "nas/cluster/rank_work.hpp"
#include "support/error.hpp"
#include "tests/nas/cluster/known_losses.hpp"
#include "tests/support/thread_ranks.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

constexpr LossPart kSpreadPart = LossPart::kRest;

// Runs `body` as rank 0 among `size` threads, the others of which `serve`.
template <class Serve, class Body>
void on_ranks(int size, const Serve& serve_one, const Body& body) {
  on_thread_ranks(size, [&](Communicator& self) {
    if (self.rank() != 0) return serve_one(self);
    body(self);
    dismiss(self);
  });
}

class CountedSource {
 public:
  LossSource source() {
    return {1, 4, [this](std::span<const Architecture> networks, LossPart) {
              const std::scoped_lock lock(mutex_);
              count_ += networks.size();
              return true_sums(networks, kSpreadPart);
            }};
  }
  std::size_t count() const { return count_; }

 private:
  std::mutex mutex_;
  std::size_t count_ = 0;
};

TEST(SpreadLosses, AreThoseOfOneRankDependOnThreads) {
  for (const int size : {1, 2, 3, 5}) {
    CountedSource others, own;
    on_ranks(
        size,
        [&](Communicator& self) {
          serve(self, RankWork{[&](const std::string& setup, const std::string& weights) {
                  EXPECT_EQ(setup + weights, "ab");
                  return RankLosses{others.source(), kKnownIdentity};
                }});
        },
        [&](Communicator& self) {
          const LossSource source = spread(own.source(), self, kKnownIdentity, "a", "b");
          EXPECT_EQ(source.measurers(), static_cast<std::size_t>(size));
          for (const int count : {7, 1, 0, 3}) {
            const std::vector<Architecture> networks = some_networks(count);
            EXPECT_EQ(source.sums(networks, kSpreadPart), true_sums(networks, kSpreadPart));
          }
        });
    EXPECT_EQ(own.count() + others.count(), 11u);
    EXPECT_EQ(others.count() > 0, size > 1);
  }
}

TEST(SpreadLosses, WhatGoesWrongOnARankIsSaidWithItsNameDependOnThreads) {
  on_ranks(
      3,
      [](Communicator& self) {
        serve(self, RankWork{[&](const std::string&, const std::string&) {
                LossSource broken{1, 4, [&](auto networks, LossPart) {
                                    if (self.rank() == 2) throw InputError("no such thing");
                                    return true_sums(networks, kSpreadPart);
                                  }};
                return RankLosses{broken, kKnownIdentity};
              }});
      },
      [](Communicator& self) {
        CountedSource own;
        const LossSource source = spread(own.source(), self, kKnownIdentity, "", "");
        for (int again = 0; again < 2; ++again) {
          try {
            source.sums(some_networks(7), kSpreadPart);
            FAIL();
          } catch (const InputError& error) {
            EXPECT_STREQ(error.what(), "rank 2: no such thing");
          }
        }
        // It was not asked for anything.
        EXPECT_EQ(source.sums(some_networks(2), kSpreadPart),
                  true_sums(some_networks(2), kSpreadPart));
      });
}

TEST(SpreadLosses, ARankThatCannotPrepareOrRoundsOtherwiseIsNamedDependOnThreads) {
  for (const bool throws : {false, true})
    on_ranks(
        2,
        [&](Communicator& self) {
          serve(self, RankWork{[&](const std::string&, const std::string&) -> RankLosses {
                  if (throws) throw Error("no text");
                  CountedSource none;
                  return {none.source(), {1, 3}};
                }});
        },
        [&](Communicator& self) {
          CountedSource own;
          try {
            spread(own.source(), self, kKnownIdentity, "", "");
            FAIL();
          } catch (const Error& error) {
            EXPECT_THAT(error.what(),
                        HasSubstr(throws ? "rank 1: no text" : "rank 1: its losses differ"));
          }
        });
}

}  // namespace
}  // namespace paretoformer::nas
