#include "accel_sim/engines/reference_units.hpp"

#include <algorithm>

#include "accel_sim/hardware/timing.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim::reference {
namespace {

constexpr int kLine = kLineBytes;
// Depths of the controllers' queues (Configs.scala L61-63).
constexpr std::array<std::size_t, kUnits> kQueueDepths = {8, 8, 2};
// From issue to the start in an idle controller: into its queue, and out of it.
constexpr int kQueueCycles = 2;
PassTiming timing_of(const Mvout& mvout) {
  if (mvout.pass == NormPass::kNone) return {};
  return pass_timings(mvout.normalisation)[static_cast<std::size_t>(mvout.pass) - 1];
}

int ticks_of(const Mvout& mvout, const Hardware& hardware) {
  const int ticks = mvout.scaled() ? timing_of(mvout).ticks : 0;
  return read_ticks(hardware.array_size, ticks);
}

// Blocks of a local memory that a command touches.
struct Region {
  Memory memory = Memory::kScratchpad;
  int first = 0, blocks = 0;
  bool written = false;

  bool overlaps(const Region& other) const {
    return memory == other.memory && first < other.first + other.blocks &&
           other.first < first + blocks;
  }
};

// At most two, the others have no blocks.
std::array<Region, 2> regions(const Instruction& instruction) {
  using Kind = Instruction::Kind;
  const Execute& execute = instruction.execute;
  switch (instruction.kind) {
    case Kind::kMvin: {
      const Mvin& mvin = instruction.mvin;
      return {{{mvin.target.memory, mvin.target.index, mvin.blocks, true}, {}}};
    }
    case Kind::kPreload: {
      const bool weights = execute.flip && !instruction.output_stationary;
      return {{{Memory::kScratchpad, execute.right, weights ? 1 : 0, false},
               {Memory::kAccumulator, execute.result, execute.result >= 0 ? 1 : 0, true}}};
    }
    case Kind::kCompute:
      return {{{Memory::kScratchpad, execute.left, 1, false},
               {Memory::kScratchpad, execute.right, instruction.output_stationary ? 1 : 0, false}}};
    case Kind::kMvout: {
      const Mvout& mvout = instruction.mvout;
      return {{{mvout.source.memory, mvout.source.index, mvout.blocks, false}, {}}};
    }
    case Kind::kConfigNorm:
      break;
  }
  return {};
}

const char* name(Unit unit) {
  constexpr std::array<const char*, kUnits> kNames = {"load", "execute", "store"};
  return kNames[static_cast<std::size_t>(unit)];
}

void span(Trace* trace, Lane lane, std::string_view what, Cycle begin, Cycle end) {
  if (trace != nullptr && end > begin) trace->push_back({lane, what, begin, end});
}

}  // namespace

Unit unit_of(const Instruction& instruction) {
  using Kind = Instruction::Kind;
  switch (instruction.kind) {
    case Kind::kMvin:
      return Unit::kLoad;
    case Kind::kPreload:
    case Kind::kCompute:
      return Unit::kExecute;
    default:
      return Unit::kStore;
  }
}

// --- reservation station

ReservationStation::ReservationStation(const Hardware& hardware)
    : stores_wait_for_completion_(hardware.stores_wait_for_completion),
      capacity_{hardware.load_entries, hardware.execute_entries, hardware.store_entries} {}

bool ReservationStation::empty() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& list) { return list.empty(); });
}

bool ReservationStation::depends(const Instruction& later, const Instruction& earlier) {
  for (const Region& a : regions(later))
    for (const Region& b : regions(earlier))
      if (a.blocks > 0 && b.blocks > 0 && (a.written || b.written) && a.overlaps(b)) return true;
  return false;
}

