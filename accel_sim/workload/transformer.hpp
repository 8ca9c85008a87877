// Transformers beyond the search space's: blocks whose heads share keys, whose FFN is gated, whose
// normalisation is RMSNorm or follows the residual add.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {

enum class FfnActivation { kGelu, kRelu, kSilu };

// One layer. What is not said is the search space's: a GPT-2 block.
struct TransformerBlock {
  int width = 0;
  int heads = 0;
  int key_heads = 0;  // heads of keys and values; so many query heads share each: heads / key_heads
  int head_width = 0;
  int ffn_width = 0;
  bool is_gated =
      false;  // a third matrix, whose product is activated and multiplies that of FFN up
  FfnActivation activation = FfnActivation::kGelu;
  bool rms_norm = false;   // instead of LayerNorm
  bool norm_first = true;  // else after the residual adds, as in the first Transformer
  bool rotary = false;     // positions turn queries and keys
  int window = 0;          // a token that is decoded sees so many positions at most; 0: all
  RightOperand weights = RightOperand::kWeights;
  bool qkv_biases = true, output_bias = true, ffn_biases = true;  // if the workload's count

  bool operator==(const TransformerBlock&) const = default;
};

// Appends the block's operators in the order in which they run, as transformer_operators() says.
//
// - Queries, keys and values are "attention.qkv"; queries apart when there are more of them.
// - The keys of a group of heads are read for each of its heads, by a matmul of its own, as the
//   library has it; but the group's queries of one decoded token lie in consecutive rows, and are
//   one matmul.
// - RMSNorm, SiLU, the product of a gated FFN and rotary positions are the host's: Gemmini has no
//   unit for them. ReLU is free as results leave.
void append_block(const TransformerBlock& block, int layer, const Workload& workload,
                  std::vector<TransformerOperator>& list);

enum class LanguageModelHead { kNone, kTied, kUntied };  // whose matrix is the embedding's, or not

// A whole network of equal blocks, with what stands before and after them.
struct Transformer {
  std::string family;  // "llama"
  TransformerBlock block;
  int layers = 0;
  int first_windowed = 0;  // layers before it see all positions
  bool is_causal = true;
  int vocabulary = 0;
  int embedding_width = 0;  // that of the block, or else a matrix leads there and one back
  int position_rows = 0;    // learned positions; 0: none
  int longest = 0;          // sequence that they are enough for; 0: any
  int token_types = 0;      // learned, added to every embedding; 0: none
  bool embedding_norm = false, final_norm = false;
  bool has_pooler = false;  // a matrix and a bias for the first position
  LanguageModelHead head = LanguageModelHead::kNone;

  // Trainable parameters.
  std::int64_t parameter_count() const;

  bool operator==(const Transformer&) const = default;
};

// "llama: 32 layers, d=4096 h=32 f=11008".
std::string describe(const Transformer& network);

// In the order in which they run. Throws InputError for lengths that the network has no positions
// for, and what transformer_operators() throws.
std::vector<TransformerOperator> transformer_operators(const Transformer& network,
                                                       const Workload& workload);

}  // namespace paretoformer::accel_sim
