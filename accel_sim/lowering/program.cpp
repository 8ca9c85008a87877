#include "accel_sim/lowering/program.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr std::int64_t kAlignment = 64;
// One bookkeeping word per 64-byte line keeps the simulator's memory within bounds.
constexpr std::int64_t kLargestSpan = std::int64_t{1} << 31;

// They are kept together: half a gigabyte of them, and seconds to run them.
constexpr std::int64_t kMostTiles = std::int64_t{1} << 22;

void require_countable(std::int64_t tiles, const Operator& op) {
  if (tiles > kMostTiles)
    throw InputError("\"" + describe(op) + "\" is cut into " + std::to_string(tiles) +
                     " tiles: expected at most " + std::to_string(kMostTiles) +
                     ", of larger tiles or with larger memories on the chip");
}

// `accumulator_buffers`: 1 for rows that take all of it.
void require_fitting(const MatmulTile& tile, int accumulator_buffers, const Target& target) {
  const int scratchpad_buffers = buffers_per_memory(target);
  const auto text = [&](const char* what, std::int64_t needed, int available, int buffers) {
    return "a tile of " + std::to_string(tile.rows) + " x " + std::to_string(tile.inner) + " x " +
           std::to_string(tile.columns) + " blocks does not fit the " + what + ": it needs " +
           std::to_string(needed) + " blocks, expected at most " + std::to_string(available) +
           (buffers == 2 ? " (half of it)" : "");
  };
  const std::int64_t results = std::int64_t{tile.rows} * tile.columns;
  const std::int64_t inputs = (std::int64_t{tile.rows} + tile.columns) * tile.inner;
  const int sums = target.accumulator_blocks() / accumulator_buffers;
  if (results > sums) throw InputError(text("accumulator", results, sums, accumulator_buffers));
  const int operands = target.scratchpad_blocks() / scratchpad_buffers;
  if (inputs > operands) throw InputError(text("scratchpad", inputs, operands, scratchpad_buffers));
}

// In which half of the double-buffered memories the tiles of an operand lie.
class Residence {
 public:
  struct Place {
    int half;
    bool is_new;  // not there yet
  };

  // `stays`: it has at most two tiles, each with a half of its own. `reloads`: it is brought in
  // even when it is there.
  Residence(int halves, bool stays, bool reloads)
      : halves_(halves), stays_(stays), reloads_(reloads) {}

  Place of(int tile) {
    if (stays_) return {tile, !std::exchange(seen_[static_cast<std::size_t>(tile)], true)};
    const bool is_new = reloads_ || tile != last_;
    if (is_new) half_ = (half_ + 1) % halves_;
    last_ = tile;
    return {half_, is_new};
  }

 private:
  int halves_;
  bool stays_, reloads_;
  std::array<bool, 2> seen_{};
  int last_ = -1, half_ = -1;
};

// Tiles along each extent, and which of them is next.
struct TileGrid {
  TileGrid(const Operator& op, const MatmulTile& tile, const Target& target) {
    const MatmulTile whole = blocks(op, target);
    counts = {ceil_divide(whole.rows, tile.rows), ceil_divide(whole.columns, tile.columns),
              ceil_divide(whole.inner, tile.inner)};
  }

  int count(MatmulLoop loop) const { return counts[static_cast<std::size_t>(loop)]; }
  int at(MatmulLoop loop) const { return index[static_cast<std::size_t>(loop)]; }

  bool next(const MatmulSchedule& schedule) {
    for (auto loop = schedule.order.rbegin(); loop != schedule.order.rend(); ++loop) {
      int& i = index[static_cast<std::size_t>(*loop)];
      if (++i < count(*loop)) return true;
      i = 0;
    }
    return false;
  }

  std::array<int, 3> counts{}, index{};  // by MatmulLoop
};