void ReservationStation::allocate(Instruction instruction, Cycle cycle) {
  const Unit unit = unit_of(instruction);
  instruction.id = next_id_++;
  Entry entry{instruction, false, cycle + 1, {}};
  for (int other = 0; other < kUnits; ++other)
    for (const Entry& earlier : entries_[static_cast<std::size_t>(other)]) {
      // Loads and executes are in order among themselves by their order of issue; a store waits
      // for those before it (ReservationStation.scala L378).
      const bool waits = static_cast<Unit>(other) == unit
                             ? unit == Unit::kStore && stores_wait_for_completion_
                             : depends(instruction, earlier.instruction);
      if (waits) entry.waits_for[other].push_back(earlier.instruction.id);
    }
  entries_[index(unit)].push_back(std::move(entry));
  ++moves_;
}

void ReservationStation::step(Cycle cycle) {
  complete_one(cycle);
  for (int unit = 0; unit < kUnits; ++unit) issue(static_cast<Unit>(unit), cycle);
}

void ReservationStation::complete_one(Cycle cycle) {
  for (Unit unit : {Unit::kExecute, Unit::kLoad, Unit::kStore}) {
    std::deque<std::int64_t>& reported = reported_[index(unit)];
    if (reported.empty()) continue;
    complete(unit, reported.front(), cycle);
    reported.pop_front();
    return;
  }
}

void ReservationStation::complete(Unit unit, std::int64_t id, Cycle cycle) {
  ++moves_;
  std::erase_if(entries_[index(unit)], [&](const Entry& e) { return e.instruction.id == id; });
  for (std::deque<Entry>& list : entries_)
    for (Entry& entry : list)
      if (std::erase(entry.waits_for[index(unit)], id) > 0)
        entry.earliest_issue = std::max(entry.earliest_issue, cycle + 1);
}

void ReservationStation::issue(Unit unit, Cycle cycle) {
  std::deque<Entry>& list = entries_[index(unit)];
  const auto next =
      std::find_if(list.begin(), list.end(), [](const Entry& e) { return !e.issued; });
  if (next == list.end() || next->earliest_issue > cycle) return;
  for (const auto& ids : next->waits_for)
    if (!ids.empty()) return;
  if (next->instruction.kind == Instruction::Kind::kConfigNorm) {
    complete(unit, next->instruction.id, cycle);  // complete on issue (L383)
    return;
  }
  std::deque<Queued>& queue = queues_[index(unit)];
  if (queue.size() >= kQueueDepths[index(unit)]) return;
  next->issued = true;
  queue.push_back({next->instruction, cycle + kQueueCycles});
  ++moves_;
}

const Instruction* ReservationStation::head(Unit unit, Cycle cycle, std::size_t position) const {
  const std::deque<Queued>& queue = queues_[index(unit)];
  if (position >= queue.size() || queue[position].visible > cycle) return nullptr;
  return &queue[position].instruction;
}

std::optional<Unit> ReservationStation::execute_waits_for() const {
  for (const Entry& entry : entries_[index(Unit::kExecute)]) {
    if (entry.issued) continue;
    for (Unit unit : {Unit::kLoad, Unit::kStore})
      if (!entry.waits_for[index(unit)].empty()) return unit;
    break;
  }
  return std::nullopt;
}

std::string ReservationStation::describe() const {
  std::string text;
  for (int i = 0; i < kUnits; ++i) {
    const Unit unit = static_cast<Unit>(i);
    const std::deque<Entry>& list = entries_[index(unit)];
    const auto issued = std::count_if(list.begin(), list.end(), [](auto& e) { return e.issued; });
    text += std::string(i > 0 ? ", " : "") + name(unit) + ": " + std::to_string(list.size()) +
            " of " + std::to_string(capacity_[index(unit)]) + " entries, " +
            std::to_string(issued) + " issued, " + std::to_string(queues_[index(unit)].size()) +
            " queued";
  }
  return text;
}

// --- load controller

LoadController::LoadController(const Hardware& hardware, MemorySystem& memory, L2Port& l2,
                               Trace* trace)
    : hardware_(&hardware),
      memory_(&memory),
      l2_(&l2),
      trace_(trace),
      // nCmds, LoadController.scala L84; no more than the reservation station can hold.
      most_tracked_(static_cast<std::size_t>(std::min(
          hardware.requests_in_flight / hardware.array_size + 1, hardware.load_entries))) {}

