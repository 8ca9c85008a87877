// What lies behind the DMA: an L2 cache, a last-level cache if there is one, and DRAM.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "accel_sim/hardware/hardware.hpp"

namespace paretoformer::accel_sim {

// What L2 holds when an operator begins.
enum class CacheState {
  kEmpty,  // nothing: a machine that was just reset
  kCold,   // lines of others only, every way taken: what a run of other work leaves
  kWarm,   // what the same call left, run once before from kCold
};

// Which line a cache gives up for a new one.
enum class Replacement {
  // Any, empty places not preferred, as rocket-chip's inclusive cache does (Directory.scala): a
  // line stays for an exponentially distributed number of fills.
  kRandom,
  kOldest,  // the one filled first
};

// A cache as the number of fills that a line stays for, determined when it is filled; random ones
// from its number and the fills so far, so that every run is the same. Sets are not modelled: the
// lines of a matrix spread over all.
class LineCache {
 public:
  // For lines below `lines`, none of which is in it at first. A capacity of 0 holds nothing.
  LineCache(int kib, Replacement replacement, std::int64_t lines);

  // Whether it holds the line; brings it in when it does not.
  bool lookup(std::int64_t line) {
    if (holds(line)) return true;
    fill(line);
    return false;
  }

  bool holds(std::int64_t line) const {
    return evicted_after_[static_cast<std::size_t>(line)] > fills_;
  }

  void fill(std::int64_t line) {
    ++fills_;  // 32 bits of them are 256 GiB of traffic
    const std::uint64_t x =
        (static_cast<std::uint64_t>(line) * 0x9E3779B97F4A7C15u + fills_) * 0xBF58476D1CE4E5B9u;
    evicted_after_[static_cast<std::size_t>(line)] = fills_ + lifetimes_[x >> (64 - kQuantileBits)];
  }

 private:
  static constexpr int kQuantileBits = 8;
  std::vector<std::uint32_t> evicted_after_;  // by line, in fills; 0: never filled
  std::uint32_t fills_ = 1;
  std::array<std::uint32_t, 1 << kQuantileBits> lifetimes_;  // quantiles of how long a line stays
};

// Both engines ask this one model, request by request, in the order in which L2 sees them. A line
// that L2 lacks takes one of its miss registers and crosses the outer bus; one that the last-level
// cache lacks as well waits for its DRAM page to be opened if another one was open in the bank.
class MemorySystem {
 public:
  // For addresses below `bytes`; the caches are empty of them at first.
  MemorySystem(const Hardware& hardware, std::int64_t bytes);

  // Begins another call of the library at time 0: nothing is under way any more, but the caches
  // and the open pages are as the call before left them.
  void begin_call();

  bool in_l2(std::int64_t line) { return l2_.lookup(line); }

  // Reads `rows` x `lines` lines, from `first` on, rows `stride` lines apart, a request per cycle
  // from `time` on: how many L2 lacked, and when the last of them is back.
  struct BlockRead {
    std::int64_t misses = 0;
    std::int64_t data = 0;
  };
  void read_block(std::int64_t first, std::int64_t stride, int rows, int lines, std::int64_t time,
                  BlockRead& read) {
    for (int row = 0; row < rows; ++row, first += stride)
      for (int i = 0; i < lines; ++i) {
        if (l2_.holds(first + i)) continue;
        read_missing(first + i, time + row * lines + i, read);
      }
  }

  // When a line that L2 lacks, asked for at `time`, gets a miss register, and when its data is
  // back.
  struct Fetch {
    std::int64_t accepted;
    std::int64_t data;
  };
  Fetch fetch(std::int64_t line, std::int64_t time) {
    std::int64_t& miss_register = miss_registers_[next_register_];
    if (++next_register_ == miss_registers_.size()) next_register_ = 0;
    const std::int64_t accepted = std::max(time, miss_register);
    const std::int64_t start = std::max(page_open(line, accepted << kTickBits), bus_free_);
    bus_free_ = start + line_ticks_;
    ++fetches_;
    miss_register = (start >> kTickBits) + latency_;
    return {accepted, miss_register};
  }

  // The same for a line that is written in part: it needs no miss register, and a DRAM page only
  // when no read wants it open (FR-FCFS). It takes its share of the bus, also when that was idle
  // shortly before: the fast engine asks for an mvin or mvout at a time.
  std::int64_t fetch_for_write(std::int64_t line, std::int64_t time) {
    std::int64_t open = time << kTickBits;
    if (!in_last_level(line) && bank_of(line).page != line >> page_shift_) open += page_miss_ticks_;
    open = std::max(open, bus_free_);
    bus_free_ = std::max(bus_free_, (time - kWriteSlack) * (1 << kTickBits)) + line_ticks_;
    ++fetches_;
    return (open >> kTickBits) + latency_;
  }

  std::int64_t fetches() const { return fetches_; }  // of the call

 private:
  // Out of line, so that the loop over hits stays tight.
  void read_missing(std::int64_t line, std::int64_t time, BlockRead& read);

  bool in_last_level(std::int64_t line) { return has_last_level_ && last_level_.lookup(line); }

  // When the line can be read, in ticks.
  std::int64_t page_open(std::int64_t line, std::int64_t time) {
    if (in_last_level(line)) return time;
    const std::int64_t page = line >> page_shift_;
    Bank& bank = bank_of(line);
    if (bank.page != page) {
      bank.page = page;
      bank.open = std::max(bank.open, time) + page_miss_ticks_;
    }
    return std::max(bank.open, time);
  }

  // Ticks are 1/256 cycle, for bandwidths that do not divide a line.
  static constexpr int kTickBits = 8;

  // How far back the bus may be found idle, in cycles: about an mvout, which the fast engine times
  // as a whole. Chosen so that the engines agree.
  static constexpr std::int64_t kWriteSlack = 256;

  struct Bank {
    std::int64_t page = -1;
    std::int64_t open = 0;
  };
  Bank& bank_of(std::int64_t line) {
    return banks_[static_cast<std::size_t>(line >> page_shift_) & (banks_.size() - 1)];
  }

  LineCache l2_, last_level_;
  bool has_last_level_;
  std::vector<std::int64_t> miss_registers_;  // when each is free, in order of use
  std::size_t next_register_ = 0;
  std::vector<Bank> banks_;
  std::int64_t bus_free_ = 0;
  std::int64_t line_ticks_, page_miss_ticks_, latency_;
  int page_shift_;
  std::int64_t fetches_ = 0;
};

// The size of the DMA's request for `useful` bytes from an offset in their line: the smallest
// aligned power of two, from a beat of the bus to a line, that covers them (DMA.scala L174-205; the
// writer follows the same rule). Since a larger request never covers more than the rest of the
// line, a row takes one request per line that it touches.
int request_bytes(int offset, int useful, int beat_bytes);

}  // namespace paretoformer::accel_sim
