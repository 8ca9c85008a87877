// Ranks that are threads of a test.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/communicator.hpp"

namespace paretoformer {

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
  void exchange(int to, std::span<const std::byte> out, int from,
                std::span<std::byte> in) override {
    send(to, {reinterpret_cast<const char*>(out.data()), out.size()});
    const std::string bytes = receive(from);
    ASSERT_EQ(bytes.size(), in.size());
    if (!bytes.empty()) std::memcpy(in.data(), bytes.data(), bytes.size());
  }

 private:
  RankMail& mail_;
  int rank_, size_;
};

// Runs `body` on `size` ranks.
template <class Body>
void on_thread_ranks(int size, const Body& body) {
  RankMail mail;
  std::vector<std::thread> threads;
  for (int rank = 1; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank self(mail, rank, size);
      body(self);
    });
  ThreadRank first(mail, 0, size);
  body(first);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace paretoformer