void LoadController::step(Cycle cycle, ReservationStation& station) {
  finish(cycle, station);
  receive(cycle);
  look_up(cycle);
  request(cycle, station);
}

LoadController::Tracked& LoadController::tracked(std::int64_t id) {
  return *std::find_if(tracked_.begin(), tracked_.end(),
                       [&](const Tracked& t) { return t.id == id; });
}

void LoadController::finish(Cycle cycle, ReservationStation& station) {
  for (auto it = tracked_.begin(); it != tracked_.end();) {
    if (it->done < 0 || it->done > cycle + 1) {
      ++it;
      continue;
    }
    span(trace_, Lane::kLoad, "mvin", it->begin, it->done);
    station.report_complete(Unit::kLoad, it->id);
    it = tracked_.erase(it);
    ++moves_;
  }
}

// As many cycles as its data takes (requests.hpp), of which the first ones write rows.
void LoadController::receive(Cycle cycle) {
  bank_written_ = bank_added_to_ = -1;
  if (!receiving_) {
    if (responses_.empty() || responses_.top().time > cycle) return;
    receiving_ = responses_.top();
    responses_.pop();
    rows_left_ = receiving_->data.local_rows;
    cycles_left_ = receiving_->data.cycles;
  }
  ++moves_;
  Tracked& mvin = tracked(receiving_->id);
  const auto [memory, block] = mvin.mvin.target;
  if (rows_left_ > 0 && memory == Memory::kScratchpad)
    bank_written_ = block / hardware_->scratchpad_bank_blocks();
  if (rows_left_ > 0 && memory == Memory::kAccumulator && mvin.mvin.accumulate)
    bank_added_to_ = block / hardware_->accumulator_bank_blocks();
  --rows_left_;
  if (--cycles_left_ > 0) return;
  --in_flight_;
  beats_ += receiving_->data.beats;
  mvin.bytes_left -= receiving_->useful;
  if (mvin.bytes_left == 0) mvin.done = cycle + 1 + kLoadPipelineCycles;
  receiving_.reset();
}

// A request a cycle comes to L2; one that misses and finds no miss register free blocks the others.
void LoadController::look_up(Cycle cycle) {
  if (to_l2_.empty() || to_l2_.front().time > cycle || l2_free_ > cycle) return;
  Request request = to_l2_.front();
  to_l2_.pop_front();
  ++moves_;
  if (memory_->in_l2(request.line)) {
    request.time = l2_->read(cycle, request.data.beats) + hardware_->l2_hit_cycles;
  } else {
    const MemorySystem::Access fetch = memory_->fetch(request.line, l2_->enter(cycle));
    l2_free_ = fetch.accepted + 1;
    const Cycle handled =
        l2_->read(fetch.accepted, request.data.beats + fetch.l2_cycles) + fetch.l2_cycles;
    request.time = std::max(fetch.ready, handled);
  }
  responses_.push(request);
}

void LoadController::request(Cycle cycle, ReservationStation& station) {
  if (!splitting_) {
    const Instruction* next = station.head(Unit::kLoad, cycle);
    if (next == nullptr || tracked_.size() >= most_tracked_) return;
    const Mvin& mvin = next->mvin;
    tracked_.push_back({mvin, next->id, cycle, std::int64_t{mvin.dram_rows()} * mvin.row_bytes});
    station.pop(Unit::kLoad);
    splitting_ = true;
    row_ = offset_ = 0;
  }
  if (in_flight_ >= hardware_->requests_in_flight) return;
  const Tracked& current = tracked_.back();
  const Mvin& mvin = current.mvin;
  const std::int64_t row = mvin.row_address(row_), address = row + offset_;
  const int in_line = static_cast<int>(address % kLine);
  const int useful = std::min(kLine - in_line, mvin.row_bytes - offset_);
  const RequestData data =
      data_of_request(mvin, *hardware_, in_line, offset_, useful, row_ < mvin.multiplier_rows);
  const std::int64_t line = memory_->inside(row) / kLine + (row % kLine + offset_) / kLine;
  to_l2_.push_back(
      {line, current.id, order_++, useful, data, cycle + hardware_->bus_latency_cycles});
  ++in_flight_;
  ++moves_;
  offset_ += useful;
  if (offset_ < mvin.row_bytes) return;
  offset_ = 0;
  splitting_ = ++row_ < mvin.dram_rows();
}

