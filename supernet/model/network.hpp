// Forward and backward pass of one sub-network through the shared weights.
//
// The model is GPT-2's pre-norm decoder: x += attention(norm(x)); x += ffn(norm(x)); learned
// positions, causal attention, tanh-GELU, the output layer tied to the token embedding unless the
// layout has one of its own. Work is cut into tasks whose number and bounds depend on the batch
// alone, so results have the same bits on any number of threads:
//   - a row task carries a few whole sequences forward and back through all layers;
//   - a weight task forms some rows of one weight gradient from all positions of the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/kernels/matmul.hpp"
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

  int rows() const { return sequences * length; }
};

// Memory for the passes of any sub-network over at most `sequences` sequences, planned once for the
// largest. For training it keeps what every layer's backward pass needs, otherwise layers share,
// and the row tasks of a pass must run one after the other.
template <class T>
class Activations {
 public:
  enum class Keep { nothing, all_layers };
  Activations(const ParameterLayout& layout, int sequences, int length, Keep keep);

  struct LayerBuffers {
    T *input, *norm1, *qkv, *attended, *middle, *norm2, *gelu;  // [rows][width]
    T* up;  // [rows][width]: before the GELU; after it, in training, the slope of it
    T *mean1, *deviation1, *mean2, *deviation2;  // [rows]
    T* log_sum_exp;                              // [heads][rows]
    T *d_qkv, *d_middle, *d_up;                  // training only
  };

  std::vector<LayerBuffers> layers;
  T *output, *norm, *mean, *deviation;  // after the last layer
  T* logits;               // [rows of logit_tasks() tasks][vocabulary], then their gradient
  T* d_stream;             // [layers + 1][rows][d]: gradients of the residual stream
  T *d_norm, *d_attended;  // reused by every layer
  T* scores;               // [tasks][2][kQueryBlock][length]
  int row_capacity = 0;
  int length = 0;
  int attention_width = 0;  // of the widest layer
  bool training = false;

 private:
  std::vector<T> arena_;
};

// Sequences in one row task: enough rows for an efficient product, few enough to share the work.
int sequences_per_task(const Batch& batch);
int row_tasks(const Batch& batch);
// Row tasks whose logits are in memory at a time, 256 MB in fp32 unless one task's are more: task t
// overwrites those of task t - logit_tasks().
int logit_tasks(const Batch& batch, int vocabulary);

// What a pass works on.
template <class T>
struct Pass {
  const ParameterLayout& layout;
  const T* parameters;
  const Architecture& network;  // a prefix of layout.largest()
  Batch batch;
  Activations<T>& activations;
  Products products = Products::fp32;
  const Rounding<T>* rounding = nullptr;  // to int8 after every step; null: none
};

// Fills the logits of one row task.
template <class T>
void forward(const Pass<T>& pass, int task);

// The logits of the task, and then their gradients: [rows of the task][vocabulary].
template <class T>
T* logits_of(const Pass<T>& pass, int task);

// From the gradient in the logits to the gradients of every activation of one row task. Biases and
// LayerNorm gradients are added to `vector_gradients` (layout.vector_size() values of this task).
template <class T>
void backward(const Pass<T>& pass, int task, T* vector_gradients);

// Adds (or with `replace` writes) to rows [first_row, first_row + rows) of the gradient of the
// token embedding, and of an untied head, what row tasks [first_task, last_task) contribute: all
// through the logits, which must still be there, and those tokens through the look-up.
template <class T>
void token_embedding_gradient(const Pass<T>& pass, int first_task, int last_task, int first_row,
                              int rows, bool replace, T* gradient);
// Rows of the embedding in one such call.
int token_embedding_panel(int vocabulary);

// The weight tasks of a network, each some rows of one of the other matrices.
struct WeightTask {
  enum class Kind { position_embedding, qkv, output, up, down } kind;
  int layer;
  int first_row, rows;
};
void list_weight_tasks(const Architecture& network, int context, std::vector<WeightTask>& tasks);

// Adds (or with `replace` writes) this task's rows of the gradient.
template <class T>
void weight_gradient(const Pass<T>& pass, const WeightTask& task, bool replace, T* gradient);

// Sum of next-token losses (nats) of every sequence of one row task: forward() and cross-entropy.
template <class T>
void sequence_losses(const Pass<T>& pass, int task, std::span<double> losses);

}  // namespace paretoformer::supernet