// Throws unless the matmul can be run like that.
void require_runnable(const Call& call, const Target& target) {
  const Operator& op = call.program;
  const MatmulSchedule& schedule = *call.schedule;
  const MatmulSchedule librarys = schedule.tile;
  const bool is_librarys = schedule.order == librarys.order && schedule.reloads;
  if (target.dataflow != Dataflow::kWeightStationary && !is_librarys)
    throw InputError("the loops of an output-stationary matmul are the library's: expected rows, " +
                     std::string("columns, inner, every operand loaded anew"));
  const bool whole_rows = blocks(op, target).columns <= schedule.tile.columns;
  const bool is_fused = call.fused != Normalisation::kNone;
  const bool asks = op.activation == Activation::kLayerNorm || op.bias == Bias::kTriangle;
  if ((asks && !is_fused) || (is_fused && !whole_rows))
    throw InputError("\"" + describe(op) + "\" cannot be fused: expected the normaliser on the " +
                     "chip, and whole rows of results in the accumulator");
  if (op.bias == Bias::kTriangle && schedule.tile.rows > highest_row_block(op, target))
    throw InputError("row blocks of " + std::to_string(row_block_height(call)) +
                     " are too high: expected at most the width of a head, " +
                     std::to_string(op.inner));
}

// The tile at `grid`, its extents and where its operands lie.
Tile part_at(const TileGrid& grid, const Operator& op, const MatmulTile& tile, int size,
             const Placement& placement) {
  const int row = grid.at(MatmulLoop::kRows) * tile.rows * size;
  const int column = grid.at(MatmulLoop::kColumns) * tile.columns * size;
  const int depth = grid.at(MatmulLoop::kInner) * tile.inner * size;
  Tile part;
  part.rows = std::min(tile.rows * size, op.rows - row);
  part.inner = std::min(tile.inner * size, op.inner - depth);
  part.columns = std::min(tile.columns * size, op.columns - column);
  part.transposed_right = op.right == RightOperand::kTransposedActivations;
  part.left = placement.left.at(row, depth);
  part.right =
      part.transposed_right ? placement.right.at(column, depth) : placement.right.at(depth, column);
  part.result = placement.result.at(row, column);
  part.multipliers = placement.multipliers.at(0, column);
  part.depth = depth;
  // What the product begins with, or what the tile before along `inner` left.
  const Matrix& sums = depth > 0 || !loads_bias(op) ? placement.partial_sums : placement.bias;
  part.sums = sums.at(row, column);
  return part;
}

Program lower_matmul(const Call& call, const Target& target, const Placement& placement) {
  const Operator& op = call.program;
  const MatmulSchedule& schedule = *call.schedule;
  const MatmulTile& tile = schedule.tile;
  const int halves = buffers_per_memory(target);
  const int accumulator_buffers = call.takes_turns ? 1 : halves;
  require_fitting(tile, accumulator_buffers, target);
  require_runnable(call, target);
  const bool has_bias = loads_bias(op);
  const bool spills = spills_sums(schedule, op, target);

  TileGrid grid(op, tile, target);
  const int down = grid.count(MatmulLoop::kRows), across = grid.count(MatmulLoop::kColumns);
  const int deep = grid.count(MatmulLoop::kInner);
  // Of extents up to 2^18 blocks: 64 bits hold the product.
  const std::int64_t tiles = std::int64_t{down} * across * deep;
  require_countable(tiles, op);
  const auto residence = [&](int tiles) {
    return Residence(halves, halves == 2 && target.operand_reuse && tiles <= 2, schedule.reloads);
  };
  Residence lefts = residence(down * deep), rights = residence(across * deep);
  Residence results(accumulator_buffers, false, false);

  Program program;
  program.tiles.reserve(static_cast<std::size_t>(tiles));
  do {
    const int i = grid.at(MatmulLoop::kRows), j = grid.at(MatmulLoop::kColumns);
    const int k = grid.at(MatmulLoop::kInner);
    const bool last = k == deep - 1;
    const Residence::Place left = lefts.of(i * deep + k), right = rights.of(j * deep + k);
    Tile item = part_at(grid, op, tile, target.array_size, placement);
    item.kind =
        target.dataflow == Dataflow::kWeightStationary ? TileKind::kMatmul : TileKind::kHostMatmul;
    item.normalisation = call.fused;
    item.takes_turns = call.takes_turns && k == 0;
    item.load_left = left.is_new;
    item.load_right = right.is_new;
    item.load_sums = k == 0 ? has_bias : spills;
    item.accumulate = has_bias || k > 0;
    item.begins_results = k == 0;
    item.store = spills || last;
    if (spills && !last) {  // as they are: what is fused waits for the last products
      item.normalisation = Normalisation::kNone;
      item.result = placement.partial_sums.at(std::int64_t{i} * tile.rows * target.array_size,
                                              std::int64_t{j} * tile.columns * target.array_size);
    }
    item.left_half = left.half;
    item.right_half = right.half;
    item.result_half = results.of(i * across + j).half;
    program.tiles.push_back(item);
  } while (grid.next(schedule));
  return program;
}

