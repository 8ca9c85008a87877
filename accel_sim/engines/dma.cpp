#include "accel_sim/engines/dma.hpp"

#include <algorithm>
#include <limits>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

// Beats of the last request of an mvin, about.
constexpr int kLastBeats = 3;

constexpr std::int64_t kUntilDone = std::numeric_limits<std::int64_t>::max();

}  // namespace

BeatTable::BeatTable(const Hardware& hardware) {
  constexpr int kLine = kLineBytes;
  const int beat = hardware.bus_bytes_per_cycle;
  for (int offset = 0; offset < kLine; ++offset)
    for (int useful = 0; useful <= kLine; ++useful) {
      const bool possible = useful > 0 && offset + useful <= kLine;
      const int bytes = possible ? request_bytes(offset, useful, beat) : 0;
      beats_.push_back(static_cast<std::uint8_t>(bytes / beat));
    }
}

LoadUnit::LoadUnit(const Hardware& hardware, MemorySystem& memory)
    : memory_(&memory),
      beats_(hardware),
      // nCmds, LoadController.scala L84; no more than the reservation station can hold.
      commands_(
          std::min(hardware.requests_in_flight / hardware.array_size + 1, hardware.load_entries)),
      bus_latency_(hardware.bus_latency_cycles),
      hit_cycles_(hardware.bus_latency_cycles + hardware.l2_hit_cycles),
      miss_cycles_(hardware.bus_latency_cycles + hardware.dram_latency_cycles),
      in_flight_(hardware.requests_in_flight),
      window_share_((1 << kWindowBits) / hardware.requests_in_flight),
      write_turn_(l2_write_cycles(std::max(kLineBytes / hardware.bus_bytes_per_cycle, 1))),
      size_(hardware.array_size),
      scale_rate_(hardware.mvin_scale_elements_per_cycle) {}

LoadUnit::RowData LoadUnit::data_of_row(const Mvin& mvin, int offset, bool multipliers) const {
  const int local_row_bytes = mvin.block_row_bytes(size_);
  RowData row;
  for (int done = 0; done < mvin.row_bytes; offset = 0) {
    const int useful = std::min(kLineBytes - offset, mvin.row_bytes - done);
    const int beats = beats_(offset, useful);
    // Multipliers stay in the unit that unpacks.
    const int local_rows =
        multipliers
            ? 0
            : mvin.copies * ((done + useful - 1) / local_row_bytes - done / local_row_bytes + 1);
    // The merger takes a beat and gives a row of the local memory a cycle (BeatMerger, DMA.scala);
    // scaled rows go at the pace of the scaling units.
    int cycles = std::max(beats, local_rows);
    if (mvin.scaled)
      cycles = std::max(
          {cycles, (useful + scale_rate_ - 1) / scale_rate_, kLeastScalingCycles * local_rows});
    ++row.requests;
    row.beats += beats;
    row.local_rows += local_rows;
    row.cycles += cycles;
    done += useful;
  }
  return row;
}

// Cycles until the last of the requests ends that find all registers free: they go in turns of as
// many as there are registers, and the last turn takes as long as the others.
std::int64_t LoadUnit::from_idle(std::int64_t requests, std::int64_t occupied) const {
  const std::int64_t turns = (requests - 1) / in_flight_ + 1;
  return turns * occupied / requests;
}

LoadUnit::Span LoadUnit::mvin(const Mvin& mvin, std::int64_t time) {
  begin(mvin, time);
  return *advance(kUntilDone);
}

void LoadUnit::begin(const Mvin& mvin, std::int64_t time) {
  current_ = mvin;
  begin_ = std::max({time, issue_free_, commands_.oldest() + 1});
  asking_ = begin_;
  repeats_ = mvin.stride % kLineBytes == 0;
  row_ = 0;
  requests_ = misses_ = beats_of_rows_ = cycles_ = local_rows_ = last_data_ = 0;
  if (!repeats_) return;
  const auto add_rows = [&](std::int64_t address, bool multipliers, int rows) {
    add(data_of_row(mvin, static_cast<int>(address % kLineBytes), multipliers), rows);
  };
  if (mvin.multiplier_rows > 0) add_rows(mvin.multipliers, true, mvin.multiplier_rows);
  add_rows(mvin.address, false, mvin.rows);
}

