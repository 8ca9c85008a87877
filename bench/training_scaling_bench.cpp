// How a training step spreads over cores: its tasks are recorded on one thread, and a greedy
// scheduler lays them out on any number of cores; beside that, what is measured on the cores here.
//
// The model knows how long every task takes alone and what waits for what. It does not know that
// cores share memory bandwidth and caches and clock lower together, nor what handing out a task
// costs.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/command_main.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/kernels/matmul.hpp"
#include "supernet/model/packed_weights.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/trainer.hpp"
#include "support/error.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// This thread's processor time, and the time on the wall.
double busy() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
double wall() { return seconds_of(CLOCK_MONOTONIC); }

// What a task does: a piece of work, a loop of tasks, a piece of work, a loop, ..., a piece.
struct Task;
using Loop = std::vector<std::unique_ptr<Task>>;
struct Task {
  std::vector<double> pieces;  // seconds
  std::vector<Loop> loops;     // after each piece but the last
};

// Runs loops on the calling thread and writes down what it runs.
class Recorder {
 public:
  static Task record(const std::function<void()>& body) {
    Task task;
    current = &task;
    set_task_runner(run_loop);
    begin = busy();
    body();
    end_piece();
    set_task_runner(nullptr);
    return task;
  }

 private:
  static void end_piece() {
    const double now = busy();
    current->pieces.push_back(now - begin);
    begin = now;
  }

  static void run_loop(std::size_t count, void (*run)(void*, std::size_t), void* loop) {
    end_piece();
    Task* const caller = current;
    Loop tasks;
    for (std::size_t i = 0; i < count; ++i) {
      tasks.push_back(std::make_unique<Task>());
      current = tasks.back().get();
      begin = busy();
      run(loop, i);
      end_piece();
    }
    current = caller;
    current->loops.push_back(std::move(tasks));
    begin = busy();
  }

  static inline Task* current = nullptr;
  static inline double begin = 0;
};

// The same tasks recorded again: an interruption lengthens a piece once.
void keep_shorter(Task& task, const Task& again) {
  if (task.pieces.size() != again.pieces.size()) throw Error("two recordings differ");
  for (std::size_t i = 0; i < task.pieces.size(); ++i)
    task.pieces[i] = std::min(task.pieces[i], again.pieces[i]);
  for (std::size_t l = 0; l < task.loops.size(); ++l) {
    if (task.loops[l].size() != again.loops[l].size()) throw Error("two recordings differ");
    for (std::size_t i = 0; i < task.loops[l].size(); ++i)
      keep_shorter(*task.loops[l][i], *again.loops[l][i]);
  }
}

// Of all pieces one after the other, and of the longest chain of which each waits for the last.
struct Work {
  double all = 0, longest_chain = 0;
  std::size_t tasks = 1;
};
Work work_of(const Task& task) {
  Work work;
  for (const double piece : task.pieces) work.all += piece;
  work.longest_chain = work.all;
  for (const Loop& loop : task.loops) {
    double longest = 0;
    for (const auto& each : loop) {
      const Work inner = work_of(*each);
      work.all += inner.all;
      work.tasks += inner.tasks;
      longest = std::max(longest, inner.longest_chain);
    }
    work.longest_chain += longest;
  }
  return work;
}

// Seconds until `root` is done on so many cores, none of which is idle while there is a task to
// begin: first what goes on after a loop, then tasks in the order in which their loops began.
class Schedule {
 public:
  static double seconds(const Task& root, int cores) {
    Schedule schedule;
    schedule.ready_.push_back({&root, nullptr, 0});
    double now = 0;
    while (true) {
      for (; cores > 0 && !schedule.ready_.empty(); --cores) {
        const Piece piece = schedule.ready_.front();
        schedule.ready_.pop_front();
        schedule.running_.push({now + piece.task->pieces[piece.index], piece});
      }
      if (schedule.running_.empty()) return now;
      const auto [end, piece] = schedule.running_.top();
      schedule.running_.pop();
      now = end;
      ++cores;
      schedule.finish(piece);
    }
  }

 private:
  struct Running;  // a loop
  struct Piece {
    const Task* task;
    Running* within;
    std::size_t index;
  };
  struct Running {
    std::size_t open;
    Piece after;
  };

  void finish(const Piece& piece) {
    if (piece.index < piece.task->loops.size()) {
      const Loop& loop = piece.task->loops[piece.index];
      const Piece after{piece.task, piece.within, piece.index + 1};
      if (loop.empty()) return ready_.push_front(after);
      loops_.push_back(std::make_unique<Running>(Running{loop.size(), after}));
      for (const auto& task : loop) ready_.push_back({task.get(), loops_.back().get(), 0});
    } else if (piece.within && --piece.within->open == 0) {
      ready_.push_front(piece.within->after);
    }
  }

