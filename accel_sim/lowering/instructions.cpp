#include "accel_sim/lowering/instructions.hpp"

#include <algorithm>
#include <utility>

namespace paretoformer::accel_sim {
namespace {

constexpr int kBytesPerDmaRow = 64;
constexpr int kStatisticSets = 2;  // NORM_STAT_IDS

}  // namespace

int blocks_per_dma(int element_bytes, const Hardware& hardware) {
  return std::max(1, kBytesPerDmaRow / (element_bytes * hardware.array_size));
}

TileLayout::TileLayout(const Tile& tile, const Hardware& hardware)
    : rows(ceil_divide(tile.rows, hardware.array_size)),
      inner(ceil_divide(tile.inner, hardware.array_size)),
      columns(ceil_divide(tile.columns, hardware.array_size)),
      transposed(tile.transposed_right) {
  const bool whole = is_unrolled_by_host(tile);
  const int scratchpad = hardware.scratchpad_blocks() / (whole ? 1 : 2);
  const int accumulator = hardware.accumulator_blocks() / (whole ? 1 : 2);
  left = tile.left_half * scratchpad;
  right = (tile.right_half + 1) * scratchpad - inner * columns;
  result = tile.result_half * accumulator;
}

LoadSequence::Step LoadSequence::Walk::take(Operand operand) {
  const Step taken{operand, row, column, std::min(step, columns - column)};
  const auto advance_row = [&] { return ++row < rows || (row = 0); };
  const auto advance_column = [&] { return (column += step) < columns || (column = 0); };
  active = down_first ? advance_row() || advance_column() : advance_column() || advance_row();
  return taken;
}

LoadSequence::LoadSequence(const Tile& tile, const Hardware& hardware)
    : tile_(&tile), hardware_(&hardware), layout_(tile, hardware) {
  const int step = blocks_per_dma(tile.left.element_bytes, hardware);
  left_ = {layout_.rows, is_matmul(tile) ? layout_.inner : layout_.columns, step};
  left_.down_first =
      tile.kind == TileKind::kMatmul || (tile.kind == TileKind::kResidualAdd && !tile.load_right);
  left_.active = tile.load_left;
  if (is_matmul(tile)) {
    right_ = layout_.transposed ? Walk{layout_.columns, layout_.inner, step}
                                : Walk{layout_.inner, layout_.columns, step};
    // The unroller goes along the columns of the product first, stored as rows when transposed; the
    // host goes down `inner` first.
    right_.down_first = (tile.kind == TileKind::kHostMatmul) != layout_.transposed;
    right_.active = tile.load_right;
    sums_ = {layout_.rows, layout_.columns, blocks_per_dma(tile.sums.element_bytes, hardware)};
    sums_.down_first = true;
    sums_.active = tile.load_sums;
  } else if (tile.kind == TileKind::kResidualAdd) {
    right_ = left_;
    right_.active = tile.load_right;
  }
}

int LoadSequence::steps() const {
  return left_.active ? left_.rows * ceil_divide(left_.columns, left_.step) : 0;
}

bool LoadSequence::right_is_next() const {
  if (!left_.active || !right_.active) return right_.active;
  switch (tile_->kind) {
    case TileKind::kMatmul: {
      const int right_inner = layout_.transposed ? right_.column : right_.row;
      return left_.column > right_inner || (right_.row == 0 && right_.column == 0);
    }
    case TileKind::kResidualAdd:  // after all of the left one (LoopMatmul.scala L949-950)
      return false;
    default:
      return true;
  }
}

std::optional<LoadSequence::Step> LoadSequence::next() {
  if (sums_.active) return sums_.take(Operand::kSums);
  if (!left_.active && !right_.active) return std::nullopt;
  return right_is_next() ? take_right() : take_left();
}

LoadSequence::Step LoadSequence::take_right() {
  Step step = right_.take(Operand::kRight);
  if (tile_->kind == TileKind::kGather) {
    step.only_row = step.row;
    step.row = gathered_;
  }
  return step;
}

LoadSequence::Step LoadSequence::take_left() {
  const Walk before = left_;
  Step step = left_.take(Operand::kLeft);
  step.again = reads_ > 0;
  if (++reads_ < tile_->reads)
    left_ = before;
  else
    reads_ = 0;
  if (tile_->kind == TileKind::kGather && step.column + step.blocks == layout_.columns) {
    const int size = hardware_->array_size;
    gathered_ = step.row;
    right_ = {std::min(size, tile_->rows - step.row * size), left_.columns, left_.step};
    right_.active = true;
  }
  return step;
}

Mvin LoadSequence::mvin(const Step& step) const {
  const int size = hardware_->array_size;
  const bool is_left = step.operand == Operand::kLeft, is_sums = step.operand == Operand::kSums;
  const Matrix& matrix = is_sums ? tile_->sums : is_left ? tile_->left : tile_->right;
  const bool is_factor = is_matmul(*tile_) && !is_sums;
  // Extents of the operand as stored, in elements.
  int rows = tile_->rows, columns = tile_->columns;
  if (is_factor && is_left) columns = tile_->inner;
  if (is_factor && !is_left) {
    rows = layout_.transposed ? tile_->columns : tile_->inner;
    columns = layout_.transposed ? tile_->inner : tile_->columns;
  }
  Mvin mvin;
  mvin.address = matrix.at(step.row * size, step.column * size).address;
  mvin.stride = matrix.stride;
  // The unroller reads whole blocks of rows of the right operand: its test for the last one is
  // never true (LoopMatmul.scala L185).
  const bool whole = step.operand == Operand::kRight && tile_->kind == TileKind::kMatmul;
  const int there = std::min(size, rows - step.row * size);
  mvin.rows = whole ? size : there;
  mvin.rows_beyond = mvin.rows - there;
  mvin.row_bytes =
      static_cast<int>(matrix.bytes(std::min(step.blocks * size, columns - step.column * size)));
  mvin.element_bytes = matrix.element_bytes;
  mvin.blocks = step.blocks;
  if (matrix.int4) add_multipliers(step, mvin);
  if (is_factor) {
    const int row_blocks = ceil_divide(columns, size);
    mvin.target.index =
        (is_left ? layout_.left : layout_.right) + step.row * row_blocks + step.column;
  } else if (tile_->kind == TileKind::kCopy) {
    mvin.target.index = layout_.left + step.row * layout_.columns + step.column;
  } else {
    mvin.target = {Memory::kAccumulator, layout_.result_block(step.row, step.column)};
  }
  if (is_sums) {
    if (matrix.stride == 0) mvin.copies = std::exchange(mvin.rows, 1);
    mvin.scaled = matrix.element_bytes == 1;
  } else if (mvin.target.memory == Memory::kAccumulator) {
    mvin.accumulate = !is_left || step.again;
    mvin.scaled = tile_->scaled && (tile_->kind == TileKind::kResidualAdd || step.only_row >= 0);
  }
  if (step.only_row >= 0) {
    mvin.address += step.only_row * matrix.stride;
    mvin.first_row = step.only_row;
    mvin.rows = 1;
  }
  return mvin;
}

void LoadSequence::add_multipliers(const Step& step, Mvin& mvin) const {
  const int first = tile_->depth + step.row * hardware_->array_size;
  const int group = first / kInt4Group;
  mvin.int4 = true;
  mvin.first_in_group = first % kInt4Group;
  mvin.multiplier_rows = ceil_divide(mvin.first_in_group + mvin.rows, kInt4Group);
  mvin.multipliers = tile_->multipliers.at(group, step.column * hardware_->array_size).address;
}

ExecuteSequence::ExecuteSequence(const Tile& tile, const Hardware& hardware)
    : tile_(&tile),
      layout_(tile, hardware),
      size_(hardware.array_size),
      output_stationary_(tile.kind == TileKind::kHostMatmul),
      done_(!is_matmul(tile)) {}

Execute ExecuteSequence::execute() const {
  const bool last = k_ == layout_.inner - 1;
  Execute execute;
  execute.left = layout_.left_block(i_, k_);
  execute.right = layout_.right_block(k_, j_);
  execute.result = output_stationary_ && !last ? -1 : layout_.result_block(i_, j_);
  execute.rows = std::min(size_, tile_->rows - i_ * size_);
  execute.inner = std::min(size_, tile_->inner - k_ * size_);
  execute.columns = std::min(size_, tile_->columns - j_ * size_);
  execute.flip = output_stationary_ ? k_ == 0 : i_ == 0;
  execute.accumulate = tile_->accumulate || (!output_stationary_ && k_ > 0);
  execute.transposer = output_stationary_ || layout_.transposed;
  return execute;
}

void ExecuteSequence::advance() {
  const auto next = [](int& index, int extent) { return ++index == extent && (index = 0, true); };
  done_ = output_stationary_
              ? next(k_, layout_.inner) && next(j_, layout_.columns) && next(i_, layout_.rows)
              : next(i_, layout_.rows) && next(j_, layout_.columns) && next(k_, layout_.inner);
}

StoreSequence::StoreSequence(const Tile& tile, const Hardware& hardware)
    : tile_(&tile),
      hardware_(&hardware),
      layout_(tile, hardware),
      step_(tile.kind == TileKind::kHostMatmul
                ? 1
                : blocks_per_dma(tile.result.element_bytes, hardware)) {
  if (!tile.store) row_ = tile.rows, column_ = layout_.columns;
}

Mvout StoreSequence::mvout(int row, int rows) const {
  const int size = hardware_->array_size;
  const Matrix place = tile_->result.at(row, column_ * size);
  Mvout mvout;
  mvout.address = place.address;
  mvout.stride = place.stride;
  mvout.rows = rows;
  mvout.first_row = row % size;
  mvout.element_bytes = place.element_bytes;
  mvout.blocks = std::min(step_, layout_.columns - column_);
  mvout.row_bytes =
      std::min(mvout.blocks * size, tile_->columns - column_ * size) * place.element_bytes;
  mvout.source =
      tile_->kind == TileKind::kCopy
          ? LocalBlock{Memory::kScratchpad, layout_.left + row / size * layout_.columns + column_}
          : LocalBlock{Memory::kAccumulator, layout_.result_block(row / size, column_)};
  return mvout;
}

std::optional<Mvout> StoreSequence::next() {
  if (tile_->normalisation != Normalisation::kNone) return next_normalised();
  if (column_ >= layout_.columns) return std::nullopt;
  const int rows = std::min(hardware_->array_size, tile_->rows - row_);
  const Mvout taken = mvout(row_, rows);
  if (tile_->kind == TileKind::kGather) {
    column_ += step_;
    if (column_ >= layout_.columns && row_ + rows < tile_->rows) row_ += rows, column_ = 0;
    return taken;
  }
  row_ += rows;
  if (row_ >= tile_->rows) row_ = 0, column_ += step_;
  return taken;
}

// LoopMatmul.scala L571-678: within a pair of rows, passes; within a pass, rows; within a row, DMA
// commands. `row_` is the first row of the pair.
std::optional<Mvout> StoreSequence::next_normalised() {
  if (row_ >= tile_->rows) return std::nullopt;
  const int sets = std::min(kStatisticSets, tile_->rows - row_);
  Mvout taken = mvout(row_ + statistics_, 1);
  taken.normalisation = tile_->normalisation;
  taken.statistics = statistics_;
  taken.pass = static_cast<NormPass>(pass_ + 1);
  taken.first_of_pass = column_ == 0;
  column_ += step_;
  taken.last_of_pass = column_ >= layout_.columns;
  if (taken.last_of_pass) {
    column_ = 0;
    if (++statistics_ == sets) statistics_ = 0, ++pass_;
    if (pass_ == static_cast<int>(NormPass::kWrite)) pass_ = 0, row_ += sets;
  }
  return taken;
}

}  // namespace paretoformer::accel_sim