// A request a cycle comes to L2; one that finds no miss register free holds the others up.
std::optional<LoadUnit::Span> LoadUnit::advance(std::int64_t time) {
  std::int64_t asking = asking_ + bus_latency_, misses = 0, last = last_data_;
  const std::int64_t until = time < kUntilDone ? time + bus_latency_ : kUntilDone,
                     stride = current_.stride;
  const int rows = current_.dram_rows(), multiplier_rows = current_.multiplier_rows;
  std::int64_t address = current_.row_address(row_);
  int row = row_;
  while (row < rows && asking < until) {
    if (!repeats_)
      add(data_of_row(current_, static_cast<int>(address % kLineBytes), row < multiplier_rows), 1);
    std::int64_t line = memory_->inside(address) / kLineBytes;
    for (int i = lines_of_row_; i > 0; --i, ++line, ++asking) {
      if (memory_->in_l2(line)) continue;
      const MemorySystem::Fetch fetch = memory_->fetch(line, asking);
      asking = fetch.accepted;
      last = fetch.data;
      ++misses;
    }
    address = ++row == multiplier_rows ? current_.address : address + stride;
  }
  asking_ = asking - bus_latency_;
  last_data_ = last;
  misses_ += misses;
  row_ = row;
  if (row < rows) return std::nullopt;
  return complete();
}

void LoadUnit::add(const RowData& row, int rows) {
  lines_of_row_ = row.requests;
  requests_ += rows * row.requests;
  beats_of_rows_ += rows * row.beats;
  cycles_ += rows * row.cycles;
  local_rows_ += rows * row.local_rows;
}

LoadUnit::Span LoadUnit::complete() {
  // A register is taken from a request's issue to its last beat.
  const std::int64_t occupied =
      (requests_ - misses_) * hit_cycles_ + misses_ * miss_cycles_ + cycles_;
  window_free_ = window_free_ <= begin_ << kWindowBits
                     ? (begin_ << kWindowBits) + (from_idle(requests_, occupied) << kWindowBits)
                     : window_free_ + occupied * window_share_;
  const std::int64_t window = window_free_ >> kWindowBits;
  // Reads and writes take turns, request by request; writes that would come sooner wait.
  const std::int64_t turns = std::min(written_, requests_ * write_turn_);
  written_ = std::min(written_ - turns, write_turn_);
  bus_free_ = std::max(bus_free_, begin_ + hit_cycles_) + cycles_ + turns;
  slack_ = (cycles_ - beats_of_rows_) / requests_;
  issue_free_ = std::max(begin_ + requests_, window - hit_cycles_);
  const std::int64_t last = last_data_ + kLastBeats;
  bus_free_ = std::max(bus_free_, last);
  const std::int64_t end =
      std::max({bus_free_, window, begin_ + requests_ + hit_cycles_, last}) + kLoadPipelineCycles;
  beats_received_ += beats_of_rows_;
  commands_.push(end);
  return {begin_, end, local_rows_};
}

StoreUnit::StoreUnit(const Hardware& hardware, MemorySystem& memory, LoadUnit& loads)
    : memory_(&memory),
      loads_(&loads),
      beats_(hardware),
      in_flight_(hardware.requests_in_flight),
      rows_ahead_(kStoreQueueBlocks),
      size_(hardware.array_size),
      bus_latency_(hardware.bus_latency_cycles),
      write_latency_(hardware.write_latency_cycles) {}

LoadUnit::Span StoreUnit::mvout(const Mvout& mvout, std::int64_t time) {
  begin(mvout, time);
  return *advance(kUntilDone);
}

void StoreUnit::begin(const Mvout& mvout, std::int64_t time, std::int64_t shared_until, int share) {
  current_ = mvout;
  shared_until_ = shared_until * kCycleTicks;
  share_ = share;
  begin_ = std::max(time, reader_free_);
  reader_ticks_ = begin_ * kCycleTicks;
  row_ = 0;
}