std::string LoadController::describe() const {
  return "reader: " + std::to_string(tracked_.size()) + " mvins, " + std::to_string(in_flight_) +
         " requests in flight, " + std::to_string(to_l2_.size()) + " before L2, " +
         std::to_string(responses_.size()) + " responses";
}

// --- execute controller

ExecuteController::ExecuteController(const Hardware& hardware, Trace* trace)
    : hardware_(&hardware),
      trace_(trace),
      size_(hardware.array_size),
      latency_(array_latency(hardware.array_size)) {}

int ExecuteController::scratchpad_bank(int block) const {
  return block / hardware_->scratchpad_bank_blocks();
}

void ExecuteController::step(Cycle cycle, int bank_written, ReservationStation& station) {
  while (!results_.empty() && results_.front().end <= cycle + 1) {
    station.report_complete(Unit::kExecute, results_.front().preload_id);
    results_.pop_front();
    ++moves_;
  }
  if (!compute_ && !preload_) start(cycle, station);
  if (!compute_ && !preload_) {
    state_ = State::kIdle;
    end_trace(cycle);
    return;
  }
  state_ = compute_ ? State::kComputing : State::kPreloading;
  stalled_ = false;
  if (compute_ && run_begin_ < 0) run_begin_ = cycle;
  if (!compute_) end_trace(cycle);
  // The scratchpad has one port: a row that comes in goes first (Scratchpad.scala L119, L176).
  if (bank_written >= 0 && reads(bank_written)) {
    stalled_ = true;
    return;
  }
  ++moves_;
  if (feed_left_ > 0) {
    if (--feed_left_ == 0) end_compute(cycle + 1, station);
  } else {
    --rest_;
  }
  if (feed_left_ == 0 && rest_ == 0) end_step(station);
}

// What the three heads of the queue allow (ExecuteController.scala L531-632).
void ExecuteController::start(Cycle cycle, const ReservationStation& station) {
  using Kind = Instruction::Kind;
  const Instruction* first = station.head(Unit::kExecute, cycle, 0);
  const Instruction* second = station.head(Unit::kExecute, cycle, 1);
  const Instruction* third = station.head(Unit::kExecute, cycle, 2);
  if (first == nullptr) return;
  if (first->kind == Kind::kCompute) {
    compute_ = *first;
    if (second != nullptr && third != nullptr) preload_ = *second;
  } else if (second != nullptr) {
    preload_ = *first;
  }
  if (!compute_ && !preload_) return;
  started_ = true;
  feed_left_ = rest_ = 0;
  const bool transposer = (compute_ ? *compute_ : *preload_).execute.transposer;
  const bool weights = preload_ && preload_->execute.flip;
  int cycles = compute_ ? std::max(compute_->execute.rows, kLeastStepCycles) : kLeastStepCycles;
  if (weights || transposer) cycles = size_;
  if (compute_) {
    // Two operands in one bank take turns at it, also where one has no rows any more (L305-357).
    const int left = scratchpad_bank(compute_->execute.left);
    const Execute& other =
        compute_->output_stationary || !weights ? compute_->execute : preload_->execute;
    if ((weights || compute_->output_stationary) && scratchpad_bank(other.right) == left)
      cycles += size_;
  }
  (compute_ ? feed_left_ : rest_) = cycles;
  feed_cycles_ = cycles;
  // Transposed weights take a pass with a dummy compute before they are in place
  // (TransposePreloadUnroller.scala).
  if (weights && preload_->execute.transposer && !preload_->output_stationary) rest_ += size_;
}

