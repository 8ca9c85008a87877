#include "supernet/training/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "supernet/kernels/kernel_sets.hpp"
#include "supernet/kernels/kernels.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/json.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"
#include "support/words.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::uint64_t kBatchStream = 2;
constexpr std::uint64_t kSandwichStream = 3;
constexpr double kAdamEpsilon = 1e-8;
constexpr double kEarlyDecay = 0.15;
constexpr std::size_t kParameterBlock = 16384;

constexpr Words<Products, 2> kProductsWords{{{Products::fp32, "fp32"}, {Products::bf16, "bf16"}}};

constexpr std::tuple kFields{
    Field{"steps", &TrainingConfig::steps, Range{1, 100'000'000},
          "sandwich steps: largest, smallest and random networks, each on a batch of its own"},
    Field{"batch", &TrainingConfig::batch, Range{1, 65536}, "sequences worked on at a time"},
    Field{"accumulation", &TrainingConfig::accumulation, Range{1, 65536},
          "batches per step and network, whose gradients are averaged: a network learns from "
          "`batch` x `accumulation` sequences in the memory of `batch`"},
    Field{"context", &TrainingConfig::context, Range{2, 65536}, "tokens per sequence"},
    Field{"learning_rate", &TrainingConfig::learning_rate, Range{1e-9, 10.0},
          "peak of AdamW; linear warm-up, then cosine decay"},
    Field{"final_learning_rate", &TrainingConfig::final_learning_rate, Range{0, 1},
          "at the end, as a fraction of the peak"},
    Field{"warmup", &TrainingConfig::warmup, Range{0, 1}, "fraction of the steps"},
    Field{"weight_decay", &TrainingConfig::weight_decay, Range{0, 10}, "AdamW's, of matrices only"},
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
    Field{"products", &TrainingConfig::products, AnyWord(kProductsWords),
          "what factors of matrix products are rounded to, in training and evaluation: "
          "`fp32` or `bf16`. Sums, weights and optimiser are fp32 in any case. `bf16` "
          "needs a processor with AMX or AVX-512 instructions for it, and the "
          "environment variable `PARETOFORMER_CPU` unset"},
    Field{"checkpoint_seconds", &TrainingConfig::checkpoint_seconds, Range{0, 86400},
          "how much work a killed process loses at most"},
    Field{"probe_interval", &TrainingConfig::probe_interval, Range{0, 100'000'000},
          "steps between two looks at how far networks are apart, see below; 0: a 40th of the "
          "steps"},
    Field{"stop_when_converged", &TrainingConfig::stop_when_converged, AnyFlag{},
          "end the training when that changes no more"}};

std::size_t blocks(std::size_t count) { return (count + kParameterBlock - 1) / kParameterBlock; }

}  // namespace

