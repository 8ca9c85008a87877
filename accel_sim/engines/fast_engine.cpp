#include "accel_sim/engines/fast_engine.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "accel_sim/engines/dma.hpp"
#include "accel_sim/engines/loop_stores.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/scratchpad_ports.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/instructions.hpp"

namespace paretoformer::accel_sim {
namespace {

using Time = std::int64_t;

// From a command's place in the reservation station to the start of its controller: allocation,
// issue, controller queue; and as long from the completion that it waits for
// (ReservationStation.scala).
constexpr int kIssueCycles = 3;

constexpr Time kNever = std::numeric_limits<Time>::max();

class FastEngine {
 public:
  FastEngine(const Program& program, const Hardware& hardware, MemorySystem& memory, Trace* trace)
      : program_(program),
        hardware_(hardware),
        trace_(trace),
        size_(hardware.array_size),
        latency_(array_latency(hardware.array_size)),
        memory_(memory),
        load_(hardware, memory_, l2_),
        ports_(hardware),
        store_(hardware, memory_, l2_),
        added_(hardware),
        load_entries_(hardware.load_entries),
        // A preload and a compute each.
        execute_entries_(hardware.execute_entries / 2),
        store_entries_(hardware.store_entries),
        scratchpad_(static_cast<std::size_t>(hardware.scratchpad_blocks())),
        accumulator_(static_cast<std::size_t>(hardware.accumulator_blocks())) {}

  EngineResult run() {
    host_time_ = program_.prologue_cycles;
    span(Lane::kHost, "prologue", 0, host_time_);
    stall(&CycleBreakdown::host, host_time_);
    for (const Tile& tile : program_.tiles)
      normalises_ = normalises_ || tile.normalisation != Normalisation::kNone;
    for (const Tile& tile : program_.tiles) {
      switch (tile.kind) {
        case TileKind::kHostMatmul:
          run_host_matmul(tile);
          break;
        case TileKind::kNormalise:
        case TileKind::kGather:
          run_host_rows(tile);
          break;
        default:
          run_loop(tile);
      }
    }
    return finish();
  }

 private:
  using Cause = Time CycleBreakdown::*;

  // A block of a local memory: when its content is there, and when its last reader is through.
  struct Block {
    Time ready = 0;
    Time read = 0;
  };

  // --- the host

  // One LOOP_WS: the host issues its commands, at most one loop ahead of the unroller, which holds
  // two (LoopMatmul.scala L912, L994).
  Time configure_loop(const Tile& tile) {
    host_time_ = std::max(host_time_, configured_) + loop_issue_cycles(tile, hardware_);
    configured_by_host_ = host_time_ > retired_;
    configured_ = std::max(host_time_, retired_ + 1);
    return configured_;
  }

  // One command of an unrolled loop nest on the host; it waits for a free entry of its kind.
  Time issue_command(int cycles, const TimeRing& entries) {
    issuing_ += cycles;
    host_time_ = std::max(host_time_ + cycles, entries.oldest());
    return host_time_ + kIssueCycles;
  }

  // --- tiles

  void run_loop(const Tile& tile) {
    if (tile.takes_turns) finish_stores();
    const Time configured = configure_loop(tile);
    const TileLayout layout(tile, hardware_);
    const bool is_matmul = tile.kind == TileKind::kMatmul;
    load_tile(tile, layout, configured, is_matmul);
    Time emitted = load_unroller_;
    if (is_matmul) {
      delay_computes(ports_.delay_of_computes());
      finish_stores();
      ports_.begin_computes(layout, fed_, worked());
      compute_tile(tile, layout);
      ports_.end_computes(fed_, worked());
      emitted = std::max(emitted, executes_emitted(configured));
    } else if (stores_ && stores_->tile != &tile) {
      finish_stores();
    }
    if (!stores_) begin_stores(tile, configured);
    stores_->emitted = emitted;
  }

