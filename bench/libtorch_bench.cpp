// Speed of training and of evaluation against libtorch: the same network, the same weights and the
// same tokens, in turns.
#include <oneapi/tbb/global_control.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libtorch_peer.hpp"
#include "supernet/evaluation.hpp"
#include "supernet/parameters.hpp"
#include "supernet/trainer.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

constexpr std::uint64_t kSeed = 1;
constexpr int kCheckedSteps = 3;
constexpr double kTolerance = 1e-3;    // relative
constexpr double kPieceSeconds = 1.0;  // of one side's turn, at least
constexpr int kEvaluatedBatches = 4;

struct Shape {
  std::string name;
  int layers, width, heads, ffn_width, vocabulary, context, batch;

  Architecture architecture() const {
    return {width, width / heads, vocabulary,
            std::vector<Layer>(static_cast<std::size_t>(layers), Layer{heads, ffn_width})};
  }
};

// "bv" is "bg" with GPT-2's vocabulary.
const std::vector<Shape> kShapes{
    {"sm", 4, 256, 4, 1024, 4096, 128, 16},
    {"bg", 6, 768, 12, 3072, 8192, 512, 4},
    {"bv", 6, 768, 12, 3072, 50257, 512, 4},
};

const char* best_aten_capability() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return "avx512";
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "avx2" : "default";
}

// libtorch, OpenBLAS and glibc read their settings before main() runs, so the program starts itself
// once more with the fastest: ATen stays below AVX-512 unless told, and glibc gives freed memory
// back to the system, whose page faults cost libtorch a fifth of its speed and more.
void restart_tuned(char** arguments) {
  constexpr const char* kTuned = "PARETOFORMER_BENCH_TUNED";
  if (std::getenv(kTuned)) return;
  setenv(kTuned, "1", 1);
  setenv("ATEN_CPU_CAPABILITY", best_aten_capability(), 1);
  setenv("MALLOC_MMAP_THRESHOLD_", "4294967296", 1);
  setenv("MALLOC_TRIM_THRESHOLD_", "17179869184", 1);
  setenv("MALLOC_TOP_PAD_", "268435456", 1);
  unsetenv("OPENBLAS_CORETYPE");
  unsetenv("OPENBLAS_L2_SIZE");
  execv("/proc/self/exe", arguments);
  throw Error("cannot start again with the tuned environment");
}

// Wall-clock time, or (on a busy machine, with one thread) the processor time of the process.
clockid_t measured_clock = CLOCK_MONOTONIC;

double now() {
  timespec time{};
  clock_gettime(measured_clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds_of(const std::function<void()>& run) {
  const double begin = now();
  run();
  return now() - begin;
}

struct Spread {
  double median, low, high;
};
Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return {(values[(n - 1) / 2] + values[n / 2]) / 2, values.front(), values.back()};
}

// What one side did per round, in tokens per second.
struct Speeds {
  std::vector<double> ours, peer;

  void print(const Shape& shape, const char* what) const {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / peer[i]);
    const Spread a = spread(ours);
    const Spread b = spread(peer);
    const Spread r = spread(ratios);
    std::printf("| %s | %s | %.0f (%.0f..%.0f) | %.0f (%.0f..%.0f) | %.2f (%.2f..%.2f) |\n",
                shape.name.c_str(), what, a.median, a.low, a.high, b.median, b.low, b.high,
                r.median, r.low, r.high);
    std::fflush(stdout);
  }
};

void require_close(const char* what, int step, double ours, double peer) {
  if (std::abs(ours - peer) <= kTolerance * std::abs(peer)) return;
  throw Error(std::string("the two sides do not compute the same: ") + what + " of step " +
              std::to_string(step) + ": " + std::to_string(ours) + ", libtorch " +
              std::to_string(peer));
}

