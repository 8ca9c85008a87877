#include "latency_predictor/learned/learned_transfers.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <numeric>

#include "accel_sim/engines/requests.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/tiling.hpp"

namespace paretoformer::latency_predictor {
namespace {

// Requests and beats of a DMA command for up to a line of bytes per row, averaged over the offsets
// in their line at which rows begin: the multiples of a power of two.
class CommandTable {
 public:
  struct Average {
    double requests = 0;
    double bytes = 0;    // on the bus
    double partial = 0;  // lines touched but not covered
  };
  explicit CommandTable(int beat) {
    for (int shift = 0; shift < kShifts; ++shift)
      for (int useful = 1; useful <= accel_sim::kLineBytes; ++useful)
        at_[static_cast<std::size_t>(shift)][static_cast<std::size_t>(useful)] =
            average(1 << shift, useful, beat);
  }
  const Average& operator()(int unit, int useful) const {
    return at_[static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(unit)))]
              [static_cast<std::size_t>(useful)];
  }

 private:
  static constexpr int kShifts = 7;

  static Average average(int unit, int useful, int beat) {
    Average sum;
    for (int offset = 0; offset < accel_sim::kLineBytes; offset += unit)
      for (int done = 0, at = offset; done < useful; at = 0) {
        const int part = std::min(accel_sim::kLineBytes - at, useful - done);
        sum.requests += 1;
        sum.bytes += accel_sim::request_bytes(at, part, beat);
        sum.partial += part < accel_sim::kLineBytes ? 1 : 0;
        done += part;
      }
    const int offsets = accel_sim::kLineBytes / unit;
    return {sum.requests / offsets, sum.bytes / offsets, sum.partial / offsets};
  }

  std::array<std::array<Average, accel_sim::kLineBytes + 1>, kShifts> at_;
};

// Of the hardware's bus, a power of two from 4 to 64 bytes.
const CommandTable& command_table(int beat) {
  static const std::array<CommandTable, 5> tables = {
      CommandTable(4), CommandTable(8), CommandTable(16), CommandTable(32), CommandTable(64)};
  return tables[static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(beat)) - 2)];
}

}  // namespace

Transfer transfer(double rows, int columns, int tile_columns, int element_bytes,
                  const accel_sim::Target& hardware) {
  const int size = hardware.array_size;
  const int stride = columns * element_bytes;
  const int width = std::min(tile_columns, columns) * element_bytes;
  const int unit = std::gcd(std::gcd(stride, accel_sim::kLineBytes),
                            width < stride ? width : accel_sim::kLineBytes);
  const int rest = width % accel_sim::kLineBytes;
  const double cuts = static_cast<double>(stride) / width;
  const CommandTable& table = command_table(hardware.bus_bytes_per_cycle);
  const auto& whole = table(unit, accel_sim::kLineBytes);
  const int whole_lines = width / accel_sim::kLineBytes;
  const double wholes = rows * cuts * whole_lines;
  Transfer result;
  result.lines = rows * stride / accel_sim::kLineBytes;
  result.shared = rows * (cuts - 1) * (1 - static_cast<double>(unit) / accel_sim::kLineBytes);
  result.requests = wholes * whole.requests;
  result.beats = wholes * whole.bytes;
  result.partial = wholes * whole.partial;
  double commands = wholes;
  if (rest > 0) {
    const auto& last = table(unit, rest);
    result.requests += rows * cuts * last.requests;
    result.beats += rows * cuts * last.bytes;
    result.partial += rows * cuts * last.partial;
    commands += rows * cuts;
  }
  result.beats /= hardware.bus_bytes_per_cycle;
  const double local_rows = rows * stride / (element_bytes * size);
  result.cycles = std::max(result.beats, local_rows);
  result.mvins = commands / std::min<double>(rows, size);
  result.pages = std::max(1.0, std::min<double>(rows, size) * stride / hardware.dram_page_bytes);
  return result;
}

Transfer transfer_of_int4(int rows, int columns, int tile_columns,
                          const accel_sim::Target& hardware) {
  const int groups = accel_sim::int4_groups(std::min(rows, hardware.array_size));
  const int blocks = accel_sim::ceil_divide(rows, hardware.array_size);
  const auto bytes = [](int elements) { return static_cast<int>(accel_sim::int4_bytes(elements)); };
  Transfer result =
      transfer(rows + blocks * groups, bytes(columns), bytes(tile_columns), 1, hardware);
  result.lines = static_cast<double>(right_bytes(
                     accel_sim::matmul(1, rows, columns, accel_sim::RightOperand::kInt4Weights))) /
                 accel_sim::kLineBytes;
  result.cycles = std::max(result.beats, static_cast<double>(rows) * columns / hardware.array_size);
  return result;
}

}  // namespace paretoformer::latency_predictor
