#include "accel_sim/engines/reference_engine.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/reference_units.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/instructions.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace reference {
namespace {

using Kind = Instruction::Kind;

constexpr std::size_t kResidentLoops = 2;

Instruction instruction_of(const Mvin& mvin) {
  Instruction instruction;
  instruction.kind = Kind::kMvin;
  instruction.mvin = mvin;
  return instruction;
}

// The PRELOADs and COMPUTEs of a matmul tile.
class ExecuteCommands : public ExecuteSequence {
 public:
  using ExecuteSequence::ExecuteSequence;

  Instruction take() {
    Instruction instruction;
    instruction.kind = compute_next_ ? Kind::kCompute : Kind::kPreload;
    instruction.execute = execute();
    instruction.output_stationary = output_stationary();
    if (compute_next_) advance();
    compute_next_ = !compute_next_;
    return instruction;
  }

 private:
  bool compute_next_ = false;
};

// The mvouts of a tile, and the config_norm before each pass of the normaliser.
class StoreCommands {
 public:
  StoreCommands(const Tile& tile, const Hardware& hardware)
      : sequence_(tile, hardware), next_(sequence_.next()) {}

  const std::optional<Mvout>& next() const { return next_; }

  Instruction take() {
    Instruction instruction;
    instruction.mvout = *next_;
    if (next_->first_of_pass && !configured_) {
      instruction.kind = Kind::kConfigNorm;
      configured_ = true;
      return instruction;
    }
    instruction.kind = Kind::kMvout;
    configured_ = false;
    next_ = sequence_.next();
    return instruction;
  }

 private:
  StoreSequence sequence_;
  std::optional<Mvout> next_;
  bool configured_ = false;
};

// Which blocks of a local memory have got their mvins emitted.
class Blocks {
 public:
  void add(const LocalBlock& first, int blocks) {
    for (int b = first.index; b < first.index + blocks; ++b) {
      if (static_cast<std::size_t>(b) >= emitted_.size()) emitted_.resize(b + 1, false);
      emitted_[static_cast<std::size_t>(b)] = true;
    }
  }
  bool has(int block) const {
    return static_cast<std::size_t>(block) < emitted_.size() &&
           emitted_[static_cast<std::size_t>(block)];
  }

 private:
  std::vector<bool> emitted_;
};

// One loop in the unroller: what is left to emit of each kind (LoopMatmul.scala).
class Loop {
 public:
  Loop(const Tile& tile, const Hardware& hardware)
      : tile_(&tile),
        layout_(tile, hardware),
        loads_(tile, hardware),
        executes_(tile, hardware),
        stores_(tile, hardware),
        step_(loads_.next()) {}

  const Tile& tile() const { return *tile_; }
  bool loads_done() const { return !step_; }
  bool executes_done() const { return executes_.done(); }
  bool stores_done() const { return !stores_.next(); }
  bool done() const { return loads_done() && executes_done() && stores_done(); }

  // The operands of the next block must be on their way, and all sums (L458-463).
  bool may_execute() const {
    const int left = layout_.left_block(executes_.i(), executes_.k());
    const int right = layout_.right_block(executes_.k(), executes_.j());
    const bool sums_to_come = step_ && step_->operand == LoadSequence::Operand::kSums;
    return !executes_.done() && !sums_to_come && (!tile_->load_left || emitted_.has(left)) &&
           (!tile_->load_right || emitted_.has(right));
  }

  // The next mvout follows the last computes of its blocks, or its mvins of the right operand, and
  // without one all mvins; a normalised one the computes of the whole tile (L627-633, L1027-1031).
  bool may_store() const {
    const std::optional<Mvout>& mvout = stores_.next();
    if (!mvout) return false;
    if (!is_matmul(*tile_)) return !step_ || may_store_loaded(*mvout);
    if (tile_->normalisation != Normalisation::kNone) return executes_.done();
    const int last = mvout->source.index + mvout->blocks - 1 - layout_.result;
    return executes_.is_past(last / layout_.columns, last % layout_.columns);
  }

