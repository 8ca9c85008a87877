#include "accel_sim/engines/memory_system.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace paretoformer::accel_sim {
namespace {

TEST(LastLevelLines, GiveUpTheOldest) {
  LastLevelLines lines(1, 100);  // 16 lines
  for (int line = 0; line < 16; ++line) EXPECT_FALSE(lines.lookup(line));
  for (int line = 0; line < 16; ++line) EXPECT_TRUE(lines.lookup(line)) << line;
  EXPECT_FALSE(lines.lookup(16));
  EXPECT_FALSE(lines.lookup(0));
  EXPECT_TRUE(lines.lookup(15));
}

Hardware cache_of(int kib) {
  Hardware hardware;
  hardware.l2_kib = kib;
  hardware.l2_ways = 8;
  return hardware;
}

TEST(L2Lines, HoldWhatWasBroughtInAndNothingElse) {
  for (const CacheState state : {CacheState::kEmpty, CacheState::kCold}) {
    L2Lines lines(cache_of(512), 100, state);
    EXPECT_FALSE(lines.holds(7));
    // The first line of an empty cache takes nobody's place; that of a full one always does.
    EXPECT_EQ(lines.fill(7, lines.set_of(7)) != L2Lines::kAbsent, state == CacheState::kCold);
    EXPECT_TRUE(lines.holds(7));
    EXPECT_FALSE(lines.holds(8));
  }
}

// What leaves is dirty if it was written, and of the lines of others in a cold cache one of three:
// of 900 fills, 300 with three standard deviations of a binomial, 43.
TEST(L2Lines, KnowWhatWasWritten) {
  Hardware hardware = cache_of(512);
  hardware.l2_kib = 1;
  hardware.l2_ways = 1;  // 16 sets
  L2Lines lines(hardware, 100, CacheState::kEmpty);
  lines.fill(0, 0);
  EXPECT_EQ(lines.fill(16, 0), L2Lines::kClean);
  lines.write(16);
  EXPECT_EQ(lines.fill(32, 0), L2Lines::kDirty);
  EXPECT_EQ(lines.fill(16, 0), L2Lines::kClean);  // it was sent to DRAM

  L2Lines cold(cache_of(512), 900, CacheState::kCold);
  int dirty = 0;
  for (int line = 0; line < 900; ++line)
    dirty += cold.fill(line, cold.set_of(line)) == L2Lines::kDirty ? 1 : 0;
  EXPECT_NEAR(dirty, 300, 43);
}

// 64 KiB are 128 sets of 8 ways, of which a fill takes any: of a set, a line is still there after f
// more fills with probability (7/8)^f. Each of 8 x 128 lines, in their order, is followed by those
// with a higher number, a 128th of them in its set, and by 1/128 of the fills afterwards.
TEST(L2Lines, RandomWaysForgetBySets) {
  constexpr int kSets = 128;
  constexpr int kLines = 8 * kSets;
  for (const int fills : {256, 1024, 2048}) {
    L2Lines lines(cache_of(64), 4 * kLines, CacheState::kEmpty);
    for (int line = 0; line < kLines + fills; ++line) lines.fill(line, lines.set_of(line));
    double survivors = 0, expected = 0;
    for (int line = 0; line < kLines; ++line) {
      survivors += lines.holds(line) ? 1 : 0;
      expected += std::pow(7.0 / 8, 7 - line / kSets + fills / kSets);
    }
    // Three standard deviations of a binomial of 1024 are below 48.
    EXPECT_NEAR(survivors, expected, 48) << fills;
  }
}

// Lines that are as far apart as there are sets share one, which holds 8 of them at most, however
// much room there is elsewhere.
TEST(L2Lines, RowsAsFarApartAsThereAreSetsPushEachOtherOut) {
  L2Lines lines(cache_of(512), 1 << 20, CacheState::kEmpty);
  EXPECT_EQ(lines.sets(), 1024U);
  for (int row = 0; row < 64; ++row) lines.fill(row * 1024, lines.set_of(row * 1024));
  int held = 0;
  for (int row = 0; row < 64; ++row) held += lines.holds(row * 1024) ? 1 : 0;
  EXPECT_LE(held, 8);
  EXPECT_GE(held, 1);
}

// Without sets, rows keep out of each other's way wherever they lie: of 64 lines in 8192 places,
// one after the other, hardly any is pushed out.
TEST(L2Lines, WithoutSetsAnyLineGoesAnywhere) {
  Hardware hardware = cache_of(512);
  hardware.l2_ways = 0;
  L2Lines lines(hardware, 1 << 20, CacheState::kEmpty);
  EXPECT_EQ(lines.sets(), 1U);
  for (int row = 0; row < 64; ++row) lines.fill(row * 1024, lines.set_of(row * 1024));
  int held = 0;
  for (int row = 0; row < 64; ++row) held += lines.holds(row * 1024) ? 1 : 0;
  EXPECT_GE(held, 62);
}

Hardware two_dram_banks() {
  Hardware hardware;
  hardware.last_level_kib = 4096;
  hardware.l2_misses_in_flight = 2;
  hardware.dram_bytes_per_cycle = 8;
  hardware.dram_latency_cycles = 50;
  hardware.dram_page_miss_cycles = 20;
  hardware.dram_page_bytes = 1024;  // 16 lines
  hardware.dram_banks = 2;
  return hardware;
}

// A part of a line that L2 lacks waits for the rest of it, and so do the parts written next: a set
// has one miss register at a time.
TEST(MemorySystem, PartsOfALineWaitForTheRestOfIt) {
  MemorySystem memory(two_dram_banks(), 1 << 20);
  EXPECT_EQ(memory.write_part(0, 100).ready, 100 + 20 + 50);
  EXPECT_EQ(memory.write_part(0, 102).ready, 170);
  EXPECT_EQ(memory.write_part(0, 200).ready, 200);
  EXPECT_EQ(memory.fetches(), 1);
}

// Rows past the end are read at the last line.
TEST(MemorySystem, RowsBehindAllMatricesAreReadAtTheEnd) {
  const MemorySystem memory(two_dram_banks(), 1 << 20);
  EXPECT_EQ(memory.inside(4711), 4711);
  EXPECT_EQ(memory.inside((1 << 20) + 4711), (1 << 20) - 1);
}

TEST(MemorySystem, MissesByHand) {
  MemorySystem memory(two_dram_banks(), 1 << 20);
  // The page is opened in 20 cycles, the data comes 50 later; the bus is taken for 64 / 8 cycles.
  EXPECT_EQ(memory.fetch(0, 100).ready, 100 + 20 + 50);
  // The same page: behind the first line on the bus (from 120 to 128).
  EXPECT_EQ(memory.fetch(1, 100).ready, 128 + 50);
  // Two miss registers: this one waits for the first, until 170. Then the bus is free.
  const MemorySystem::Access third = memory.fetch(2, 100);
  EXPECT_EQ(third.accepted, 170);
  EXPECT_EQ(third.ready, 170 + 50);
  // Another page, in the other bank.
  EXPECT_EQ(memory.fetch(16, 300).ready, 300 + 20 + 50);
  // A third page, in the first bank again.
  EXPECT_EQ(memory.fetch(32, 400).ready, 400 + 20 + 50);
  EXPECT_EQ(memory.fetches(), 5);
}

// An L2 whose lines all were read or, with `dirty`, written by others.
MemorySystem full_l2(const Hardware& hardware, bool dirty) {
  constexpr std::int64_t kOwn = 1 << 10;  // lines
  const std::int64_t others = 16 * hardware.l2_kib * (1024 / kLineBytes);
  MemorySystem memory(hardware, (kOwn + others) * kLineBytes);
  for (std::int64_t line = kOwn; line < kOwn + others; ++line) {
    if (dirty)
      memory.write_whole(line, 0);
    else
      memory.fetch(line, 0);
  }
  memory.begin_call();
  return memory;
}

// A full L2 with a slot for one release. The first line's victim is released at 100; its data takes
// the channel from 142 to 150. The acknowledgement comes after 5 cycles, at 105, when nothing else
// is on the channel, and frees the slot at 106 for the second line: its data could begin at 148,
// but the channel is free at 150 only.
TEST(MemorySystem, VictimsAreReleasedFirst) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  hardware.l2_releases_in_flight = 1;
  MemorySystem memory = full_l2(hardware, false);
  EXPECT_EQ(memory.fetch(0, 100).ready, 150);
  EXPECT_EQ(memory.fetch(1, 100).ready, 158);
}

