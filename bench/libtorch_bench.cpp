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
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/command_main.hpp"
#include "libtorch_peer.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/model/evaluation.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/trainer.hpp"
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

// Tokens per second of every round.
using Speeds = std::vector<double>;

void print(const Shape& shape, const char* products, const char* what, const Speeds& ours,
           const Speeds& peer) {
  Speeds ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / peer[i]);
  const Spread a = spread(ours);
  const Spread b = spread(peer);
  const Spread r = spread(ratios);
  std::printf("| %s | %s | %s | %.0f (%.0f..%.0f) | %.0f (%.0f..%.0f) | %.2f (%.2f..%.2f) |\n",
              shape.name.c_str(), what, products, a.median, a.low, a.high, b.median, b.low, b.high,
              r.median, r.low, r.high);
  std::fflush(stdout);
}

void require_close(const char* what, int step, double ours, double peer) {
  if (std::abs(ours - peer) <= kTolerance * std::abs(peer)) return;
  throw Error(std::string("the two sides do not compute the same: ") + what + " of step " +
              std::to_string(step) + ": " + std::to_string(ours) + ", libtorch " +
              std::to_string(peer));
}

// Draws the batch of a step, which is the same on all sides.
class Batches {
 public:
  Batches(const Shape& shape, std::span<const std::int32_t> text) : shape_(shape), text_(text) {}
  Batch next() {
    draw_batch(text_, shape_.batch, shape_.context, kSeed, step_++, tokens_, targets_);
    return {tokens_.data(), targets_.data(), shape_.batch, shape_.context};
  }

 private:
  const Shape& shape_;
  std::span<const std::int32_t> text_;
  std::int64_t step_ = 0;
  std::vector<std::int32_t> tokens_, targets_;
};

// The project with one kind of products.
class OurSide {
 public:
  OurSide(const Shape& shape, const ParameterLayout& layout, const std::vector<float>& parameters,
          std::span<const std::int32_t> text, Products products)
      : layout_(layout),
        trainer_(layout, config_of(shape, products), {0, parameters, {}, {}}),
        evaluator_(trainer_.losses(), text, shape.context),
        batches_(shape, text) {}

  static TrainingConfig config_of(const Shape& shape, Products products) {
    TrainingConfig config;
    config.batch = shape.batch;
    config.context = shape.context;
    config.random_subnetworks = 0;
    config.distillation = 0;
    config.products = products;
    return config;
  }

  LibtorchPeer::Step train(int steps) {
    LibtorchPeer::Step last{};
    for (int i = 0; i < steps; ++i) {
      last.loss = trainer_.compute_gradients(batches_.next(), {&layout_.largest(), 1}).front();
      last.gradient_norm = trainer_.apply_gradients();
    }
    return last;
  }
  double evaluate(int times) {
    double loss = 0;
    for (int i = 0; i < times; ++i) loss = evaluator_.losses({&layout_.largest(), 1}).front();
    return loss;
  }

  Speeds training, evaluation;

 private:
  const ParameterLayout& layout_;
  Trainer<float> trainer_;
  Evaluator evaluator_;
  Batches batches_;
};

class Comparison {
 public:
  explicit Comparison(const Shape& shape)
      : shape_(shape),
        layout_(shape.architecture(), shape.context),
        text_(random_text(shape)),
        parameters_(start(layout_)),
        fp32_(shape, layout_, parameters_, text_, Products::fp32),
        peer_(layout_, OurSide::config_of(shape, Products::fp32), parameters_),
        peer_batches_(shape, text_) {
    if (bf16_unit() != Bf16Unit::none)
      bf16_.emplace(shape, layout_, parameters_, text_, Products::bf16);
  }

