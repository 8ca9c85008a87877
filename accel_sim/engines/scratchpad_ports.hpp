// The banks of the scratchpad have one port each: rows that come in take it from those that are
// read (Scratchpad.scala L119, L176). For the fast engine: who reads and who writes which bank
// when, as shares of the cycles.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "accel_sim/engines/dma.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/lowering/instructions.hpp"

namespace paretoformer::accel_sim {

class ScratchpadPorts {
 public:
  using Time = std::int64_t;
  static constexpr int kMostBanks = 16;  // Hardware::scratchpad_banks

  explicit ScratchpadPorts(const Hardware& hardware);

  int bank(int block) const { return block / bank_blocks_; }

  // What reads while blocks are fed to the array, or stored: rows of `left` from several banks, and
  // blocks of `right`; in which part of the cycles.
  struct Readers {
    std::array<Time, kMostBanks> left_shares{};  // by bank
    int right_bank = -1;
    Time right_share = 0;
  };
  // A weight-stationary tile: every bank that `left` lies in, and one block of weights per strip,
  // whose bank is still to be set.
  Readers readers(const Tile& tile, const TileLayout& layout) const;
  // One block in every cycle.
  Readers reader_of(int block) const;
  static constexpr Time kAlways = Time{1} << 16;

  // The computes of a tile begin and end; `worked` are the cycles that the array has worked so far.
  void begin_computes(const TileLayout& layout, Time now, Time worked);
  void end_computes(Time now, Time worked);

  // Forgets the rows that came in for the tile before.
  void begin_tile();
  // Rows of the current tile that come in, in the order of time.
  void write(const Mvin& mvin, const LoadUnit::Span& span);

  // When `work` cycles of reading for computes, or for stores, are done that begin at `now`. Calls
  // come in the order of time.
  Time read(const Readers& readers, Time now, Time work) {
    return next_write_ == writes_.size() ? now + work : read(readers, now, work, next_write_);
  }
  Time read_for_store(const Readers& readers, Time now, Time work) {
    return read(readers, now, work, next_write_of_stores_);
  }

  // By how much rows of this tile delay the computes that were timed before them, as far as these
  // did not wait for something else meanwhile. Rows come into a bank that is read since the loads
  // of the next tile but one begin when the last computes have been emitted, and may starve what is
  // left of them; and where an operand stays in its half.
  Time delay_of_computes();

 private:
  struct Write {
    Time begin, end, share;  // of the cycles
    int bank;
  };
  struct Computes {
    Time begin = 0, end = 0, worked = 0;
    std::array<Time, kMostBanks> reads_of_bank{};  // cycles
  };
  Time read(const Readers& readers, Time now, Time work, std::size_t& cursor) const;
  // Calls `add(bank, blocks)` for every bank that the blocks lie in.
  template <typename Add>
  void for_banks(int first, int blocks, const Add& add) const;

  int size_, latency_, bank_blocks_;
  std::vector<Write> writes_;
  std::size_t next_write_ = 0, next_write_of_stores_ = 0;  // those before have been passed
  std::array<Computes, 2> computes_;                       // of the last two tiles
};

}  // namespace paretoformer::accel_sim
