// What lies behind the DMA: an L2 cache, a last-level cache if there is one, and DRAM.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {

// What L2 holds when an operator begins.
enum class CacheState {
  kEmpty,  // nothing: a machine that was just reset
  kCold,   // lines of others only, every way taken: what a run of other work leaves
  kWarm,   // what the same call left, run once before from kCold
};

// The lines that L2 holds. The way that a new line takes is any of its set's, empty ones not
// preferred, as in the inclusive cache (Directory.scala): it draws them from a shift register, here
// they are drawn from a congruential generator that moves on with every fill.
class L2Lines {
 public:
  // For lines below `lines`. `state` kEmpty: it holds nothing; otherwise lines of others only.
  L2Lines(const Hardware& hardware, std::int64_t lines, CacheState state);

  bool holds(std::int64_t line) const { return held_[static_cast<std::size_t>(line)] != 0; }
  // Brings in a line of that set, which it lacks; whether another one had to leave.
  bool fill(std::int64_t line, std::size_t set) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's, of MMIX
    const std::size_t way = (random_ >> 32) * ways_ >> 32;
    const std::uint32_t before =
        std::exchange(owners_[set * ways_ + way], static_cast<std::uint32_t>(line));
    held_[before] = 0;
    held_[static_cast<std::size_t>(line)] = 1;
    return before != none_;
  }
  std::size_t sets() const { return sets_; }
  std::size_t set_of(std::int64_t line) const {
    const auto number = static_cast<std::uint32_t>(line);
    return mask_ > 0 ? number & mask_ : number % static_cast<std::uint32_t>(sets_);
  }

 private:
  std::size_t ways_, sets_;
  std::uint32_t mask_;                 // of a power of two of sets; 0: another number of them
  std::uint32_t none_;                 // as the line of an empty way
  std::vector<std::uint8_t> held_;     // by line, with a place for what is none of them
  std::vector<std::uint32_t> owners_;  // by set and way
  std::uint64_t random_ = 1;
};

// The last-level cache: any line anywhere, the one filled first leaves.
class LastLevelLines {
 public:
  // Without capacity it must not be asked.
  LastLevelLines(int kib, std::int64_t lines);

  // Whether it holds the line; brings it in when it does not.
  bool lookup(std::int64_t line) {
    std::uint32_t& until = evicted_after_[static_cast<std::size_t>(line)];
    if (until > fills_) return true;
    until = ++fills_ + capacity_;  // 32 bits of them are 256 GiB of traffic
    return false;
  }

 private:
  std::vector<std::uint32_t> evicted_after_;  // by line, in fills; 0: never filled
  std::uint32_t fills_ = 1, capacity_;
};

// Both engines ask this one model, request by request, in the order in which L2 sees them. A line
// that L2 lacks takes one of its miss registers and crosses the outer bus; one that the last-level
// cache lacks as well waits for its DRAM page to be opened if another one was open in the bank.
//
// A line that has to leave is released first, clean or dirty, and the register is free when both
// the data and the acknowledgement are there. Acknowledgements come over the channel of the data,
// after them: in a stream of reads they wait for a cycle without data. Few releases may be under
// way, so that the bus runs dry every few lines (seen cycle by cycle in RTL).
class MemorySystem {
 public:
  // For addresses below `bytes`, none of which is in the caches at first.
  MemorySystem(const Hardware& hardware, std::int64_t bytes, CacheState state = CacheState::kEmpty);

  // Begins another call of the library at time 0: nothing is under way any more, but the caches
  // and the open pages are as the call before left them.
  void begin_call();

  // Where a row is read that begins there: unrollers read rows that a matrix does not have, and
  // what lies behind all matrices is not modelled.
  std::int64_t inside(std::int64_t address) const { return std::min(address, last_row_); }
  bool in_l2(std::int64_t line) const { return l2_.holds(line); }
  // A line that is written as a whole, at `time`, is not fetched (inclusive-cache MSHR.scala L284).
  // Whether another one has to leave L2 for it.
  bool write_whole(std::int64_t line, std::int64_t time) {
    if (l2_.holds(line)) return false;
    const Place place = replace(line, time);
    place.register_free = place.set_free = place.ready;
    return place.ready > place.accepted;
  }

  // A line of which a part is written at `time` is fetched first if L2 lacks it; when it is there.
  // A set has one miss register at a time, so that other writes to it wait for that.
  std::int64_t write_part(std::int64_t line, std::int64_t time) {
    if (!l2_.holds(line)) return fetch(line, time).data;
    return has_sets_ ? std::max(time, set_free_[l2_.set_of(line)]) : time;
  }

  // When a line that L2 lacks, asked for at `time`, gets a miss register, and when its data is
  // back; L2 holds it from then on.
  struct Fetch {
    std::int64_t accepted;
    std::int64_t data;
  };
  Fetch fetch(std::int64_t line, std::int64_t time) {
    const Place place = replace(line, time);
    const std::int64_t first =
        std::max(page_open(line, place.ready << kTickBits) + latency_ticks_, bus_free_);
    bus_free_ = first + line_ticks_;
    // Between beats that do not follow one another acknowledgements pass.
    if (line_ticks_ <= std::int64_t{kBeatsOfLine} << kTickBits)
      place.bank.schedule(first, bus_free_);
    ++fetches_;
    const std::int64_t data = bus_free_ >> kTickBits;
    place.register_free = place.set_free = data;
    return {place.accepted, data};
  }

