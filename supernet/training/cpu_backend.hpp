// A training on this processor, in fp32 or double, or in int8 with a copy of the weights in fp32.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "supernet/quantization/rounded_network.hpp"
#include "supernet/training/backend.hpp"

namespace paretoformer::supernet {

// The state is the host's own: nothing is copied. Steps in fp32 allocate nothing once it is made.
template <class T>
class CpuBackend : public TrainingBackend<T> {
 public:
  CpuBackend(const ParameterLayout& layout, const TrainingConfig& config, TrainingState<T>& state,
             Arithmetic arithmetic);

  void upload() override;
  void download() override {}
  std::span<const double> gradients(const Batch& batch,
                                    std::span<const Architecture> networks) override;
  double apply(const AdamW& step, double clip_norm) override;
  std::vector<T> gradient() const override { return gradient_; }
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch) override {
    return evaluation_.sequence_losses(networks, batch);
  }

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
  TrainingState<T>& state_;
  std::unique_ptr<RoundedNetwork<T>> rounded_;  // in int8
  Activations<T> activations_;
  CpuLosses<T> evaluation_;
  std::vector<T> gradient_;
  std::vector<T> vector_gradients_;  // [row task][pass_layout().vector_size()]
  std::vector<T> teacher_;           // [rows][vocabulary] probabilities of the largest network
  std::vector<double> task_losses_, losses_, partial_norms_;
  std::vector<WeightTask> weight_tasks_;
};

}  // namespace paretoformer::supernet
