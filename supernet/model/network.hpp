// Forward pass of one sub-network through the shared weights, and the memory of any pass. Training
// has passes of its own: supernet/model/training_pass.hpp.
//
// The model is GPT-2's pre-norm decoder: x += attention(norm(x)); x += ffn(norm(x)); learned
// positions, causal attention, tanh-GELU, the output layer tied to the token embedding unless the
// layout has one of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/kernels/matmul.hpp"
#include "supernet/model/dropout.hpp"
#include "supernet/model/packed_weights.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/model/rounding.hpp"

namespace paretoformer::supernet {

// `sequences` sequences of `length` tokens each, one after the other, and the token that follows
// each.
struct Batch {
  const std::int32_t* tokens = nullptr;
  const std::int32_t* targets = nullptr;
  int sequences = 0;
  int length = 0;
  Dropout dropout = {};  // of who learns from them, see Dropout

  int rows() const { return sequences * length; }
};

// Memory for the passes of any sub-network over at most `sequences` sequences, planned once for the
// largest. For training it keeps what every layer's backward pass needs, that of dropout too where
// it is asked for, otherwise layers share, and the row tasks of a pass must run one after the
// other. What is not used is not touched.
template <class T>
class Activations {
 public:
  enum class Keep { nothing, all_layers, all_layers_dropped };
  Activations(const ParameterLayout& layout, int sequences, int length, Keep keep);

  // What that takes.
  static std::size_t bytes(const ParameterLayout& layout, int sequences, int length, Keep keep);

  struct LayerBuffers {
    T *input, *norm1, *qkv, *attended, *middle, *norm2, *gelu;  // [rows][width]
    T* up;  // [rows][width]: before the GELU; after it, in training, the slope of it
    T *mean1, *deviation1, *mean2, *deviation2;  // [rows]
    T* log_sum_exp;                              // [heads][rows]
    T *d_qkv, *d_attended, *d_middle, *d_up;     // training only
    T *d_attention, *d_ffn;  // dropout only: gradients of what is added to the residual stream
  };

  std::vector<LayerBuffers> layers;
  T *output, *norm, *mean, *deviation;  // after the last layer
  T* logits;    // [rows][vocabulary], then their gradient; without training, of one row task
  T* d_stream;  // [layers + 1][rows][d]: gradients of the residual stream
  T* d_norm;    // reused by every layer
  T* scores;    // [attention tasks that run side by side][2][kQueryBlock][length]
  int row_capacity = 0;
  int length = 0;
  bool training = false;
  bool dropped = false;  // training with dropout

 private:
  Activations() = default;
  template <class Take>
  void plan(const ParameterLayout& layout, int sequences, const Take& take);
  std::size_t planned(const ParameterLayout& layout, int sequences, int sequence_length, Keep keep);

  std::unique_ptr<T[]> arena_;
};

// Of an evaluation, whose work is cut into tasks of a few whole sequences: enough rows for an
// efficient product, few enough to share the work. Depends on the batch alone, as all cuts do, so
// that results have the same bits on any number of threads.
int sequences_per_task(const Batch& batch);
int row_tasks(const Batch& batch);

// What a pass works on.
template <class T>
struct Pass {
  const ParameterLayout& layout;
  const T* parameters;
  const Architecture& network;  // a prefix of layout.largest()
  Batch batch;
  Activations<T>& activations;
  Products products = Products::fp32;
  const Rounding<T>* rounding = nullptr;     // to int8 after every step; null: none
  const PackedWeights<T>* packed = nullptr;  // the parameters' matrices; null: packed as needed
};

// Fills the logits of one row task of an evaluation.
template <class T>
void forward(const Pass<T>& pass, int task);

// The logits of the row task that was last: [rows of the task][vocabulary].
template <class T>
T* logits_of(const Pass<T>& pass) {
  return pass.activations.logits;
}

// Sum of next-token losses (nats) of every sequence of one row task: forward() and cross-entropy.
template <class T>
void sequence_losses(const Pass<T>& pass, int task, std::span<double> losses);

}  // namespace paretoformer::supernet
