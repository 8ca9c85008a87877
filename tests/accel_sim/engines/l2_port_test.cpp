// L2 between reads and writes, by hand.
#include "accel_sim/engines/l2_port.hpp"

#include <gtest/gtest.h>

namespace paretoformer::accel_sim {
namespace {

// Requests of 4 cycles each that come at 100, 101 and 102 are begun one after the other.
TEST(L2Port, HandlesARequestAfterTheOther) {
  L2Port l2;
  EXPECT_EQ(l2.read(100, 4), 100);
  EXPECT_EQ(l2.read(101, 4), 104);
  EXPECT_EQ(l2.read(102, 4), 108);
  EXPECT_EQ(l2.read(200, 4), 200);
}

// Writes that come while reads wait turn it once each: begun at 100 and 104 are the reads, at 108
// the first write, with its turn until 113, then the second until 118. The third comes after two
// writes for two reads, and turns nothing: until 122.
TEST(L2Port, WritesBetweenReadsTurnIt) {
  L2Port l2;
  l2.read(100, 4);
  l2.read(100, 4);
  EXPECT_EQ(l2.write(101, 4), 108);
  EXPECT_EQ(l2.write(101, 4), 113);
  EXPECT_EQ(l2.write(101, 4), 118);
  EXPECT_EQ(l2.write(101, 4), 122);
}

// Told of writes at 100, 110 and 120, which it begins when they come, it begins with a read at 111
// after the second one, at 114, and with the next one after that; what comes behind the last write
// waits for the reads, too: 120 + 4 + 2 * 4.
TEST(L2Port, ReadsGoBeforeWritesThatComeLater) {
  L2Port l2;
  for (const int time : {100, 110, 120}) EXPECT_EQ(l2.write(time, 4), time);
  EXPECT_EQ(l2.read(111, 4), 114);
  EXPECT_EQ(l2.read(112, 4), 118);
  EXPECT_EQ(l2.write(121, 4), 132);
}

// The same writes. A read at 121 comes after the last of them, which begins after the two reads, at
// 122, and turns.
TEST(L2Port, ReadsWaitForWritesThatCameBefore) {
  L2Port l2;
  for (const int time : {100, 110, 120}) l2.write(time, 4);
  l2.read(111, 4);
  l2.read(112, 4);
  EXPECT_EQ(l2.read(121, 4), 122 + 4 + 1);
}

// A write at 100 takes the channel until 104: a miss that comes at 102 is looked up then, one that
// came before it when it came.
TEST(L2Port, MissesWaitForWritesBeforeThem) {
  L2Port l2;
  l2.write(100, 4);
  EXPECT_EQ(l2.enter(102), 104);
  EXPECT_EQ(l2.enter(99), 99);
  EXPECT_EQ(l2.enter(105), 105);
}

}  // namespace
}  // namespace paretoformer::accel_sim