  bool load_waits_for_computes() const { return waits_for_computes(loads_.mvin(*step_)); }
  Instruction take_load() {
    const Mvin mvin = loads_.mvin(*step_);
    using Operand = LoadSequence::Operand;
    const Operand operand = step_->operand;
    if (operand == Operand::kRight ||
        (operand == Operand::kLeft && (is_matmul(*tile_) || tile_->kind == TileKind::kCopy)))
      emitted_.add(mvin.target, mvin.blocks);
    step_ = loads_.next();
    return instruction_of(mvin);
  }
  Instruction take_execute() { return executes_.take(); }
  Instruction take_store() { return stores_.take(); }

 private:
  bool may_store_loaded(const Mvout& mvout) const {
    for (int b = 0; b < mvout.blocks; ++b)
      if (!emitted_.has(mvout.source.index + b)) return false;
    return true;
  }

  const Tile* tile_;
  TileLayout layout_;
  LoadSequence loads_;
  ExecuteCommands executes_;
  StoreCommands stores_;
  std::optional<LoadSequence::Step> step_;
  Blocks emitted_;
};

// The loop unroller: two loops at once, a command a cycle, stores before executes before loads
// (L960-965). A loop leaves when everything of it has been emitted, which the source calls its
// completion (L1260-1288); what is under way is the reservation station's matter.
class Unroller {
 public:
  explicit Unroller(const Hardware& hardware) : hardware_(&hardware) {}

  bool has_room(const Tile& tile) const {
    return loops_.size() < (tile.takes_turns ? 1 : kResidentLoops);
  }
  bool empty() const { return loops_.empty(); }
  void configure(const Tile& tile) { loops_.emplace_back(tile, *hardware_); }
  // Whether a loop with computes left to emit is there.
  bool has_executes() const {
    return std::any_of(loops_.begin(), loops_.end(),
                       [](const Loop& loop) { return !loop.executes_done(); });
  }

  std::optional<Instruction> step(const ReservationStation& station) {
    if (!loops_.empty() && loops_.front().done()) loops_.pop_front();
    Loop* stores = first([](const Loop& loop) { return !loop.stores_done(); });
    if (stores != nullptr && station.has_room(Unit::kStore) && stores->may_store())
      return stores->take_store();
    Loop* executes = first([](const Loop& loop) { return !loop.executes_done(); });
    if (executes != nullptr && station.has_room(Unit::kExecute) && executes->may_execute())
      return executes->take_execute();
    Loop* loads = first([](const Loop& loop) { return !loop.loads_done(); });
    const bool computing =
        (executes != nullptr && executes != loads) || !station.is_idle(Unit::kExecute);
    if (loads != nullptr && station.has_room(Unit::kLoad) &&
        !(computing && loads->load_waits_for_computes()))
      return loads->take_load();
    return std::nullopt;
  }

 private:
  // The loop that owns a kind of command: the first that has any left.
  template <typename Has>
  Loop* first(Has has) {
    const auto found = std::find_if(loops_.begin(), loops_.end(), has);
    return found == loops_.end() ? nullptr : &*found;
  }

  const Hardware* hardware_;
  std::deque<Loop> loops_;
};

// What the C library issues command by command for a tile (sp_tiled_matmul_os, sp_tiled_norm).
class HostSequence {
 public:
  HostSequence(const Tile& tile, const Hardware& hardware)
      : tile_(&tile),
        size_(hardware.array_size),
        loads_(tile, hardware),
        executes_(tile, hardware),
        stores_(tile, hardware),
        step_(loads_.next()) {}

  std::optional<Instruction> next() {
    // A normalisation goes on to the next row of blocks when this one is out.
    const bool load_first = tile_->kind == TileKind::kHostMatmul || !stores_.next() ||
                            (step_ && step_->row <= row_of(*stores_.next()));
    if (step_ && load_first) {
      const Mvin mvin = loads_.mvin(*step_);
      step_ = loads_.next();
      return instruction_of(mvin);
    }
    if (!executes_.done()) return executes_.take();
    if (stores_.next()) return stores_.take();
    return std::nullopt;
  }

