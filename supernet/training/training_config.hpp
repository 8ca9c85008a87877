// What a training is asked for: its configuration, its schedule, and the networks and the text of
// every step, which are pure functions of seed and step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/kernels/matmul.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::supernet {

// Where a training's and its networks' arithmetic is done; automatic: on a GPU where this build can
// use one, there is one and products are bf16, otherwise on the processor.
enum class Device { automatic, cpu, cuda };

// What each is, and its range: schema().
struct TrainingConfig {
  int steps = 2000;
  int batch = 8;
  int accumulation = 1;
  int shards = 1;
  int context = 64;
  double learning_rate = 3e-3;
  double final_learning_rate = 0.1;
  double warmup = 0.05;
  double weight_decay = 0.05;
  double dropout = 0;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double clip_norm = 1.0;
  int random_subnetworks = 2;
  double distillation = 0;
  double sort_at = 0;
  Products products = Products::fp32;
  Device device = Device::automatic;
  double checkpoint_seconds = 20;
  int probe_interval = 0;
  bool stop_when_converged = false;  // see training_steps()
  int patience = 0;

  // What one network learns from in a step, in sequences and in text tokens.
  int sequences_per_network() const { return batch * accumulation; }
  std::int64_t tokens_per_network() const {
    return std::int64_t{sequences_per_network()} * context;
  }
  // What a step of that many networks takes from the text.
  int sequences_per_step(std::size_t networks) const {
    return sequences_per_network() * (distillation > 0 ? 1 : static_cast<int>(networks));
  }
  // Throws InputError, also for products or a device that this machine does not have.
  static TrainingConfig from_json(const JsonNode& node);
  Json to_json() const;
  // The same without what leaves the weights as they are: where it is trained, when it is saved.
  Json identity() const;
  // What may be read: a JSON Schema, with the defaults and meanings of all keys.
  static Json schema();
};

// Steps of a training that was found to be converged after `converged` steps. Weights at a high
// learning rate are worse than they need be, so it does not end there: the rate first goes down in
// another 15 % of the steps done. Without `converged`, and at most: config.steps.
std::int64_t training_steps(const TrainingConfig& config,
                            std::optional<std::int64_t> converged = {});

// Linear warm-up, then cosine decay to final_learning_rate * peak, or from `converged` on linearly.
double learning_rate_at(const TrainingConfig& config, std::int64_t step,
                        std::optional<std::int64_t> converged = {});

// The networks of one step: largest, smallest, random ones; a pure function of (seed, step).
std::vector<Architecture> sandwich(const SearchSpace& space, int random_subnetworks,
                                   std::uint64_t seed, std::int64_t step);

// Starts of the sequences of one step, uniform over the text; a pure function of (seed, step).
// Fills tokens and targets (batch * context each). `text` has more than `context` tokens.
void draw_batch(std::span<const std::int32_t> text, int batch, int context, std::uint64_t seed,
                std::int64_t step, std::vector<std::int32_t>& tokens,
                std::vector<std::int32_t>& targets);

}  // namespace paretoformer::supernet