  void run(int rounds) {
    check();
    const int repeats =
        static_cast<int>(std::ceil(kPieceSeconds / std::min(seconds_of([&] { fp32_.train(1); }),
                                                            seconds_of([&] { train_peer(1); }))));
    Speeds training, evaluation;  // of the peer
    for (int round = 0; round < rounds; ++round) {
      std::fprintf(stderr, "\r%s: round %d of %d, %d steps each ", shape_.name.c_str(), round + 1,
                   rounds, repeats);
      const double tokens = repeats * static_cast<double>(shape_.batch * shape_.context);
      for (OurSide* side : {&fp32_, bf16_ ? &*bf16_ : nullptr}) {
        if (!side) continue;
        side->training.push_back(tokens / seconds_of([&] { side->train(repeats); }));
        side->evaluation.push_back(tokens * kEvaluatedBatches /
                                   seconds_of([&] { side->evaluate(repeats); }));
      }
      training.push_back(tokens / seconds_of([&] { train_peer(repeats); }));
      evaluation.push_back(tokens * kEvaluatedBatches /
                           seconds_of([&] { evaluate_peer(repeats); }));
    }
    std::fprintf(stderr, "\n");
    print(shape_, "fp32", "training", fp32_.training, training);
    print(shape_, "fp32", "evaluation", fp32_.evaluation, evaluation);
    if (bf16_) {
      print(shape_, "bf16", "training", bf16_->training, training);
      print(shape_, "bf16", "evaluation", bf16_->evaluation, evaluation);
    }
    const LibtorchPeer::Breakdown& b = peer_.breakdown();
    const double total = b.forward + b.backward + b.optimizer;
    std::fprintf(stderr, "libtorch's steps: forward %.0f %%, backward %.0f %%, AdamW %.0f %%\n",
                 100 * b.forward / total, 100 * b.backward / total, 100 * b.optimizer / total);
  }

 private:
  static std::vector<std::int32_t> random_text(const Shape& shape) {
    Random random(kSeed);
    std::vector<std::int32_t> text(static_cast<std::size_t>(kEvaluatedBatches) *
                                       static_cast<std::size_t>(shape.batch * shape.context) +
                                   1);
    for (std::int32_t& token : text)
      token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(shape.vocabulary)));
    return text;
  }

  // Noise on everything, so that no part of the network is idle while the sides are compared.
  static std::vector<float> start(const ParameterLayout& layout) {
    std::vector<float> parameters = initial_parameters<float>(layout, kSeed);
    Random random(kSeed + 1);
    for (float& parameter : parameters) parameter += static_cast<float>(0.02 * random.normal());
    return parameters;
  }

  LibtorchPeer::Step train_peer(int steps) {
    LibtorchPeer::Step last{};
    for (int i = 0; i < steps; ++i) last = peer_.train(peer_batches_.next());
    return last;
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

  // The project's fp32 and libtorch; bf16 only goes along.
  void check() {
    for (int step = 0; step < kCheckedSteps; ++step) {
      const LibtorchPeer::Step ours = fp32_.train(1);
      const LibtorchPeer::Step peer = train_peer(1);
      if (bf16_) bf16_->train(1);
      require_close("loss", step, ours.loss, peer.loss);
      require_close("gradient norm", step, ours.gradient_norm, peer.gradient_norm);
      std::fprintf(stderr, "%s: step %d: loss %.7f, libtorch %.7f; gradient norm %.6f, %.6f\n",
                   shape_.name.c_str(), step, ours.loss, peer.loss, ours.gradient_norm,
                   peer.gradient_norm);
    }
    require_close("evaluation", kCheckedSteps, fp32_.evaluate(1), evaluate_peer(1));
    if (bf16_) bf16_->evaluate(1);
  }

  const Shape& shape_;
  ParameterLayout layout_;
  std::vector<std::int32_t> text_;
  std::vector<float> parameters_;  // before the first step
  OurSide fp32_;
  std::optional<OurSide> bf16_;  // where the processor has it
  LibtorchPeer peer_;
  Batches peer_batches_;
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
  std::printf(
      "| shape | what | products | project, tokens/s | libtorch fp32, tokens/s | ratio |\n");
  std::printf("|---|---|---|---|---|---|\n");
  for (const std::string& name : names)
    Comparison(*std::find_if(kShapes.begin(), kShapes.end(), [&](const Shape& shape) {
      return shape.name == name;
    })).run(rounds);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  return command_main("libtorch_bench", [=] {
    restart_tuned(arguments);
    return run(count, arguments);
  });
}