 private:
  int row_of(const Mvout& mvout) const {
    return static_cast<int>((mvout.address - tile_->result.address) / tile_->result.stride) / size_;
  }

  const Tile* tile_;
  int size_;
  LoadSequence loads_;
  ExecuteCommands executes_;
  StoreCommands stores_;
  std::optional<LoadSequence::Step> step_;
};

// The host: after the prologue it prepares one loop, or one command, at a time, and holds it until
// there is room for it.
class Host {
 public:
  Host(const Program& program, const Hardware& hardware)
      : program_(&program), hardware_(&hardware), ready_(program.prologue_cycles) {}

  bool done() const {
    return loop_ == nullptr && !command_ && !sequence_ && next_tile_ == program_->tiles.size();
  }
  bool works(Cycle cycle) const { return cycle < ready_; }

  // Hands over at most one command of a tile that the host unrolls, or configures a loop.
  std::optional<Instruction> step(Cycle cycle, Unroller& unroller,
                                  const ReservationStation& station) {
    if (works(cycle)) return std::nullopt;
    std::optional<Instruction> issued;
    if (loop_ != nullptr && unroller.has_room(*loop_)) {
      unroller.configure(*loop_);
      loop_ = nullptr;
    } else if (command_ && unroller.empty() && station.has_room(unit_of(*command_))) {
      issued.swap(command_);
    }
    if (loop_ == nullptr && !command_) prepare(cycle);
    return issued;
  }
  const Tile* loop() const { return loop_; }  // that it holds
  const std::optional<Instruction>& command() const { return command_; }

 private:
  int cycles_of(const Instruction& command) const {
    using Kind = Instruction::Kind;
    switch (command.kind) {
      case Kind::kMvin:
        return cycles_.mvin;
      case Kind::kMvout:
        return cycles_.mvout;
      case Kind::kConfigNorm:
        return cycles_.config;
      default:
        return cycles_.execute;
    }
  }
  void prepare(Cycle cycle) {
    while (!command_ && loop_ == nullptr) {
      if (sequence_) command_ = sequence_->next();
      if (command_) break;
      sequence_.reset();
      if (next_tile_ == program_->tiles.size()) return;
      const Tile& tile = program_->tiles[next_tile_++];
      cycles_ = host_command_cycles(tile, *hardware_);
      if (is_unrolled_by_host(tile)) {
        sequence_.emplace(tile, *hardware_);
      } else {
        loop_ = &tile;
      }
    }
    ready_ =
        cycle + (loop_ != nullptr ? loop_issue_cycles(*loop_, *hardware_) : cycles_of(*command_));
  }

  const Program* program_;
  const Hardware* hardware_;
  std::size_t next_tile_ = 0;
  std::optional<HostSequence> sequence_;
  std::optional<Instruction> command_;
  const Tile* loop_ = nullptr;
  HostCommandCycles cycles_;  // of its tile
  Cycle ready_;               // when what it prepares is ready
};

class Engine {
 public:
  Engine(const Program& program, const Hardware& hardware, MemorySystem& memory, Cycle cycle_limit,
         Trace* trace)
      : hardware_(hardware),
        trace_(trace),
        limit_(cycle_limit),
        prologue_(program.prologue_cycles),
        memory_(memory),
        host_(program, hardware),
        unroller_(hardware),
        station_(hardware),
        load_(hardware, memory_, l2_, trace),
        execute_(hardware, trace),
        store_(hardware, memory_, l2_, trace) {
    for (const Tile& tile : program.tiles) {
      const TileLayout layout(tile, hardware);
      if (is_matmul(tile))
        commands_left_ += 2 * std::int64_t{layout.rows} * layout.inner * layout.columns;
      if (tile.normalisation != Normalisation::kNone) normalises_ = true;
    }
    // More than anything can be waited for.
    patience_ = 100'000 + 4 * (std::int64_t{hardware.dram_latency_cycles} +
                               hardware.dram_page_miss_cycles + hardware.l2_hit_cycles +
                               hardware.bus_latency_cycles + hardware.write_latency_cycles +
                               program.prologue_cycles + hardware.loop_issue_cycles +
                               hardware.command_issue_cycles + hardware.norm_command_cycles);
  }

