#include "supernet/training/training_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "supernet/kernels/kernel_sets.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/training/backend.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "support/words.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::uint64_t kBatchStream = 2;
constexpr std::uint64_t kSandwichStream = 3;
constexpr double kEarlyDecay = 0.15;

constexpr Words<Products, 2> kProductsWords{{{Products::fp32, "fp32"}, {Products::bf16, "bf16"}}};

constexpr Words<Device, 3> kDeviceWords{
    {{Device::automatic, "auto"}, {Device::cpu, "cpu"}, {Device::cuda, "cuda"}}};

constexpr std::tuple kFields{
    Field{"steps", &TrainingConfig::steps, Range{1, 100'000'000},
          "sandwich steps: largest, smallest and random networks, each on a batch of its own"},
    Field{"batch", &TrainingConfig::batch, Range{1, 65536}, "sequences worked on at a time"},
    Field{"accumulation", &TrainingConfig::accumulation, Range{1, 65536},
          "batches per step and network, whose gradients are averaged: a network learns from "
          "`batch` x `accumulation` sequences in the memory of `batch`"},
    Field{
        "shards", &TrainingConfig::shards, Range{1, 65536},
        "parts into which the sequences of a step are cut, whose gradients are summed in a fixed "
        "order: on as many machines at most, see [cluster.md](cluster.md). A divisor of `batch` x "
        "`accumulation`. Another number gives other last bits"},
    Field{"context", &TrainingConfig::context, Range{2, 65536}, "tokens per sequence"},
    Field{"learning_rate", &TrainingConfig::learning_rate, Range{1e-9, 10.0},
          "peak of AdamW; linear warm-up, then cosine decay"},
    Field{"final_learning_rate", &TrainingConfig::final_learning_rate, Range{0, 1},
          "at the end, as a fraction of the peak"},
    Field{"warmup", &TrainingConfig::warmup, Range{0, 1}, "fraction of the steps"},
    Field{"weight_decay", &TrainingConfig::weight_decay, Range{0, 10}, "AdamW's, of matrices only"},
    Field{"dropout", &TrainingConfig::dropout, RangeUnless{0.0, 0.9999, 0.0},
          "probability with which a value of the summed embeddings, and of what attention and FFN "
          "add to the residual stream, is dropped in a step. Probabilities of attention are not "
          "dropped as well, as in GPT-2: they are never there as a whole. See below"},
    Field{"beta1", &TrainingConfig::beta1, Range{0.0, 0.9999}, "AdamW's"},
    Field{"beta2", &TrainingConfig::beta2, Range{0.0, 0.999999}, "AdamW's"},
    Field{"clip_norm", &TrainingConfig::clip_norm, Range{1e-6, 1e6},
          "to which the norm of the averaged gradient is clipped"},
    Field{"random_subnetworks", &TrainingConfig::random_subnetworks, Range{0, 64},
          "per step, beside the largest and the smallest"},
    Field{"distillation", &TrainingConfig::distillation, Range{0, 1},
          "weight of the largest network's probabilities against the text as targets of the "
          "others. Above 0, all networks of a step share one batch, which costs more than it gains "
          "([results.md](results.md))"},
    Field{"sort_at", &TrainingConfig::sort_at, RangeUnless{0.0, 1.0, 0.0},
          "the fraction of the steps after which the heads and FFN channels of every layer are "
          "sorted by Fisher information, so that slices begin with what matters most to the "
          "largest network; 0: never"},
    Field{"products", &TrainingConfig::products, AnyWord(kProductsWords),
          "what factors of matrix products are rounded to, in training and evaluation: "
          "`fp32` or `bf16`. Sums, weights and optimiser are fp32 in any case. `bf16` "
          "needs a processor with AMX or AVX-512 instructions for it, and the "
          "environment variable `PARETOFORMER_CPU` unset"},
    Field{"device", &TrainingConfig::device, AnyWord(kDeviceWords),
          "where networks are trained and evaluated, in int8 too: `cpu`, `cuda` (a GPU, for `bf16` "
          "products, in a build with `-DPARETOFORMER_CUDA=ON`), or `auto`: on a GPU where that is "
          "possible. A training goes on on any device, with other last bits"},
    Field{"checkpoint_seconds", &TrainingConfig::checkpoint_seconds, Range{0, 86400},
          "how much work a killed process loses at most"},
    Field{"probe_interval", &TrainingConfig::probe_interval, Range{0, 100'000'000},
          "steps between two probes of the networks' validation losses, see below; 0: a 40th of "
          "the steps"},
    Field{"stop_when_converged", &TrainingConfig::stop_when_converged, AnyFlag{},
          "end the training when their differences change no more"},
    Field{"patience", &TrainingConfig::patience, RangeUnless{0, 1'000'000, 0},
          "early stopping: end the training after so many probes in a row without a lower "
          "validation loss, with the weights of the lowest; 0: with those of the last step"}};

}  // namespace

