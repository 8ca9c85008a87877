// The parts of the DMA that the fast engine is made of, against plain ones and by hand.
#include "accel_sim/engines/dma.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

TEST(TimeRing, RemembersTheLastOnes) {
  TimeRing ring(3);
  std::deque<std::int64_t> last(3, 0);
  Random random(1);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ring.oldest(), last.front());
    for (int pushes = 1; pushes <= 3; ++pushes)
      EXPECT_EQ(ring.back(pushes), last[static_cast<std::size_t>(3 - pushes)]);
    const auto time = static_cast<std::int64_t>(random.below(1000));
    ring.push(time);
    last.push_back(time);
    last.pop_front();
  }
}

Hardware dma_hardware() {
  Hardware hardware;
  hardware.array_size = 16;
  hardware.bus_bytes_per_cycle = 16;
  hardware.bus_latency_cycles = 4;
  hardware.l2_hit_cycles = 40;
  hardware.requests_in_flight = 16;
  hardware.write_latency_cycles = 30;
  return hardware;
}

constexpr std::int64_t kBytes = 1 << 16;

// A block of int8: 16 rows, each a line of its own.
Mvin block_of_rows() {
  Mvin mvin;
  mvin.stride = 64;
  mvin.rows = 16;
  mvin.row_bytes = 16;
  mvin.blocks = 1;
  return mvin;
}

// Of lines in L2: a request a cycle, 4 + 40 cycles to the first beat, a beat per row, and the
// pipeline of 7 behind it.
TEST(LoadUnit, AnMvinThatHitsIsAsWorkedByHand) {
  const Hardware hardware = dma_hardware();
  MemorySystem memory(hardware, kBytes);
  for (int row = 0; row < 16; ++row) memory.fetch(row, 0);
  memory.begin_call();
  L2Port l2;
  LoadUnit unit(hardware, memory, l2);
  const LoadUnit::Span first = unit.mvin(block_of_rows(), 100);
  EXPECT_EQ(first.begin, 100);
  EXPECT_EQ(first.end, 100 + 44 + 16 + 7);
  EXPECT_EQ(first.local_rows, 16);
  EXPECT_EQ(unit.beats(), 16);
  // All registers are in flight until the first beat comes back.
  EXPECT_GE(unit.mvin(block_of_rows(), 100).begin, first.begin + 16);
}

TEST(LoadUnit, LinesThatL2LacksTakeLonger) {
  const Hardware hardware = dma_hardware();
  MemorySystem memory(hardware, kBytes);
  L2Port l2;
  LoadUnit cold(hardware, memory, l2);
  const LoadUnit::Span missed = cold.mvin(block_of_rows(), 0);
  EXPECT_GE(missed.end, 4 + hardware.dram_latency_cycles + 16 * 64 / hardware.dram_bytes_per_cycle);
  EXPECT_EQ(memory.fetches(), 16);
  memory.begin_call();
  L2Port other_l2;
  LoadUnit warm(hardware, memory, other_l2);
  EXPECT_LT(warm.mvin(block_of_rows(), 0).end, missed.end);
}

// A row that begins in the middle of a line and ends in the next one takes two requests, each of
// them written into the same row of the local memory.
TEST(LoadUnit, RowsAcrossLinesAreWrittenTwice) {
  const Hardware hardware = dma_hardware();
  MemorySystem memory(hardware, kBytes);
  Mvin mvin = block_of_rows();
  mvin.address = 56;
  L2Port l2;
  LoadUnit unit(hardware, memory, l2);
  EXPECT_EQ(unit.mvin(mvin, 0).local_rows, 32);
  EXPECT_EQ(unit.beats(), 32);
  EXPECT_EQ(memory.fetches(), 17);
}

// Never more than the bus carries, one mvin after the other.
TEST(LoadUnit, IsNeverFasterThanTheBus) {
  Random random(3);
  for (int i = 0; i < 30; ++i) {
    Hardware hardware = dma_hardware();
    hardware.bus_bytes_per_cycle = random.chance(0.5) ? 8 : 32;
    MemorySystem memory(hardware, kBytes);
    L2Port l2;
    LoadUnit unit(hardware, memory, l2);
    std::int64_t end = 0, bytes = 0, begin = -1;
    for (int j = 0; j < 40; ++j) {
      Mvin mvin = block_of_rows();
      mvin.address = static_cast<std::int64_t>(random.below(1000));
      mvin.stride = 16 * static_cast<std::int64_t>(1 + random.below(20));
      const std::int64_t next = unit.next_begin();
      const LoadUnit::Span span = unit.mvin(mvin, 0);
      EXPECT_GE(span.begin, next);
      EXPECT_GT(span.begin, begin);
      EXPECT_GE(span.end, end);
      begin = span.begin;
      end = span.end;
      bytes += mvin.rows * mvin.row_bytes;
    }
    EXPECT_GE(end * hardware.bus_bytes_per_cycle, bytes);
    EXPECT_GE(unit.beats() * hardware.bus_bytes_per_cycle, bytes);
  }
}

