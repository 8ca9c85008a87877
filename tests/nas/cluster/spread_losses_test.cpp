#include "nas/cluster/spread_losses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "support/error.hpp"
#include "tests/nas/cluster/known_losses.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

// Messages between threads.
class RankMail {
 public:
  void put(int from, int to, std::string bytes) {
    const std::scoped_lock lock(mutex_);
    boxes_[{from, to}].push_back(std::move(bytes));
    arrived_.notify_all();
  }
  std::string get(int from, int to) {
    std::unique_lock lock(mutex_);
    auto& box = boxes_[{from, to}];
    arrived_.wait(lock, [&] { return !box.empty(); });
    std::string bytes = std::move(box.front());
    box.pop_front();
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::pair<int, int>, std::deque<std::string>> boxes_;
};

class ThreadRank : public Communicator {
 public:
  ThreadRank(RankMail& mail, int rank, int size) : mail_(mail), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name_of(int rank) const override { return "rank " + std::to_string(rank); }
  void send(int to, std::string_view bytes) override { mail_.put(rank_, to, std::string(bytes)); }
  std::string receive(int from) override { return mail_.get(from, rank_); }

 private:
  RankMail& mail_;
  int rank_, size_;
};

constexpr LossPart kSpreadPart = LossPart::kRest;

// Runs `body` as rank 0 among `size` threads, the others of which `serve`.
template <class Serve, class Body>
void on_ranks(int size, const Serve& serve_one, const Body& body) {
  RankMail mail;
  std::vector<std::thread> threads;
  for (int rank = 1; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank self(mail, rank, size);
      serve_one(self);
    });
  ThreadRank first(mail, 0, size);
  body(first);
  dismiss(first);
  for (std::thread& thread : threads) thread.join();
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

TEST(Communicator, BroadcastAndGatherReachAllRanksDependOnThreads) {
  for (const int size : {1, 2, 3, 4, 5, 8, 13}) {
    RankMail mail;
    std::vector<std::string> got(static_cast<std::size_t>(size));
    std::vector<std::thread> threads;
    std::vector<std::string> all;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        ThreadRank self(mail, rank, size);
        got[static_cast<std::size_t>(rank)] = self.broadcast(rank == 0 ? "said" : "");
        std::vector<std::string> gathered = self.gather(std::to_string(rank));
        if (rank == 0) all = std::move(gathered);
      });
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(all.size(), static_cast<std::size_t>(size));
    for (int rank = 0; rank < size; ++rank) {
      EXPECT_EQ(got[static_cast<std::size_t>(rank)], "said");
      EXPECT_EQ(all[static_cast<std::size_t>(rank)], std::to_string(rank));
    }
  }
}

TEST(SpreadLosses, AreThoseOfOneRankDependOnThreads) {
  for (const int size : {1, 2, 3, 5}) {
    CountedSource others, own;
    on_ranks(
        size,
        [&](Communicator& self) {
          serve(self, [&](const std::string& setup, const std::string& weights) {
            EXPECT_EQ(setup + weights, "ab");
            return RankLosses{others.source(), kKnownIdentity};
          });
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
        serve(self, [&](const std::string&, const std::string&) {
          LossSource broken{1, 4, [&](auto networks, LossPart) {
                              if (self.rank() == 2) throw InputError("no such thing");
                              return true_sums(networks, kSpreadPart);
                            }};
          return RankLosses{broken, kKnownIdentity};
        });
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
          serve(self, [&](const std::string&, const std::string&) -> RankLosses {
            if (throws) throw Error("no text");
            CountedSource none;
            return {none.source(), {1, 3}};
          });
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