  struct Later {
    bool operator()(const std::pair<double, Piece>& a, const std::pair<double, Piece>& b) const {
      return a.first > b.first;
    }
  };
  std::deque<Piece> ready_;
  std::priority_queue<std::pair<double, Piece>, std::vector<std::pair<double, Piece>>, Later>
      running_;
  std::vector<std::unique_ptr<Running>> loops_;
};

// Of the matrix products in the training of one network on such a batch: forward, and twice that
// backward; attention in blocks of 64 queries, whose scores are formed again backward.
double flops_of(const Architecture& network, int sequences, int length) {
  const double d = network.model_width;
  double weights = d * network.vocabulary;
  double attention = 0;  // of a sequence
  for (const Layer& layer : network.layers) {
    const double a = layer.heads * network.head_width;
    weights += 4 * d * a + 2 * d * layer.ffn_width;
    for (int first = 0; first < length; first += 64) {
      const int queries = std::min(64, length - first);
      attention += 7 * 2.0 * queries * (first + queries) * a;
    }
  }
  return sequences * (6.0 * length * weights + attention);
}

struct Shape {
  std::string name, space;
  int vocabulary, batch, context;
};
const std::vector<Shape> kShapes{{"survey", "survey", 50257, 2, 512},
                                 {"quickstart", "quickstart", 1024, 8, 64}};

// The fastest of the step's own products, in blocks of 512 rows and of one weight gradient, in
// GFLOP/s of one core; with `packed`, of those whose weights are packed before.
double best_product(const Architecture& largest, supernet::Products products, bool packed) {
  struct Size {
    int m, n, k;
    bool transposed;
  };
  const int d = largest.model_width;
  const int f = largest.layers[0].ffn_width;
  double best = 0;
  for (const Size& size : {Size{512, f, d, true}, Size{512, d, f, true}, Size{512, f, d, false},
                           Size{512, 8 * d, d, true}}) {
    const auto area = [](int rows, int columns) {
      return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    };
    const std::vector<float> a(area(size.m, size.k), 0.5F), b(area(size.n, size.k), 0.25F);
    std::vector<float> c(area(size.m, size.n));
    const double flops = 2.0 * size.m * size.n * size.k;
    const supernet::MatrixView<float> left = supernet::plain(a.data(), size.k);
    const supernet::MatrixView<float> right = size.transposed
                                                  ? supernet::transposed(b.data(), size.k)
                                                  : supernet::plain(b.data(), size.n);
    const supernet::PackedMemory memory =
        supernet::packed_memory(supernet::packed_bytes<float>(size.k, size.n, products));
    const supernet::PackedMatrix<float> weights{memory.get(), size.k, size.n, products};
    supernet::pack<float>(right, 0, size.n, weights);
    for (int round = 0; round < 20; ++round) {
      const double begin = busy();
      int times = 0;
      do {
        if (packed)
          supernet::matmul_packed<float>(size.m, size.n, size.k, left, weights, 0, c.data(),
                                         size.n);
        else
          supernet::matmul<float>(size.m, size.n, size.k, left, right, c.data(), size.n,
                                  supernet::Into::replace, products);
        ++times;
      } while (busy() - begin < 0.01);
      best = std::max(best, 1e-9 * flops * times / (busy() - begin));
    }
  }
  return best;
}

