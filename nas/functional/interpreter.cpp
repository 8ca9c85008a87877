#include "nas/functional/interpreter.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "support/error.hpp"

namespace paretoformer::nas {

using accel_sim::Execute;
using accel_sim::ExecuteSequence;
using accel_sim::LoadSequence;
using accel_sim::Memory;
using accel_sim::Mvin;
using accel_sim::Mvout;
using accel_sim::StoreSequence;
using accel_sim::Tile;
using supernet::wrapping_add;

namespace {

float scale_of(LoadSequence::Operand operand, const CallConstants& constants) {
  switch (operand) {
    case LoadSequence::Operand::kLeft:
      return constants.left_scale;
    case LoadSequence::Operand::kRight:
      return constants.right_scale;
    case LoadSequence::Operand::kSums:
      return constants.sums_scale;
  }
  throw Error("an operand of unknown kind");
}

std::int8_t stored(std::int32_t x, const CallConstants& constants) {
  switch (constants.activation) {
    case StoreActivation::kNone:
      break;
    case StoreActivation::kRelu:
      x = std::max(x, 0);
      break;
    case StoreActivation::kGelu:
      x = supernet::i_gelu(x, constants.gelu);
      break;
  }
  return supernet::requantize(x, constants.scale);
}

// A word of DRAM.
std::int32_t word(std::span<const std::int8_t> bytes, int index) {
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data() + std::ptrdiff_t{4} * index, 4);
  return value;
}

std::size_t index(int value) { return static_cast<std::size_t>(value); }

// Of two places in the same rows.
std::int64_t rows_between(const accel_sim::Matrix& first, const accel_sim::Matrix& later) {
  return first.stride == 0 ? 0 : (later.address - first.address) / first.stride;
}

}  // namespace

Interpreter::Interpreter(const accel_sim::Hardware& hardware, MainMemory& memory)
    : hardware_(hardware),
      memory_(&memory),
      size_(hardware.array_size),
      scratchpad_("scratchpad", hardware.scratchpad_blocks(), size_),
      accumulator_("accumulator", hardware.accumulator_blocks(), size_),
      weights_(index(size_) * index(size_)),
      sums_(weights_.size()) {}

void Interpreter::run(const accel_sim::Program& program, const CallConstants& constants) {
  scratchpad_.forget();
  accumulator_.forget();
  for (const Tile& tile : program.tiles)
    run(tile, constants, rows_between(program.tiles.front().result, tile.result));
}

void Interpreter::run(const Tile& tile, const CallConstants& constants, std::int64_t first_row) {
  LoadSequence loads(tile, hardware_);
  while (const auto step = loads.next()) {
    Mvin command = loads.mvin(*step);
    if (step->only_row >= 0 && !constants.gathered.empty()) {
      const std::int64_t row = first_row + std::int64_t{step->row} * size_ + step->only_row;
      command.address +=
          (constants.gathered.at(static_cast<std::size_t>(row)) - row) * command.stride;
    }
    mvin(command, scale_of(step->operand, constants));
  }
  for (ExecuteSequence steps(tile, hardware_); !steps.done(); steps.advance())
    execute(steps.execute(), steps, tile.transposed_right);
  Normaliser norm(constants.exp, constants.scale);
  StoreSequence stores(tile, hardware_);
  while (const auto store = stores.next()) mvout(*store, constants, norm);
}

void Interpreter::mvin(const Mvin& mvin, float scale) {
  const bool to_accumulator = mvin.target.memory == Memory::kAccumulator;
  if (mvin.element_bytes == 4 && !to_accumulator) throw Error("int32 goes to the accumulator only");
  if (mvin.element_bytes == 4 || (to_accumulator && !mvin.scaled)) {
    if (scale != 1) throw Error("an mvin is to be scaled that bypasses the scaling units");
  }
  if (mvin.int4) return mvin_int4(mvin);
  const int elements = mvin.row_bytes / mvin.element_bytes;
  const int there = mvin.rows - mvin.rows_beyond;
  for (int b = 0; b < mvin.blocks; ++b) {
    const int block = mvin.target.index + b;
    for (int r = 0; r < there; ++r)
      for (int copy = 0; copy < mvin.copies; ++copy)
        mvin_row(mvin, scale, block, mvin.first_row + r * mvin.copies + copy,
                 std::min(size_, elements - b * size_),
                 mvin.address + r * mvin.stride + std::int64_t{b} * size_ * mvin.element_bytes);
    // Whatever DRAM has there is nothing to compute with.
    for (int r = there; r < mvin.rows; ++r) scratchpad_.forget(block, r);
  }
}

// Multipliers less one, where numbers have a sign.
void Interpreter::mvin_int4(const Mvin& mvin) {
  const auto numbers = [&](std::int64_t address) { return memory_->at(address, mvin.row_bytes); };
  const auto half = [](std::span<const std::int8_t> bytes, int i) {
    return bytes[index(i / 2)] >> (i % 2 == 0 ? 0 : 4) & 15;
  };
  // What fills the last byte of a row is unpacked, too: zeros, for a column that nobody reads.
  const int elements = 2 * mvin.row_bytes;
  for (int r = 0; r < mvin.rows; ++r) {
    const int group = (mvin.first_in_group + r) / kInt4Group;
    for (int first = 0; first < elements; first += size_) {
      const int block = mvin.target.index + first / size_;
      if (r >= mvin.rows - mvin.rows_beyond) {
        scratchpad_.forget(block, r);
        continue;
      }
      const auto row = numbers(mvin.row_address(mvin.multiplier_rows + r));
      const auto multipliers = numbers(mvin.row_address(group));
      const int columns = std::min(size_, elements - first);
      const auto target = scratchpad_.write(block, r, columns);
      for (int c = 0; c < columns; ++c)
        target[index(c)] = static_cast<std::int8_t>(((half(row, first + c) ^ 8) - 8) *
                                                    (half(multipliers, first + c) + 1));
    }
  }
}