  EngineResult run() {
    Cycle cycle = 0;
    while (!finished()) {
      step(cycle);
      ++(breakdown_.*cause(cycle));
      if (load_.busy()) ++result_.load_busy;
      if (store_.busy()) ++result_.store_busy;
      ++cycle;
      check(cycle);
    }
    return result(cycle);
  }

 private:
  using Cause = Cycle CycleBreakdown::*;

  bool finished() const {
    return host_.done() && unroller_.empty() && station_.empty() && !load_.busy() && store_.idle();
  }

  void step(Cycle cycle) {
    station_.step(cycle);
    load_.step(cycle, station_);
    execute_.step(cycle, load_.bank_written(), station_);
    store_.step(cycle, execute_, load_, station_);
    std::optional<Instruction> command = unroller_.step(station_);
    // The host issues commands only while the unroller has no loop.
    if (const auto issued = host_.step(cycle, unroller_, station_)) command = issued;
    if (command) {
      count(*command);
      station_.allocate(*command, cycle);
    }
  }

  void check(Cycle cycle) {
    const std::int64_t moves = station_.moves() + load_.moves() + execute_.moves() + store_.moves();
    if (moves != moves_) last_move_ = cycle;
    moves_ = moves;
    if (cycle - last_move_ > patience_)
      throw Error("the accelerator has not moved for " + std::to_string(patience_) +
                  " cycles at cycle " + std::to_string(cycle) + ": " + describe());
    if (cycle > limit_)
      throw Error("the program takes more than " + std::to_string(limit_) +
                  " cycles: " + describe());
  }

  std::string describe() const {
    return station_.describe() + "; " + load_.describe() + "; " + execute_.describe() + "; " +
           store_.describe();
  }

  // --- where the cycles go

  Cause cause(Cycle cycle) {
    if (execute_.state() != ExecuteController::State::kIdle && execute_.stalled())
      return &CycleBreakdown::load;
    if (execute_.state() == ExecuteController::State::kComputing) return &CycleBreakdown::array;
    if (execute_.state() == ExecuteController::State::kPreloading) return &CycleBreakdown::pipeline;
    if (cycle < prologue_) return &CycleBreakdown::host;
    if (commands_left_ == 0 && executed_all()) return cause_at_end(cycle);
    return wait_ = cause_of_waiting(cycle);
  }

  bool executed_all() const {
    // What is left in the station are preloads whose results are under way.
    return !station_.execute_waits_for() && station_.head(Unit::kExecute, limit_) == nullptr;
  }

  Cause cause_at_end(Cycle cycle) const {
    if (execute_.draining(cycle)) return &CycleBreakdown::pipeline;
    if (!execute_.started() && (load_.busy() || station_.held(Unit::kLoad) > 0 || !host_.done()))
      return &CycleBreakdown::load;
    return normalises_ ? &CycleBreakdown::normaliser : &CycleBreakdown::writeback;
  }

  Cause store_cause() const {
    return normalises_ ? &CycleBreakdown::normaliser : &CycleBreakdown::store;
  }