class Bench {
 public:
  Bench(const Shape& shape, supernet::Products products, double distillation)
      : networks_(SearchSpace::find(shape.space).with_vocabulary(shape.vocabulary)),
        config_(config_of(shape, products, distillation)),
        layout_(networks_, config_.context),
        trainer_(layout_, config_, start_of(layout_)) {
    Random random(1);
    for (int i = 0; i < 100'000; ++i)
      text_.push_back(static_cast<std::int32_t>(
          random.below(static_cast<std::uint64_t>(networks_.vocabulary()))));
  }

  // The step with this number's text and networks, with the weights of now.
  void step(std::int64_t number) {
    const auto sampled = supernet::sandwich(networks_, config_.random_subnetworks, 1, number);
    const int sequences = config_.sequences_per_step(sampled.size());
    supernet::draw_batch(text_, sequences, config_.context, 1, number, tokens_, targets_);
    trainer_.compute_gradients({tokens_.data(), targets_.data(), sequences, config_.context},
                               sampled);
    trainer_.apply_gradients();
  }

  double flops(std::int64_t number) const {
    double sum = 0;
    for (const Architecture& network :
         supernet::sandwich(networks_, config_.random_subnetworks, 1, number))
      sum += flops_of(network, config_.sequences_per_network(), config_.context);
    return sum;
  }

  double tokens_per_network() const { return static_cast<double>(config_.tokens_per_network()); }
  const Architecture& largest() const { return layout_.largest(); }

 private:
  static supernet::TrainingConfig config_of(const Shape& shape, supernet::Products products,
                                            double distillation) {
    supernet::TrainingConfig config;
    config.batch = shape.batch;
    config.context = shape.context;
    config.products = products;
    config.distillation = distillation;
    config.device = supernet::Device::cpu;
    return config;
  }
  static supernet::TrainingState<float> start_of(const supernet::ParameterLayout& layout) {
    supernet::TrainingState<float> state;
    state.parameters = initial_parameters<float>(layout, 1);
    return state;
  }

  SearchSpace networks_;
  supernet::TrainingConfig config_;
  supernet::ParameterLayout layout_;
  supernet::Trainer<float> trainer_;
  std::vector<std::int32_t> text_, tokens_, targets_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds of a step, with `threads` threads: per round one of each step on every number of them.
std::vector<double> measured(Bench& bench, int steps, int rounds, const std::vector<int>& threads) {
  std::vector<std::vector<std::vector<double>>> seconds(
      threads.size(), std::vector<std::vector<double>>(static_cast<std::size_t>(steps)));
  for (int round = 0; round < rounds; ++round)
    for (int step = 0; step < steps; ++step)
      for (std::size_t i = 0; i < threads.size(); ++i) {
        const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                        static_cast<std::size_t>(threads[i]));
        tbb::task_arena arena(threads[i]);
        arena.execute([&] {
          const double begin = wall();
          bench.step(step);
          seconds[i][static_cast<std::size_t>(step)].push_back(wall() - begin);
        });
      }
  std::vector<double> sums;
  for (const auto& of_threads : seconds) {
    sums.push_back(0);
    for (const std::vector<double>& of_step : of_threads) sums.back() += median(of_step);
  }
  return sums;
}

struct Options {
  std::string shape = "survey", products = "fp32";
  int steps = 3, records = 2, rounds = 3;
  double distillation = 0;
};

void measure(const Options& options) {
  const auto shape = std::find_if(kShapes.begin(), kShapes.end(),
                                  [&](const Shape& each) { return each.name == options.shape; });
  const supernet::Products products =
      options.products == "bf16" ? supernet::Products::bf16 : supernet::Products::fp32;
  Bench bench(*shape, products, options.distillation);
  bench.step(0);  // memory is there now

  double flops = 0;
  std::vector<Task> recorded;
  for (int step = 0; step < options.steps; ++step) {
    flops += bench.flops(step);
    for (int i = 0; i < options.records; ++i) {
      Task task = Recorder::record([&] { bench.step(step); });
      if (i == 0)
        recorded.push_back(std::move(task));
      else
        keep_shorter(recorded.back(), task);
    }
  }
  Work sum;
  for (const Task& task : recorded) {
    const Work work = work_of(task);
    sum.all += work.all;
    sum.longest_chain += work.longest_chain;
    sum.tasks += work.tasks;
  }
  const double best = best_product(bench.largest(), products, false);
  const double best_packed = best_product(bench.largest(), products, true);
  const double speed = 1e-9 * flops / sum.all;
  std::printf(
      "%s, %s: %d steps, %.1f GFLOP and %zu tasks each; %.3f s of one core a step, "
      "of which %.4f wait for one another\n",
      options.shape.c_str(), options.products.c_str(), options.steps, 1e-9 * flops / options.steps,
      sum.tasks / recorded.size(), sum.all / options.steps, sum.longest_chain / options.steps);
  std::printf(
      "%.1f GFLOP/s of one core, %.0f %% of the best product's %.1f, %.0f %% of %.1f where the "
      "weights are packed before\n",
      speed, 100 * speed / best, best, 100 * speed / best_packed, best_packed);

  std::vector<int> threads;
  const int here = static_cast<int>(std::thread::hardware_concurrency());
  for (int count = 1; options.rounds > 0 && count <= here; count *= 2) threads.push_back(count);
  const std::vector<double> seconds = measured(bench, options.steps, options.rounds, threads);
  std::printf(
      "| cores | model, speed-up | measured, speed-up | measured, tokens/s per network |\n"
      "|---|---|---|---|\n");
  for (int cores = 1; cores <= 64; cores *= 2) {
    double modelled = 0;
    for (const Task& task : recorded) modelled += Schedule::seconds(task, cores);
    std::printf("| %d | %.2f |", cores, sum.all / modelled);
    const auto at = std::find(threads.begin(), threads.end(), cores);
    if (at == threads.end()) {
      std::printf(" - | - |\n");
      continue;
    }
    const double second = seconds[static_cast<std::size_t>(at - threads.begin())];
    std::printf(" %.2f | %.0f |\n", seconds[0] / second,
                options.steps * bench.tokens_per_network() / second);
  }
}

int run(int count, char** arguments) {
  Options options;
  CLI::App app("How a training step spreads over cores");
  app.add_option("--shape", options.shape)
      ->check(CLI::IsMember({"survey", "quickstart"}))
      ->capture_default_str();
  app.add_option("--products", options.products)
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  app.add_option("--distillation", options.distillation)->capture_default_str();
  app.add_option("--steps", options.steps, "Steps, each with networks and text of its own")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--records", options.records, "Recordings, of which the shorter pieces count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds of measured steps; medians count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  CLI11_PARSE(app, count, arguments);
  measure(options);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  return command_main("training_scaling_bench", [=] { return run(count, arguments); });
}
