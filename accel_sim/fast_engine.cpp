#include "accel_sim/fast_engine.hpp"

#include <algorithm>
#include <vector>

#include "accel_sim/commands.hpp"
#include "accel_sim/dma.hpp"
#include "accel_sim/memory_system.hpp"

namespace paretoformer {
namespace {

using Time = std::int64_t;

// From a command's place in the reservation station to the start of its controller: allocation,
// issue, controller queue; and as long from the completion that it waits for
// (ReservationStation.scala).
constexpr int kIssueCycles = 3;
// The fence at the end of a call, which its overhead contains.
constexpr int kFenceCycles = 30;
// A garbage preload by itself (ExecuteController.scala L285-302).
constexpr int kGarbagePreloadCycles = 4;

class FastEngine {
 public:
  FastEngine(const Program& program, const Hardware& hardware, Trace* trace)
      : program_(program),
        hardware_(hardware),
        trace_(trace),
        size_(hardware.array_size),
        // From the last row fed to the last row of results written: 3 cycles, the array's stages
        // and skew, an output register (35 for a 16x16 array, ExecuteController.scala).
        latency_(3 + 2 * hardware.array_size),
        bank_blocks_(hardware.scratchpad_blocks() / hardware.scratchpad_banks),
        memory_(hardware, program.bytes),
        load_(hardware, memory_),
        store_(hardware, memory_),
        load_entries_(hardware.load_entries),
        // A preload and a compute each.
        execute_entries_(hardware.execute_entries / 2),
        store_entries_(hardware.store_entries),
        scratchpad_(static_cast<std::size_t>(hardware.scratchpad_blocks())),
        accumulator_(static_cast<std::size_t>(hardware.accumulator_blocks())) {}