// When so many ticks of reading are done that begin at `ticks`.
std::int64_t StoreUnit::read_row(std::int64_t ticks, std::int64_t work) const {
  if (ticks >= shared_until_) return ticks + work;
  const std::int64_t done = (shared_until_ - ticks) * share_ / kWholePort;
  return done < work ? shared_until_ + work - done : ticks + work * kWholePort / share_;
}

std::optional<LoadUnit::Span> StoreUnit::advance(std::int64_t time) {
  if (current_.pass != NormPass::kNone) {
    reader_free_ = normalise(current_, begin_);
    return LoadUnit::Span{begin_, reader_free_};
  }
  const std::int64_t row_ticks = std::int64_t{current_.blocks} *
                                 read_ticks(size_, current_.element_bytes == 1 ? kStoreTicks : 0);
  const int ahead = std::max(kStoreQueueBlocks / current_.blocks, 1);
  for (; row_ < current_.rows; ++row_) {
    const std::int64_t reader =
        read_row(std::max(reader_ticks_, rows_ahead_.back(ahead) * kCycleTicks), row_ticks);
    const std::int64_t read = (reader + kCycleTicks - 1) / kCycleTicks;
    // The writer collects a row's blocks, a cycle each but for the last, before its beats.
    const std::int64_t writer =
        std::max(writer_free_ + current_.blocks - 1, read + kStorePipelineCycles);
    if (writer > time) {
      next_write_ = writer;
      return std::nullopt;
    }
    reader_ticks_ = reader;
    reader_free_ = read;
    writer_free_ = writer;
    rows_ahead_.push(writer);
    write_row(current_.address + row_ * current_.stride, current_.row_bytes);
  }
  return LoadUnit::Span{begin_, reader_free_};
}

std::int64_t StoreUnit::normalise(const Mvout& mvout, std::int64_t begin) {
  const PassTiming timing =
      pass_timings(mvout.normalisation)[static_cast<std::size_t>(mvout.pass) - 1];
  std::int64_t& set_free = statistics_free_[static_cast<std::size_t>(mvout.statistics)];
  if (mvout.first_of_pass) begin = std::max(begin + 1, set_free);
  const std::int64_t end =
      begin + (mvout.blocks * read_ticks(size_, timing.ticks) + kCycleTicks - 1) / kCycleTicks;
  if (mvout.last_of_pass) {
    const std::int64_t start = std::max(end, timing.busy > 0 ? units_free_ : 0);
    if (timing.busy > 0) units_free_ = start + timing.busy;
    set_free = start + timing.tail;
  }
  if (mvout.pass == NormPass::kWrite) {
    writer_free_ = std::max(writer_free_ + mvout.blocks - 1, end + kStorePipelineCycles);
    write_row(mvout.address, mvout.row_bytes);
  }
  return end;
}

void StoreUnit::write_row(std::int64_t address, int bytes) {
  constexpr int kLine = kLineBytes;
  while (bytes > 0) {
    const int offset = static_cast<int>(static_cast<std::uint64_t>(address) % kLine);
    const int useful = std::min(kLine - offset, bytes);
    const int beats = beats_(offset, useful);
    const std::int64_t begin = std::max(writer_free_, in_flight_.first());
    writer_free_ = begin + beats;
    std::int64_t done = writer_free_ + write_latency_;
    const std::int64_t line = address / kLine;
    const std::int64_t arrival = writer_free_ + bus_latency_;
    const std::int64_t taken =
        useful == kLine ? memory_->write_whole(line, arrival) : memory_->write_part(line, arrival);
    done = std::max(done, taken + bus_latency_);
    in_flight_.take(done);
    acknowledged_ = std::max(acknowledged_, done);
    beats_sent_ += beats;
    loads_->yield(l2_write_cycles(beats), writer_free_);
    written_ += useful;
    address += useful;
    bytes -= useful;
  }
}

}  // namespace paretoformer::accel_sim