// Without that limit they are released 3 cycles after one another, but the bus is slower: the
// second line's data follow the first one's.
TEST(MemorySystem, MissesTakeTurnsToRelease) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  MemorySystem memory = full_l2(hardware, false);
  EXPECT_EQ(memory.fetch(0, 100).ready, 150);
  EXPECT_EQ(memory.fetch(1, 100).ready, 158);
  hardware.dram_bytes_per_cycle = 32;  // 2 cycles a line, the first one at 100 + 48
  MemorySystem wide = full_l2(hardware, false);
  EXPECT_EQ(wide.fetch(0, 100).ready, 150);
  EXPECT_EQ(wide.fetch(1, 100).ready, 103 + 50);
}

// Dirty ones are sent one after the other: 8 beats and 2 cycles, and 2 more for the second, as
// there is data to come. They are sent by 110 and 122, and then data begin after 42 cycles, at 152
// and 164.
TEST(MemorySystem, DirtyVictimsAreSentOneAfterTheOther) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  MemorySystem memory = full_l2(hardware, true);
  EXPECT_EQ(memory.fetch(0, 100).ready, 152 + 8);
  EXPECT_EQ(memory.fetch(1, 100).ready, 164 + 8);
}

// DRAM acknowledges what was sent by 110 after 42 cycles, as long as a read waits for its first
// data: the only register is free at 152 for the next line, which is sent by 162.
TEST(MemorySystem, DirtyVictimsHoldTheRegisterUntilDramAnswers) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  hardware.l2_misses_in_flight = 1;
  MemorySystem memory = full_l2(hardware, true);
  EXPECT_EQ(memory.write_whole(0, 100).ready, 110);
  const MemorySystem::Access second = memory.write_whole(1, 100);
  EXPECT_EQ(second.accepted, 152);
  EXPECT_EQ(second.ready, 162);
}

