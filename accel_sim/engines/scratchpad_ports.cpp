#include "accel_sim/engines/scratchpad_ports.hpp"

#include <algorithm>

namespace paretoformer::accel_sim {
namespace {

constexpr int kShareBits = 16;
static_assert(ScratchpadPorts::kAlways == ScratchpadPorts::Time{1} << kShareBits);

// How fast a reader gets on that needs a bank in a share of its cycles, when others take it in
// another share: the cycles that need it take so much longer, one after the other. A bank taken in
// every cycle stops it, however seldom it is needed.
ScratchpadPorts::Time progress(ScratchpadPorts::Time needed, ScratchpadPorts::Time taken) {
  constexpr ScratchpadPorts::Time kAll = ScratchpadPorts::kAlways;
  const ScratchpadPorts::Time left = std::max<ScratchpadPorts::Time>(kAll - taken, 0);
  return left * kAll / (((kAll - needed) * left >> kShareBits) + needed);
}

}  // namespace

ScratchpadPorts::ScratchpadPorts(const Hardware& hardware)
    : size_(hardware.array_size),
      latency_(hardware.bus_latency_cycles + hardware.l2_hit_cycles),
      bank_blocks_(hardware.scratchpad_bank_blocks()) {}

template <typename Add>
void ScratchpadPorts::for_banks(int first, int blocks, const Add& add) const {
  const int end = first + blocks;
  while (first < end) {
    const int in_bank = std::min((bank(first) + 1) * bank_blocks_, end) - first;
    add(static_cast<std::size_t>(bank(first)), in_bank);
    first += in_bank;
  }
}

ScratchpadPorts::Readers ScratchpadPorts::readers(const Tile& tile,
                                                  const TileLayout& layout) const {
  Readers readers;
  const int blocks = layout.rows * layout.inner;
  const Time fed = (Time{tile.rows} << kShareBits) / (layout.rows * size_);
  for_banks(layout.left, blocks, [&](std::size_t bank, int in_bank) {
    readers.left_shares[bank] = fed * in_bank / blocks;
  });
  return readers;
}

ScratchpadPorts::Readers ScratchpadPorts::reader_of(int block) const {
  Readers reader;
  reader.left_shares[static_cast<std::size_t>(bank(block))] = kAlways;
  return reader;
}

void ScratchpadPorts::begin_computes(const TileLayout& layout, Time now, Time worked) {
  computes_[0] = computes_[1];
  Computes& computes = computes_[1];
  computes = {};
  computes.begin = now;
  computes.worked = -worked;
  const auto add = [&](int first, int blocks, Time cycles_each) {
    for_banks(first, blocks, [&](std::size_t bank, int in_bank) {
      computes.reads_of_bank[bank] += in_bank * cycles_each;
    });
  };
  add(layout.left, layout.rows * layout.inner, Time{layout.columns} * size_);
  add(layout.right, layout.inner * layout.columns, size_);
}

void ScratchpadPorts::end_computes(Time now, Time worked) {
  computes_[1].end = now;
  computes_[1].worked += worked;
}

void ScratchpadPorts::begin_tile() {
  writes_.clear();
  next_write_ = next_write_of_stores_ = 0;
}

void ScratchpadPorts::write(const Mvin& mvin, const LoadUnit::Span& span) {
  const int into = bank(mvin.target.index);
  const Time first_data = span.begin + latency_;
  const Time begin = writes_.empty() ? first_data : std::max(first_data, writes_.back().end);
  const Time length = std::max(span.end - begin, span.local_rows);
  writes_.push_back({span.end - length, span.end, (span.local_rows << kShareBits) / length, into});
}

ScratchpadPorts::Time ScratchpadPorts::read(const Readers& readers, Time now, Time work,
                                            std::size_t& cursor) const {
  for (; cursor < writes_.size(); ++cursor) {
    const Write& write = writes_[cursor];
    if (write.end <= now) continue;
    if (write.begin >= now + work) break;
    const Time right = write.bank == readers.right_bank ? readers.right_share : 0;
    const Time reads =
        std::min(readers.left_shares[static_cast<std::size_t>(write.bank)] + right, kAlways);
    if (reads == 0) {
      if (write.end >= now + work) break;
      continue;
    }
    const Time idle = std::max<Time>(write.begin - now, 0);
    const Time free = progress(reads, write.share);
    const Time possible = idle + ((write.end - now - idle) * free >> kShareBits);
    if (possible >= work && free > 0) return now + idle + (((work - idle) << kShareBits) / free);
    work -= possible;
    now = write.end;
  }
  return now + work;
}

ScratchpadPorts::Time ScratchpadPorts::delay_of_computes() {
  if (writes_.empty()) return 0;
  Time delay = 0;
  for (Computes& computes : computes_) {
    computes.begin += delay;
    computes.end += delay;
    const Time begin = std::max(computes.begin, writes_.front().begin);
    if (begin >= computes.end) continue;
    Readers readers;
    for (std::size_t bank = 0; bank < readers.left_shares.size(); ++bank)
      readers.left_shares[bank] =
          std::min((computes.reads_of_bank[bank] << kShareBits) / computes.worked, kAlways);
    std::size_t cursor = 0;
    const Time waited = computes.end - computes.begin - computes.worked;
    const Time end = read(readers, begin, computes.end - begin, cursor);
    // Loads into blocks that are still to be read wait for them, so that little more is lost than
    // every other cycle that is left.
    const Time lost = std::clamp<Time>(end - computes.end - waited, 0, (computes.end - begin) / 2);
    computes.end += lost;
    delay += lost;
  }
  return delay;
}

}  // namespace paretoformer::accel_sim
