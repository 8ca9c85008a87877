// A training on this processor, in fp32 or double, or in int8 with a copy of the weights in fp32.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "supernet/model/packed_weights.hpp"
#include "supernet/model/training_pass.hpp"
#include "supernet/quantization/rounded_network.hpp"
#include "supernet/training/backend.hpp"

namespace paretoformer::supernet {

// Of the networks of a step. Four of the survey's space on two sequences of 512 tokens, with
// GPT-2's vocabulary, take 2.7 GB.
inline constexpr std::size_t kActivationBytes = std::size_t{3} << 30;

// The state is the host's own: nothing is copied. The networks of a step run side by side, each on
// activations of its own, as long as those fit into `activation_bytes`; of a batch that does not
// fit, one part after the other. All that is planned by the first step with so many networks; steps
// in fp32 allocate nothing after it. Packed weights (PackedWeights) are planned at once.
template <class T>
class CpuBackend : public TrainingBackend<T> {
 public:
  CpuBackend(const ParameterLayout& layout, const TrainingConfig& config, TrainingState<T>& state,
             Arithmetic arithmetic, std::size_t activation_bytes = kActivationBytes);

  void upload() override;
  void download() override {}
  std::span<const double> gradients(const Batch& batch,
                                    std::span<const Architecture> networks) override;
  double apply(const AdamW& step, double clip_norm) override;
  std::span<const T> gradient() override { return gradient_; }
  void set_gradient(std::span<const T> gradient) override;
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch) override {
    return evaluation_.sequence_losses(networks, batch);
  }

 private:
  void plan(std::size_t networks);
  void add_gradients(std::size_t first_network, bool first, const Batch& part,
                     std::span<const Architecture> networks);
  void reduce_vector_gradients();

  // What passes work on: the layout, and where their gradients go.
  const ParameterLayout& pass_layout() const { return rounded_ ? rounded_->layout() : layout_; }
  std::vector<T>& pass_gradient() { return rounded_ ? rounded_->gradient() : gradient_; }

  const ParameterLayout& layout_;
  TrainingConfig config_;
  TrainingState<T>& state_;
  std::size_t activation_bytes_;
  std::unique_ptr<RoundedNetwork<T>> rounded_;  // in int8
  PackedWeights<T> packed_;                     // those of a step
  CpuLosses<T> evaluation_;
  std::size_t planned_ = 0;                  // networks of a step
  int sequences_ = 0;                        // of a part, or fewer in the last
  Cut cut_;                                  // of a part
  std::vector<Activations<T>> activations_;  // of networks side by side
  std::vector<TrainingPass<T>> passes_;      // theirs
  std::vector<PackedMemory> packed_norms_;   // likewise
  std::vector<T> gradient_;
  std::vector<T> vector_gradients_;  // [network side by side][row block][vector_size()]
  std::vector<T> teacher_;           // [rows of a part][vocabulary]: of the largest network
  std::vector<double> block_losses_, losses_, partial_norms_;
  std::vector<WeightTask> weight_tasks_;
};

}  // namespace paretoformer::supernet