// Of two registers one is held until 50, the other one, for a line that is not fetched, is free at
// once: the third request takes that.
TEST(MemorySystem, AnyRegisterThatIsFreeIsTaken) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  MemorySystem memory(hardware, 1 << 20);
  EXPECT_EQ(memory.fetch(0, 0).ready, 50);
  EXPECT_EQ(memory.write_whole(1, 1).accepted, 1);
  EXPECT_EQ(memory.fetch(2, 2).accepted, 2);
  EXPECT_EQ(memory.fetch(3, 3).accepted, 50);
}

// L2 takes a cycle to release a clean line, three for a dirty one, or half of that, rounded down,
// with two banks; besides two for a line that is fetched, or one that is written as a whole.
TEST(MemorySystem, ReleasesTakeL2Time) {
  Hardware hardware = two_dram_banks();
  EXPECT_EQ(full_l2(hardware, false).fetch(0, 0).l2_cycles, 2 + 1);
  EXPECT_EQ(full_l2(hardware, true).fetch(0, 0).l2_cycles, 2 + 3);
  EXPECT_EQ(full_l2(hardware, true).write_part(0, 0).l2_cycles, 2 + 3);
  EXPECT_EQ(MemorySystem(hardware, 1 << 20).fetch(0, 0).l2_cycles, 2);
  hardware.l2_banks = 2;
  EXPECT_EQ(full_l2(hardware, true).write_whole(0, 0).l2_cycles, 1 + 1);
  hardware.l2_releases_in_flight = 0;
  EXPECT_EQ(full_l2(hardware, true).fetch(0, 0).l2_cycles, 1);
}

// A line that is written as a whole takes the place of another one if L2 lacks it and is full.
TEST(MemorySystem, WholeLinesThatAreWrittenTakeThePlaceOfOthers) {
  for (const CacheState state : {CacheState::kCold, CacheState::kEmpty}) {
    MemorySystem memory(Hardware(), 1 << 20, state);
    EXPECT_EQ(memory.write_whole(0, 100).l2_cycles > 1, state == CacheState::kCold);
    EXPECT_EQ(memory.write_whole(0, 104).l2_cycles, 0);
    EXPECT_EQ(memory.fetches(), 0);
  }
}

// The acknowledgement of the second line's release could come at 143, 5 cycles after 138, but then
// the channel brings the first line, from 142 to 150: the slot is free at 151, and the third line,
// which needs it, is asked for then.
TEST(MemorySystem, AcknowledgementsWaitForACycleWithoutData) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  hardware.l2_releases_in_flight = 1;
  hardware.l2_misses_in_flight = 4;
  MemorySystem memory = full_l2(hardware, false);
  EXPECT_EQ(memory.fetch(0, 100).ready, 150);
  EXPECT_EQ(memory.fetch(1, 138).ready, 138 + 50);
  EXPECT_EQ(memory.fetch(2, 139).ready, 151 + 50);
}

// Lines of one set wait for each other's miss register: each takes the whole latency, and as one
// may push the other out, nothing is released here.
TEST(MemorySystem, ASetHasOneMissRegister) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  hardware.l2_releases_in_flight = 0;
  hardware.l2_misses_in_flight = 10;
  MemorySystem memory(hardware, 1 << 24);
  for (int row = 0; row < 3; ++row) EXPECT_EQ(memory.fetch(row * 1024, 0).ready, (row + 1) * 50);
}

// Two banks have registers of their own and share the bus: lines alternate, and the third is
// accepted when the first bank's register is free.
TEST(MemorySystem, BanksHaveRegistersOfTheirOwn) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  hardware.l2_misses_in_flight = 1;
  hardware.l2_banks = 2;
  MemorySystem memory(hardware, 1 << 20);
  EXPECT_EQ(memory.fetch(0, 0).ready, 50);
  EXPECT_EQ(memory.fetch(1, 0).ready, 58);
  EXPECT_EQ(memory.fetch(2, 0).accepted, 50);
}

TEST(MemorySystem, LinesOfTheLastLevelNeedNoPage) {
  MemorySystem memory(two_dram_banks(), 1 << 20);
  memory.fetch(0, 0);
  memory.fetch(32, 1000);  // closes the page of line 0
  EXPECT_EQ(memory.fetch(0, 2000).ready, 2000 + 50);
}

TEST(MemorySystem, BandwidthsThatDoNotDivideALine) {
  Hardware hardware = two_dram_banks();
  hardware.dram_page_miss_cycles = 0;
  hardware.dram_bytes_per_cycle = 6;  // 10 2/3 cycles a line
  hardware.l2_misses_in_flight = 1000;
  MemorySystem memory(hardware, 1 << 20);
  std::int64_t data = 0;
  for (int line = 0; line < 301; ++line) data = memory.fetch(line, 0).ready;
  EXPECT_EQ(data, 3200 + 50);  // behind 300 lines
}

}  // namespace
}  // namespace paretoformer::accel_sim
