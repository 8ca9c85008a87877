// L2 as the DMA's reader and writer share it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {

// Both engines ask this one model: L2 handles a request after the other as they come (timing.hpp),
// of however many banks (RTL: of two banks residual adds take what they take of one). Where reads
// and writes wait, they come in turns.
class L2Port {
 public:
  // When it begins with a request that comes at `time` and takes it so long. The fast engine may
  // tell of writes earlier than of reads that come before them: these go first, and hold up what
  // comes after all of them.
  std::int64_t read(std::int64_t time, int cycles) {
    const std::int64_t before = last_write_ <= time ? free_ : free_before(time);
    if (time > before) reads_between_ = 0;
    reads_between_ = std::min(reads_between_ + 1, kMostReadsBetween);
    const std::int64_t begin = std::max({before, time, read_until_});
    read_until_ = begin + cycles;
    free_ = before < free_ ? free_ + cycles : read_until_;
    return begin;
  }
  // When a read that comes at `time` and misses is looked up: requests come in by one channel, and
  // those that wait for a miss register hold up what is behind them, so that a write's beats delay
  // all misses that follow. (In RTL misses cost more among writes than in a stream of reads.)
  std::int64_t enter(std::int64_t time) const {
    return last_write_ <= time ? std::max(time, write_until_) : time;
  }
  std::int64_t write(std::int64_t time, int cycles) {
    if (time > free_) reads_between_ = 0;
    writes_[written_++ % kWrites] = {time, free_};
    last_write_ = time;
    const std::int64_t begin = std::max(free_, time);
    write_until_ = begin + cycles;
    free_ = begin + cycles + (reads_between_ > 0 ? kL2TurnCycles : 0);
    reads_between_ = std::max(reads_between_ - 1, 0);
    return begin;
  }

 private:
  // Reads that stand between the writes that come after them: as many as are in flight, about.
  static constexpr int kMostReadsBetween = 16;
  struct Write {
    std::int64_t time = 0, before = 0;  // when L2 was free without it
  };
  static constexpr std::size_t kWrites = 256;  // that reads may overtake
  // When L2 was free without the writes that come after `time`.
  std::int64_t free_before(std::int64_t time) const {
    std::int64_t before = free_;
    for (std::size_t back = 1; back <= kWrites; ++back) {
      const Write& later = writes_[(written_ - back) % kWrites];
      if (later.time <= time) break;
      before = later.before;
    }
    return before;
  }

  std::array<Write, kWrites> writes_{};
  std::size_t written_ = kWrites;
  std::int64_t free_ = 0, read_until_ = 0, last_write_ = 0, write_until_ = 0;
  int reads_between_ = 0;
};

}  // namespace paretoformer::accel_sim