  void load_tile(const Tile& tile, const TileLayout& layout, Time configured, bool is_matmul) {
    LoadSequence sequence(tile, hardware_);
    load_unroller_ = std::max(load_unroller_, configured);
    ports_.begin_tile();
    int to_come = sequence.steps();
    while (const auto step = sequence.next()) {
      load_unroller_ = std::max(load_unroller_ + 1, load_entries_.oldest());
      const Mvin command = sequence.mvin(*step);
      Time issued = load_unroller_ + kIssueCycles;
      if (waits_for_computes(command)) issued = std::max(issued, computed_ + kIssueCycles);
      run_stores_until(std::max(issued, load_.next_begin()));
      mvin(command, issued);
      if (is_matmul) continue;
      // Stores follow the loads of the right operand; where there is none, until all of the left
      // one have been emitted (LoopMatmul.scala L632, L1027-1031).
      const bool all_emitted = --to_come < hardware_.load_entries;
      if (step->operand != LoadSequence::Operand::kLeft || tile.kind == TileKind::kCopy ||
          (!tile.load_right && all_emitted)) {
        if (stores_ && stores_->tile != &tile && !stores_->next) finish_stores();
        if (!stores_) begin_stores(tile, configured);
        if (stores_->tile == &tile)
          stores_loaded(stores_->position(step->row * layout.columns + step->column));
      }
    }
  }

  // --- stores of loops

  void stores_loaded(int blocks) {
    stores_->loaded = blocks;
    next_store_ = 0;
  }

  void begin_stores(const Tile& tile, Time configured) {
    stores_.emplace(tile, hardware_);
    next_store_ = 0;
    store_unroller_ = std::max(store_unroller_, configured);
    if (tile.kind != TileKind::kMatmul) return;
    stores_loaded(stores_->layout.rows * stores_->layout.columns);
    // Those to be normalised wait for the whole tile (LoopMatmul.scala L627).
    if (tile.normalisation != Normalisation::kNone) stores_->computed = computed_;
    if (!tile.accumulate && tile.inner <= size_) return;
    stores_->wait_for_sums(computed_, last_sums_, size_);
  }

  void run_stores_until(Time time) {
    if (time < next_store_) return;
    next_store_ = kNever;
    while (stores_ && (storing_ || stores_->next)) {
      if (storing_ && !advance_mvout(time)) {
        next_store_ = store_.next_write();
        return;
      }
      if (!stores_->next) return;
      const Mvout& command = *stores_->next;
      const int first =
          stores_->tile->kind == TileKind::kCopy ? stores_->layout.left : stores_->layout.result;
      if (stores_->position(command.source.index - first) > stores_->loaded) return;
      const Time emitted = std::max(store_unroller_ + 1, store_entries_.oldest());
      const Time issued = std::max(emitted, stores_->computed) + kIssueCycles;
      if (const Time start = store_start(command, issued); start > time) {
        next_store_ = start;
        return;
      }
      store_unroller_ = emitted;
      begin_mvout(command, issued);
      stores_->next = stores_->sequence.next();
    }
  }

  // All that are left of the loop, which leaves the unroller when everything has been emitted
  // (LoopMatmul.scala L1260-1288).
  void finish_stores() {
    if (!stores_) return;
    stores_loaded(stores_->layout.rows * stores_->layout.columns);
    run_stores_until(kNever);
    if (stores_->tile->normalisation != Normalisation::kNone) normalised_ = true;
    retired_ = std::max(stores_->emitted, store_unroller_);
    stores_.reset();
  }

  // When the last computes of a loop are emitted: as long before their turn as the reservation
  // station holds others. Besides those that wait, two entries each, there are the preloads whose
  // results are under way.
  Time executes_emitted(Time configured) const {
    const int under_way = (latency_ + size_ - 1) / size_;
    const int waiting = std::max(hardware_.execute_entries - under_way, 0) / 2;
    return std::max(configured, fed_ - Time{waiting} * size_);
  }

  // A loop over inner, columns, rows of blocks, rows innermost: one block of weights per strip.
  void compute_tile(const Tile& tile, const TileLayout& layout) {
    const int last_rows = tile.rows - (layout.rows - 1) * size_;
    ScratchpadPorts::Readers readers = ports_.readers(tile, layout);
    for (int k = 0; k < layout.inner; ++k) {
      Time left_ready = 0;
      for (int i = 0; i < layout.rows; ++i)
        left_ready = std::max(left_ready, scratchpad_at(layout.left_block(i, k)).ready);
      const bool adds = tile.accumulate || k > 0;
      const bool last = k == layout.inner - 1;
      if (last) last_sums_ = {-fed_, -worked()};
      for (int j = 0; j < layout.columns; ++j) {
        if (!adds) wait_for_accumulator(layout, j);
        if (tile.load_sums && k == 0) wait_for_sums(layout, j);
        compute_strip(layout, k, j, left_ready, readers);
        scratchpad_at(layout.right_block(k, j)).read = fed_ + latency_;
        if (last)
          for (int i = 0; i < layout.rows; ++i)
            accumulator_at(layout.result_block(i, j)).ready =
                fed_ - Time{layout.rows - 1 - i} * size_ + latency_;
      }
      for (int i = 0; i < layout.rows; ++i) scratchpad_at(layout.left_block(i, k)).read = fed_;
      const std::int64_t fed_rows = (layout.rows - 1) * size_ + last_rows;
      count_computes(fed_rows * layout.columns, layout.columns, adds);
    }
    last_sums_.lasted += fed_;
    last_sums_.worked += worked();
    computed_ = fed_ + latency_;
  }

