// Training of the shared weights by the sandwich rule.
//
// Every step trains the largest network, the smallest and some random ones on one batch and applies
// their averaged gradient (Yu et al. 2020, BigNAS, section 3.1; Kim et al. 2023, section 6.4). Each
// has a batch of its own, which at no cost makes the gradient less noisy and the losses much lower
// than one batch for all (docs/results.md); in-place distillation needs one for all: the largest
// learns from the text and the others also from its probabilities.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/kernels/matmul.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/quantization/rounded_network.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::supernet {

// What each is, and its range: schema().
struct TrainingConfig {
  int steps = 2000;
  int batch = 8;
  int accumulation = 1;
  int context = 64;
  double learning_rate = 3e-3;
  double final_learning_rate = 0.1;
  double warmup = 0.05;
  double weight_decay = 0.05;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double clip_norm = 1.0;
  int random_subnetworks = 2;
  double distillation = 0;
  Products products = Products::fp32;
  double checkpoint_seconds = 20;
  int probe_interval = 0;
  bool stop_when_converged = false;  // see training_steps()

  // What one network learns from in a step, in sequences and in text tokens.
  int sequences_per_network() const { return batch * accumulation; }
  std::int64_t tokens_per_network() const {
    return std::int64_t{sequences_per_network()} * context;
  }
  // What a step of that many networks takes from the text.
  int sequences_per_step(std::size_t networks) const {
    return sequences_per_network() * (distillation > 0 ? 1 : static_cast<int>(networks));
  }
  // Throws InputError, also for products that this processor does not have.
  static TrainingConfig from_json(const JsonNode& node);
  Json to_json() const;
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

// Everything that a step changes.
template <class T>
struct TrainingState {
  std::int64_t step = 0;
  std::vector<T> parameters, m, v;  // weights and AdamW's moments, same layout
  // The step at which the training was found to be converged and its end began.
  std::optional<std::int64_t> converged = {};
  // Of activations, Sites::all(), when the network is trained as int8 numbers see it.
  std::vector<float> scales = {};
};

// What the passes of a training see: the weights as they are, or the int8 network that they become
// (supernet/quantization/rounded_network.hpp).
enum class Arithmetic { fp32, int8 };

template <class T>
class Trainer {
 public:
  // Plans all memory; steps in fp32 allocate nothing afterwards. `layout` must outlive the trainer,
  // and be that of one network where it is trained in int8.
  Trainer(const ParameterLayout& layout, const TrainingConfig& config, TrainingState<T> state,
          Arithmetic arithmetic = Arithmetic::fp32);

  // Gradients of the mean loss of every network on its sequences, summed over the networks, the
  // first of which must be the largest of the layout. Returns the hard-label loss (nats per token)
  // of each. `batch` has sequences_per_step(networks.size()) sequences, network after network;
  // memory is that of config.batch of them.
  std::span<const double> compute_gradients(const Batch& batch,
                                            std::span<const Architecture> networks);
  // Averages, clips and applies them. Returns the norm of the averaged gradient before clipping;
  // when that is not finite, nothing is applied.
  double apply_gradients();
  // Of activations from now on, needed before the first step in int8 of a state without.
  void set_scales(const std::vector<float>& scales);
  // Begins the end of the training, see training_steps().
  void set_converged() { state_.converged = state_.step; }

  const TrainingState<T>& state() const { return state_; }
  // After compute_gradients(): the sum over its networks.
  const std::vector<T>& gradient() const { return gradient_; }

 private:
  void add_gradients(const Batch& part, std::size_t index, const Architecture& network,
                     bool first_part);
  void run_row_tasks(const Pass<T>& pass, std::size_t index, bool first_part, int first_task,
                     int last_task);
  void run_weight_tasks(const Pass<T>& pass, bool replace, int first_task, int last_task);
  void reduce_vector_gradients();

  // What passes work on: the layout, and where their gradients go.
  const ParameterLayout& pass_layout() const { return rounded_ ? rounded_->layout() : layout_; }
  std::vector<T>& pass_gradient() { return rounded_ ? rounded_->gradient() : gradient_; }

  const ParameterLayout& layout_;
  TrainingConfig config_;
  TrainingState<T> state_;
  std::unique_ptr<RoundedNetwork<T>> rounded_;  // in int8
  Activations<T> activations_;
  std::vector<T> gradient_;
  std::vector<T> vector_gradients_;  // [row task][pass_layout().vector_size()]
  std::vector<T> teacher_;           // [rows][vocabulary] probabilities of the largest network
  std::vector<double> task_losses_, losses_, partial_norms_;
  std::vector<WeightTask> weight_tasks_;
  std::size_t networks_ = 0;
};

}  // namespace paretoformer::supernet
