#include "accel_sim/engines/memory_system.hpp"

#include <bit>
#include <cmath>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

// From a release to the request that follows it, and to its acknowledgement, when the channel is
// free (inclusive-cache MSHR.scala; cycle by cycle in RTL).
constexpr std::int64_t kReleaseCycles = 3;
constexpr std::int64_t kReleaseAnswerCycles = 5;

std::int64_t lines_of(std::int64_t bytes) { return bytes / kLineBytes + 1; }

}  // namespace

L2Lines::L2Lines(const Hardware& hardware, std::int64_t lines, CacheState state)
    : ways_(static_cast<std::size_t>(hardware.l2_ways)),
      sets_(static_cast<std::size_t>(
          std::max(hardware.l2_kib * 1024 / kLineBytes / hardware.l2_ways, 1))),
      mask_(std::has_single_bit(sets_) ? static_cast<std::uint32_t>(sets_ - 1) : 0),
      none_(static_cast<std::uint32_t>(lines)),
      held_(static_cast<std::size_t>(lines) + 2, 0),
      owners_(sets_ * ways_, state == CacheState::kEmpty ? none_ : none_ + 1) {}

LastLevelLines::LastLevelLines(int kib, std::int64_t lines)
    : evicted_after_(static_cast<std::size_t>(kib > 0 ? lines : 0), 0),
      capacity_(static_cast<std::uint32_t>(kib) * (1024 / kLineBytes)) {}

MemorySystem::MemorySystem(const Hardware& hardware, std::int64_t bytes, CacheState state)
    : l2_(hardware, lines_of(bytes), state),
      last_level_(hardware.last_level_kib, lines_of(bytes)),
      has_last_level_(hardware.last_level_kib > 0),
      banks_(static_cast<std::size_t>(hardware.l2_banks)),
      set_free_(l2_.sets(), 0),
      open_pages_(static_cast<std::size_t>(hardware.dram_banks)),
      line_ticks_(std::llround((kLineBytes << kTickBits) / hardware.dram_bytes_per_cycle)),
      page_miss_ticks_(std::int64_t{hardware.dram_page_miss_cycles} << kTickBits),
      // From the request to the first data: the latency is that to the end of a line of 8 beats.
      latency_ticks_(std::max<std::int64_t>(
          (std::int64_t{hardware.dram_latency_cycles} << kTickBits) - line_ticks_, 0)),
      page_shift_(std::countr_zero(static_cast<unsigned>(hardware.dram_page_bytes / kLineBytes))) {
  for (Bank& bank : banks_) {
    bank.registers.resize(static_cast<std::size_t>(hardware.l2_misses_in_flight));
    bank.releases.resize(static_cast<std::size_t>(hardware.l2_releases_in_flight));
    bank.data.resize(bank.registers.size() + 2);
  }
}

void MemorySystem::begin_call() {
  for (Bank& bank : banks_) {
    std::fill(bank.registers.begin(), bank.registers.end(), 0);
    std::fill(bank.releases.begin(), bank.releases.end(), Release{});
    bank.releases_under_way = 0;
    bank.acknowledged = 0;
    bank.first_data = bank.last_data = 0;
    bank.data[0] = {0, 0};
  }
  std::fill(set_free_.begin(), set_free_.end(), 0);
  for (Page& page : open_pages_) page.since = 0;
  bus_free_ = 0;
  fetches_ = 0;
}

// The next one comes in the first cycle without data. That is asked for as late as possible, when
// all data that may come before it is known.
void MemorySystem::Bank::acknowledge_next() {
  Release& first = releases[first_release];
  std::int64_t cycle = std::max(first.answered, acknowledged);
  while (cycle << kTickBits >= data[first_data].begin) {
    cycle = std::max(cycle, (data[first_data].end + (1 << kTickBits) - 1) >> kTickBits);
    if (first_data == last_data) break;
    if (++first_data == data.size()) first_data = 0;
  }
  first.answered = acknowledged = cycle + 1;
  std::int64_t& miss_register = registers[first.miss_register];
  miss_register = std::max(miss_register, acknowledged);
  if (++first_release == releases.size()) first_release = 0;
  --releases_under_way;
}

// A release by the next register, which holds it then; when the line can be asked for.
std::int64_t MemorySystem::Bank::release(std::int64_t time) {
  if (releases_under_way == releases.size()) acknowledge_next();
  std::size_t place = first_release + releases_under_way++;
  if (place >= releases.size()) place -= releases.size();
  time = std::max(time, releases[place].answered);
  releases[place] = {time + kReleaseAnswerCycles, next_register};
  return time + kReleaseCycles;
}

void MemorySystem::Bank::schedule(const Span& line) {
  if (data[last_data].end == line.begin) {
    data[last_data].end = line.end;
    return;
  }
  if (++last_data == data.size()) last_data = 0;
  if (last_data == first_data && ++first_data == data.size()) first_data = 0;
  data[last_data] = line;
}

MemorySystem::Fetch MemorySystem::fetch(std::int64_t line, std::int64_t time) {
  const Place place = replace(line, time);
  const std::int64_t first =
      std::max(page_open(line, place.ready << kTickBits) + latency_ticks_, bus_free_);
  bus_free_ = first + line_ticks_;
  place.bank.schedule({first, bus_free_});
  ++fetches_;
  const std::int64_t data = bus_free_ >> kTickBits;
  *place.register_free = *place.set_free = data;
  return {place.accepted, data};
}

int request_bytes(int offset, int useful, int beat_bytes) {
  int size = beat_bytes;
  while (offset / size != (offset + useful - 1) / size) size *= 2;
  return size;
}

}  // namespace paretoformer::accel_sim
