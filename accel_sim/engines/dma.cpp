#include "accel_sim/engines/dma.hpp"

#include <algorithm>
#include <limits>

#include "accel_sim/engines/requests.hpp"
#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr std::int64_t kUntilDone = std::numeric_limits<std::int64_t>::max();

}  // namespace

LoadUnit::LoadUnit(const Hardware& hardware, MemorySystem& memory, L2Port& l2)
    : hardware_(&hardware),
      memory_(&memory),
      l2_(&l2),
      // nCmds, LoadController.scala L84; no more than the reservation station can hold.
      commands_(
          std::min(hardware.requests_in_flight / hardware.array_size + 1, hardware.load_entries)),
      in_flight_(hardware.requests_in_flight),
      bus_latency_(hardware.bus_latency_cycles),
      l2_hit_cycles_(hardware.l2_hit_cycles) {}

LoadUnit::RowData LoadUnit::data_of_row(const Mvin& mvin, std::int64_t address,
                                        bool multipliers) const {
  int offset = static_cast<int>(address % kLineBytes);
  RowData row;
  for (int done = 0; done < mvin.row_bytes; offset = 0) {
    const int useful = std::min(kLineBytes - offset, mvin.row_bytes - done);
    const RequestData data = data_of_request(mvin, *hardware_, offset, done, useful, multipliers);
    ++row.requests;
    row.beats += data.beats;
    row.local_rows += data.local_rows;
    row.cycles += data.cycles;
    done += useful;
  }
  // Of what does not divide, the last request has more.
  row.last_beats = row.beats;
  row.last_cycles = row.cycles;
  if (row.requests > 1) {
    row.other_beats = row.beats / row.requests;
    row.other_cycles = row.cycles / row.requests;
    row.last_beats -= (row.requests - 1) * row.other_beats;
    row.last_cycles -= (row.requests - 1) * row.other_cycles;
  }
  return row;
}

LoadUnit::Span LoadUnit::mvin(const Mvin& mvin, std::int64_t time) {
  begin(mvin, time);
  return *advance(kUntilDone);
}

void LoadUnit::begin(const Mvin& mvin, std::int64_t time) {
  current_ = mvin;
  begin_ = asking_ = std::max(time, next_begin());
  repeats_ = mvin.stride % kLineBytes == 0 && mvin.multiplier_rows == 0;
  row_ = 0;
  local_rows_ = received_ = cycles_ = 0;
  if (repeats_) row_data_ = data_of_row(mvin, mvin.address, false);
}

// A request a cycle comes to L2; one that finds no miss register free holds the others up. The
// clocks are local copies, for these are the simulator's hottest lines.
std::optional<LoadUnit::Span> LoadUnit::advance(std::int64_t time) {
  const int rows = current_.dram_rows(), multiplier_rows = current_.multiplier_rows;
  std::int64_t asking = asking_, bus_free = bus_free_, received_last = received_;
  std::int64_t address = current_.row_address(row_);
  int row = row_;
  while (row < rows && asking < time) {
    if (!repeats_) row_data_ = data_of_row(current_, address, row < multiplier_rows);
    const RowData& data = row_data_;
    local_rows_ += data.local_rows;
    beats_received_ += data.beats;
    cycles_ += data.cycles;
    std::int64_t line = memory_->inside(address) / kLineBytes;
    for (int left = data.requests; left > 0; --left, ++line) {
      const int beats = left > 1 ? data.other_beats : data.last_beats;
      const int cycles = left > 1 ? data.other_cycles : data.last_cycles;
      std::int64_t arrival = asking + bus_latency_, received;
      if (memory_->in_l2(line)) {
        received = bus_free =
            std::max(bus_free, l2_->read(arrival, beats) + l2_hit_cycles_) + cycles;
      } else {
        const MemorySystem::Access fetch = memory_->fetch(line, l2_->enter(arrival));
        arrival = fetch.accepted;
        bus_free = std::max(bus_free, arrival + l2_hit_cycles_) + cycles;
        const int handled = beats + fetch.l2_cycles;
        received =
            std::max({bus_free, fetch.ready + cycles, l2_->read(arrival, handled) + handled});
      }
      in_flight_.take(received);
      received_last = std::max(received_last, received);
      asking = std::max(arrival - bus_latency_ + 1, in_flight_.first());
    }
    address = ++row == multiplier_rows ? current_.address : address + current_.stride;
  }
  asking_ = asking;
  bus_free_ = bus_free;
  received_ = received_last;
  row_ = row;
  if (row < rows) return std::nullopt;
  // All of it follows the last line of the mvin before, though registers are free again sooner.
  complete_ = std::max({complete_ + cycles_, received_, bus_free_});
  const std::int64_t end = complete_ + kLoadPipelineCycles;
  commands_.push(end);
  return Span{begin_, end, local_rows_};
}

StoreUnit::StoreUnit(const Hardware& hardware, MemorySystem& memory, L2Port& l2)
    : memory_(&memory),
      l2_(&l2),
      in_flight_(hardware.requests_in_flight),
      rows_ahead_(kStoreQueueBlocks),
      size_(hardware.array_size),
      bus_latency_(hardware.bus_latency_cycles),
      write_latency_(hardware.write_latency_cycles),
      beat_bytes_(hardware.bus_bytes_per_cycle) {}

LoadUnit::Span StoreUnit::mvout(const Mvout& mvout, std::int64_t time) {
  begin(mvout, time);
  return *advance(kUntilDone);
}

void StoreUnit::begin(const Mvout& mvout, std::int64_t time, std::int64_t shared_until, int share) {
  current_ = mvout;
  share_port(shared_until, share);
  begin_ = std::max(time, reader_free_);
  reader_ticks_ = begin_ * kCycleTicks;
  row_ = 0;
}

void StoreUnit::share_port(std::int64_t until, int share) {
  shared_until_ = until * kCycleTicks;
  share_ = share;
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
  const std::int64_t row_ticks =
      std::int64_t{current_.blocks} * read_ticks(size_, current_.scaled() ? kStoreTicks : 0);
  const int ahead = std::max(kStoreQueueBlocks / current_.blocks, 1);
  const int pipeline = store_pipeline_cycles(current_.from_scratchpad());
  for (; row_ < current_.rows; ++row_) {
    const std::int64_t reader =
        read_row(std::max(reader_ticks_, rows_ahead_.back(ahead) * kCycleTicks), row_ticks);
    const std::int64_t read = (reader + kCycleTicks - 1) / kCycleTicks;
    // The writer collects a row's blocks, a cycle each but for the last, before its beats.
    const std::int64_t writer = std::max(writer_free_ + current_.blocks - 1, read + pipeline);
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
    const int beats = request_bytes(offset, useful, beat_bytes_) / beat_bytes_;
    const std::int64_t begin = std::max(writer_free_, in_flight_.first());
    writer_free_ = begin + beats;
    const std::int64_t line = address / kLine;
    const std::int64_t arrival = writer_free_ + bus_latency_;
    const MemorySystem::Access access =
        useful == kLine ? memory_->write_whole(line, arrival) : memory_->write_part(line, arrival);
    const std::int64_t handled = l2_->write(arrival, beats + access.l2_cycles);
    const std::int64_t done =
        std::max(writer_free_ + write_latency_, std::max(access.ready, handled) + bus_latency_);
    in_flight_.take(done);
    acknowledged_ = std::max(acknowledged_, done);
    beats_sent_ += beats;
    written_ += useful;
    address += useful;
    bytes -= useful;
  }
}

}  // namespace paretoformer::accel_sim
