// How a training in shards spreads over machines: the program's own messages, between ranks that
// are threads, in virtual time.
//
// Every rank has a clock. A message occupies its sender's and its receiver's line, which carry both
// directions at once, for its bytes over the bandwidth, and arrives a latency later. What is
// computed takes the time that is given for it. The network that is trained is a tiny one, so the
// gradients' bytes, which are counted, are scaled up to those of the parameters asked for. Machines
// are alike, and nothing is overlapped with computing, as in the program.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/command_main.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/training/sharded_backend.hpp"
#include "supernet/training/shards.hpp"
#include "supernet/training/trainer.hpp"
#include "support/communicator.hpp"

namespace {

using namespace paretoformer;

struct Options {
  double parameters = 82e6;  // of the survey's largest network, about
  int shards = 16;           // its batch x accumulation
  double step = 12;          // seconds of one machine, in all
  double memory = 10;        // GB/s, for sums of shards and AdamW
  double bandwidth = 25;     // Gbit/s in each direction
  double latency = 10;       // microseconds
  int steps = 3;
};

struct Message {
  std::string bytes;
  double sent, arrived;  // when its last byte leaves, and when it is there
};

// Between all ranks.
class Mail {
 public:
  void put(int from, int to, Message message) {
    const std::scoped_lock lock(mutex_);
    boxes_[{from, to}].push_back(std::move(message));
    arrived_.notify_all();
  }
  Message get(int from, int to) {
    std::unique_lock lock(mutex_);
    auto& box = boxes_[{from, to}];
    arrived_.wait(lock, [&] { return !box.empty(); });
    Message message = std::move(box.front());
    box.pop_front();
    return message;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::pair<int, int>, std::deque<Message>> boxes_;
};

class VirtualRank : public Communicator {
 public:
  VirtualRank(Mail& mail, int rank, int size, const Options& options, double scale)
      : mail_(mail), rank_(rank), size_(size), options_(options), scale_(scale) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name_of(int rank) const override { return "rank " + std::to_string(rank); }

  void send(int to, std::string_view bytes) override {
    const bool answers = to < rank_;
    const bool says = rank_ == 0 && !bytes.empty() && bytes.front() != said_;
    if (answers || says) settle();
    if (says) said_ = bytes.front();
    clock_ = put(to, bytes, 1);
  }
  std::string receive(int from) override {
    settle();
    Message message = mail_.get(from, rank_);
    clock_ = taken(message, 1);
    if (rank_ > 0 && !message.bytes.empty()) said_ = message.bytes.front();
    return std::move(message.bytes);
  }
  void exchange(int to, std::span<const std::byte> out, int from,
                std::span<std::byte> in) override {
    settle();
    const double sent = put(to, {reinterpret_cast<const char*>(out.data()), out.size()}, scale_);
    const Message message = mail_.get(from, rank_);
    if (!message.bytes.empty()) std::memcpy(in.data(), message.bytes.data(), in.size());
    clock_ = std::max(sent, taken(message, scale_));
    sent_bytes_ += scale_ * static_cast<double>(out.size());
  }

  // What follows a message of rank 0 (sharded_backend.cpp): the gradients of the own shards, their
  // sum, or AdamW.
  void compute(char said) {
    const supernet::ShardRange own = supernet::shards_of_rank(rank_, size_, options_.shards);
    const double pass = 4 * options_.parameters / (1e9 * options_.memory);  // over the parameters
    const double adamw = 7 * pass;  // gradient; weights and two moments, read and written
    if (said == 'g')
      clock_ += own.size() * (options_.step - adamw) / options_.shards +
                (own.size() > 1 ? 3 * (own.size() - 1) * pass : 0);
    if (said == 'a') clock_ += adamw;
  }
  // What rank 0 has said is done when it has been passed on.
  void settle() { compute(std::exchange(said_, '\0')); }
  double clock() const { return clock_; }
  double sent_bytes() const { return sent_bytes_; }

 private:
  double seconds(std::size_t bytes, double scale) const {
    return 8 * scale * static_cast<double>(bytes) / (1e9 * options_.bandwidth);
  }
  // When the line is free again.
  double put(int to, std::string_view bytes, double scale) {
    const double sent = std::max(clock_, out_free_) + seconds(bytes.size(), scale);
    out_free_ = sent;
    mail_.put(rank_, to, {std::string(bytes), sent, sent + 1e-6 * options_.latency});
    return sent;
  }
  double taken(const Message& message, double scale) {
    const double on_line = seconds(message.bytes.size(), scale);
    in_free_ = std::max(message.arrived, in_free_ + on_line);
    return std::max(clock_, in_free_);
  }

