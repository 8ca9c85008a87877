// The mvouts of a loop, and what holds them up, for the fast engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "accel_sim/engines/dma.hpp"
#include "accel_sim/lowering/instructions.hpp"

namespace paretoformer::accel_sim {

// They happen while the next loop is loaded, or an element-wise one itself: each comes to the
// memory when its time has come.
struct LoopStores {
  using Time = std::int64_t;

  LoopStores(const Tile& its_tile, const Hardware& hardware)
      : tile(&its_tile),
        layout(its_tile, hardware),
        sequence(its_tile, hardware),
        next(sequence.next()),
        bank_blocks(hardware.accumulator_bank_blocks()) {}

  // Of a block's load among those that stores follow: down the rows first where there is one
  // operand.
  int position(int block) const {
    if (tile->kind != TileKind::kResidualAdd || tile->load_right) return block;
    return block % layout.columns * layout.rows + block / layout.columns;
  }

  // How much of the port is left for the rows of a block: those of the bank that is being
  // accumulated into are read in the cycles between (AccumulatorMem.scala L379-385).
  int port_share(int block) const {
    const int blocks = layout.rows * layout.columns, bank = block / bank_blocks * bank_blocks;
    const int in_bank =
        std::min(bank + bank_blocks, layout.result + blocks) - std::max(bank, layout.result);
    return StoreUnit::kWholePort - static_cast<int>(adding * in_bank / blocks);
  }

  // How long the last products of a tile's results took, and how much of that the array worked:
  // until then they are added to what is in the accumulator.
  struct LastSums {
    Time lasted = 0, worked = 0;
  };
  void wait_for_sums(Time until, const LastSums& last, int array_size) {
    const Time cycles = last.worked * tile->rows / (layout.rows * array_size);
    added_until = until;
    adding = StoreUnit::kWholePort * cycles / std::max<Time>(last.lasted, cycles + 1);
  }

  const Tile* tile;
  TileLayout layout;
  StoreSequence sequence;
  std::optional<Mvout> next;
  int bank_blocks;       // of the accumulator
  Time emitted = 0;      // the other commands of the loop
  Time computed = 0;     // before that the results to be normalised cannot be read
  Time added_until = 0;  // computes add to their bank until then ...
  Time adding = 0;       // ... in so many of 256 cycles
  int loaded = -1;       // element-wise: the last block that may leave
};

// The rows of the last mvin that adds to the accumulator: they take both ports of their bank, so
// that none is read meanwhile (AccumulatorMem.scala L379-385).
struct AddedRows {
  using Time = std::int64_t;

  explicit AddedRows(const Hardware& hardware) : bank_blocks(hardware.accumulator_bank_blocks()) {}

  // `since`: when the mvins before were complete.
  void add(const Mvin& mvin, const LoadUnit::Span& span, Time since) {
    const Time cycles = std::max(span.end - std::max(span.begin, since), span.local_rows);
    until = span.end;
    bank = mvin.target.index / bank_blocks;
    share =
        StoreUnit::kWholePort - static_cast<int>(StoreUnit::kWholePort * span.local_rows / cycles);
  }
  bool hold_up(const Mvout& mvout) const {
    return mvout.source.memory == Memory::kAccumulator && mvout.source.index / bank_blocks == bank;
  }

  int bank_blocks;
  int bank = -1;
  Time until = 0;
  int share = StoreUnit::kWholePort;  // of the port that is left until then
};

}  // namespace paretoformer::accel_sim
