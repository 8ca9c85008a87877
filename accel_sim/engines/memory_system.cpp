#include "accel_sim/engines/memory_system.hpp"

#include <bit>
#include <cmath>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

// A row of a block that begins at the last byte has 512 bytes at most.
std::int64_t lines_of(std::int64_t bytes) { return (bytes + 512) / kLineBytes + 1; }

int l2_lines(const Hardware& hardware) { return hardware.l2_kib * (1024 / kLineBytes); }

}  // namespace

L2Lines::L2Lines(const Hardware& hardware, std::int64_t lines, CacheState state)
    : ways_(static_cast<std::size_t>(hardware.l2_ways > 0 ? hardware.l2_ways : l2_lines(hardware))),
      sets_(std::max<std::size_t>(static_cast<std::size_t>(l2_lines(hardware)) / ways_, 1)),
      mask_(std::has_single_bit(sets_) ? static_cast<std::uint32_t>(sets_ - 1) : 0),
      none_(static_cast<std::uint32_t>(lines)),
      lines_(static_cast<std::size_t>(lines), kAbsent),
      owners_(sets_ * ways_, none_) {
  const std::uint32_t clean = none_ + 1, dirty = none_ + 2;
  lines_.insert(lines_.end(), {kAbsent, kClean, kDirty});
  if (state == CacheState::kEmpty) return;
  for (std::size_t way = 0; way < owners_.size(); ++way)
    owners_[way] = way % kOthersPerWritten == 0 ? dirty : clean;
}

LastLevelLines::LastLevelLines(int kib, std::int64_t lines)
    : evicted_after_(static_cast<std::size_t>(kib > 0 ? lines : 0), 0),
      capacity_(static_cast<std::uint32_t>(kib) * (1024 / kLineBytes)) {}

MemorySystem::MemorySystem(const Hardware& hardware, std::int64_t bytes, CacheState state)
    : l2_(hardware, lines_of(bytes), state),
      last_level_(hardware.last_level_kib, lines_of(bytes)),
      has_last_level_(hardware.last_level_kib > 0),
      has_sets_(hardware.l2_ways > 0),
      set_free_(l2_.sets(), 0),
      open_pages_(static_cast<std::size_t>(hardware.dram_banks)),
      line_ticks_(std::llround((kLineBytes << kTickBits) / hardware.dram_bytes_per_cycle)),
      page_miss_ticks_(std::int64_t{hardware.dram_page_miss_cycles} << kTickBits),
      // From the request to the first data: the latency is that to the end of a line of 8 beats.
      latency_ticks_(std::max<std::int64_t>(
          (std::int64_t{hardware.dram_latency_cycles} << kTickBits) - line_ticks_, 0)),
      write_back_cycles_(write_back_cycles(hardware.dram_bytes_per_cycle)),
      clean_cycles_(l2_release_cycles(false, hardware.l2_banks)),
      dirty_cycles_(l2_release_cycles(true, hardware.l2_banks)),
      refill_cycles_(l2_refill_cycles(hardware.dram_bytes_per_cycle, hardware.l2_banks)),
      page_shift_(std::countr_zero(static_cast<unsigned>(hardware.dram_page_bytes / kLineBytes))),
      last_row_(std::max<std::int64_t>(bytes - 1, 0)) {
  for (int i = 0; i < hardware.l2_banks; ++i)
    banks_.emplace_back(hardware.l2_misses_in_flight, hardware.l2_releases_in_flight);
}

void MemorySystem::begin_call() {
  for (Bank& bank : banks_) bank.begin_call();
  std::fill(set_free_.begin(), set_free_.end(), 0);
  for (Page& page : open_pages_) page.since = 0;
  bus_free_ = 0;
  fetches_ = 0;
}

MemorySystem::Bank::Bank(int misses_in_flight, int releases_in_flight)
    : most_releases(static_cast<std::uint64_t>(releases_in_flight)),
      registers(misses_in_flight),
      releases(most_releases + 1) {
  begin_call();
}

void MemorySystem::Bank::begin_call() {
  released = acknowledged = most_releases;  // so that those before them have numbers
  registers.clear();
  releases.clear();
  data.clear();
  begun = written_back = next_answer = 0;
  first_data = last_data = 0;
}

}  // namespace paretoformer::accel_sim