  void wait_for_accumulator(const TileLayout& layout, int j) {
    Time free = 0;
    for (int i = 0; i < layout.rows; ++i)
      free = std::max(free, accumulator_at(layout.result_block(i, j)).read);
    if (free + kIssueCycles <= fed_) return;
    started_ = std::min(started_, free);  // what waits cannot have been in the queue
    stall(store_cause(), free + kIssueCycles);
  }

  // What the results begin with is loaded into their place.
  void wait_for_sums(const TileLayout& layout, int j) {
    Time loaded = 0;
    for (int i = 0; i < layout.rows; ++i)
      loaded = std::max(loaded, accumulator_at(layout.result_block(i, j)).ready);
    if (loaded + kIssueCycles <= fed_) return;
    started_ = std::min(started_, loaded);  // what waits cannot have been in the queue
    wait_for_operands(loaded + kIssueCycles);
  }

  // The computes of one block of weights. While everything is there, a block of `left` is fed in
  // `size` cycles, the next weights being loaded meanwhile.
  void compute_strip(const TileLayout& layout, int k, int j, Time left_ready,
                     ScratchpadPorts::Readers& readers) {
    const int right_block = layout.right_block(k, j);
    const Time right_ready = scratchpad_at(right_block).ready;
    // Transposed weights take a pass through the array of their own
    // (TransposePreloadUnroller.scala); weights in the bank of `left` take turns with it, also
    // where it has no rows any more (ExecuteController.scala L305-357).
    readers.right_bank = ports_.bank(right_block);
    const int extra =
        (layout.transposed ? size_ : 0) +
        (readers.right_bank == ports_.bank(layout.left_block(layout.rows - 1, k)) ? size_ : 0);
    const int last = layout.rows - 1;
    if (std::max(left_ready, right_ready) + kIssueCycles <= started_) {
      if (last > 0) feed(last * size_, readers, false);
      feed(size_ + extra, readers, true);
      return;
    }
    for (int i = 0; i < layout.rows; ++i) {
      const Time left = scratchpad_at(layout.left_block(i, k)).ready;
      const Time ready = (i == 0 ? std::max(left, right_ready) : left) + kIssueCycles;
      if (ready > started_) {
        // The command was not in the queue when the compute before it began: that one ran alone,
        // and so does this preload (ExecuteController.scala L531-632).
        wait_for_operands(ready);
        const int preload = i == 0 ? size_ : kLeastStepCycles;
        stall(&CycleBreakdown::pipeline, fed_ + preload);
      }
      feed(size_ + (i == last ? extra : 0), readers, i == last);
    }
  }

  // What was timed before was too early by that much, and its stores.
  void delay_computes(Time delay) {
    if (delay == 0) return;
    stall(&CycleBreakdown::load, fed_ + delay);
    computed_ += delay;
    if (!stores_) return;
    stores_->emitted += delay;
    if (stores_->added_until > 0) stores_->added_until += delay;
    if (stores_->computed > 0) stores_->computed += delay;
  }

  // Blocks of `left`; while the last one of a strip is fed, the next weights are loaded. Rows of
  // the same tile that come in take the scratchpad's port.
  void feed(Time cycles, ScratchpadPorts::Readers& readers, bool loads_weights) {
    feed(cycles);
    readers.right_share = loads_weights ? ScratchpadPorts::kAlways : 0;
    const Time alone = fed_;
    fed_ = ports_.read(readers, started_, cycles);
    port_conflicts_ += fed_ - alone;
  }
  // Cycles that the array has worked.
  Time worked() const { return array_cycles_ + fed_ - accounted_; }

