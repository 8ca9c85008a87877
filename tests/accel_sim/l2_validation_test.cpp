// Compares the model of L2 with that cache's RTL by itself: SiFive's inclusive cache of a public
// Gemmini SoC (512 KiB, 8 ways, 10 miss registers, 16 bytes a cycle to the DMA, 8 to memory), with
// 16 reads and 16 writes under way wherever it takes them, one channel for both, in turns. Memory
// answers in order after a latency, a beat a cycle, reads and writes apart. Measured with
// verilator, cycle by cycle; nothing here was chosen on these rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

#include "accel_sim/engines/l2_port.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/registers.hpp"

namespace paretoformer::accel_sim {
namespace {

// What of L2's lines others had read or written before.
enum Others { kNone, kRead, kWritten, kThirdWritten };

// Requests of a round, by what they ask for: L a line that L2 lacks, l one that it holds, Q and q a
// quarter of such lines, HH both halves and FFFF all quarters of one that it lacks; and cycles of a
// round at three latencies of memory.
constexpr std::array kLatencies = {10, 40, 100};
struct Measured {
  Others others;
  std::string_view reads, writes;
  int rounds;
  std::array<double, 3> cycles;
};
constexpr auto kMeasured = std::to_array<Measured>({
    {kRead, "L", "", 4000, {10.45, 11.29, 11.63}},
    {kRead, "Ll", "", 2000, {12.57, 12.65, 14.26}},
    {kRead, "Lll", "", 1500, {16.55, 16.33, 16.64}},
    {kRead, "Lllll", "", 1000, {23.91, 24.35, 25.01}},
    {kRead, "", "L", 4000, {6.5, 6.35, 6.08}},
    {kRead, "", "Ll", 2000, {9.39, 9.27, 9.1}},
    {kRead, "", "Lll", 1500, {12.44, 12.47, 12.55}},
    {kRead, "", "l", 2000, {4, 4, 4}},
    {kRead, "l", "", 2000, {4.05, 4.07, 4.07}},
    {kRead, "l", "l", 2000, {8.03, 8.03, 8.03}},
    {kRead, "ll", "l", 2000, {12.05, 12.06, 12.06}},
    {kRead, "L", "L", 2000, {13.94, 14.06, 15.37}},
    {kRead, "LL", "L", 1500, {24.83, 25.55, 26.56}},
    {kRead, "L", "LL", 1500, {20.13, 20.23, 20.61}},
    {kRead, "l", "L", 2000, {9.38, 9.29, 9.29}},
    {kRead, "ll", "L", 2000, {13.4, 13.34, 13.33}},
    {kRead, "lll", "L", 1500, {17.33, 17.29, 17.26}},
    {kRead, "L", "l", 2000, {11.01, 11.33, 12.67}},
    {kRead, "L", "ll", 2000, {15, 15.09, 16.39}},
    {kRead, "LL", "l", 2000, {21.99, 22.6, 24.1}},
    {kRead, "Ll", "L", 2000, {18.06, 17.91, 19.19}},
    {kRead, "Lll", "L", 2000, {22.53, 21.94, 22.27}},
    {kRead, "Ll", "l", 2000, {15.86, 15.92, 16.66}},
    {kRead, "Llll", "LL", 1000, {31.83, 31.27, 31.41}},
    {kWritten, "L", "", 4000, {12, 12.45, 13.12}},
    {kWritten, "", "L", 4000, {7.86, 7.82, 10.98}},
    {kWritten, "LL", "L", 1500, {28.76, 30.31, 35.83}},
    {kWritten, "l", "L", 2000, {12.31, 11.04, 12.34}},
    {kThirdWritten, "L", "", 4000, {11.22, 11.89, 11.84}},
    {kThirdWritten, "", "L", 4000, {6.72, 6.39, 6.27}},
    {kThirdWritten, "LL", "L", 1500, {25.57, 26.77, 28.35}},
    {kThirdWritten, "l", "L", 2000, {9.88, 9.74, 9.7}},
    {kThirdWritten, "L", "L", 2000, {14.09, 14.41, 16.43}},
    {kRead, "HH", "", 1000, {9.85, 11.33, 14.05}},
    {kRead, "Q", "", 1000, {9.99, 10.97, 11.25}},
    {kRead, "", "Q", 1000, {10.88, 11.45, 12.59}},
    {kRead, "", "FFFF", 1000, {10.58, 12.71, 26.64}},
    {kWritten, "HH", "", 1000, {10.8, 11.81, 15.35}},
    {kWritten, "", "Q", 1000, {11.33, 12.23, 13.26}},
    {kRead, "L", "Q", 1000, {21.97, 23.06, 23.19}},
    {kRead, "l", "Q", 1000, {11.04, 12.19, 12.88}},
    {kRead, "L", "FFFF", 500, {21.35, 23.75, 35.37}},
    {kRead, "Q", "QQ", 500, {31.59, 33.99, 34.9}},
    {kRead, "q", "", 2000, {1.09, 1.07, 1.1}},
    {kRead, "", "q", 2000, {1, 1, 1}},
    {kRead, "q", "q", 2000, {2.54, 2.54, 2.54}},
    {kRead, "Qq", "Q", 500, {21.88, 23.61, 24.38}},
    {kRead, "q", "Q", 1000, {11.29, 12.25, 12.8}},
    {kRead, "Q", "q", 1000, {11.15, 11.95, 12.45}},
    {kRead, "Q", "qqqq", 500, {13.67, 14.73, 15.34}},
    {kNone, "L", "", 1000, {8.27, 8.36, 11.59}},
    {kNone, "", "L", 1000, {4.9, 4.91, 4.61}},
    {kNone, "Q", "", 1000, {8.26, 8.36, 11.54}},
    {kNone, "", "Q", 1000, {8.28, 8.39, 11.53}},
    {kNone, "Q", "QQ", 300, {24.57, 24.73, 34.61}},
    {kNone, "L", "Q", 500, {16.33, 16.57, 23.22}},
    {kNone, "L", "L", 700, {11.29, 12.28, 14.01}},
    {kNone, "LL", "L", 400, {19.48, 20.71, 25.2}},
    {kNone, "q", "Q", 1000, {8.84, 9.02, 12.72}},
    {kNone, "Ll", "", 500, {12.66, 11.94, 13.24}},
    {kNone, "lL", "L", 500, {16.13, 15.61, 16.85}},
    {kNone, "", "FFFF", 500, {8.26, 12.38, 27.37}},
});

struct Request {
  std::int64_t line;
  int beats;
};

// Lines that L2 lacks follow one another from `lacking` on, those that it holds are 512.
std::vector<Request> requests(std::string_view round, int rounds, std::int64_t lacking,
                              std::int64_t held) {
  std::vector<Request> all;
  int lines = 0, asked = 0;
  for (int i = 0; i < rounds; ++i) {
    for (const char kind : round) {
      const int parts = kind == 'H' ? 2 : kind == 'F' ? 4 : 1;
      const bool part = kind != 'L' && kind != 'l';
      if (kind == 'l' || kind == 'q') {
        all.push_back({held + lines++ % 512, part ? 1 : 4});
        continue;
      }
      all.push_back({lacking, !part ? 4 : kind == 'H' ? 2 : 1});
      if (++asked % parts == 0) ++lacking;  // a round has parts of one size only
    }
  }
  return all;
}

Hardware of_latency(int latency) {
  Hardware hardware;
  hardware.dram_latency_cycles = latency + 15;  // to the end of a line, and back to the DMA
  hardware.dram_page_miss_cycles = 0;
  return hardware;
}

constexpr std::int64_t kHeldByReads = 512, kHeldByWrites = 17184, kRead0 = 1 << 18,
                       kWritten0 = (1 << 19) + 300, kOthers = 1 << 20, kLines = kOthers + 24576;

void prepare(MemorySystem& memory, Others others) {
  for (std::int64_t line = kOthers; line < kLines && others != kNone; ++line) {
    const bool written = others == kWritten || (others == kThirdWritten && line % 3 == 0);
    written ? memory.write_whole(line, 0) : memory.fetch(line, 0);
  }
  for (std::int64_t i = 0; i < 512; ++i)
    if (!memory.in_l2(kHeldByReads + i)) memory.fetch(kHeldByReads + i, 0);
  for (std::int64_t i = 0; i < 512; ++i) memory.write_whole(kHeldByWrites + i, 0);
  memory.begin_call();
}

// Cycles of a round, with the DMA's bookkeeping (dma.cpp).
double simulated(const Measured& row, int latency) {
  const Hardware hardware = of_latency(latency);
  MemorySystem memory(hardware, kLines * kLineBytes);
  prepare(memory, row.others);
  L2Port l2;
  const auto reads = requests(row.reads, row.rounds, kRead0, kHeldByReads);
  const auto writes = requests(row.writes, row.rounds, kWritten0, kHeldByWrites);
  Registers reading(16), writing(16);
  std::int64_t asking = 0, received = 0, writer = 0, end = 0;
  for (auto read = reads.begin(), write = writes.begin();
       read != reads.end() || write != writes.end();) {
    const std::int64_t begin = std::max(writer, writing.first());
    if (write == writes.end() || (read != reads.end() && asking <= begin + write->beats)) {
      std::int64_t arrival = asking + hardware.bus_latency_cycles, done;
      if (memory.in_l2(read->line)) {
        done = received =
            std::max(received, l2.read(arrival, read->beats) + hardware.l2_hit_cycles) +
            read->beats;
      } else {
        const MemorySystem::Access fetch = memory.fetch(read->line, l2.enter(arrival));
        arrival = fetch.accepted;
        received = std::max(received, arrival + hardware.l2_hit_cycles) + read->beats;
        const int handled = read->beats + fetch.l2_cycles;
        done = std::max({received, fetch.ready + read->beats, l2.read(arrival, handled) + handled});
      }
      reading.take(done);
      end = std::max(end, done);
      asking = std::max(arrival - hardware.bus_latency_cycles + 1, reading.first());
      ++read;
    } else {
      writer = begin + write->beats;
      const std::int64_t arrival = writer + hardware.bus_latency_cycles;
      const MemorySystem::Access access = write->beats == 4
                                              ? memory.write_whole(write->line, arrival)
                                              : memory.write_part(write->line, arrival);
      const std::int64_t handled = l2.write(arrival, write->beats + access.l2_cycles);
      const std::int64_t done =
          std::max(writer + hardware.write_latency_cycles,
                   std::max(access.ready, handled) + hardware.bus_latency_cycles);
      writing.take(done);
      end = std::max(end, done);
      ++write;
    }
  }
  return static_cast<double>(end) / row.rounds;
}

TEST(L2Validation, CyclesOfReadsAndWrites) {
  constexpr std::array kNames = {"nothing", "read", "written", "a third written"};
  double sum = 0, worst = 0;
  std::printf("| L2 held | reads | writes | 10 | 40 | 100 |\n|---|---|---|---|---|---|\n");
  for (const Measured& row : kMeasured) {
    std::printf("| %s | %s | %s |", kNames[row.others], row.reads.data(), row.writes.data());
    for (std::size_t i = 0; i < kLatencies.size(); ++i) {
      const double error = simulated(row, kLatencies[i]) / row.cycles[i] - 1;
      std::printf(" %.2f, %+.0f %% |", row.cycles[i], 100 * error);
      sum += std::abs(error);
      worst = std::max(worst, std::abs(error));
    }
    std::printf("\n");
  }
  const double mean = sum / static_cast<double>(kMeasured.size() * kLatencies.size());
  std::printf("mean absolute error %.1f %%, worst %.0f %%\n", 100 * mean, 100 * worst);
  // 8.6 % without what docs/simulator.md says is missing; no rule may make it worse.
  EXPECT_LE(mean, 0.09);
}

}  // namespace
}  // namespace paretoformer::accel_sim
