// The memories of the interpreter, with values: DRAM, and the two on the chip.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "accel_sim/lowering/program.hpp"

namespace paretoformer::nas {

// DRAM from address 0, zeros at first.
class MainMemory {
 public:
  explicit MainMemory(std::int64_t bytes) : bytes_(static_cast<std::size_t>(bytes)) {}

  // Throw Error when they are not all there.
  std::span<std::int8_t> at(std::int64_t address, std::int64_t bytes);
  std::span<const std::int8_t> at(std::int64_t address, std::int64_t bytes) const;

  // rows x columns elements, row by row.
  template <class T>
  void put(const accel_sim::Matrix& matrix, int rows, int columns, const T* values) {
    const auto bytes = columns * static_cast<std::int64_t>(sizeof(T));
    for (int r = 0; r < rows; ++r, values += columns)
      std::memcpy(at(matrix.at(r, 0).address, bytes).data(), values,
                  static_cast<std::size_t>(bytes));
  }

  // Products of numbers from -7 to 7 and multipliers from 1 to 16, rows of which are those of
  // groups, as weights of four bits: two elements in a byte, the first in its lower half.
  void put_int4(const accel_sim::Placement& placement, int rows, int columns,
                const std::int8_t* values, const std::uint8_t* multipliers);

  template <class T>
  void get(const accel_sim::Matrix& matrix, int rows, int columns, T* values) const {
    const auto bytes = columns * static_cast<std::int64_t>(sizeof(T));
    for (int r = 0; r < rows; ++r, values += columns)
      std::memcpy(values, at(matrix.at(r, 0).address, bytes).data(),
                  static_cast<std::size_t>(bytes));
  }

  bool operator==(const MainMemory&) const = default;

 private:
  std::vector<std::int8_t> bytes_;
};

[[noreturn]] void throw_outside(const std::string& memory, int block, int row, int columns);
[[noreturn]] void throw_unwritten(const std::string& memory, int block, int row);

// Blocks of size x size elements. What was never written cannot be read.
template <class T>
class LocalMemory {
 public:
  LocalMemory(std::string name, int blocks, int size)
      : name_(std::move(name)),
        blocks_(blocks),
        size_(size),
        values_(static_cast<std::size_t>(blocks) * size * size),
        written_(values_.size()) {}

  void forget() { std::fill(written_.begin(), written_.end(), char{0}); }
  void forget(int block, int row) {
    std::fill_n(written_.begin() + static_cast<std::ptrdiff_t>(offset(block, row, size_)), size_,
                char{0});
  }

  // The first elements of a row of a block.
  std::span<T> write(int block, int row, int columns) {
    const std::size_t first = offset(block, row, columns);
    std::fill_n(written_.begin() + static_cast<std::ptrdiff_t>(first), columns, char{1});
    return {values_.data() + first, static_cast<std::size_t>(columns)};
  }
  std::span<const T> read(int block, int row, int columns) const {
    const std::size_t first = offset(block, row, columns);
    const auto marks = written_.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::find(marks, marks + columns, char{0}) != marks + columns)
      throw_unwritten(name_, block, row);
    return {values_.data() + first, static_cast<std::size_t>(columns)};
  }
  // To add to them.
  std::span<T> update(int block, int row, int columns) {
    read(block, row, columns);
    return write(block, row, columns);
  }

 private:
  std::size_t offset(int block, int row, int columns) const {
    if (block < 0 || block >= blocks_ || row < 0 || row >= size_ || columns < 1 || columns > size_)
      throw_outside(name_, block, row, columns);
    return (static_cast<std::size_t>(block) * size_ + row) * size_;
  }

  std::string name_;
  int blocks_, size_;
  std::vector<T> values_;
  std::vector<char> written_;
};

}  // namespace paretoformer::nas