  // sp_tiled_matmul_os (gemmini.h L380-505): everything in program order, sums stay in the array
  // while `inner` goes by, and `left` passes the transposer, so that every step takes `size`
  // cycles.
  void run_host_matmul(const Tile& tile) {
    const TileLayout layout(tile, hardware_);
    const int issue = hardware_.command_issue_cycles;
    LoadSequence loads(tile, hardware_);
    ports_.begin_tile();
    while (const auto step = loads.next()) {
      const Time issued = issue_command(issue, load_entries_);
      mvin(loads.mvin(*step), issued);
    }
    for (int i = 0; i < layout.rows; ++i)
      for (int j = 0; j < layout.columns; ++j)
        for (int k = 0; k < layout.inner; ++k) {
          const Time issued = issue_command(2 * issue, execute_entries_);
          execute_host_block(tile, layout, i, j, k, issued);
        }
    StoreSequence stores(tile, hardware_);
    while (const auto command = stores.next()) {
      const Time issued = issue_command(issue, store_entries_);
      mvout(*command, issued);
    }
  }

  void execute_host_block(const Tile& tile, const TileLayout& layout, int i, int j, int k,
                          Time issued) {
    Block& left = scratchpad_at(layout.left_block(i, k));
    Block& right = scratchpad_at(layout.right_block(k, j));
    Block& result = accumulator_at(layout.result_block(i, j));
    const bool last = k == layout.inner - 1;
    Time loaded = std::max(left.ready, right.ready) + kIssueCycles;
    if (last && !tile.accumulate && result.read + kIssueCycles > std::max(loaded, issued))
      stall(&CycleBreakdown::store, result.read + kIssueCycles);
    if (std::max(loaded, issued) > started_) {
      stall(&CycleBreakdown::load, loaded);
      stall(&CycleBreakdown::host, issued);
      stall(&CycleBreakdown::pipeline, fed_ + size_);
    }
    const int left_bank = ports_.bank(layout.left_block(i, k));
    const int right_bank = ports_.bank(layout.right_block(k, j));
    ScratchpadPorts::Readers readers = ports_.reader_of(layout.left_block(i, k));
    readers.right_bank = right_bank;
    feed(size_ + (left_bank == right_bank ? size_ : 0), readers, true);
    execute_entries_.push(fed_);
    left.read = right.read = fed_;
    accesses_.scratchpad += 2 * size_ * size_;
    if (!last) return;
    result.ready = computed_ = fed_ + latency_ + size_;  // the sums are shifted out
    accesses_.accumulator += size_ * size_ * (tile.accumulate ? 2 : 1);
  }

  // A row of blocks in, its results out, as in sp_tiled_norm (gemmini.h L3416-3520).
  void run_host_rows(const Tile& tile) {
    const HostCommandCycles cycles = host_command_cycles(tile, hardware_);
    LoadSequence loads(tile, hardware_);
    StoreSequence stores(tile, hardware_);
    auto step = loads.next();
    auto command = stores.next();
    for (int row = 0; step || command; ++row) {
      for (; step && step->row == row; step = loads.next()) {
        const Time issued = issue_command(cycles.mvin, load_entries_);
        mvin(loads.mvin(*step), issued);
      }
      const std::int64_t next_rows = tile.result.at((row + 1) * size_, 0).address;
      for (; command && command->address < next_rows; command = stores.next()) {
        // A config_norm precedes the commands of a pass.
        const int config = command->first_of_pass ? cycles.config : 0;
        const Time issued = issue_command(config + cycles.mvout, store_entries_);
        mvout(*command, issued);
      }
    }
    if (tile.kind == TileKind::kNormalise) normalised_ = true;
  }

  // --- instructions