// Causal scores, a tile of rows at a time over the keys up to its last row's own. What the diagonal
// block has above the diagonal is masked by as many more columns along `inner` as it has rows: the
// identity against a triangle, 127 * -127 for every later key. They are loops of their own, for
// constants lie elsewhere than queries and keys.
Program lower_row_blocks(const Call& call, const Target& target, const Placement& placement) {
  const Operator& op = call.program;
  const MatmulTile& tile = call.schedule->tile;
  const int accumulator_buffers = call.takes_turns ? 1 : 2;
  require_fitting(tile, accumulator_buffers, target);
  require_runnable(call, target);
  const int depth = tile.inner * target.array_size;
  const std::vector<RowBlock> blocks = row_blocks(call);
  require_countable(std::ssize(blocks) * (ceil_divide(op.inner, depth) + tile.rows), op);

  Program program;
  int half = 0;
  for (const auto& [first, rows, columns] : blocks) {
    Tile item;
    item.rows = rows;
    item.columns = columns;
    item.normalisation = call.fused;
    item.transposed_right = true;
    item.result = placement.result.at(first, 0);
    item.result_half = half++ % accumulator_buffers;
    item.takes_turns = call.takes_turns;
    item.store = false;
    const auto add_products = [&](const Matrix& left, const Matrix& right, int inner) {
      for (int k = 0; k < inner; k += depth) {
        item.inner = std::min(depth, inner - k);
        item.left = left.at(0, k);
        item.right = right.at(0, k);
        item.left_half = item.right_half = static_cast<int>(program.tiles.size() % 2);
        program.tiles.push_back(item);
        item.accumulate = true;
        item.begins_results = item.takes_turns = false;
      }
    };
    add_products(placement.left.at(first, 0), placement.right, op.inner);
    add_products(placement.identity, placement.triangle.at(blocks.back().first - first, 0),
                 item.rows);
    program.tiles.back().store = true;
  }
  return program;
}

// Tiles of whole rows or parts of rows that fit `capacity` blocks of the accumulator: rows are
// halved first, then columns. (For residual adds the library takes a block off the columns while a
// tile is wider than high, and halves its rows otherwise: gemmini.h L3264-3275.)
Program lower_elementwise(const Operator& op, TileKind kind, int capacity, const Target& target,
                          const Placement& placement, bool scaled = true) {
  const int size = target.array_size;
  int rows = ceil_divide(op.rows, size);
  int columns = ceil_divide(op.columns, size);
  while (std::int64_t{rows} * columns > capacity) {
    int& extent = rows > 1 ? rows : columns;
    extent = ceil_divide(extent, 2);
  }
  require_countable(
      std::int64_t{ceil_divide(op.rows, rows * size)} * ceil_divide(op.columns, columns * size),
      op);
  Program program;
  for (int i = 0; i < op.rows; i += rows * size)
    for (int j = 0; j < op.columns; j += columns * size) {
      Tile item;
      item.kind = kind;
      item.rows = std::min(rows * size, op.rows - i);
      item.columns = std::min(columns * size, op.columns - j);
      item.left = placement.left.at(i, j);
      item.right = placement.right.at(i, j);
      item.scaled = scaled;
      item.result = placement.result.at(i, j);
      item.result_half = static_cast<int>(program.tiles.size() % 2);
      item.left_half = item.result_half;
      program.tiles.push_back(item);
    }
  return program;
}

// tiled_norm_auto, gemmini.h L3416-3586: whole rows, all of the accumulator.
Program lower_normalise(const Call& call, Normalisation normalisation, const Target& target,
                        const Placement& placement) {
  Program program = lower_elementwise(call.program, TileKind::kNormalise,
                                      target.accumulator_blocks(), target, placement);
  for (Tile& tile : program.tiles) {
    tile.normalisation = normalisation;
    tile.reads = call.reads;
    tile.result_half = 0;
  }
  return program;
}