  EngineResult run() {
    host_time_ = std::max(hardware_.call_overhead_cycles - kFenceCycles, 0);
    span(Lane::kHost, "prologue", 0, host_time_);
    account(&CycleBreakdown::host, host_time_);
    for (const Tile& tile : program_.tiles) {
      switch (tile.kind) {
        case TileKind::kHostMatmul:
          run_host_matmul(tile);
          break;
        case TileKind::kNormalise:
          run_normalise(tile);
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
  // -----------------------------------------------------------------------------------

  // One LOOP_WS: the host issues its commands, at most one loop ahead of the unroller, which holds
  // two (LoopMatmul.scala L912, L994).
  Time configure_loop() {
    host_time_ = std::max(host_time_, configured_) + hardware_.loop_issue_cycles;
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
  // --------------------------------------------------------------------------------------

  void run_loop(const Tile& tile) {
    const Time configured = configure_loop();
    const TileLayout layout(tile, hardware_);
    Time done = load_tile(tile, configured);
    store_previous();
    if (tile.kind == TileKind::kMatmul) done = std::max(done, compute_tile(tile, layout));
    previous_ = &tile;
    previous_configured_ = configured;
    previous_done_ = done;
  }

  // The mvouts of the loop before happen after the mvins of this one have begun, and before those
  // of the next: so they come in this order at the memory.
  void store_previous() {
    if (previous_ == nullptr) return;
    const Time stored = store_tile(*previous_, previous_configured_);
    retired_ = std::max(previous_done_, stored);
    previous_ = nullptr;
  }

  Time load_tile(const Tile& tile, Time configured) {
    LoadSequence sequence(tile, hardware_);
    load_unroller_ = std::max(load_unroller_, configured);
    Time done = configured;
    while (const auto step = sequence.next()) {
      load_unroller_ = std::max(load_unroller_ + 1, load_entries_.oldest());
      done = std::max(done, mvin(sequence.mvin(*step), load_unroller_ + kIssueCycles));
    }
    return done;
  }

  // A loop over inner, columns, rows of blocks, rows innermost: one block of weights per strip.
  Time compute_tile(const Tile& tile, const TileLayout& layout) {
    const int last_rows = tile.rows - (layout.rows - 1) * size_;
    for (int k = 0; k < layout.inner; ++k) {
      Time left_ready = 0;
      for (int i = 0; i < layout.rows; ++i)
        left_ready = std::max(left_ready, scratchpad_at(layout.left_block(i, k)).ready);
      const bool adds = tile.accumulate || k > 0;
      const bool last = k == layout.inner - 1;
      for (int j = 0; j < layout.columns; ++j) {
        if (!adds) wait_for_accumulator(tile, layout, j);
        compute_strip(tile, layout, k, j, left_ready);
        if (last)
          for (int i = 0; i < layout.rows; ++i)
            accumulator_at(layout.result_block(i, j)).ready = fed_ + latency_;
      }
      const std::int64_t fed_rows = (layout.rows - 1) * size_ + last_rows;
      count_computes(fed_rows * layout.columns, layout.columns, adds);
    }
    computed_ = fed_ + latency_;
    return computed_;
  }

  void wait_for_accumulator(const Tile& tile, const TileLayout& layout, int j) {
    Time free = 0;
    for (int i = 0; i < layout.rows; ++i)
      free = std::max(free, accumulator_at(layout.result_block(i, j)).read);
    if (free + kIssueCycles <= fed_) return;
    started_ = std::min(started_, free);  // what waits cannot have been in the queue
    stall(store_cause(tile), free + kIssueCycles);
  }

  // The computes of one block of weights. While everything is there, a block of `left` is fed in
  // `size` cycles, the next weights being loaded meanwhile.
  void compute_strip(const Tile& tile, const TileLayout& layout, int k, int j, Time left_ready) {
    const int right_block = layout.right_block(k, j);
    const Time right_ready = scratchpad_at(right_block).ready;
    // Transposed weights take a pass through the array of their own
    // (TransposePreloadUnroller.scala); weights in the bank of `left` take turns with it
    // (ExecuteController.scala L341-357).
    const int extra =
        (layout.transposed ? size_ : 0) +
        (bank(right_block) == bank(layout.left_block(layout.rows - 1, k)) ? size_ : 0);
    if (std::max(left_ready, right_ready) + kIssueCycles <= started_) {
      feed(layout.rows * size_ + extra);
      return;
    }
    for (int i = 0; i < layout.rows; ++i) {
      const Time left = scratchpad_at(layout.left_block(i, k)).ready;
      const Time ready = (i == 0 ? std::max(left, right_ready) : left) + kIssueCycles;
      if (ready > started_) {
        // The command was not in the queue when the compute before it began: that one ran alone,
        // and so does this preload (ExecuteController.scala L531-632).
        wait_for_operands(tile, ready);
        const int preload = i == 0 ? size_ : kGarbagePreloadCycles;
        stall(&CycleBreakdown::pipeline, fed_ + preload);
      }
      feed(size_ + (i == 0 ? extra : 0));
    }
  }

  Time store_tile(const Tile& tile, Time configured) {
    StoreSequence sequence(tile, hardware_);
    store_unroller_ = std::max(store_unroller_, configured);
    // Rows of the bank that is being accumulated into can hardly be read (AccumulatorMem.scala
    // L379-385), and those to be normalised wait for the whole tile (LoopMatmul.scala L627).
    const bool adds = tile.accumulate || tile.inner > size_;
    const bool waits =
        tile.kind == TileKind::kMatmul && (adds || tile.normalisation != Normalisation::kNone);
    Time done = configured;
    while (const auto command = sequence.next()) {
      store_unroller_ = std::max(store_unroller_ + 1, store_entries_.oldest());
      const Time issued = std::max(store_unroller_, waits ? computed_ : 0) + kIssueCycles;
      done = std::max(done, mvout(*command, issued));
    }
    if (tile.normalisation != Normalisation::kNone) normalised_ = true;
    return done;
  }

  // sp_tiled_matmul_os (gemmini.h L380-505): everything in program order, sums stay in the array
  // while `inner` goes by, and `left` passes the transposer, so that every step takes `size`
  // cycles.
  void run_host_matmul(const Tile& tile) {
    const TileLayout layout(tile, hardware_);
    const int issue = hardware_.command_issue_cycles;
    LoadSequence loads(tile, hardware_);
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
    feed(size_);
    execute_entries_.push(fed_);
    left.read = right.read = fed_;
    accesses_.scratchpad += 2 * size_ * size_;
    if (!last) return;
    result.ready = computed_ = fed_ + latency_ + size_;  // the sums are shifted out
    accesses_.accumulator += size_ * size_ * (tile.accumulate ? 2 : 1);
  }

  // sp_tiled_norm (gemmini.h L3416-3520): a row of blocks in, its normalised rows out.
  void run_normalise(const Tile& tile) {
    const int issue = hardware_.norm_command_cycles;
    LoadSequence loads(tile, hardware_);
    StoreSequence stores(tile, hardware_);
    auto step = loads.next();
    auto command = stores.next();
    for (int row = 0; step || command; ++row) {
      for (; step && step->row == row; step = loads.next()) {
        const Time issued = issue_command(issue, load_entries_);
        mvin(loads.mvin(*step), issued);
      }
      const std::int64_t next_rows = tile.result.at((row + 1) * size_, 0).address;
      for (; command && command->address < next_rows; command = stores.next()) {
        // A config_norm precedes the commands of a pass.
        const Time issued = issue_command(issue * (command->first_of_pass ? 2 : 1), store_entries_);
        mvout(*command, issued);
      }
    }
    normalised_ = true;
  }

  // --- instructions
  // -------------------------------------------------------------------------------

  Time mvin(const Mvin& mvin, Time issued) {
    std::vector<Block>& blocks =
        mvin.target.memory == Memory::kScratchpad ? scratchpad_ : accumulator_;
    Block* target = &blocks[static_cast<std::size_t>(mvin.target.index)];
    Time time = issued;
    for (int b = 0; b < mvin.blocks; ++b)
      time = std::max(time, target[b].read + (target[b].read > 0 ? kIssueCycles : 0));
    const LoadUnit::Span span = load_.mvin(mvin, time);
    for (int b = 0; b < mvin.blocks; ++b) target[b].ready = span.end;
    load_entries_.push(span.end);
    (mvin.target.memory == Memory::kScratchpad ? accesses_.scratchpad : accesses_.accumulator) +=
        std::int64_t{mvin.blocks} * mvin.rows * size_ * (mvin.accumulate ? 2 : 1);
    busy(load_busy_, load_end_, span);
    this->span(Lane::kLoad, "mvin", span.begin, span.end);
    return span.end;
  }

  Time mvout(const Mvout& mvout, Time issued) {
    std::vector<Block>& blocks =
        mvout.source.memory == Memory::kScratchpad ? scratchpad_ : accumulator_;
    Block* source = &blocks[static_cast<std::size_t>(mvout.source.index)];
    Time time = issued;
    for (int b = 0; b < mvout.blocks; ++b) time = std::max(time, source[b].ready + kIssueCycles);
    if (hardware_.stores_wait_for_completion) time = std::max(time, store_end_ + kIssueCycles);
    const LoadUnit::Span span = store_.mvout(mvout, time);
    for (int b = 0; b < mvout.blocks; ++b) source[b].read = span.end;
    store_entries_.push(span.end);
    (mvout.source.memory == Memory::kScratchpad ? accesses_.scratchpad : accesses_.accumulator) +=
        std::int64_t{mvout.blocks} * mvout.rows * size_;
    busy(store_busy_, store_end_, span);
    this->span(Lane::kStore, mvout.pass == NormPass::kNone ? "mvout" : "normalise", span.begin,
               span.end);
    return span.end;
  }

  // --- the array's time
  // ---------------------------------------------------------------------------

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

  void wait_for_operands(const Tile& tile, Time ready) {
    stall(configured_by_host_ ? &CycleBreakdown::host : store_cause(tile),
          std::min(ready, configured_));
    stall(&CycleBreakdown::load, ready);
  }

  void account(Cause cause, Time until) { stall(cause, until); }

  static Cause store_cause(const Tile& tile) {
    return tile.normalisation == Normalisation::kNone ? &CycleBreakdown::store
                                                      : &CycleBreakdown::normaliser;
  }

  void end_of_run() {
    if (trace_ != nullptr && run_begin_ >= 0) span(Lane::kExecute, "compute", run_begin_, fed_);
    run_begin_ = -1;
  }

  EngineResult finish() {
    store_previous();
    stall(&CycleBreakdown::pipeline, computed_);
    // Nothing was computed: the host's commands were the bottleneck, or the rest of it.
    if (computed_ == 0) stall(&CycleBreakdown::host, fed_ + issuing_);
    if (computed_ == 0 && !normalised_) stall(&CycleBreakdown::load, load_end_);
    stall(normalised_ ? &CycleBreakdown::normaliser : &CycleBreakdown::writeback,
          std::max({store_end_, store_.acknowledged(), load_end_}));
    end_of_run();
    array_cycles_ += fed_ - accounted_;
    result_.breakdown.array = array_cycles_;
    const Time fence = std::min(kFenceCycles, hardware_.call_overhead_cycles);
    result_.breakdown.host += fence;
    span(Lane::kHost, "fence", fed_, fed_ + fence);
    result_.cycles = fed_ + fence;
    result_.load_busy = load_busy_;
    result_.store_busy = store_busy_;
    accesses_.l2_bytes = (load_.beats() + store_.beats()) * hardware_.bus_bytes_per_cycle;
    accesses_.dram_bytes = memory_.fetches() * MemorySystem::kLineBytes + store_.written_bytes();
    result_.accesses = accesses_;
    return result_;
  }

  // --- bookkeeping
  // --------------------------------------------------------------------------------

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

  int bank(int scratchpad_block) const { return scratchpad_block / bank_blocks_; }
  Block& scratchpad_at(int block) { return scratchpad_[static_cast<std::size_t>(block)]; }
  Block& accumulator_at(int block) { return accumulator_[static_cast<std::size_t>(block)]; }

  const Program& program_;
  const Hardware& hardware_;
  Trace* trace_;
  const int size_;
  const int latency_;
  const int bank_blocks_;
  MemorySystem memory_;
  LoadUnit load_;
  StoreUnit store_;

  Time host_time_ = 0;              // when the host can issue its next command
  Time issuing_ = 0;                // what it took to issue commands one by one
  Time configured_ = 0;             // when the unroller took the last loop
  bool configured_by_host_ = true;  // and whether it waited for the host rather than for room
  const Tile* previous_ = nullptr;  // whose mvouts are still to be run
  Time previous_configured_ = 0, previous_done_ = 0;
  Time load_unroller_ = 0, store_unroller_ = 0;
  TimeRing load_entries_, execute_entries_, store_entries_;  // of the reservation station
  Time retired_ = 0;                                         // end of the loop before the last one

  std::vector<Block> scratchpad_, accumulator_;

  Time started_ = -1;  // when the last compute began
  Time fed_ = 0;       // when its last row is fed: the array's clock
  Time accounted_ = 0;
  Time computed_ = 0;  // when its results are in the accumulator
  Time array_cycles_ = 0;
  Time run_begin_ = -1;
  bool normalised_ = false;
  Time load_busy_ = 0, load_end_ = 0, store_busy_ = 0, store_end_ = 0;
  AccessCounts accesses_;
  EngineResult result_;
};

}  // namespace

EngineResult run_fast_engine(const Program& program, const Hardware& hardware, Trace* trace) {
  return FastEngine(program, hardware, trace).run();
}

}  // namespace paretoformer