// Rows of 16 results leave the accumulator in 26/16 cycles each, four of them in 6.5, and reach the
// writer 12 cycles later, the last one at 10 + 7 + 12; every write is acknowledged 30 cycles after
// its only beat. The scratchpad's leave in a cycle each, and pass a shorter pipeline.
TEST(StoreUnit, AnMvoutThatHitsIsAsWorkedByHand) {
  const Hardware hardware = dma_hardware();
  MemorySystem memory(hardware, kBytes);
  for (int row = 0; row < 4; ++row) memory.fetch(row, 0);
  memory.begin_call();
  L2Port l2;
  StoreUnit unit(hardware, memory, l2);
  Mvout mvout;
  mvout.stride = 64;
  mvout.rows = 4;
  mvout.row_bytes = 16;
  mvout.blocks = 1;
  mvout.source.memory = Memory::kAccumulator;
  const LoadUnit::Span span = unit.mvout(mvout, 10);
  EXPECT_EQ(span.begin, 10);
  EXPECT_EQ(span.end, 17);
  EXPECT_EQ(unit.beats(), 4);
  EXPECT_EQ(unit.written_bytes(), 64);
  EXPECT_EQ(unit.acknowledged(), (10 + 7 + 12) + 1 + 30);
  mvout.source.memory = Memory::kScratchpad;
  EXPECT_EQ(unit.mvout(mvout, 100).end, 104);
  EXPECT_EQ(unit.acknowledged(), (100 + 4 + 7) + 1 + 30);
}

// RTL of a public SoC: commands of 16 rows that L2 holds, from the first one to the end of the
// fence, 11 cycles of which are not the units' (stream_validation_test.cpp).
TEST(Dma, StreamsThatHitTakeAsLongAsInRtl) {
  struct Measured {
    int commands, row_bytes, cycles;
  };
  constexpr int kAroundTheUnit = 11;
  const Target target = find_target("gemmini_soc");
  const auto cycles = [&](const Measured& row, const auto& run) {
    MemorySystem memory(target, kBytes);
    for (int line = 0; line < kBytes / kLineBytes; ++line) memory.fetch(line, 0);
    memory.begin_call();
    L2Port l2;
    return run(memory, l2, row) + kAroundTheUnit;
  };
  const auto expect = [&](const char* what, const Measured& row, const auto& run) {
    EXPECT_NEAR(static_cast<double>(cycles(row, run)), row.cycles, std::max(0.04 * row.cycles, 3.0))
        << row.commands << " of " << row.row_bytes << " bytes, " << what;
  };
  const auto load = [&](MemorySystem& memory, L2Port& l2, const Measured& row) {
    LoadUnit unit(target, memory, l2);
    std::int64_t end = 0;
    for (int i = 0; i < row.commands; ++i) {
      Mvin mvin = block_of_rows();
      mvin.address = std::int64_t{i} * kLineBytes;
      mvin.stride = 1024;
      mvin.row_bytes = row.row_bytes;
      mvin.blocks = row.row_bytes / 16;
      end = unit.mvin(mvin, 0).end;
    }
    return end;
  };
  for (const Measured& row : {Measured{1, 16, 47}, Measured{4, 16, 98}, Measured{16, 16, 311},
                              Measured{16, 32, 547}, Measured{16, 64, 1059}})
    expect("in", row, load);
  const auto store_from = [&](Memory source) {
    return [&, source](MemorySystem& memory, L2Port& l2, const Measured& row) {
      StoreUnit unit(target, memory, l2);
      for (int i = 0; i < row.commands; ++i) {
        Mvout mvout;
        mvout.address = std::int64_t{i} * kLineBytes;
        mvout.stride = 1024;
        mvout.rows = 16;
        mvout.row_bytes = row.row_bytes;
        mvout.blocks = row.row_bytes / 16;
        mvout.source.memory = source;
        unit.mvout(mvout, 0);
      }
      return unit.acknowledged();
    };
  };
  for (const Measured& row : {Measured{1, 16, 61}, Measured{4, 16, 136}, Measured{16, 16, 449},
                              Measured{16, 32, 891}, Measured{16, 64, 1828}})
    expect("from the accumulator", row, store_from(Memory::kAccumulator));
  for (const Measured& row : {Measured{1, 16, 47}, Measured{8, 16, 159}, Measured{16, 16, 290}})
    expect("from the scratchpad", row, store_from(Memory::kScratchpad));
}

// A part of a line has to be fetched first, a whole one does not.
TEST(StoreUnit, WholeLinesAreNotFetched) {
  const Hardware hardware = dma_hardware();
  Mvout mvout;
  mvout.stride = 64;
  mvout.rows = 4;
  mvout.blocks = 4;
  for (const int bytes : {64, 60}) {
    MemorySystem memory(hardware, kBytes);
    L2Port l2;
    StoreUnit unit(hardware, memory, l2);
    mvout.row_bytes = bytes;
    unit.mvout(mvout, 0);
    EXPECT_EQ(memory.fetches(), bytes == 64 ? 0 : 4);
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
