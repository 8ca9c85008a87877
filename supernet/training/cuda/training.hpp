// A training on the device: its weights, gradient and moments, and what changes them.
//
// The arenas of weights, gradient and moments are fp32 and laid out as ParameterLayout says; a
// sub-network is offsets and strides into them. Passes read a copy of the matrices in bf16, which
// AdamW writes as it goes. What a step needs is planned when it is made: steps allocate nothing on
// the device. A step waits for the device twice, for the losses and for the norm of the gradient.
//
// Results have the same bits in every run on one kind of device: kernels have no atomics and sum in
// an order that the shapes alone decide, and products are one stream's, by the algorithm that
// cuBLASLt chooses for their shapes, never one that sums by atomics (gemm_cublas.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/kernels/kernels.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/cuda/evaluation.hpp"
#include "supernet/training/cuda/optimiser_kernels.hpp"
#include "supernet/training/cuda/pass.hpp"
#include "supernet/training/cuda/text_kernels.hpp"

namespace paretoformer::supernet::cuda {

struct StepShape {
  int batch;                  // sequences worked on at a time, where memory holds them
  int sequences_per_network;  // in a step
  int context;
  int networks;  // in a step
  // Above 0, all networks of a step have the same sequences, and others than the first one learn
  // from its probabilities with this weight.
  float distillation = 0;
};

class DeviceTraining {
 public:
  // Throws InputError where the device's memory is too small.
  DeviceTraining(const ParameterLayout& layout, const StepShape& shape, const Limits& limits);

  void upload(const std::vector<float>& parameters, const std::vector<float>& m,
              const std::vector<float>& v);
  void download(std::vector<float>& parameters, std::vector<float>& m, std::vector<float>& v);

  // As those of TrainingBackend.
  std::span<const double> gradients(const Batch& batch, std::span<const Architecture> networks);
  double apply(const AdamW& step, double clip_norm);
  std::vector<float> gradient() const;
  void set_gradient(std::span<const float> gradient);
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch);

  int sequences_at_a_time() const { return buffers_->sequences; }

 private:
  // So many sequences of one network from the first on.
  struct Part {
    std::size_t network;
    int first, sequences;
    int text;                                           // the first one's place in the step's text
    std::size_t distinct, first_distinct, first_start;  // its tokens, see TokenRows
  };

  void allocate_arenas();
  void reserve_text(std::size_t networks);
  void upload_text(const Batch& batch, std::size_t networks);
  GradientSums gradient_sums(const Part& part) const;
  Pass pass_of(const Part& part, const Batch& batch, const Architecture& network);
  Weights weights() const;

  const ParameterLayout& layout_;
  StepShape shape_;
  mutable Stream stream_;
  DeviceArray<float> parameters_, gradient_, m_, v_;
  DeviceArray<Bf16> matrices_;  // rounded
  DeviceArray<Bf16> teacher_;   // the largest network's last LayerNorm of a step, if it teaches
  std::optional<Evaluation> evaluation_;
  std::optional<Buffers> buffers_;

  // The text of a step and where its tokens stand: tokens, targets, and of all parts rows, distinct
  // tokens and starts.
  std::vector<Part> parts_;
  std::vector<std::int32_t> host_text_;
  DeviceArray<std::int32_t> text_;
  std::size_t rows_at_ = 0, tokens_at_ = 0, starts_at_ = 0;
  TokenRows token_rows_;

  DeviceArray<double> sums_;  // of the losses of every sequence
  DeviceArray<double> partial_norms_;
  DeviceArray<NormOfGradient> norm_;
  std::vector<double> host_sums_, losses_;
};

}  // namespace paretoformer::supernet::cuda
