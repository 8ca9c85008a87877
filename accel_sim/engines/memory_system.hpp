// What lies behind the DMA: an L2 cache, a last-level cache if there is one, and DRAM.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "accel_sim/engines/registers.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {

// What L2 holds when an operator begins.
enum class CacheState {
  kEmpty,  // nothing: a machine that was just reset
  kCold,   // lines of others only, every way taken, a third of them written: what other work leaves
  kWarm,   // what the same call left, run once before from kCold
};

// The lines that L2 holds. The way that a new line takes is any of its set's, empty ones not
// preferred, as in the inclusive cache (Directory.scala): it draws them from a shift register, here
// they are drawn from a congruential generator that moves on with every fill.
class L2Lines {
 public:
  // For lines below `lines`. `state` kEmpty: it holds nothing; otherwise lines of others only.
  L2Lines(const Hardware& hardware, std::int64_t lines, CacheState state);

  bool holds(std::int64_t line) const { return lines_[static_cast<std::size_t>(line)] != kAbsent; }
  // Brings in a line of that set, which it lacks; what had to leave for it.
  enum Line : std::uint8_t { kAbsent, kClean, kDirty };
  Line fill(std::int64_t line, std::size_t set) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's, of MMIX
    const std::size_t way = (random_ >> 32) * ways_ >> 32;
    const std::uint32_t before =
        std::exchange(owners_[set * ways_ + way], static_cast<std::uint32_t>(line));
    lines_[static_cast<std::size_t>(line)] = kClean;
    return before < none_ ? std::exchange(lines_[before], kAbsent) : lines_[before];
  }
  // A line that it holds is written.
  void write(std::int64_t line) { lines_[static_cast<std::size_t>(line)] = kDirty; }
  std::size_t sets() const { return sets_; }
  std::size_t set_of(std::int64_t line) const {
    const auto number = static_cast<std::uint32_t>(line);
    return mask_ > 0 ? number & mask_ : number % static_cast<std::uint32_t>(sets_);
  }

 private:
  std::size_t ways_, sets_;
  std::uint32_t mask_;                 // of a power of two of sets; 0: another number of them
  std::uint32_t none_;                 // as the line of an empty way
  std::vector<Line> lines_;            // and an empty way, a line of others, one that they wrote
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
// A line that has to leave is released first, and the register is free when both the data and the
// acknowledgement are there. That of a clean line comes over the channel of the data, after them:
// in a stream of reads it waits for a cycle without data. Few releases may be under way, so that
// the bus runs dry every few lines (seen cycle by cycle in RTL). Dirty lines are sent to DRAM, one
// after the other, which acknowledges them after its latency (CacheCork.scala).
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

  // A request for a line: when it is accepted (for a line that L2 lacks, when it gets a miss
  // register), when the line is ready, and how long its place keeps L2 busy, besides the request's
  // beats (timing.hpp).
  struct Access {
    std::int64_t accepted, ready;
    int l2_cycles = 0;
  };
  // A line that is written as a whole, at `time`, is not fetched (inclusive-cache MSHR.scala L284).
  Access write_whole(std::int64_t line, std::int64_t time) {
    Access access{time, time};
    if (!l2_.holds(line)) {
      const Place place = replace(line, time);
      hold(place, place.ready);
      access = {place.accepted, place.ready, kL2ReplacingCycles + place.releasing};
    }
    l2_.write(line);
    return access;
  }

  // A line of which a part is written at `time` is fetched first if L2 lacks it. A set has one miss
  // register at a time, so that other writes to it wait for that.
  Access write_part(std::int64_t line, std::int64_t time) {
    Access access{time, time};
    if (!l2_.holds(line))
      access = fetch(line, time);
    else if (has_sets_)
      access.ready = std::max(time, set_free_[l2_.set_of(line)]);
    l2_.write(line);
    return access;
  }

  // A line that L2 lacks; L2 holds it from then on.
  Access fetch(std::int64_t line, std::int64_t time) {
    const Place place = replace(line, time);
    const std::int64_t first =
        std::max(page_open(line, place.ready << kTickBits) + latency_ticks_, bus_free_);
    bus_free_ = first + line_ticks_;
    // Between beats that do not follow one another acknowledgements pass.
    if (line_ticks_ <= std::int64_t{kBeatsOfLine} << kTickBits)
      place.bank.schedule(first, bus_free_);
    ++fetches_;
    const std::int64_t data = bus_free_ >> kTickBits;
    hold(place, data);
    return {place.accepted, data, refill_cycles_ + place.releasing};
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
    std::int64_t sent = 0;
    std::int64_t answered = 0;  // when its slot is free; under way: at the earliest
    std::int64_t until = 0;     // how long its register is held in any case
    bool dirty = false;
  };
  struct Span {  // of the channel, in ticks
    std::int64_t begin = 0, end = 0;
  };
  // A bank of L2: its miss registers, releases and channel of responses are its own.
  struct Bank {
    Bank(int misses_in_flight, int releases_in_flight);
    void begin_call();
    // When the next release's slot is free if no more data comes: a clean line's is acknowledged in
    // the first cycle without. That is asked for as late as possible, when all data that may come
    // before it is known.
    std::int64_t next_acknowledgement() {
      Release& next = releases[acknowledged];
      std::int64_t cycle = std::max(next.answered, next_answer);
      if (next.dirty) return cycle;
      while (cycle << kTickBits >= data[first_data].begin) {
        cycle = std::max(cycle, (data[first_data].end + (1 << kTickBits) - 1) >> kTickBits);
        if (first_data == last_data) break;
        ++first_data;
      }
      next.answered = cycle;
      return cycle + 1;
    }
    void acknowledge(std::int64_t time) {
      Release& next = releases[acknowledged++];
      next.answered = next_answer = time;
      registers.give(std::max(next.until, time));
    }
    // When a miss that comes at `time` has the miss register that is free first.
    std::int64_t accept(std::int64_t time) {
      while (acknowledged < released) {
        if (!registers.none() && registers.first() <= std::max(time, next_answer)) break;
        const std::int64_t next = next_acknowledgement();
        if (!registers.none() && registers.first() <= next) break;
        acknowledge(next);
      }
      time = std::max(time, registers.first());
      registers.take();
      return time;
    }
    // A release for a miss that has its register since `time`, and what is said of it. It has a
    // slot until it is acknowledged, that of a dirty line until it is sent.
    Release& release(std::int64_t time, bool dirty, std::int64_t cycles, std::int64_t latency) {
      if (released - acknowledged == most_releases) acknowledge(next_acknowledgement());
      time = std::max({time, written_back, releases[released - most_releases].answered,
                       begun + kMissTurnCycles});
      begun = time;
      if (dirty)
        time = written_back =
            time + cycles + (data[last_data].end > time << kTickBits ? kAmongReadsCycles : 0);
      return releases[released++] = {time, time + (dirty ? 0 : kReleaseAnswerCycles),
                                     dirty ? time + latency : time, dirty};
    }
    void schedule(std::int64_t begin, std::int64_t end) {
      if (data[last_data].end != begin) {
        // In so many gaps all acknowledgements that are under way have come.
        while (last_data - first_data == kSpans && acknowledged < released)
          acknowledge(next_acknowledgement());
        if (last_data - first_data == kSpans) ++first_data;
        data[++last_data].begin = begin;
      }
      data[last_data].end = end;
    }

    std::uint64_t most_releases;  // at a time
    std::uint64_t released = 0, acknowledged = 0;
    Registers registers;
    Ring<Release> releases;
    std::int64_t begun = 0;         // the last release
    std::int64_t written_back = 0;  // the dirty lines so far
    std::int64_t next_answer = 0;   // from when on the next acknowledgement can come
    static constexpr std::uint64_t kSpans = 63;
    Ring<Span> data{kSpans + 1};  // those from `first_data` on may hold it up
    std::uint64_t first_data = 0, last_data = 0;
  };

  // A place for a line in L2: when its miss register got the line's turn and when it can ask for
  // it. When the register and the set are free again is for the caller to say.
  struct Place {
    Bank& bank;
    std::int64_t& set_free;
    Release* release;  // of the line that had it
    std::int64_t accepted, ready;
    int releasing = 0;  // so long L2 is busy with that
  };
  Place replace(std::int64_t line, std::int64_t time) {
    Bank& bank = banks_.size() == 1 ? banks_.front()
                                    : banks_[static_cast<std::size_t>(line) % banks_.size()];
    const std::size_t set = l2_.set_of(line);
    std::int64_t& set_free = set_free_[set];
    const std::int64_t accepted = bank.accept(has_sets_ ? std::max(time, set_free) : time);
    const L2Lines::Line left = l2_.fill(line, set);
    if (left == L2Lines::kAbsent || bank.most_releases == 0)
      return {bank, set_free, nullptr, accepted, accepted};
    const bool dirty = left == L2Lines::kDirty;
    Release& release =
        bank.release(accepted, dirty, write_back_cycles_, latency_ticks_ >> kTickBits);
    const int releasing = dirty ? dirty_cycles_ : clean_cycles_;
    return {bank, set_free, &release, accepted, release.sent, releasing};
  }
  // The register is held until then at least, and until the release is acknowledged.
  static void hold(const Place& place, std::int64_t until) {
    place.set_free = until;
    if (place.release != nullptr)
      place.release->until = std::max(place.release->until, until);
    else
      place.bank.registers.give(until);
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
  std::int64_t write_back_cycles_;
  int clean_cycles_, dirty_cycles_;  // of L2, to release a line
  int refill_cycles_;
  int page_shift_;
  std::int64_t last_row_;
  std::int64_t fetches_ = 0;
};

}  // namespace paretoformer::accel_sim