  Mail& mail_;
  int rank_, size_;
  const Options& options_;
  double scale_;
  char said_ = '\0';  // by rank 0, which does the same
  double clock_ = 0, out_free_ = 0, in_free_ = 0, sent_bytes_ = 0;
};

struct Outcome {
  double step = 0;   // seconds
  double bytes = 0;  // of gradients that rank 0 sends in a step
};

supernet::TrainingConfig config_of(const Options& options) {
  supernet::TrainingConfig config;
  config.batch = options.shards;
  config.context = 4;
  config.random_subnetworks = 2;
  config.device = supernet::Device::cpu;
  config.shards = options.shards;
  return config;
}

// A small network whose gradient every rank has some numbers of.
Architecture tiny() { return {64, 16, 1000, {{2, 128}}}; }

void train(VirtualRank& self, const Options& options, const supernet::ParameterLayout& layout,
           Outcome& outcome) {
  const supernet::TrainingConfig config = config_of(options);
  if (self.rank() > 0) {
    self.broadcast("");
    return supernet::serve_training(self, [&]() -> supernet::TrainingSetup {
      return {layout, config};
    });
  }
  supernet::TrainingState<float> state;
  state.parameters = supernet::initial_parameters<float>(layout, 1);
  supernet::Trainer<float> trainer(layout, config, std::move(state), supernet::Arithmetic::fp32,
                                   {&self, "train"});
  const std::vector<Architecture> networks(4, layout.largest());
  const int sequences = config.sequences_per_step(networks.size());
  const std::vector<std::int32_t> text(static_cast<std::size_t>(sequences * config.context) + 1, 7);
  const double begin = self.clock(), sent = self.sent_bytes();
  for (int step = 0; step < options.steps; ++step) {
    trainer.compute_gradients({text.data(), text.data() + 1, sequences, config.context}, networks);
    trainer.apply_gradients();
    if (self.size() > 1) continue;
    self.compute('g');  // nobody has been told
    self.compute('a');
  }
  outcome = {(self.clock() - begin) / options.steps, (self.sent_bytes() - sent) / options.steps};
}

Outcome simulated(const Options& options, int ranks) {
  const supernet::ParameterLayout layout(tiny(), config_of(options).context);
  const double scale = options.parameters / static_cast<double>(layout.size());
  Mail mail;
  Outcome outcome;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      VirtualRank self(mail, rank, ranks, options, scale);
      train(self, options, layout, outcome);
    });
  for (std::thread& thread : threads) thread.join();
  return outcome;
}

int run(int count, char** arguments) {
  Options options;
  CLI::App app("How a training in shards spreads over machines");
  app.add_option("--parameters", options.parameters)->capture_default_str();
  app.add_option("--shards", options.shards)->check(CLI::Range(2, 4096))->capture_default_str();
  app.add_option("--step", options.step, "Seconds of a step on one machine")->capture_default_str();
  app.add_option("--memory", options.memory, "GB/s, for sums and AdamW")->capture_default_str();
  app.add_option("--bandwidth", options.bandwidth, "Gbit/s, each way")->capture_default_str();
  app.add_option("--latency", options.latency, "Microseconds")->capture_default_str();
  CLI11_PARSE(app, count, arguments);

  std::printf(
      "| ranks | a step, s | speed-up | share of it that computes | sent by a rank, MB |\n"
      "|---|---|---|---|---|\n");
  double alone = 0;
  for (int ranks = 1; ranks <= 256; ranks *= 2) {
    const Outcome outcome = simulated(options, ranks);
    if (ranks == 1) alone = outcome.step;
    const int most = (options.shards + ranks - 1) / ranks;
    std::printf("| %d | %.4f | %.1f | %.0f %% | %.0f |\n", ranks, outcome.step,
                alone / outcome.step, 100 * options.step * most / options.shards / outcome.step,
                1e-6 * outcome.bytes);
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  return command_main("training_ranks_bench", [=] { return run(count, arguments); });
}
