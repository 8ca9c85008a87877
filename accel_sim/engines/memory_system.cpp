#include "accel_sim/engines/memory_system.hpp"

#include <bit>
#include <cmath>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

std::int64_t lines_of(std::int64_t bytes) { return bytes / kLineBytes + 1; }

}  // namespace

LineCache::LineCache(int kib, Replacement replacement, std::int64_t lines)
    : evicted_after_(static_cast<std::size_t>(lines), 0) {
  const double capacity = kib * 1024.0 / kLineBytes;
  for (std::size_t i = 0; i < lifetimes_.size(); ++i) {
    const double survivors =
        (static_cast<double>(i) + 0.5) / static_cast<double>(lifetimes_.size());
    const double fills =
        replacement == Replacement::kRandom ? -std::log(survivors) * capacity : capacity;
    lifetimes_[i] = static_cast<std::uint32_t>(std::lround(fills));
  }
}

MemorySystem::MemorySystem(const Hardware& hardware, std::int64_t bytes)
    : l2_(hardware.l2_kib, Replacement::kRandom, lines_of(bytes)),
      last_level_(hardware.last_level_kib, Replacement::kOldest,
                  hardware.last_level_kib > 0 ? lines_of(bytes) : 0),
      has_last_level_(hardware.last_level_kib > 0),
      miss_registers_(static_cast<std::size_t>(hardware.l2_misses_in_flight), 0),
      banks_(static_cast<std::size_t>(hardware.dram_banks)),
      line_ticks_(std::llround((kLineBytes << kTickBits) / hardware.dram_bytes_per_cycle)),
      page_miss_ticks_(std::int64_t{hardware.dram_page_miss_cycles} << kTickBits),
      latency_(hardware.dram_latency_cycles),
      page_shift_(std::countr_zero(static_cast<unsigned>(hardware.dram_page_bytes / kLineBytes))) {}

void MemorySystem::begin_call() {
  std::fill(miss_registers_.begin(), miss_registers_.end(), 0);
  for (Bank& bank : banks_) bank.open = 0;
  bus_free_ = 0;
  fetches_ = 0;
}

void MemorySystem::read_missing(std::int64_t line, std::int64_t time, BlockRead& read) {
  l2_.fill(line);
  ++read.misses;
  read.data = fetch(line, time).data;
}

int request_bytes(int offset, int useful, int beat_bytes) {
  int size = beat_bytes;
  while (offset / size != (offset + useful - 1) / size) size *= 2;
  return size;
}

}  // namespace paretoformer::accel_sim
