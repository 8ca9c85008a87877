#include "accel_sim/engines/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace paretoformer::accel_sim {
namespace {

TEST(RequestBytes, AreTheSmallestAlignedPowersOfTwo) {
  EXPECT_EQ(request_bytes(0, 64, 16), 64);
  EXPECT_EQ(request_bytes(0, 16, 16), 16);
  EXPECT_EQ(request_bytes(8, 16, 16), 32);   // bytes 8 to 23 cross a beat
  EXPECT_EQ(request_bytes(24, 16, 16), 64);  // 24 to 39 cross the middle of the line
  EXPECT_EQ(request_bytes(32, 32, 16), 32);
  EXPECT_EQ(request_bytes(60, 4, 16), 16);
  EXPECT_EQ(request_bytes(15, 2, 16), 32);
  EXPECT_EQ(request_bytes(31, 2, 16), 64);
  EXPECT_EQ(request_bytes(63, 1, 64), 64);
}

// The greedy rule of the RTL, spelled out: at every step, of 16, 32 and 64 bytes the smallest
// aligned window that covers most of what is left.
TEST(RequestBytes, FollowTheGreedyRuleOfTheStreamReader) {
  for (int start = 0; start < 64; ++start)
    for (int bytes = 1; bytes <= 128; ++bytes) {
      int address = start, left = bytes;
      while (left > 0) {
        int best_size = 0, best_useful = 0;
        for (int size : {16, 32, 64}) {
          const int useful = std::min(size - address % size, left);
          if (useful > best_useful) best_useful = useful, best_size = size;
        }
        EXPECT_EQ(best_useful, std::min(64 - address % 64, left));
        EXPECT_EQ(best_size, request_bytes(address % 64, best_useful, 16));
        address += best_useful;
        left -= best_useful;
      }
    }
}

// 24 int8 from the middle of a block's row, the end of one block of 16 and the whole of the next:
// two beats, bytes 0 to 31 of the line, and two rows of the local memory.
TEST(RequestData, OfRowsOfTwoBlocks) {
  Hardware hardware;
  Mvin mvin;
  const RequestData data = data_of_request(mvin, hardware, 8, 8, 24, false);
  EXPECT_EQ(data.beats, 2);
  EXPECT_EQ(data.local_rows, 2);
  EXPECT_EQ(data.cycles, 2);
  EXPECT_EQ(data_of_request(mvin, hardware, 8, 8, 24, true).local_rows, 0);
  // 4 elements a cycle, but three cycles for each row at least.
  mvin.scaled = true;
  EXPECT_EQ(data_of_request(mvin, hardware, 8, 8, 24, false).cycles, 6);
  EXPECT_EQ(data_of_request(mvin, hardware, 0, 0, 64, false).cycles, 16);
  mvin.copies = 5;
  EXPECT_EQ(data_of_request(mvin, hardware, 0, 0, 16, false).local_rows, 5);
}

}  // namespace
}  // namespace paretoformer::accel_sim