  void mvin(const Mvin& mvin, Time issued) {
    std::vector<Block>& blocks =
        mvin.target.memory == Memory::kScratchpad ? scratchpad_ : accumulator_;
    Block* target = &blocks[static_cast<std::size_t>(mvin.target.index)];
    Time time = issued;
    for (int b = 0; b < mvin.blocks; ++b)
      time = std::max(time, target[b].read + (target[b].read > 0 ? kIssueCycles : 0));
    load_.begin(mvin, time);
    std::optional<LoadUnit::Span> done = load_.advance(next_store_);
    while (!done) {
      run_stores_until(load_.asking());
      done = load_.advance(next_store_);
    }
    const LoadUnit::Span span = *done;
    for (int b = 0; b < mvin.blocks; ++b) target[b].ready = span.end;
    if (mvin.target.memory == Memory::kScratchpad) ports_.write(mvin, span);
    if (mvin.accumulate) {
      added_.add(mvin, span, load_end_);
      if (storing_ && added_.hold_up(*storing_)) store_.share_port(added_.until, added_.share);
    }
    load_entries_.push(span.end);
    (mvin.target.memory == Memory::kScratchpad ? accesses_.scratchpad : accesses_.accumulator) +=
        std::int64_t{mvin.blocks} * mvin.rows * mvin.copies * size_ * (mvin.accumulate ? 2 : 1);
    busy(load_busy_, load_end_, span);
    this->span(Lane::kLoad, "mvin", span.begin, span.end);
  }

  // When an mvout can start that is issued then.
  Time store_start(const Mvout& mvout, Time issued) const {
    const std::vector<Block>& blocks =
        mvout.source.memory == Memory::kScratchpad ? scratchpad_ : accumulator_;
    const Block* source = &blocks[static_cast<std::size_t>(mvout.source.index)];
    for (int b = 0; b < mvout.blocks; ++b)
      issued = std::max(issued, source[b].ready + kIssueCycles);
    if (hardware_.stores_wait_for_completion) issued = std::max(issued, store_end_ + kIssueCycles);
    return std::max(issued, store_.next_begin());
  }

  void mvout(const Mvout& mvout, Time issued) {
    begin_mvout(mvout, issued);
    advance_mvout(kNever);
  }

  void begin_mvout(const Mvout& mvout, Time issued) {
    Time start = store_start(mvout, issued);
    if (mvout.source.memory == Memory::kScratchpad) {
      const int work = mvout.blocks * mvout.rows;
      const ScratchpadPorts::Readers reader = ports_.reader_of(mvout.source.index);
      start = ports_.read_for_store(reader, start, work) - work;
    }
    if (stores_ && stores_->adding > 0 && mvout.source.memory == Memory::kAccumulator)
      store_.begin(mvout, start, stores_->added_until, stores_->port_share(mvout.source.index));
    else if (added_.hold_up(mvout))
      store_.begin(mvout, start, added_.until, added_.share);
    else
      store_.begin(mvout, start);
    storing_ = mvout;
  }

  // Whether it is complete.
  bool advance_mvout(Time time) {
    const std::optional<LoadUnit::Span> span = store_.advance(time);
    if (!span) return false;
    const Mvout mvout = *storing_;
    storing_.reset();
    std::vector<Block>& blocks =
        mvout.source.memory == Memory::kScratchpad ? scratchpad_ : accumulator_;
    Block* source = &blocks[static_cast<std::size_t>(mvout.source.index)];
    for (int b = 0; b < mvout.blocks; ++b) source[b].read = span->end;
    store_entries_.push(span->end);
    (mvout.source.memory == Memory::kScratchpad ? accesses_.scratchpad : accesses_.accumulator) +=
        std::int64_t{mvout.blocks} * mvout.rows * size_;
    busy(store_busy_, store_end_, *span);
    this->span(Lane::kStore, mvout.pass == NormPass::kNone ? "mvout" : "normalise", span->begin,
               span->end);
    return true;
  }

  // --- the array's time

  void feed(Time cycles) {
    if (trace_ != nullptr && run_begin_ < 0) run_begin_ = fed_;
    started_ = fed_;
    fed_ += cycles;
  }

  // The array does nothing until `until` because of `cause`.
  void stall(Cause cause, Time until) {
    if (until <= fed_) return;
    end_of_run();
    array_cycles_ += fed_ - accounted_;
    result_.breakdown.*cause += until - fed_;
    accounted_ = fed_ = until;
  }

  void wait_for_operands(Time ready) {
    stall(configured_by_host_ ? &CycleBreakdown::host : store_cause(),
          std::min(ready, configured_));
    stall(&CycleBreakdown::load, ready);
  }

  Cause store_cause() const {
    return normalises_ ? &CycleBreakdown::normaliser : &CycleBreakdown::store;
  }

  void end_of_run() {
    if (trace_ != nullptr && run_begin_ >= 0) span(Lane::kExecute, "compute", run_begin_, fed_);
    run_begin_ = -1;
  }