class Comparison {
 public:
  explicit Comparison(const Shape& shape)
      : shape_(shape),
        layout_(shape.architecture(), shape.context),
        config_(make_config(shape)),
        trainer_(layout_, config_, start(layout_)),
        peer_(layout_, config_, trainer_.state().parameters) {
    Random random(kSeed);
    text_.resize(static_cast<std::size_t>(kEvaluatedBatches) *
                     static_cast<std::size_t>(shape.batch * shape.context) +
                 1);
    for (std::int32_t& token : text_)
      token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(shape.vocabulary)));
    evaluator_.emplace(layout_, trainer_.state().parameters, text_, shape.context);
  }

  void run(int rounds) {
    check();
    const int repeats =
        static_cast<int>(std::ceil(kPieceSeconds / std::min(seconds_of([&] { train_ours(1); }),
                                                            seconds_of([&] { train_peer(1); }))));
    evaluate_ours(1);
    evaluate_peer(1);
    const double tokens = shape_.batch * shape_.context;
    Speeds training, evaluation;
    for (int round = 0; round < rounds; ++round) {
      std::fprintf(stderr, "\r%s: round %d of %d, %d steps each ", shape_.name.c_str(), round + 1,
                   rounds, repeats);
      training.ours.push_back(repeats * tokens / seconds_of([&] { train_ours(repeats); }));
      training.peer.push_back(repeats * tokens / seconds_of([&] { train_peer(repeats); }));
      evaluation.ours.push_back(repeats * kEvaluatedBatches * tokens /
                                seconds_of([&] { evaluate_ours(repeats); }));
      evaluation.peer.push_back(repeats * kEvaluatedBatches * tokens /
                                seconds_of([&] { evaluate_peer(repeats); }));
    }
    std::fprintf(stderr, "\n");
    training.print(shape_, "training");
    evaluation.print(shape_, "evaluation");
    const LibtorchPeer::Breakdown& b = peer_.breakdown();
    const double total = b.forward + b.backward + b.optimizer;
    std::fprintf(stderr, "libtorch's steps: forward %.0f %%, backward %.0f %%, AdamW %.0f %%\n",
                 100 * b.forward / total, 100 * b.backward / total, 100 * b.optimizer / total);
  }

 private:
  static TrainingConfig make_config(const Shape& shape) {
    TrainingConfig config;
    config.batch = shape.batch;
    config.context = shape.context;
    config.random_subnetworks = 0;
    config.distillation = 0;
    return config;
  }

  // Noise on everything, so that no part of the network is idle while the sides are compared.
  static TrainingState<float> start(const ParameterLayout& layout) {
    TrainingState<float> state;
    state.parameters = initial_parameters<float>(layout, kSeed);
    Random random(kSeed + 1);
    for (float& parameter : state.parameters)
      parameter += static_cast<float>(0.02 * random.normal());
    return state;
  }

  Batch draw(std::int64_t step) {
    draw_batch(text_, shape_.batch, shape_.context, kSeed, step, tokens_, targets_);
    return {tokens_.data(), targets_.data(), shape_.batch, shape_.context};
  }

  LibtorchPeer::Step train_ours(int steps) {
    LibtorchPeer::Step last{};
    for (int i = 0; i < steps; ++i) {
      const Batch batch = draw(our_step_++);
      last.loss = trainer_.compute_gradients(batch, {&layout_.largest(), 1}).front();
      last.gradient_norm = trainer_.apply_gradients();
    }
    return last;
  }

  LibtorchPeer::Step train_peer(int steps) {
    LibtorchPeer::Step last{};
    for (int i = 0; i < steps; ++i) last = peer_.train(draw(peer_step_++));
    return last;
  }

  double evaluate_ours(int times) {
    double loss = 0;
    for (int i = 0; i < times; ++i) loss = evaluator_->losses({&layout_.largest(), 1}).front();
    return loss;
  }

  double evaluate_peer(int times) {
    double sum = 0;
    const std::ptrdiff_t rows = static_cast<std::ptrdiff_t>(shape_.batch) * shape_.context;
    for (int i = 0; i < times * kEvaluatedBatches; ++i) {
      const std::int32_t* tokens = text_.data() + i % kEvaluatedBatches * rows;
      sum += peer_.loss({tokens, tokens + 1, shape_.batch, shape_.context});
    }
    return sum / (times * kEvaluatedBatches);
  }

  void check() {
    for (int step = 0; step < kCheckedSteps; ++step) {
      const LibtorchPeer::Step ours = train_ours(1);
      const LibtorchPeer::Step peer = train_peer(1);
      require_close("loss", step, ours.loss, peer.loss);
      require_close("gradient norm", step, ours.gradient_norm, peer.gradient_norm);
      std::fprintf(stderr, "%s: step %d: loss %.7f, libtorch %.7f; gradient norm %.6f, %.6f\n",
                   shape_.name.c_str(), step, ours.loss, peer.loss, ours.gradient_norm,
                   peer.gradient_norm);
    }
    require_close("evaluation", kCheckedSteps, evaluate_ours(1), evaluate_peer(1));
  }

  Shape shape_;
  ParameterLayout layout_;
  TrainingConfig config_;
  Trainer<float> trainer_;
  LibtorchPeer peer_;
  std::optional<Evaluator> evaluator_;
  std::vector<std::int32_t> text_, tokens_, targets_;
  std::int64_t our_step_ = 0;
  std::int64_t peer_step_ = 0;
};

int run(int count, char** arguments) {
  CLI::App app("Training and evaluation against libtorch");
  std::vector<std::string> names{"sm", "bg"};
  std::vector<std::string> known;
  for (const Shape& shape : kShapes) known.push_back(shape.name);
  int rounds = 5;
  bool cpu_time = false;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  app.add_option("--shape", names, "Network and batch, see bench/README.md")
      ->delimiter(',')
      ->check(CLI::IsMember(known))
      ->capture_default_str();
  app.add_option("--rounds", rounds, "Turns of each side")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--threads", threads, "Threads of each side (default: all cores)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--cpu-time", cpu_time,
               "Count processor time: for a busy machine, together with --threads 1");
  CLI11_PARSE(app, count, arguments);
  if (cpu_time && threads != 1) throw InputError("--cpu-time needs --threads 1");
  if (cpu_time) measured_clock = CLOCK_PROCESS_CPUTIME_ID;

  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  configure_libtorch(threads);
  std::fprintf(stderr, "%s\n", describe_libtorch().c_str());
  std::printf("| shape | what | project, tokens/s | libtorch, tokens/s | ratio |\n");
  std::printf("|---|---|---|---|---|\n");
  for (const std::string& name : names)
    Comparison(*std::find_if(kShapes.begin(), kShapes.end(), [&](const Shape& shape) {
      return shape.name == name;
    })).run(rounds);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    restart_tuned(arguments);
    return run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "libtorch_bench: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
