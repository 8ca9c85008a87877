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
  // tell of writes earlier than of reads that come before them: reads wait for the writes that came
  // before, and hold up those that come after.
  std::int64_t read(std::int64_t time, int cycles) {
    while (read_writes_ < written_ && writes_[read_writes_ % kWrites].time <= time) take_write();
    const std::int64_t begin = until_reads_.read(time, cycles);
    if (read_writes_ == written_)
      until_writes_ = until_reads_;
    else
      until_writes_.free += cycles;
    return begin;
  }
  // When a read that comes at `time` and misses is looked up: requests come in by one channel, and
  // those that wait for a miss register hold up what is behind them, so that a write's beats delay
  // all misses that follow. (In RTL misses cost more among writes than in a stream of reads.)
  std::int64_t enter(std::int64_t time) const {
    return last_write_ <= time ? std::max(time, write_until_) : time;
  }
  std::int64_t write(std::int64_t time, int cycles) {
    if (written_ - read_writes_ == kWrites) take_write();
    writes_[written_++ % kWrites] = {time, cycles};
    last_write_ = time;
    const std::int64_t begin = until_writes_.write(time, cycles);
    write_until_ = begin + cycles;
    return begin;
  }

 private:
  // Reads that stand between the writes that come after them: as many as are in flight, about.
  static constexpr int kMostReadsBetween = 16;
  // When L2 is free, after some of the requests.
  struct Clock {
    std::int64_t free = 0;
    int reads_between = 0;

    std::int64_t begin(std::int64_t time) {
      if (time > free) reads_between = 0;
      return std::max(free, time);
    }
    std::int64_t read(std::int64_t time, int cycles) {
      const std::int64_t begins = begin(time);
      reads_between = std::min(reads_between + 1, kMostReadsBetween);
      free = begins + cycles;
      return begins;
    }
    std::int64_t write(std::int64_t time, int cycles) {
      const std::int64_t begins = begin(time);
      free = begins + cycles + (reads_between > 0 ? kL2TurnCycles : 0);
      reads_between = std::max(reads_between - 1, 0);
      return begins;
    }
  };
  struct Write {
    std::int64_t time = 0;
    int cycles = 0;
  };
  static constexpr std::size_t kWrites = 256;  // that reads may overtake

  void take_write() {
    const Write& write = writes_[read_writes_++ % kWrites];
    until_reads_.write(write.time, write.cycles);
  }

  std::array<Write, kWrites> writes_{};
  std::size_t written_ = 0, read_writes_ = 0;  // all writes, and those that came before a read
  Clock until_reads_, until_writes_;           // after these, and after all
  std::int64_t last_write_ = 0, write_until_ = 0;
};

}  // namespace paretoformer::accel_sim
