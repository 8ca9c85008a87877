// Training of the shared weights by the sandwich rule.
//
// Every step trains the largest network, the smallest and some random ones on one batch and applies
// their averaged gradient (Yu et al. 2020, BigNAS, section 3.1; Kim et al. 2023, section 6.4). Each
// has a batch of its own, which at no cost makes the gradient less noisy and the losses much lower
// than one batch for all (docs/results.md); in-place distillation needs one for all: the largest
// learns from the text and the others also from its probabilities.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/backend.hpp"

namespace paretoformer::supernet {

template <class T>
class Trainer {
 public:
  // On config.device; see make_backend(). `layout` and the ranks must outlive the trainer.
  Trainer(const ParameterLayout& layout, const TrainingConfig& config, TrainingState<T> state,
          Arithmetic arithmetic = Arithmetic::fp32, const TrainingRanks& ranks = {});
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // TrainingBackend::gradients().
  std::span<const double> compute_gradients(const Batch& batch,
                                            std::span<const Architecture> networks);
  // Averages, clips and applies them. Returns the norm of the averaged gradient before clipping;
  // when that is not finite, nothing is applied.
  double apply_gradients();
  // Of activations from now on, needed before the first step in int8 of a state without.
  void set_scales(const std::vector<float>& scales);
  // Applies it to the weights and to both moments, which all have the layout. The best weights so
  // far are forgotten: slices of others are not what the training goes on with.
  void reorder(const std::function<void(std::vector<T>&)>& order);
  // Begins the end of the training, see training_steps().
  void set_converged() { state_.converged = state_.step; }
  // Of the weights of now: keeps them if it is the lowest so far, and says so.
  bool look(double validation_loss);
  // At the end: the best weights, if any were kept, are the weights.
  void take_best();

  std::int64_t step() const { return state_.step; }
  std::int64_t last_step() const { return supernet::last_step(config_, state_); }
  std::optional<std::int64_t> converged() const { return state_.converged; }
  // Up to date with the device.
  const TrainingState<T>& state();
  // After compute_gradients(): the sum over its networks.
  std::vector<T> gradient() {
    const std::span<const T> gradient = backend_->gradient();
    return {gradient.begin(), gradient.end()};
  }
  // Losses with the weights of now.
  std::shared_ptr<SequenceLosses> losses() const { return backend_; }

 private:
  TrainingConfig config_;
  Arithmetic arithmetic_;
  TrainingState<T> state_;
  std::shared_ptr<TrainingBackend<T>> backend_;
  std::size_t networks_ = 0;
  bool changed_ = false;  // on the device
};

}  // namespace paretoformer::supernet