  std::int64_t fetches() const { return fetches_; }  // of the call

 private:
  bool in_last_level(std::int64_t line) { return has_last_level_ && last_level_.lookup(line); }

  // When the line can be read, in ticks.
  std::int64_t page_open(std::int64_t line, std::int64_t time) {
    if (page_miss_ticks_ == 0 || in_last_level(line)) return time;
    const std::int64_t page = line >> page_shift_;
    Page& open = open_pages_[static_cast<std::size_t>(page) & (open_pages_.size() - 1)];
    if (open.page != page) {
      open.page = page;
      open.since = std::max(open.since, time) + page_miss_ticks_;
    }
    return std::max(open.since, time);
  }

  // Ticks are 1/256 cycle, for bandwidths that do not divide a line.
  static constexpr int kTickBits = 8;

  struct Page {  // of a bank of the DRAM
    std::int64_t page = -1;
    std::int64_t since = 0;
  };
  // A ring of the last things that happened, by their number; of as many as asked for, at least.
  template <typename T>
  class Ring {
   public:
    explicit Ring(std::size_t size) : mask_(std::bit_ceil(size) - 1), items_(mask_ + 1) {}
    T& operator[](std::uint64_t number) { return items_[number & mask_]; }
    void clear() { std::fill(items_.begin(), items_.end(), T{}); }

   private:
    std::uint64_t mask_;
    std::vector<T> items_;
  };

  struct Release {
    std::int64_t answered = 0;  // under way: when that can be at the earliest; else when it was
    std::uint64_t miss = 0;     // whose miss register it holds
  };
  struct Span {  // of the channel, in ticks
    std::int64_t begin = 0, end = 0;
  };
  // A bank of L2: its miss registers, releases and channel of responses are its own. Registers are
  // used in turn.
  struct Bank {
    Bank(int misses_in_flight, int releases_in_flight);
    void begin_call();
    void acknowledge_next();
    // A release for the miss that takes its register at `time`; when the line can be asked for.
    std::int64_t release(std::int64_t time) {
      if (released - acknowledged == most_releases) acknowledge_next();
      time = std::max(time, releases[released - most_releases].answered);
      releases[released++] = {time + kReleaseAnswerCycles, misses};
      return time + kReleaseCycles;
    }
    void schedule(std::int64_t begin, std::int64_t end) {
      if (data[last_data].end != begin) data[++last_data].begin = begin;
      data[last_data].end = end;
    }

    std::uint64_t most_misses, most_releases;  // at a time
    std::uint64_t misses, released, acknowledged;
    Ring<std::int64_t> registers;  // by miss: when its register is free again
    Ring<Release> releases;
    std::int64_t next_answer = 0;  // from when on the next acknowledgement can come
    Ring<Span> data;               // those from `first_data` on may hold it up
    std::uint64_t first_data = 0, last_data = 0;
  };
  // From a release to its acknowledgement, when the channel is free (inclusive-cache MSHR.scala;
  // cycle by cycle in RTL).
  static constexpr std::int64_t kReleaseAnswerCycles = 5;

  // A place for a line in L2: when its miss register got the line's turn and when it can ask for
  // it; when the register and the set are free again is for the caller to say.
  struct Place {
    Bank& bank;
    std::int64_t& register_free;
    std::int64_t& set_free;
    std::int64_t accepted, ready;
  };
  Place replace(std::int64_t line, std::int64_t time) {
    Bank& bank = banks_.size() == 1 ? banks_.front()
                                    : banks_[static_cast<std::size_t>(line) % banks_.size()];
    const std::size_t set = l2_.set_of(line);
    // The next register may still wait for an acknowledgement.
    const std::uint64_t before = bank.misses - bank.most_misses;
    if (bank.acknowledged < bank.released && bank.releases[bank.acknowledged].miss == before)
      bank.acknowledge_next();
    std::int64_t& set_free = set_free_[set];
    const std::int64_t accepted =
        std::max({time, bank.registers[before], has_sets_ ? set_free : 0});
    const bool releases = l2_.fill(line, set) && bank.most_releases > 0;
    const std::int64_t ready = releases ? bank.release(accepted) : accepted;
    return {bank, bank.registers[bank.misses++], set_free, accepted, ready};
  }

  L2Lines l2_;
  LastLevelLines last_level_;
  bool has_last_level_;
  std::vector<Bank> banks_;
  bool has_sets_;
  std::vector<std::int64_t> set_free_;  // a set has one miss register at a time
  std::vector<Page> open_pages_;
  std::int64_t bus_free_ = 0;
  std::int64_t line_ticks_, page_miss_ticks_, latency_ticks_;
  int page_shift_;
  std::int64_t last_row_;
  std::int64_t fetches_ = 0;
};

// The size of the DMA's request for `useful` bytes from an offset in their line: the smallest
// aligned power of two, from a beat of the bus to a line, that covers them (DMA.scala L174-205; the
// writer follows the same rule). Since a larger request never covers more than the rest of the
// line, a row takes one request per line that it touches.
inline int request_bytes(int offset, int useful, int beat_bytes) {
  // The first and the last byte lie in one block of this size.
  const auto differ = static_cast<unsigned>(offset ^ (offset + useful - 1));
  return std::max(beat_bytes, 1 << std::bit_width(differ));
}

}  // namespace paretoformer::accel_sim
