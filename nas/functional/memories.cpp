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

void throw_outside(const std::string& memory, int block, int row, int columns) {
  throw Error("block " + std::to_string(block) + ", row " + std::to_string(row) + ", " +
              std::to_string(columns) + " columns: the " + memory + " has no such place");
}

void throw_unwritten(const std::string& memory, int block, int row) {
  throw Error("block " + std::to_string(block) + ", row " + std::to_string(row) + " of the " +
              memory + " is read, but nothing has written it");
}

}  // namespace paretoformer::nas