bool ExecuteController::reads(int bank) const {
  if (compute_ && feed_left_ > 0) {
    // Rows that the block does not have are not read, though their cycles pass.
    const bool has_rows = feed_cycles_ - feed_left_ < compute_->execute.rows;
    if (has_rows && scratchpad_bank(compute_->execute.left) == bank) return true;
    if (compute_->output_stationary && scratchpad_bank(compute_->execute.right) == bank)
      return true;
  }
  return preload_ && preload_->execute.flip && !preload_->output_stationary &&
         scratchpad_bank(preload_->execute.right) == bank;
}

void ExecuteController::end_compute(Cycle cycle, ReservationStation& station) {
  station.report_complete(Unit::kExecute, compute_->id);
  const Execute& execute = compute_->execute;
  if (execute.result < 0) return;
  // Sums that stayed in the array are shifted out first.
  const Cycle end = cycle + latency_ + (compute_->output_stationary ? size_ : 0);
  const int bank = execute.result / hardware_->accumulator_bank_blocks();
  last_result_ = end;
  results_.push_back({preloaded_->id, end - execute.rows, end, bank, execute.accumulate});
}

void ExecuteController::end_step(ReservationStation& station) {
  if (compute_) station.pop(Unit::kExecute);
  if (preload_) {
    station.pop(Unit::kExecute);
    preloaded_ = preload_;
    if (preload_->execute.result < 0) station.report_complete(Unit::kExecute, preload_->id);
  }
  compute_.reset();
  preload_.reset();
}

bool ExecuteController::accumulates(int accumulator_bank, Cycle cycle) const {
  return std::any_of(results_.begin(), results_.end(), [&](const Result& result) {
    return result.accumulate && result.bank == accumulator_bank && result.begin <= cycle &&
           cycle < result.end;
  });
}

void ExecuteController::end_trace(Cycle cycle) {
  if (run_begin_ >= 0) span(trace_, Lane::kExecute, "compute", run_begin_, cycle);
  run_begin_ = -1;
}

std::string ExecuteController::describe() const {
  return std::string("array: ") + (compute_ ? "computing" : (preload_ ? "preloading" : "idle")) +
         ", " + std::to_string(results_.size()) + " results under way";
}

// --- store controller

StoreController::StoreController(const Hardware& hardware, MemorySystem& memory, L2Port& l2,
                                 Trace* trace)
    : hardware_(&hardware), memory_(&memory), l2_(&l2), trace_(trace) {}

bool StoreController::idle() const {
  return !current_ && pipe_.empty() && bytes_left_ == 0 && beats_left_ == 0 && to_l2_.empty() &&
         acknowledgements_.empty();
}

void StoreController::step(Cycle cycle, const ExecuteController& execute,
                           const LoadController& load, ReservationStation& station) {
  arrive(cycle);
  write(cycle);
  read(cycle, execute, load, station);
}

bool StoreController::can_read(Cycle cycle, const ExecuteController& execute,
                               const LoadController& load) const {
  if (pipe_.size() >= kStoreQueueBlocks) return false;
  const int block = current_->mvout.source.index + block_;
  if (current_->mvout.from_scratchpad())
    return block / hardware_->scratchpad_bank_blocks() != load.bank_written();
  const int bank = block / hardware_->accumulator_bank_blocks();
  return bank != load.bank_added_to() && !execute.accumulates(bank, cycle);
}