void Interpreter::mvin_row(const Mvin& mvin, float scale, int block, int row, int columns,
                           std::int64_t address) {
  const auto bytes = memory_->at(address, std::int64_t{columns} * mvin.element_bytes);
  const auto number = [&](int c) -> std::int32_t {
    if (mvin.element_bytes == 4) return word(bytes, c);
    const std::int8_t x = bytes[index(c)];
    return scale == 1 ? x : supernet::requantize(x, scale);
  };
  if (mvin.target.memory == Memory::kScratchpad) {
    const auto target = scratchpad_.write(block, row, columns);
    for (int c = 0; c < columns; ++c) target[index(c)] = static_cast<std::int8_t>(number(c));
    return;
  }
  const auto target = mvin.accumulate ? accumulator_.update(block, row, columns)
                                      : accumulator_.write(block, row, columns);
  for (int c = 0; c < columns; ++c)
    target[index(c)] = mvin.accumulate ? wrapping_add(target[index(c)], number(c)) : number(c);
}

// Weight-stationary: new weights stay for the rows below. Output-stationary: sums stay for the
// products along `inner`.
void Interpreter::execute(const Execute& execute, const ExecuteSequence& sequence,
                          bool transposed) {
  const bool sums_stay = sequence.output_stationary();
  if (execute.flip || sums_stay) load_weights(execute, transposed);
  if (execute.flip || !sums_stay) std::fill(sums_.begin(), sums_.end(), 0);
  multiply(execute);
  if (execute.result >= 0) add_results(execute);
}

void Interpreter::load_weights(const Execute& execute, bool transposed) {
  std::fill(weights_.begin(), weights_.end(), std::int8_t{0});
  const int rows = transposed ? execute.columns : execute.inner;
  const int columns = transposed ? execute.inner : execute.columns;
  for (int r = 0; r < rows; ++r) {
    const auto row = scratchpad_.read(execute.right, r, columns);
    for (int c = 0; c < columns; ++c)
      weights_[index(transposed ? c * size_ + r : r * size_ + c)] = row[index(c)];
  }
}

// At most 128 products of int8: their sum is far from 2^31, only adding it to others wraps.
void Interpreter::multiply(const Execute& execute) {
  std::array<std::int32_t, 128> products{};
  for (int r = 0; r < execute.rows; ++r) {
    const auto left = scratchpad_.read(execute.left, r, execute.inner);
    products.fill(0);
    for (int k = 0; k < execute.inner; ++k) {
      const std::int8_t factor = left[index(k)];
      const std::int8_t* weights = weights_.data() + std::ptrdiff_t{k} * size_;
      for (int c = 0; c < size_; ++c) products[index(c)] += factor * weights[c];
    }
    std::int32_t* sums = sums_.data() + std::ptrdiff_t{r} * size_;
    for (int c = 0; c < execute.columns; ++c) sums[c] = wrapping_add(sums[c], products[index(c)]);
  }
}

void Interpreter::add_results(const Execute& execute) {
  for (int r = 0; r < execute.rows; ++r) {
    const std::int32_t* sums = sums_.data() + std::ptrdiff_t{r} * size_;
    const auto target = execute.accumulate ? accumulator_.update(execute.result, r, execute.columns)
                                           : accumulator_.write(execute.result, r, execute.columns);
    for (int c = 0; c < execute.columns; ++c)
      target[index(c)] = execute.accumulate ? wrapping_add(target[index(c)], sums[c]) : sums[c];
  }
}

void Interpreter::mvout(const Mvout& mvout, const CallConstants& constants, Normaliser& norm) {
  const bool from_scratchpad = mvout.source.memory == Memory::kScratchpad;
  const bool normalises = mvout.normalisation != accel_sim::Normalisation::kNone;
  if (mvout.element_bytes != 1 && (normalises || from_scratchpad))
    throw Error("only what leaves the accumulator as it is can be int32");
  for (int r = 0; r < mvout.rows; ++r) {
    gather(mvout, mvout.first_row + r);
    if (normalises && mvout.pass != accel_sim::NormPass::kWrite) {
      norm.pass(mvout, row_, {});
      continue;
    }
    const auto target = memory_->at(mvout.address + r * mvout.stride, mvout.row_bytes);
    if (mvout.element_bytes == 4)
      std::memcpy(target.data(), row_.data(), target.size());
    else if (normalises)
      norm.pass(mvout, row_, target);
    else
      std::transform(row_.begin(), row_.end(), target.begin(), [&](std::int32_t x) {
        return from_scratchpad ? static_cast<std::int8_t>(x) : stored(x, constants);
      });
  }
}

void Interpreter::gather(const Mvout& mvout, int row) {
  row_.clear();
  const auto append = [&](const auto& values) {
    row_.insert(row_.end(), values.begin(), values.end());
  };
  int left = mvout.row_bytes / mvout.element_bytes;
  for (int block = mvout.source.index; left > 0; ++block, left -= size_) {
    if (mvout.source.memory == Memory::kScratchpad)
      append(scratchpad_.read(block, row, std::min(left, size_)));
    else
      append(accumulator_.read(block, row, std::min(left, size_)));
  }
}

}  // namespace paretoformer::nas
