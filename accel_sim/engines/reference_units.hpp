// The units of the accelerator, each stepped cycle by cycle, for the reference engine: reservation
// station, load controller with its stream reader, execute controller, store controller with its
// stream writer.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "accel_sim/engines/engine.hpp"
#include "accel_sim/engines/l2_port.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/requests.hpp"
#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/lowering/instructions.hpp"

namespace paretoformer::accel_sim::reference {

using Cycle = std::int64_t;

enum class Unit { kLoad, kExecute, kStore };
inline constexpr int kUnits = 3;

// One command as the reservation station sees it; the member that its kind uses is set.
struct Instruction {
  enum class Kind { kMvin, kPreload, kCompute, kMvout, kConfigNorm };
  Kind kind = Kind::kMvin;
  Mvin mvin;
  Execute execute;
  Mvout mvout;
  bool output_stationary = false;  // of an execute: COMPUTE reads both operands
  std::int64_t id = 0;             // given by the reservation station, in order of allocation
};

Unit unit_of(const Instruction& instruction);

// Holds commands from their allocation to their completion, and issues those whose dependencies
// are met (ReservationStation.scala). Dependencies are overlaps of local blocks with commands of
// other units that are in the station when the command comes.
class ReservationStation {
 public:
  explicit ReservationStation(const Hardware& hardware);

  // How many commands of that unit it holds, and whether there is room for another.
  int held(Unit unit) const { return static_cast<int>(entries_[index(unit)].size()); }
  bool has_room(Unit unit) const { return held(unit) < capacity_[index(unit)]; }
  bool is_idle(Unit unit) const { return held(unit) == 0; }
  bool empty() const;

  void allocate(Instruction instruction, Cycle cycle);

  // A unit reports the end of a command in its last cycle; its entry is freed when its turn comes,
  // one a cycle, from the next on.
  void report_complete(Unit unit, std::int64_t id) { reported_[index(unit)].push_back(id); }

  // Frees the entry of one reported command (Controller.scala L425-440), then issues one per unit
  // into the controllers' queues.
  void step(Cycle cycle);

  // The command at the controller's `position`, if it has come there by `cycle`.
  const Instruction* head(Unit unit, Cycle cycle, std::size_t position = 0) const;
  void pop(Unit unit) { queues_[index(unit)].pop_front(); }

  // Whether the oldest command of the execute controller that has not been issued waits for one of
  // that unit; nothing when there is none or it waits for nothing.
  std::optional<Unit> execute_waits_for() const;

  std::int64_t moves() const { return moves_; }  // grows whenever something happens
  std::string describe() const;

 private:
  struct Entry {
    Instruction instruction;
    bool issued = false;
    Cycle earliest_issue = 0;
    std::vector<std::int64_t> waits_for[kUnits];  // ids by unit
  };
  struct Queued {
    Instruction instruction;
    Cycle visible;
  };
  static std::size_t index(Unit unit) { return static_cast<std::size_t>(unit); }
  static bool depends(const Instruction& later, const Instruction& earlier);
  void complete_one(Cycle cycle);
  void complete(Unit unit, std::int64_t id, Cycle cycle);
  void issue(Unit unit, Cycle cycle);

  bool stores_wait_for_completion_;
  std::array<int, kUnits> capacity_;
  std::array<std::deque<Entry>, kUnits> entries_;  // in order of allocation
  std::array<std::deque<std::int64_t>, kUnits> reported_;
  std::array<std::deque<Queued>, kUnits> queues_;
  std::int64_t next_id_ = 0;
  std::int64_t moves_ = 0;
};

// Load controller and stream reader (LoadController.scala, DMA.scala): rows become one request per
// line, requests reach L2 in order, responses cross the bus as they are ready.
class LoadController {
 public:
  LoadController(const Hardware& hardware, MemorySystem& memory, L2Port& l2, Trace* trace);

  void step(Cycle cycle, ReservationStation& station);

  bool busy() const { return !tracked_.empty(); }
  // The scratchpad bank into which a row is written in this cycle; -1: none.
  int bank_written() const { return bank_written_; }
  // The bank of the accumulator to which a row is added in this cycle; -1: none.
  int bank_added_to() const { return bank_added_to_; }
  std::int64_t beats() const { return beats_; }
  std::int64_t moves() const { return moves_; }
  std::string describe() const;

 private:
  struct Tracked {  // an mvin between its first request and its completion
    Mvin mvin;
    std::int64_t id;
    Cycle begin;
    std::int64_t bytes_left;
    Cycle done = -1;
  };
  struct Request {
    std::int64_t line;
    std::int64_t id;  // of its mvin
    std::int64_t order;
    int useful;  // bytes
    RequestData data;
    Cycle time;  // arrival at L2, then when its data is ready
  };
  struct Later {
    bool operator()(const Request& a, const Request& b) const {
      return a.time != b.time ? a.time > b.time : a.order > b.order;
    }
  };
  void finish(Cycle cycle, ReservationStation& station);
  void receive(Cycle cycle);
  void look_up(Cycle cycle);
  void request(Cycle cycle, ReservationStation& station);
  Tracked& tracked(std::int64_t id);

