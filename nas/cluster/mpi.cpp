#include "nas/cluster/mpi.hpp"

#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>

#include "support/error.hpp"

#ifdef PARETOFORMER_MPI
#define OMPI_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "support/log.hpp"
#include "support/pause.hpp"
#endif

namespace paretoformer::nas {
namespace {

// Of the first of these that is set.
std::optional<int> number_in(std::initializer_list<const char*> variables) {
  for (const char* variable : variables)
    if (const char* const text = std::getenv(variable)) return std::atoi(text);
  return std::nullopt;
}

}  // namespace

Launched launched() {
  // Open MPI; srun --mpi=pmix; MPICH, srun --mpi=pmi2.
  const std::optional<int> rank = number_in({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"});
  if (!rank) return {};
  return {true, *rank,
          number_in({"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"}).value_or(1)};
}

#ifndef PARETOFORMER_MPI

std::unique_ptr<Communicator> join_ranks() {
  if (const int size = launched().size; size > 1)
    throw InputError("one of " + std::to_string(size) +
                     " processes that were launched together, but this program was built without "
                     "MPI: build it with -DPARETOFORMER_MPI=ON");
  return nullptr;
}

#else

namespace {

constexpr double kSilence = 30;  // seconds
constexpr int kSignsPerSilence = 6;
constexpr unsigned kPatience = 10;                    // seconds, with a launcher
constexpr std::size_t kPiece = std::size_t{1} << 30;  // bytes of a message: MPI counts in int

// Sleeps where MPI would spin: ranks wait for hours while rank 0 trains.
void wait_for(MPI_Request& request) {
  Pause pause(Pause::Milliseconds(0.02), Pause::Milliseconds(5));
  int done = 0;
  while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) pause.wait();
}

// Each rank tells the next one now and then that it lives, from a thread of its own.
class Ring {
 public:
  Ring(std::vector<std::string> names, int rank, double silence)
      : names_(std::move(names)),
        size_(static_cast<int>(names_.size())),
        next_((rank + 1) % size_),
        previous_((rank + size_ - 1) % size_),
        silence_(silence) {
    MPI_Comm_dup(MPI_COMM_WORLD, &ring_);
    thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
  }
  ~Ring() {
    thread_.request_stop();
    thread_.join();
    // So that nothing is on its way when MPI ends.
    MPI_Request all_here{};
    MPI_Ibarrier(ring_, &all_here);
    wait_for(all_here);
    hear();
    for (MPI_Request& request : sent_) MPI_Request_free(&request);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  void watch(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    Clock::time_point heard = Clock::now();
    do {
      MPI_Isend(nullptr, 0, MPI_BYTE, next_, 0, ring_, &sent_.emplace_back());
      std::erase_if(sent_, [](MPI_Request& request) {
        int done = 0;
        return MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done;
      });
      if (hear()) heard = Clock::now();
      if (Clock::now() - heard > silence_) end_all();
    } while (!wake_.wait_for(lock, stop, silence_ / kSignsPerSilence,
                             [&] { return stop.stop_requested(); }));
  }

  // Whether there was a sign.
  bool hear() {
    bool any = false;
    int here = 0;
    while (MPI_Iprobe(previous_, 0, ring_, &here, MPI_STATUS_IGNORE) == MPI_SUCCESS && here) {
      MPI_Recv(nullptr, 0, MPI_BYTE, previous_, 0, ring_, MPI_STATUS_IGNORE);
      any = true;
    }
    return any;
  }

  [[noreturn]] void end_all() {
    const std::string line =
        fmt::format("paretoformer: {} has not been heard of for {:g} s; continue with --resume\n",
                    names_[static_cast<std::size_t>(previous_)], silence_.count());
    std::fputs(line.c_str(), stderr);
    ::alarm(kPatience);  // a launcher that cannot be reached must not keep the run folder locked
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
  }

  std::vector<std::string> names_;
  int size_, next_, previous_;
  std::chrono::duration<double> silence_;
  MPI_Comm ring_ = MPI_COMM_NULL;
  std::vector<MPI_Request> sent_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

class MpiRanks : public Communicator {
 public:
  MpiRanks() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    std::array<char, MPI_MAX_PROCESSOR_NAME + 1> host{};
    int length = 0;
    MPI_Get_processor_name(host.data(), &length);
    std::string all;
    for (const std::string& each :
         gather(fmt::format("rank {} ({}, process {})", rank_, host.data(), ::getpid())))
      all += each + '\n';
    all = broadcast(all);
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end + 1) {
      end = all.find('\n', begin);
      names_.push_back(all.substr(begin, end - begin));
    }
  }
  ~MpiRanks() override {
    ring_.reset();
    MPI_Finalize();
  }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;

  void watch(double silence) { ring_ = std::make_unique<Ring>(names_, rank_, silence); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name_of(int rank) const override { return names_[static_cast<std::size_t>(rank)]; }

  void send(int to, std::string_view bytes) override {
    std::uint64_t size = bytes.size();
    send_piece(to, &size, sizeof size);
    for (std::size_t at = 0; at < bytes.size(); at += kPiece)
      send_piece(to, bytes.data() + at, std::min(kPiece, bytes.size() - at));
  }

  std::string receive(int from) override {
    std::uint64_t size = 0;
    receive_piece(from, &size, sizeof size);
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < bytes.size(); at += kPiece)
      receive_piece(from, bytes.data() + at, std::min(kPiece, bytes.size() - at));
    return bytes;
  }

  void exchange(int to, std::span<const std::byte> out, int from,
                std::span<std::byte> in) override {
    std::vector<MPI_Request> pieces;
    for (std::size_t at = 0; at < in.size(); at += kPiece)
      MPI_Irecv(in.data() + at, static_cast<int>(std::min(kPiece, in.size() - at)), MPI_BYTE, from,
                0, MPI_COMM_WORLD, &pieces.emplace_back());
    for (std::size_t at = 0; at < out.size(); at += kPiece)
      MPI_Isend(out.data() + at, static_cast<int>(std::min(kPiece, out.size() - at)), MPI_BYTE, to,
                0, MPI_COMM_WORLD, &pieces.emplace_back());
    for (MPI_Request& piece : pieces) wait_for(piece);
  }

 private:
  static void send_piece(int to, const void* data, std::size_t size) {
    MPI_Request request{};
    MPI_Isend(data, static_cast<int>(size), MPI_BYTE, to, 0, MPI_COMM_WORLD, &request);
    wait_for(request);
  }
  static void receive_piece(int from, void* data, std::size_t size) {
    MPI_Request request{};
    MPI_Irecv(data, static_cast<int>(size), MPI_BYTE, from, 0, MPI_COMM_WORLD, &request);
    wait_for(request);
  }

  int rank_ = 0, size_ = 1;
  std::vector<std::string> names_;
  std::unique_ptr<Ring> ring_;
};

double silence() {
  const char* const text = std::getenv("PARETOFORMER_SILENCE");
  if (!text) return kSilence;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (*end != '\0' || !(seconds >= 1 && seconds <= 1e6))
    throw InputError("environment variable PARETOFORMER_SILENCE: \"" + std::string(text) +
                     "\": expected seconds, from 1 to 1000000");
  return seconds;
}

}  // namespace

std::unique_ptr<Communicator> join_ranks() {
  if (!launched().by_launcher) return nullptr;
  const double seconds = silence();
  int level = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &level);
  auto ranks = std::make_unique<MpiRanks>();
  if (ranks->size() == 1) return ranks;
  if (level == MPI_THREAD_MULTIPLE)
    ranks->watch(seconds);
  else if (ranks->rank() == 0)
    log_warning("this MPI has no MPI_THREAD_MULTIPLE: a rank that hangs is not noticed");
  return ranks;
}

#endif

}  // namespace paretoformer::nas
