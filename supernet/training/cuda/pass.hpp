// Forward and backward pass of one sub-network on the device: supernet/model/network.hpp in bf16
// products and fp32 sums. Everything is handed to one stream; nothing is waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/dropout.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// The weights that passes read: all matrices rounded to bf16, vectors in fp32, each where the
// layout puts it in its part of the arena.
struct Weights {
  const Bf16* matrix(std::size_t offset) const { return matrices + offset; }
  const float* vector(std::size_t offset) const { return vectors + (offset - matrix_size); }

  const Bf16* matrices;
  const float* vectors;
  std::size_t matrix_size;
};

// Memory for the passes of any sub-network over at most `sequences` sequences of `length` tokens,
// planned once for the largest. For training it keeps what every layer's backward pass needs,
// otherwise layers share.
class Buffers {
 public:
  enum class Keep { nothing, all_layers };
  // Logits are there for at most `logit_rows` rows at a time. Throws OutOfDeviceMemory.
  Buffers(const ParameterLayout& layout, int sequences, int length, Keep keep, int logit_rows);
  // What that takes, in bytes.
  static std::size_t bytes(const ParameterLayout& layout, int sequences, int length, Keep keep,
                           int logit_rows);

  struct Layer {
    float *input, *middle;                           // the residual stream
    Bf16 *norm1, *qkv, *attended, *norm2;            // [rows][width]
    Bf16 *up, *gelu;                                 // before the bias of the GELU, and after it
    float *mean1, *deviation1, *mean2, *deviation2;  // [rows]; deviations are inverse
    float* log_sum_exp;                              // [heads][rows]
  };
  std::vector<Layer> layers;
  float *output, *mean, *deviation;  // after the last layer, and the final LayerNorm's
  Bf16* norm;
  Bf16* added;    // [rows][d]: what a projection adds to the stream
  Bf16* logits;   // [logit_rows][logit_stride], then their gradient
  float* losses;  // [rows]
  // Training only.
  float* d_stream;   // [rows][d]: gradient of the residual stream, layer after layer
  Bf16* d_stream16;  // the same, rounded
  Bf16 *d_norm, *d_attended, *d_qkv, *d_up;  // reused by every layer
  float* attention_products;                 // [heads][rows]
  float* partial_sums;

  int sequences, length, logit_rows;
  std::ptrdiff_t logit_stride;  // a multiple of 8, so that rows are aligned for any vocabulary

 private:
  Buffers(const ParameterLayout& layout, int sequences, int length, Keep keep, int logit_rows,
          bool allocate);

  std::size_t bytes_ = 0;
  DeviceArray<unsigned char> memory_;
};

// What a network learns from besides the text, with that weight: the probabilities of a wider one
// on the same rows, which its last LayerNorm gives again.
struct Teacher {
  const Bf16* norm = nullptr;  // [rows][width]; null: none
  int width = 0;
  float weight = 0;
};

// What a pass works on. Tokens and targets are the device's.
struct Pass {
  Stream& stream;
  const ParameterLayout& layout;
  Weights weights;
  const Architecture& network;  // a prefix of layout.largest()
  int sequences, length;
  const std::int32_t *tokens, *targets;
  Buffers& buffers;
  Dropout dropout = {};
  Teacher teacher = {};

  int rows() const { return sequences * length; }
};

// Where the distinct tokens of a pass stand (TokenRows), on the device.
struct DeviceTokenRows {
  int distinct;
  const std::int32_t *tokens, *starts, *rows;
};

struct GradientSums {
  float* arena;  // of the whole layout
  bool replace;  // matrices are written, not added to; vectors and positions never are
  float scale;   // of every token's loss
  DeviceTokenRows tokens;
};

// From the tokens to the final LayerNorm.
void forward(const Pass& pass);
// The loss of every row against its target, in buffers.losses.
void losses(const Pass& pass);
// The same, and the gradients of all weights of the network, which are added up in `gradient`.
void losses_and_gradients(const Pass& pass, const GradientSums& gradient);

}  // namespace paretoformer::supernet::cuda