TrainingConfig TrainingConfig::from_json(const JsonNode& node) {
  kernel_set();  // refuses an environment that asks for another processor
  const JsonObject object(node);
  TrainingConfig c;
  read_fields(object, kFields, c);
  if (c.device == Device::cuda) {
    if (const auto why = why_no_cuda()) object.at("device").fail("is not possible here: " + *why);
    if (c.products != Products::bf16)
      object.at("device").fail("needs `products` \"bf16\", the only ones that it has");
  }
  if (c.products == Products::bf16 && chosen_device(c) == Device::cpu &&
      bf16_unit() == Bf16Unit::none)
    object.at("products")
        .fail("needs a processor with AMX or AVX-512 instructions for bfloat16, or a GPU");
  if (c.sequences_per_network() % c.shards != 0)
    object.at("shards").fail("does not divide `batch` x `accumulation`, which is " +
                             std::to_string(c.sequences_per_network()));
  object.finish();
  const double tokens = (2.0 + c.random_subnetworks) * c.batch * c.accumulation * c.context;
  if (tokens > INT32_MAX)
    throw InputError(node.file() + ": " + node.path() +
                     ": batch * accumulation * context of all networks of a step are " +
                     fmt::format("{:.0f}", tokens) + " tokens: expected at most " +
                     std::to_string(INT32_MAX));
  return c;
}

Json TrainingConfig::to_json() const { return write_fields(kFields, *this); }

Json TrainingConfig::identity() const {
  Json json = to_json();
  for (const char* key : {"checkpoint_seconds", "device"}) json.erase(key);
  if (shards == 1) json.erase("shards");
  return json;
}

Json TrainingConfig::schema() { return schema_of(kFields, TrainingConfig()); }

std::int64_t training_steps(const TrainingConfig& config, std::optional<std::int64_t> converged) {
  if (!converged) return config.steps;
  const double decay = std::ceil(kEarlyDecay * static_cast<double>(*converged));
  return std::min<std::int64_t>(config.steps, *converged + static_cast<std::int64_t>(decay));
}

double learning_rate_at(const TrainingConfig& config, std::int64_t step,
                        std::optional<std::int64_t> converged) {
  const double low = config.final_learning_rate * config.learning_rate;
  if (converged && step >= *converged) {
    const double from = learning_rate_at(config, *converged);
    const double share = static_cast<double>(step + 1 - *converged) /
                         static_cast<double>(training_steps(config, converged) - *converged);
    return from + (low - from) * std::min(1.0, share);
  }
  const double warmup = std::max(1.0, config.warmup * config.steps);
  const double now = static_cast<double>(step) + 1;
  if (now < warmup) return config.learning_rate * now / warmup;
  const double progress =
      std::min(1.0, (now - warmup) / std::max(1.0, static_cast<double>(config.steps) - warmup));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return config.learning_rate *
         (config.final_learning_rate + (1 - config.final_learning_rate) * cosine);
}

std::vector<Architecture> sandwich(const SearchSpace& space, int random_subnetworks,
                                   std::uint64_t seed, std::int64_t step) {
  Random random(seed, {kSandwichStream, static_cast<std::uint64_t>(step)});
  std::vector<Architecture> networks{space.largest(), space.smallest()};
  for (int i = 0; i < random_subnetworks; ++i) networks.push_back(space.sample(random));
  return networks;
}

void draw_batch(std::span<const std::int32_t> text, int batch, int context, std::uint64_t seed,
                std::int64_t step, std::vector<std::int32_t>& tokens,
                std::vector<std::int32_t>& targets) {
  Random random(seed, {kBatchStream, static_cast<std::uint64_t>(step)});
  const auto length = static_cast<std::size_t>(context);
  tokens.resize(static_cast<std::size_t>(batch) * length);
  targets.resize(tokens.size());
  for (std::size_t s = 0; s < static_cast<std::size_t>(batch); ++s) {
    const std::size_t start = random.below(text.size() - length);
    std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(start), length,
                tokens.begin() + static_cast<std::ptrdiff_t>(s * length));
    std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(start) + 1, length,
                targets.begin() + static_cast<std::ptrdiff_t>(s * length));
  }
}

}  // namespace paretoformer::supernet