// Rows of blocks of positions, and onto each of their rows that of its token, which may lie
// anywhere: an mvin each. In an order of its own (nothing of the library does it).
Program lower_gather(const Operator& op, const Target& target, const Placement& placement) {
  Program program = lower_elementwise(op, TileKind::kGather, target.accumulator_blocks(), target,
                                      placement, /*scaled=*/false);
  for (Tile& tile : program.tiles) tile.result_half = tile.left_half = 0;
  return program;
}

// A residual add of one operand: LOOP_WS skips what has address 0 (as gemmini.h has it leave out
// operands that stay).
Program lower_gelu(const Operator& op, const Target& target, const Placement& placement) {
  Program program = lower_elementwise(op, TileKind::kResidualAdd, target.accumulator_blocks() / 2,
                                      target, placement, /*scaled=*/false);
  for (Tile& tile : program.tiles) tile.load_right = false;
  return program;
}

// Of loops over rows: the library's own, over int32, and those over int8 of exported programs,
// which it does not have, each as it was measured.
HostCommandCycles host_row_cycles(int element_bytes, const Hardware& hardware) {
  const int mvin = hardware.norm_mvin_cycles;
  if (element_bytes == 1) return {mvin, 0, kRowMvoutCycles, kConfigIssueCycles};
  return {mvin, 0, hardware.norm_command_cycles, hardware.norm_config_cycles};
}

Program lower_to_tiles(const Call& call, const Target& target, const Placement& where) {
  const Operator& op = call.program;
  switch (op.kind) {
    case OperatorKind::kMatmul:
      return op.bias == Bias::kTriangle ? lower_row_blocks(call, target, where)
                                        : lower_matmul(call, target, where);
    case OperatorKind::kSoftmax:
      return lower_normalise(call, Normalisation::kSoftmax, target, where);
    case OperatorKind::kLayerNorm:
      return lower_normalise(call, Normalisation::kLayerNorm, target, where);
    case OperatorKind::kResidualAdd:
      return lower_elementwise(op, TileKind::kResidualAdd, target.accumulator_blocks() / 2, target,
                               where, call.scaled);
    case OperatorKind::kEmbedding:
      if (reads_int8(op)) return lower_gather(op, target, where);
      return lower_elementwise(op, TileKind::kCopy, target.scratchpad_blocks() / 2, target, where);
    case OperatorKind::kGelu:
      return lower_gelu(op, target, where);
    case OperatorKind::kRmsNorm:
    case OperatorKind::kSilu:
    case OperatorKind::kRotary:
    case OperatorKind::kArithmetic:
      break;  // the host's
  }
  throw Error("lowering of an unknown kind of operator");
}

}  // namespace

Matrix AddressSpace::place(std::int64_t rows, std::int64_t columns, int element_bytes,
                           std::int64_t stride) {
  if (stride == 0) stride = columns * element_bytes;
  const Matrix matrix{end_, stride, element_bytes};
  // Extents are at most 2^20 and the span at most 2^31 before, so that 64 bits hold the product.
  end_ += (rows * stride + kAlignment - 1) / kAlignment * kAlignment;
  if (end_ > kLargestSpan)
    throw InputError("a matrix of " + std::to_string(rows) + " x " + std::to_string(columns) +
                     " does not fit the simulator's address space: expected operands and results "
                     "of at most " +
                     std::to_string(kLargestSpan) + " bytes together");
  return matrix;
}

Matrix AddressSpace::place_int4(std::int64_t rows, std::int64_t columns) {
  Matrix matrix = place(rows, int4_bytes(columns));
  matrix.int4 = true;
  return matrix;
}

Matrix AddressSpace::place_bias(const Operator& op) {
  const bool repeats = op.bias == Bias::kRow;
  Matrix bias = place(repeats ? 1 : op.rows, op.columns, kSumBytes);
  if (repeats) bias.stride = 0;
  return bias;
}

void AddressSpace::place_triangle(const Call& scores, Placement& placement) {
  const int height = row_block_height(scores);
  const std::int64_t keys = row_blocks(scores).back().first + std::int64_t{height};
  placement.identity = place(height, height, 1, placement.left.stride);
  placement.triangle = place(keys, height, 1, placement.right.stride);
}