// A row of a block at a time, blocks innermost (StoreController.scala L206-217).
void StoreController::read(Cycle cycle, const ExecuteController& execute,
                           const LoadController& load, ReservationStation& station) {
  if (!current_) {
    const Instruction* next = station.head(Unit::kStore, cycle);
    if (next == nullptr) return;
    // A pass waits for what the one before worked out from the same row.
    const auto set = static_cast<std::size_t>(next->mvout.statistics);
    if (next->mvout.first_of_pass && statistics_free_[set] > cycle) return;
    current_ = *next;
    station.pop(Unit::kStore);
    begin_ = cycle;
    row_ = block_ = 0;
    ticks_left_ = ticks_of(current_->mvout, *hardware_);
  }
  if (!can_read(cycle, execute, load)) return;
  ++moves_;
  ticks_left_ -= kCycleTicks;
  if (ticks_left_ > 0) return;
  const Mvout& mvout = current_->mvout;
  ticks_left_ += ticks_of(mvout, *hardware_);
  const bool last = block_ + 1 == mvout.blocks;
  if (mvout.pass == NormPass::kNone || mvout.pass == NormPass::kWrite)
    pipe_.push_back({cycle + 1 + store_pipeline_cycles(mvout.from_scratchpad()), last,
                     mvout.address + row_ * mvout.stride, mvout.row_bytes});
  if (++block_ == mvout.blocks) end_row(cycle + 1, station);
}

void StoreController::end_row(Cycle cycle, ReservationStation& station) {
  const Mvout& mvout = current_->mvout;
  block_ = 0;
  if (++row_ < mvout.rows) return;
  if (mvout.last_of_pass) {
    const PassTiming timing = timing_of(mvout);
    const Cycle start = timing.busy > 0 ? std::max(cycle, units_free_) : cycle;
    if (timing.busy > 0) units_free_ = start + timing.busy;
    statistics_free_[static_cast<std::size_t>(mvout.statistics)] = start + timing.tail;
  }
  station.report_complete(Unit::kStore, current_->id);
  span(trace_, Lane::kStore, mvout.pass == NormPass::kNone ? "mvout" : "normalise", begin_, cycle);
  current_.reset();
}

// Collects the blocks of a row, a cycle each but for the last, with which its beats begin
// (DMA.scala L338-620).
void StoreController::write(Cycle cycle) {
  if (bytes_left_ == 0 && beats_left_ == 0) {
    if (pipe_.empty() || pipe_.front().available > cycle) return;
    const PipedBlock block = pipe_.front();
    pipe_.pop_front();
    ++moves_;
    if (!block.last) return;
    address_ = block.address;
    bytes_left_ = block.bytes;
  }
  if (beats_left_ == 0) {
    if (acknowledgements_.size() + to_l2_.size() >=
        static_cast<std::size_t>(hardware_->requests_in_flight))
      return;
    begin_request();
  }
  ++moves_;
  ++beats_;
  if (--beats_left_ > 0) return;
  to_l2_.push_back({address_ / kLine, useful_ == kLine, request_beats_,
                    cycle + 1 + hardware_->bus_latency_cycles,
                    cycle + 1 + hardware_->write_latency_cycles});
  written_ += useful_;
  address_ += useful_;
  bytes_left_ -= useful_;
}

void StoreController::begin_request() {
  const int in_line = static_cast<int>(address_ % kLine);
  const int bus = hardware_->bus_bytes_per_cycle;
  useful_ = std::min(kLine - in_line, bytes_left_);
  request_beats_ = beats_left_ = request_bytes(in_line, useful_, bus) / bus;
}

void StoreController::arrive(Cycle cycle) {
  std::erase_if(acknowledgements_, [&](Cycle time) { return time <= cycle; });
  while (!to_l2_.empty() && to_l2_.front().arrival <= cycle) {
    const Write write = to_l2_.front();
    to_l2_.pop_front();
    ++moves_;
    const MemorySystem::Access access = write.whole ? memory_->write_whole(write.line, cycle)
                                                    : memory_->write_part(write.line, cycle);
    const Cycle handled = l2_->write(cycle, write.beats + access.l2_cycles);
    const Cycle done = std::max(write.acknowledged,
                                std::max(access.ready, handled) + hardware_->bus_latency_cycles);
    if (done > cycle) acknowledgements_.push_back(done);
  }
}

std::string StoreController::describe() const {
  return std::string("writer: ") + (current_ ? "reading" : "not reading") + ", " +
         std::to_string(pipe_.size()) + " blocks under way, " +
         std::to_string(to_l2_.size() + acknowledgements_.size()) + " writes in flight";
}

}  // namespace paretoformer::accel_sim::reference