  const Hardware* hardware_;
  MemorySystem* memory_;
  L2Port* l2_;
  Trace* trace_;
  std::size_t most_tracked_;
  std::deque<Tracked> tracked_;
  // The mvin that is being split, and how far it is.
  bool splitting_ = false;
  int row_ = 0, offset_ = 0;
  int in_flight_ = 0;
  std::deque<Request> to_l2_;
  Cycle l2_free_ = 0;
  std::priority_queue<Request, std::vector<Request>, Later> responses_;
  std::optional<Request> receiving_;
  int cycles_left_ = 0, rows_left_ = 0;  // of the response that is being received
  int bank_written_ = -1, bank_added_to_ = -1;
  std::int64_t order_ = 0, beats_ = 0, moves_ = 0;
};

// Feeds the array (ExecuteController.scala).
class ExecuteController {
 public:
  ExecuteController(const Hardware& hardware, Trace* trace);

  // `bank_written`: where the DMA writes in this cycle.
  void step(Cycle cycle, int bank_written, ReservationStation& station);

  enum class State { kIdle, kPreloading, kComputing };
  State state() const { return state_; }  // in the cycle that was stepped last
  // Whether a row that came in took the port of the bank that it reads.
  bool stalled() const { return stalled_; }
  bool started() const { return started_; }
  // Whether results are still on their way into the accumulator.
  bool draining(Cycle cycle) const { return cycle < last_result_; }
  // Whether results are being added to that bank of the accumulator in this cycle: read and write
  // take both of its ports (AccumulatorMem.scala L379-385).
  bool accumulates(int accumulator_bank, Cycle cycle) const;
  void end_trace(Cycle cycle);

  std::int64_t moves() const { return moves_; }
  std::string describe() const;

 private:
  struct Result {  // rows on their way through the array
    std::int64_t preload_id;
    Cycle begin, end;
    int bank;
    bool accumulate;
  };
  void start(Cycle cycle, const ReservationStation& station);
  void end_compute(Cycle cycle, ReservationStation& station);
  void end_step(ReservationStation& station);
  bool reads(int bank) const;
  int scratchpad_bank(int block) const;

  const Hardware* hardware_;
  Trace* trace_;
  int size_, latency_;
  State state_ = State::kIdle;
  bool started_ = false, stalled_ = false;
  std::optional<Instruction> compute_, preload_;  // of the current step
  std::optional<Instruction> preloaded_;          // whose compute comes next
  int feed_cycles_ = 0;                           // the first cycles of the step, ...
  int feed_left_ = 0;                             // cycles with the operands of compute_ ...
  int rest_ = 0;                                  // ... and after them
  std::deque<Result> results_;
  Cycle last_result_ = 0;
  Cycle run_begin_ = -1;
  std::int64_t moves_ = 0;
};

// Store controller, normaliser and stream writer (StoreController.scala, Scratchpad.scala,
// DMA.scala).
class StoreController {
 public:
  StoreController(const Hardware& hardware, MemorySystem& memory, L2Port& l2, Trace* trace);

  void step(Cycle cycle, const ExecuteController& execute, const LoadController& load,
            ReservationStation& station);

  bool busy() const { return current_.has_value(); }
  // Nothing to read, nothing to write, everything acknowledged.
  bool idle() const;
  std::int64_t beats() const { return beats_; }
  std::int64_t written_bytes() const { return written_; }
  std::int64_t moves() const { return moves_; }
  std::string describe() const;

 private:
  struct PipedBlock {  // a row of a block between the local memory and the writer
    Cycle available;
    bool last;  // of its row, which is then written
    std::int64_t address;
    int bytes;
  };
  struct Write {
    std::int64_t line;
    bool whole;
    int beats;
    Cycle arrival, acknowledged;
  };
  bool can_read(Cycle cycle, const ExecuteController& execute, const LoadController& load) const;
  void read(Cycle cycle, const ExecuteController& execute, const LoadController& load,
            ReservationStation& station);
  void end_row(Cycle cycle, ReservationStation& station);
  void write(Cycle cycle);
  void begin_request();
  void arrive(Cycle cycle);

  const Hardware* hardware_;
  MemorySystem* memory_;
  L2Port* l2_;
  Trace* trace_;
  std::optional<Instruction> current_;
  Cycle begin_ = 0;
  int row_ = 0, block_ = 0, ticks_left_ = 0;  // of the block that is being read
  std::array<Cycle, 2> statistics_free_{};    // the normaliser's long operations, by set
  Cycle units_free_ = 0;                      // which do them
  std::deque<PipedBlock> pipe_;
  // The row that is being written.
  std::int64_t address_ = 0;
  int bytes_left_ = 0, useful_ = 0, request_beats_ = 0, beats_left_ = 0;
  std::deque<Write> to_l2_;
  std::vector<Cycle> acknowledgements_;
  std::int64_t beats_ = 0, written_ = 0, moves_ = 0;
};

}  // namespace paretoformer::accel_sim::reference
