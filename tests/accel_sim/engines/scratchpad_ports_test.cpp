// Who waits for whom at the banks of the scratchpad, by hand.
#include "accel_sim/engines/scratchpad_ports.hpp"

#include <gtest/gtest.h>

#include "accel_sim/lowering/program.hpp"

namespace paretoformer::accel_sim {
namespace {

using Time = ScratchpadPorts::Time;

// 64 KiB are 256 blocks of 16 x 16, 64 in each of 4 banks. Rows arrive 44 cycles after their mvin
// began.
Target four_banks() {
  Target hardware;
  hardware.array_size = 16;
  hardware.scratchpad_kib = 64;
  hardware.scratchpad_banks = 4;
  hardware.bus_latency_cycles = 4;
  hardware.l2_hit_cycles = 40;
  return hardware;
}
constexpr Time kFirstData = 44;

// `rows` rows come into a block's bank within `cycles`.
void write(ScratchpadPorts& ports, int block, Time cycles, int rows) {
  Mvin mvin;
  mvin.target = {Memory::kScratchpad, block};
  ports.write(mvin, {0, kFirstData + cycles, rows});
}

TEST(ScratchpadPorts, BanksAreQuartersOfTheBlocks) {
  const ScratchpadPorts ports(four_banks());
  for (const auto& [block, bank] : {std::pair{0, 0}, {63, 0}, {64, 1}, {191, 2}, {255, 3}})
    EXPECT_EQ(ports.bank(block), bank) << block;
}

TEST(ScratchpadPorts, WhatNobodyWritesIsReadAtOnce) {
  ScratchpadPorts ports(four_banks());
  EXPECT_EQ(ports.read(ports.reader_of(0), 30, 20), 50);
  write(ports, 100, 100, 100);  // another bank
  EXPECT_EQ(ports.read(ports.reader_of(0), 30, 20), 50);
}

// The bank is written in every cycle from 44 to 144: of 20 cycles of reading from 34 on, ten come
// before that and ten after it.
TEST(ScratchpadPorts, ABankThatIsWrittenInEveryCycleStopsItsReader) {
  ScratchpadPorts ports(four_banks());
  write(ports, 0, 100, 100);
  EXPECT_EQ(ports.read(ports.reader_of(5), kFirstData - 10, 20), 144 + 10);
}

// Written in every other cycle, it is read in the others.
TEST(ScratchpadPorts, ABankThatIsWrittenInEveryOtherCycleHalvesTheSpeed) {
  ScratchpadPorts ports(four_banks());
  write(ports, 0, 100, 50);
  EXPECT_EQ(ports.read(ports.reader_of(5), kFirstData, 20), kFirstData + 40);
  // Stores pass the same rows with a place in the list of their own.
  EXPECT_EQ(ports.read_for_store(ports.reader_of(5), kFirstData, 20), kFirstData + 40);
  ports.begin_tile();  // forgets them
  EXPECT_EQ(ports.read(ports.reader_of(5), kFirstData, 20), kFirstData + 20);
}

// A matmul of 32 x 32 x 32 has 2 x 2 blocks of either operand; each of the left ones is fed with
// every other block of the right ones.
TEST(ScratchpadPorts, ATileReadsItsLeftOperandAlwaysAndWeightsOncePerStrip) {
  const Target hardware = four_banks();
  const ScratchpadPorts ports(hardware);
  const Program program = lower(matmul(32, 32, 32), hardware);
  const Tile& tile = program.tiles.front();
  const TileLayout layout(tile, hardware);
  const ScratchpadPorts::Readers readers = ports.readers(tile, layout);
  Time left = 0;
  for (const Time share : readers.left_shares) left += share;
  EXPECT_EQ(left, ScratchpadPorts::kAlways);
  EXPECT_EQ(readers.left_shares[static_cast<std::size_t>(ports.bank(layout.left))],
            ScratchpadPorts::kAlways);
}

// Computes that read the bank of the left operand in every cycle, timed before rows came into it in
// every cycle for the 28 cycles from 44 to 72: they end 28 later.
TEST(ScratchpadPorts, RowsThatComeInLaterDelayComputesThatWereTimed) {
  const Target hardware = four_banks();
  const Program program = lower(matmul(32, 32, 32), hardware);
  const TileLayout layout(program.tiles.front(), hardware);
  for (const bool same_bank : {true, false}) {
    ScratchpadPorts ports(hardware);
    // 4 blocks of left for 2 columns of blocks each, 16 rows a block.
    constexpr Time kWork = 4 * 2 * 16;
    ports.begin_computes(layout, 0, 0);
    ports.end_computes(kWork, kWork);
    EXPECT_EQ(ports.delay_of_computes(), 0);
    const int other = (ports.bank(layout.left) + 2) % 4 * 64;
    ASSERT_NE(ports.bank(layout.right), ports.bank(layout.left));
    write(ports, same_bank ? layout.left : other == layout.right ? 64 : other, 28, 28);
    const Time delay = ports.delay_of_computes();
    if (same_bank)
      EXPECT_EQ(delay, 28);
    else
      EXPECT_LT(delay, 28);
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