TrainingConfig TrainingConfig::from_json(const JsonNode& node) {
  kernel_set();  // refuses an environment that asks for another processor
  const JsonObject object(node);
  TrainingConfig c;
  read_fields(object, kFields, c);
  if (c.products == Products::bf16 && bf16_unit() == Bf16Unit::none)
    object.at("products").fail("needs a processor with AMX or AVX-512 instructions for bfloat16");
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

template <class T>
Trainer<T>::Trainer(const ParameterLayout& layout, const TrainingConfig& config,
                    TrainingState<T> state, Arithmetic arithmetic)
    : layout_(layout),
      config_(config),
      state_(std::move(state)),
      rounded_(arithmetic == Arithmetic::int8
                   ? std::make_unique<RoundedNetwork<T>>(layout, config.batch * config.context)
                   : nullptr),
      activations_(layout, config.batch, config.context, Activations<T>::Keep::all_layers),
      gradient_(layout.size()) {
  const Batch batch{nullptr, nullptr, config.batch, config.context};
  const auto tasks = static_cast<std::size_t>(row_tasks(batch));
  vector_gradients_.resize(tasks * pass_layout().vector_size());
  task_losses_.resize(tasks);
  losses_.reserve(2 + static_cast<std::size_t>(config.random_subnetworks));
  if (config.distillation > 0)
    teacher_.resize(static_cast<std::size_t>(batch.rows()) *
                    static_cast<std::size_t>(layout.vocabulary()));
  partial_norms_.resize(blocks(layout.size()));
  list_weight_tasks(layout.largest(), layout.context(), weight_tasks_);
  state_.m.resize(layout.size());
  state_.v.resize(layout.size());
  if (rounded_ && !state_.scales.empty()) rounded_->set_scales(state_.scales);
}

template <class T>
void Trainer<T>::set_scales(const std::vector<float>& scales) {
  if (!rounded_) throw Error("a training in fp32 has no scales");
  rounded_->set_scales(scales);
  state_.scales = scales;
}

// Forward, loss and backward of network `index` for row tasks [first_task, last_task).
template <class T>
void Trainer<T>::run_row_tasks(const Pass<T>& pass, std::size_t index, bool first_part,
                               int first_task, int last_task) {
  const int v = layout_.vocabulary();
  const int per_task = sequences_per_task(pass.batch);
  const T scale = T{1} / static_cast<T>(config_.tokens_per_network());
  const T soft = static_cast<T>(config_.distillation);
  parallel_tasks(static_cast<std::size_t>(last_task - first_task), [&](std::size_t i) {
    const int t = first_task + static_cast<int>(i);
    const auto task = static_cast<std::size_t>(t);
    const std::size_t vector_size = pass.layout.vector_size();
    T* vectors = vector_gradients_.data() + task * vector_size;
    if (first_part && index == 0) std::fill_n(vectors, vector_size, T{0});
    forward(pass, t);
    const int sequences = std::min(per_task, pass.batch.sequences - t * per_task);
    const int rows = sequences * pass.batch.length;
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(t) * per_task * pass.batch.length;
    T* logits = logits_of(pass, t);
    T* teacher = teacher_.empty() ? nullptr : teacher_.data() + first * v;
    const std::int32_t* targets = pass.batch.targets + first;
    task_losses_[task] = index > 0 && teacher
                             ? distillation(rows, v, logits, targets, teacher, soft, scale)
                             : cross_entropy(rows, v, logits, targets, scale, teacher);
    backward(pass, t, vectors);
  });
}

// The gradient of the embedding from row tasks [first_task, last_task) and, after the last of them,
// those of all other weights.
template <class T>
void Trainer<T>::run_weight_tasks(const Pass<T>& pass, bool replace, int first_task,
                                  int last_task) {
  const int v = layout_.vocabulary();
  const int panel = token_embedding_panel(v);
  const auto panels = static_cast<std::size_t>((v + panel - 1) / panel);
  const bool all = last_task == row_tasks(pass.batch);
  if (all) list_weight_tasks(pass.network, layout_.context(), weight_tasks_);
  parallel_tasks(panels + (all ? weight_tasks_.size() : 0), [&](std::size_t task) {
    if (task >= panels)
      return weight_gradient(pass, weight_tasks_[task - panels], replace, pass_gradient().data());
    const int row = static_cast<int>(task) * panel;
    token_embedding_gradient(pass, first_task, last_task, row, std::min(panel, v - row),
                             replace && first_task == 0, pass_gradient().data());
  });
}

template <class T>
std::span<const double> Trainer<T>::compute_gradients(const Batch& batch,
                                                      std::span<const Architecture> networks) {
  if (networks.empty() || !(networks[0] == layout_.largest()))
    throw Error("the first network of a sandwich must be the largest");
  if (batch.sequences != config_.sequences_per_step(networks.size()) ||
      batch.length != config_.context)
    throw Error("the batch of a step is not what the trainer was made for");
  if (rounded_) {
    if (networks.size() > 1) throw Error("a network is trained in int8 alone");
    rounded_->round(state_.parameters);
  }
  networks_ = networks.size();
  losses_.assign(networks.size(), 0.0);
  const bool shared = config_.distillation > 0;
  // Network after network on each part, as the teacher's probabilities are those of one part.
  for (int i = 0; i < config_.accumulation; ++i)
    for (std::size_t index = 0; index < networks.size(); ++index) {
      const int first = static_cast<int>(shared ? 0 : index) * config_.accumulation + i;
      Batch part{batch.tokens, batch.targets, config_.batch, batch.length};
      const std::ptrdiff_t rows = std::ptrdiff_t{first} * part.rows();
      part.tokens += rows;
      part.targets += rows;
      add_gradients(part, index, networks[index], i == 0);
    }
  for (double& loss : losses_) loss /= static_cast<double>(config_.tokens_per_network());
  reduce_vector_gradients();
  if (rounded_) rounded_->pull_back(state_.parameters, gradient_);
  return losses_;
}

// A network on one part of its batch; the first part of the first network replaces the gradients of
// the last step.
template <class T>
void Trainer<T>::add_gradients(const Batch& part, std::size_t index, const Architecture& network,
                               bool first_part) {
  const Pass<T> pass{pass_layout(),
                     rounded_ ? rounded_->weights() : state_.parameters.data(),
                     network,
                     part,
                     activations_,
                     config_.products,
                     rounded_ ? &rounded_->rounding() : nullptr};
  const int tasks = row_tasks(part);
  const int at_a_time = logit_tasks(part, layout_.vocabulary());
  for (int first = 0; first < tasks; first += at_a_time) {
    const int last = std::min(first + at_a_time, tasks);
    run_row_tasks(pass, index, first_part, first, last);
    // The largest network covers every element, so nothing needs to be cleared.
    run_weight_tasks(pass, first_part && index == 0, first, last);
  }
  double loss = 0;
  for (double task_loss : task_losses_) loss += task_loss;
  losses_[index] += loss;
}

template <class T>
void Trainer<T>::reduce_vector_gradients() {
  const std::size_t vector_size = pass_layout().vector_size();
  T* target = pass_gradient().data() + pass_layout().matrix_size();
  std::copy_n(vector_gradients_.begin(), vector_size, target);
  for (std::size_t task = 1; task < task_losses_.size(); ++task) {
    const T* source = vector_gradients_.data() + task * vector_size;
    for (std::size_t i = 0; i < vector_size; ++i) target[i] += source[i];
  }
}

template <class T>
double Trainer<T>::apply_gradients() {
  parallel_tasks(partial_norms_.size(), [&](std::size_t block) {
    const std::size_t first = block * kParameterBlock;
    partial_norms_[block] =
        sum_of_squares(std::min(kParameterBlock, layout_.size() - first), gradient_.data() + first);
  });
  double squares = 0;
  for (double part : partial_norms_) squares += part;
  const double norm = std::sqrt(squares) / static_cast<double>(networks_);
  if (!std::isfinite(norm)) return norm;
  AdamW step{};
  step.learning_rate = learning_rate_at(config_, state_.step, state_.converged);
  step.beta1 = config_.beta1;
  step.beta2 = config_.beta2;
  step.epsilon = kAdamEpsilon;
  step.gradient_scale = std::min(1.0, config_.clip_norm / norm) / static_cast<double>(networks_);
  ++state_.step;
  step.correction1 = 1 - std::pow(config_.beta1, static_cast<double>(state_.step));
  step.correction2 = 1 - std::pow(config_.beta2, static_cast<double>(state_.step));
  const auto update = [&](std::size_t begin, std::size_t end, double decay) {
    parallel_tasks(blocks(end - begin), [&, decay](std::size_t block) {
      const std::size_t first = begin + block * kParameterBlock;
      AdamW here = step;
      here.weight_decay = decay;
      adamw(std::min(kParameterBlock, end - first), here, gradient_.data() + first,
            state_.parameters.data() + first, state_.m.data() + first, state_.v.data() + first);
    });
  };
  update(0, layout_.matrix_size(), config_.weight_decay);
  update(layout_.matrix_size(), layout_.size(), 0);
  return norm;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace paretoformer::supernet