  EngineResult finish() {
    finish_stores();
    stall(&CycleBreakdown::pipeline, computed_);
    // Nothing was computed: the host's commands were the bottleneck, or the rest of it.
    if (computed_ == 0) stall(&CycleBreakdown::host, fed_ + issuing_);
    if (computed_ == 0 && !normalised_) stall(&CycleBreakdown::load, load_end_);
    stall(normalised_ ? &CycleBreakdown::normaliser : &CycleBreakdown::writeback,
          std::max({store_end_, store_.acknowledged(), load_end_}));
    end_of_run();
    array_cycles_ += fed_ - accounted_;
    result_.breakdown.array = array_cycles_ - port_conflicts_;
    result_.breakdown.load += port_conflicts_;
    const Time fence = std::min(kFenceCycles, hardware_.call_overhead_cycles);
    result_.breakdown.host += fence;
    span(Lane::kHost, "fence", fed_, fed_ + fence);
    result_.cycles = fed_ + fence;
    result_.load_busy = load_busy_;
    result_.store_busy = store_busy_;
    accesses_.l2_bytes = (load_.beats() + store_.beats()) * hardware_.bus_bytes_per_cycle;
    accesses_.dram_bytes = memory_.fetches() * kLineBytes + store_.written_bytes();
    result_.accesses = accesses_;
    return result_;
  }

  // --- bookkeeping

  void count_computes(std::int64_t fed_rows, std::int64_t flips, bool adds) {
    const std::int64_t weights = flips * size_ * size_;
    accesses_.scratchpad += fed_rows * size_ + weights;
    accesses_.pe_register += weights;
    accesses_.accumulator += fed_rows * size_ * (adds ? 2 : 1);
  }

  static void busy(Time& total, Time& end, const LoadUnit::Span& span) {
    total += std::max<Time>(span.end - std::max(span.begin, end), 0);
    end = std::max(end, span.end);
  }

  void span(Lane lane, std::string_view name, Time begin, Time end) {
    if (trace_ != nullptr && end > begin) trace_->push_back({lane, name, begin, end});
  }

  Block& scratchpad_at(int block) { return scratchpad_[static_cast<std::size_t>(block)]; }
  Block& accumulator_at(int block) { return accumulator_[static_cast<std::size_t>(block)]; }

  const Program& program_;
  const Hardware& hardware_;
  Trace* trace_;
  const int size_;
  const int latency_;
  MemorySystem& memory_;
  L2Port l2_;
  LoadUnit load_;
  ScratchpadPorts ports_;
  StoreUnit store_;

  Time host_time_ = 0;                // when the host can issue its next command
  Time issuing_ = 0;                  // what it took to issue commands one by one
  Time configured_ = 0;               // when the unroller took the last loop
  bool configured_by_host_ = true;    // and whether it waited for the host rather than for room
  std::optional<LoopStores> stores_;  // of the loop before
  std::optional<Mvout> storing_;      // under way
  AddedRows added_;
  Time next_store_ = kNever;  // before that run_stores_until() has nothing to do
  Time load_unroller_ = 0, store_unroller_ = 0;
  TimeRing load_entries_, execute_entries_, store_entries_;  // of the reservation station
  Time retired_ = 0;  // when the loop before the last one left the unroller

  std::vector<Block> scratchpad_, accumulator_;

  Time started_ = -1;  // when the last compute began
  Time fed_ = 0;       // when its last row is fed: the array's clock
  Time accounted_ = 0;
  LoopStores::LastSums last_sums_;
  Time computed_ = 0;  // when its results are in the accumulator
  Time array_cycles_ = 0;
  Time port_conflicts_ = 0;  // of them, waiting for rows that came in
  Time run_begin_ = -1;
  bool normalises_ = false;  // a tile of the program does
  bool normalised_ = false;
  Time load_busy_ = 0, load_end_ = 0, store_busy_ = 0, store_end_ = 0;
  AccessCounts accesses_;
  EngineResult result_;
};

}  // namespace

EngineResult run_fast_engine(const Program& program, const Hardware& hardware, Trace* trace) {
  MemorySystem memory(hardware, program.bytes);
  return run_fast_engine(program, hardware, memory, trace);
}

EngineResult run_fast_engine(const Program& program, const Hardware& hardware, MemorySystem& memory,
                             Trace* trace) {
  memory.begin_call();
  return FastEngine(program, hardware, memory, trace).run();
}

}  // namespace paretoformer::accel_sim
