#include "nas/functional/memories.hpp"

#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

void require_inside(std::int64_t address, std::int64_t bytes, std::size_t all) {
  const auto end = static_cast<std::int64_t>(all);
  if (address < 0 || bytes < 0 || address > end || bytes > end - address)
    throw Error("bytes " + std::to_string(address) + " to " + std::to_string(address + bytes) +
                " of DRAM: there are " + std::to_string(end));
}

}  // namespace

std::span<std::int8_t> MainMemory::at(std::int64_t address, std::int64_t bytes) {
  require_inside(address, bytes, bytes_.size());
  return {bytes_.data() + address, static_cast<std::size_t>(bytes)};
}

std::span<const std::int8_t> MainMemory::at(std::int64_t address, std::int64_t bytes) const {
  require_inside(address, bytes, bytes_.size());
  return {bytes_.data() + address, static_cast<std::size_t>(bytes)};
}

void MainMemory::put_int4(const accel_sim::Placement& placement, int rows, int columns,
                          const std::int8_t* values, const std::uint8_t* multipliers) {
  const auto put_half = [&](const accel_sim::Matrix& matrix, int row, int column, int value) {
    std::int8_t& byte = at(matrix.at(row, column / 2 * 2).address, 1)[0];
    const int shift = column % 2 * 4;
    byte = static_cast<std::int8_t>((byte & ~(15 << shift)) | (value & 15) << shift);
  };
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const int multiplier = multipliers[r / kInt4Group * columns + c];
      const std::int8_t value = values[std::ptrdiff_t{r} * columns + c];
      if (value % multiplier != 0) throw Error("a weight is no multiple of its group's multiplier");
      put_half(placement.right, r, c, value / multiplier);
      if (r % kInt4Group == 0) put_half(placement.multipliers, r / kInt4Group, c, multiplier - 1);
    }
}

void throw_outside(const std::string& memory, int block, int row, int columns) {
  throw Error("block " + std::to_string(block) + ", row " + std::to_string(row) + ", " +
              std::to_string(columns) + " columns: the " + memory + " has no such place");
}

void throw_unwritten(const std::string& memory, int block, int row) {
  throw Error("block " + std::to_string(block) + ", row " + std::to_string(row) + " of the " +
              memory + " is read, but nothing has written it");
}

}  // namespace paretoformer::nas
