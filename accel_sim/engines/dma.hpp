// The two DMA engines as recurrences over requests, for the fast engine.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "accel_sim/engines/l2_port.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/registers.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/instructions.hpp"

namespace paretoformer::accel_sim {

// The last `size` values pushed; a full one gives back its oldest.
class TimeRing {
 public:
  explicit TimeRing(int size) : times_(static_cast<std::size_t>(size), 0) {}

  std::int64_t oldest() const { return times_[next_]; }
  // The one pushed that many before, the last being 1; at most `size`.
  std::int64_t back(int pushes) const {
    const std::size_t place = next_ + times_.size() - static_cast<std::size_t>(pushes);
    return times_[place < times_.size() ? place : place - times_.size()];
  }
  void push(std::int64_t time) {
    times_[next_] = time;
    if (++next_ == times_.size()) next_ = 0;
  }

 private:
  std::vector<std::int64_t> times_;
  std::size_t next_ = 0;
};

// Load controller and stream reader (LoadController.scala, DMA.scala), a request after the other:
// each waits for a register of requests in flight, for L2, and for its turn at the merger, whose
// clocks move on by what it takes of them; what L2 lacks comes when it does, and the merger turns
// to others meanwhile.
class LoadUnit {
 public:
  LoadUnit(const Hardware& hardware, MemorySystem& memory, L2Port& l2);

  // Runs an mvin whose dependencies are met and which is in the controller's queue at `time`.
  struct Span {
    std::int64_t begin;
    std::int64_t end;             // its rows are in the local memory
    std::int64_t local_rows = 0;  // written there; a row of two requests twice
  };
  Span mvin(const Mvin& mvin, std::int64_t time);

  // The same in parts, so that rows that are written come to the memory between those that are
  // read: begins it; and sends the requests whose turn comes before `time`, until it is complete.
  void begin(const Mvin& mvin, std::int64_t time);
  std::optional<Span> advance(std::int64_t time);
  std::int64_t asking() const { return asking_; }  // when those of its next row are sent

  // Before that no other mvin begins.
  std::int64_t next_begin() const { return std::max(asking_, commands_.oldest() + 1); }
  std::int64_t beats() const { return beats_received_; }

 private:
  // What a row brings that begins at an offset in its line; a request per line.
  struct RowData {
    int requests = 0;
    int beats = 0;
    int local_rows = 0;  // written; one that two requests share, twice
    int cycles = 0;      // to receive it
    int other_beats = 0, last_beats = 0, other_cycles = 0, last_cycles = 0;  // of a request
  };
  RowData data_of_row(const Mvin& mvin, std::int64_t address, bool multipliers) const;

  const Hardware* hardware_;
  MemorySystem* memory_;
  L2Port* l2_;
  TimeRing commands_;  // ends of the mvins that the controller tracks
  Registers in_flight_;
  std::int64_t bus_latency_, l2_hit_cycles_;

  // The mvin under way, and of its rows so far what they bring.
  Mvin current_;
  bool repeats_ = false;  // all rows lie alike in their lines
  RowData row_data_;
  int row_ = 0;
  std::int64_t begin_ = 0, asking_ = 0;
  std::int64_t local_rows_ = 0;
  std::int64_t cycles_ = 0;    // to receive all of it
  std::int64_t received_ = 0;  // when its last data is

  std::int64_t bus_free_ = 0;  // a beat a cycle, and a row of the local memory
  std::int64_t complete_ = 0;  // the last mvin
  std::int64_t beats_received_ = 0;
};

// Store controller and stream writer.
class StoreUnit {
 public:
  StoreUnit(const Hardware& hardware, MemorySystem& memory, L2Port& l2);

  // The same for an mvout. It is complete when its last row has left the local memory.
  LoadUnit::Span mvout(const Mvout& mvout, std::int64_t time);

  // The same in parts, so that its rows come to the memory between the reads of their time: begins
  // it; and writes the rows that are ready by then, until it is complete. Before `shared_until`
  // only `share` of 256 cycles of the local memory's port are left for it.
  void begin(const Mvout& mvout, std::int64_t time, std::int64_t shared_until = 0,
             int share = kWholePort);
  static constexpr int kWholePort = 256;
  void share_port(std::int64_t until, int share);  // the same from now on
  std::optional<LoadUnit::Span> advance(std::int64_t time);

  std::int64_t next_write() const { return next_write_; }  // when the row after those is written

  // Before that no other mvout begins.
  std::int64_t next_begin() const { return reader_free_; }
  std::int64_t acknowledged() const { return acknowledged_; }  // when all writes were
  std::int64_t beats() const { return beats_sent_; }
  std::int64_t written_bytes() const { return written_; }

 private:
  std::int64_t normalise(const Mvout& mvout, std::int64_t begin);
  std::int64_t read_row(std::int64_t ticks, std::int64_t work) const;
  void write_row(std::int64_t address, int bytes);

  MemorySystem* memory_;
  L2Port* l2_;
  Registers in_flight_;
  TimeRing rows_ahead_;  // when the writer began the last rows
  int size_;
  Mvout current_;
  std::int64_t begin_ = 0, reader_ticks_ = 0, next_write_ = 0;
  int row_ = 0;
  std::int64_t shared_until_ = 0;
  int share_ = kWholePort;
  std::int64_t bus_latency_, write_latency_;
  int beat_bytes_;
  std::int64_t reader_free_ = 0;  // of the local memory
  std::int64_t writer_free_ = 0;
  std::int64_t acknowledged_ = 0;
  std::array<std::int64_t, 2> statistics_free_{};  // the normaliser's long operations, by set
  std::int64_t units_free_ = 0;                    // which do them
  std::int64_t beats_sent_ = 0;
  std::int64_t written_ = 0;  // bytes
};

}  // namespace paretoformer::accel_sim