Placement packed(const Call& call, const Target& target) {
  const Operator& op = call.program;
  AddressSpace space;
  Placement placement;
  if (op.kind == OperatorKind::kMatmul) {
    placement.left = space.place(op.rows, op.inner);
    if (op.right == RightOperand::kInt4Weights) {
      placement.right = space.place_int4(op.inner, op.columns);
      placement.multipliers = space.place_int4(int4_groups(op.inner), op.columns);
    } else {
      placement.right = op.right == RightOperand::kTransposedActivations
                            ? space.place(op.columns, op.inner, 1, call.right_stride)
                            : space.place(op.inner, op.columns, 1, call.right_stride);
    }
    placement.result = space.place(op.rows, op.columns, call.result_bytes);
    if (spills_sums(*call.schedule, op, target))
      placement.partial_sums = space.place(op.rows, op.columns, kSumBytes);
    if (loads_bias(op)) placement.bias = space.place_bias(op);
    if (op.bias == Bias::kTriangle) space.place_triangle(call, placement);
  } else {
    placement.left = placement.right = space.place(op.rows, op.columns, call.operand_bytes);
    const bool adds = op.kind == OperatorKind::kResidualAdd ||
                      (op.kind == OperatorKind::kEmbedding && reads_int8(op));
    if (adds) placement.right = space.place(op.rows, op.columns);
    placement.result = space.place(op.rows, op.columns);
  }
  placement.bytes = space.bytes();
  return placement;
}

bool spills_sums(const MatmulSchedule& schedule, const Operator& op, const Target& target) {
  const TileGrid grid(op, schedule.tile, target);
  if (grid.count(MatmulLoop::kInner) == 1) return false;
  const auto inner = std::find(schedule.order.begin(), schedule.order.end(), MatmulLoop::kInner);
  return std::any_of(inner + 1, schedule.order.end(),
                     [&](MatmulLoop loop) { return grid.count(loop) > 1; });
}

double host_cycles_per_element(OperatorKind kind, const Hardware& hardware) {
  // Operands come in and go out as int8; the published share of the residual add is taken to hold
  // its own conversions.
  const double conversions = 2 * hardware.host_conversion_cycles_per_element;
  switch (kind) {
    case OperatorKind::kSoftmax:
      return hardware.host_softmax_cycles_per_element + conversions;
    case OperatorKind::kLayerNorm:
    case OperatorKind::kRmsNorm:  // which is no more than it
      return hardware.host_layer_norm_cycles_per_element + conversions;
    case OperatorKind::kGelu:
    case OperatorKind::kSilu:  // an exponential and a division, as a GELU's tanh
      return hardware.host_gelu_cycles_per_element + conversions;
    default:
      return hardware.host_residual_add_cycles_per_element;
  }
}

HostCommandCycles host_command_cycles(const Tile& tile, const Hardware& hardware) {
  if (tile.kind == TileKind::kHostMatmul) {
    const int issue = hardware.command_issue_cycles;
    return {issue, issue, issue, 0};
  }
  return host_row_cycles(tile.left.element_bytes, hardware);
}

HostCommandCycles host_command_cycles(const Call& call, const Hardware& hardware) {
  return host_row_cycles(call.operand_bytes, hardware);
}

std::int64_t prologue_cycles(const Call& call, const Hardware& hardware) {
  if (call.program.kind == OperatorKind::kResidualAdd || call.program.kind == OperatorKind::kGelu)
    return hardware.residual_prologue_cycles;
  const std::int64_t given = std::max(hardware.call_overhead_cycles - kFenceCycles, 0);
  if (call.search_steps < 0) return given;
  // Whole rows are the first guess of what is fused: no square root, no divisions.
  const bool guesses = call.fused == Normalisation::kNone;
  return given + hardware.tile_search_cycles + (guesses ? hardware.tile_guess_cycles : 0) +
         std::int64_t{call.search_steps} * hardware.tile_search_step_cycles;
}

Program lower(const Operator& op, const Target& target,
              const std::optional<MatmulSchedule>& schedule) {
  return lower(compile(op, target, schedule), target);
}

Program lower(const Call& call, const Target& target, const Placement* placement) {
  const Placement where = placement != nullptr ? *placement : packed(call, target);
  Program program = lower_to_tiles(call, target, where);
  program.bytes = where.bytes;
  program.prologue_cycles = prologue_cycles(call, target);
  return program;
}

}  // namespace paretoformer::accel_sim