  Cause cause_of_waiting(Cycle cycle) const {
    if (const auto unit = station_.execute_waits_for())
      return *unit == Unit::kLoad ? &CycleBreakdown::load : store_cause();
    if (station_.held(Unit::kExecute) > 0 && !execute_.draining(cycle)) return wait_;
    if (unroller_.has_executes()) return &CycleBreakdown::load;
    if (host_.works(cycle)) return &CycleBreakdown::host;
    if (const Tile* loop = host_.loop())
      return unroller_.has_room(*loop) ? &CycleBreakdown::host : store_cause();
    const auto& command = host_.command();
    if (command && unit_of(*command) == Unit::kLoad) return &CycleBreakdown::load;
    if (command && unit_of(*command) == Unit::kStore) return store_cause();
    return wait_;
  }

  // --- what moves

  void count(const Instruction& instruction) {
    const std::int64_t size = hardware_.array_size;
    const Execute& execute = instruction.execute;
    const auto at = [&](Memory memory) -> std::int64_t& {
      return memory == Memory::kScratchpad ? accesses_.scratchpad : accesses_.accumulator;
    };
    switch (instruction.kind) {
      case Kind::kMvin: {
        const Mvin& mvin = instruction.mvin;
        at(mvin.target.memory) +=
            mvin.blocks * mvin.rows * mvin.copies * size * (mvin.accumulate ? 2 : 1);
        break;
      }
      case Kind::kMvout: {
        const Mvout& mvout = instruction.mvout;
        at(mvout.source.memory) += mvout.blocks * mvout.rows * size;
        break;
      }
      case Kind::kPreload:
        --commands_left_;
        if (!execute.flip || instruction.output_stationary) break;
        accesses_.scratchpad += size * size;
        accesses_.pe_register += size * size;
        break;
      case Kind::kCompute: {
        --commands_left_;
        const std::int64_t rows = instruction.output_stationary ? size : execute.rows;
        accesses_.scratchpad += rows * size * (instruction.output_stationary ? 2 : 1);
        if (execute.result >= 0)
          accesses_.accumulator += rows * size * (execute.accumulate ? 2 : 1);
        break;
      }
      case Kind::kConfigNorm:
        break;
    }
  }

  EngineResult result(Cycle cycle) {
    execute_.end_trace(cycle);
    const Cycle fence = std::min(kFenceCycles, hardware_.call_overhead_cycles);
    breakdown_.host += fence;
    if (trace_ != nullptr) {
      if (prologue_ > 0) trace_->push_back({Lane::kHost, "prologue", 0, prologue_});
      if (fence > 0) trace_->push_back({Lane::kHost, "fence", cycle, cycle + fence});
    }
    result_.cycles = cycle + fence;
    result_.breakdown = breakdown_;
    accesses_.l2_bytes = (load_.beats() + store_.beats()) * hardware_.bus_bytes_per_cycle;
    accesses_.dram_bytes = memory_.fetches() * kLineBytes + store_.written_bytes();
    result_.accesses = accesses_;
    return result_;
  }

  const Hardware& hardware_;
  Trace* trace_;
  const Cycle limit_, prologue_;
  MemorySystem& memory_;
  Host host_;
  Unroller unroller_;
  ReservationStation station_;
  L2Port l2_;
  LoadController load_;
  ExecuteController execute_;
  StoreController store_;

  std::int64_t commands_left_ = 0;  // preloads and computes that have not been allocated
  bool normalises_ = false;
  Cause wait_ = &CycleBreakdown::host;
  Cycle patience_ = 0, last_move_ = 0;
  std::int64_t moves_ = 0;
  CycleBreakdown breakdown_;
  AccessCounts accesses_;
  EngineResult result_;
};

}  // namespace
}  // namespace reference

EngineResult run_reference_engine(const Program& program, const Hardware& hardware,
                                  std::int64_t cycle_limit, Trace* trace) {
  MemorySystem memory(hardware, program.bytes);
  return run_reference_engine(program, hardware, memory, cycle_limit, trace);
}

EngineResult run_reference_engine(const Program& program, const Hardware& hardware,
                                  MemorySystem& memory, std::int64_t cycle_limit, Trace* trace) {
  memory.begin_call();
  return reference::Engine(program, hardware, memory, cycle_limit, trace).run();
}

}  // namespace paretoformer::accel_sim
