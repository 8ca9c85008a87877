// The operators a Transformer consists of, as an accelerator sees them: what is run, on which
// shapes, and how often.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string_view>
#include <vector>

#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

enum class OperatorKind {
  kMatmul,
  kSoftmax,
  kLayerNorm,
  kGelu,
  kResidualAdd,
  kEmbedding,
  // The host's on any hardware, for Gemmini has no unit for them:
  kRmsNorm,
  kSilu,
  kRotary,      // positions turn pairs of elements: two products and a sum for each
  kArithmetic,  // a pass over two operands, or over one as cheap: a product, a maximum, a mean
};

// Where the right-hand matrix of a matmul comes from. Weights are stored as they are multiplied, or
// with four bits each, which are multiplied out on the way in (Hardware::int4_weights); the keys of
// an act-to-act matmul are stored row by row and have to be transposed on the way in.
enum class RightOperand { kNone, kWeights, kActivations, kTransposedActivations, kInt4Weights };

// What follows a matmul and may be fused with its way out of the accumulator. The operators
// themselves still stand in the list, priced for what they add.
enum class Activation {
  kNone,
  kGelu,
  kSoftmax,
  kSums,       // nothing: the results leave as int32 sums, for tiled_norm
  kLayerNorm,  // LayerNorm of whole rows
  kRelu,       // free on the way out, like nothing
};

// What is added to the results of a matmul: int32 numbers that they begin with (LOOP_WS's D), or
// what further products bring.
enum class Bias {
  kNone,
  kRow,       // one row for all rows of results: a layer's bias
  kFull,      // rows x columns: a mask of scores
  kTriangle,  // a causal mask of scores in row blocks, each over the keys that it may see, by
              // products along `inner` (Masking::kRowBlocks)
};

// One operator of one shape, run once: the key of a look-up table. Equal layers and heads give
// equal operators. A matmul is rows x inner times inner x columns; everything else works on rows x
// columns elements (softmax and LayerNorm along a row) and leaves the other fields alone, but for
// `inner` of what reads int8 (of_int8()).
struct Operator {
  OperatorKind kind = OperatorKind::kMatmul;
  RightOperand right = RightOperand::kNone;
  Activation activation = Activation::kNone;
  int rows = 0;
  int inner = 0;
  int columns = 0;
  Bias bias = Bias::kNone;  // of a matmul, and of the parts of its run

  bool operator==(const Operator&) const = default;
};

struct OperatorHash {
  std::size_t operator()(const Operator& op) const;
};

Operator matmul(int rows, int inner, int columns, RightOperand right = RightOperand::kWeights,
                Activation activation = Activation::kNone, Bias bias = Bias::kNone);
Operator elementwise(OperatorKind kind, int rows, int columns);
// A LayerNorm or a GELU that reads int8 and adds it up in the accumulator as often as `inner` says;
// without, a LayerNorm reads int32 sums, and a GELU is worked out as they leave. An embedding that
// adds its rows to those of the positions in the accumulator; without, rows are copied.
Operator of_int8(OperatorKind kind, int rows, int columns);
bool reads_int8(const Operator& op);
// The part of a fused run beside its matmul, with the matmul's shape.
Operator softmax_of(const Operator& scores);
Operator layer_norm_of(const Operator& matmul);
// The matmul that `part` is a part of by the functions above; nothing when it stands by itself.
std::optional<Operator> matmul_of(const Operator& part);

// "matmul weights gelu 512 768 3072 row_bias": kind, right operand, activation, rows, inner,
// columns, and "row_bias", "full_bias" or "triangle" if it has one.
std::string describe(const Operator& op);
// The inverse of describe(). Throws InputError when `text` is no operator.
Operator operator_from_text(const std::string& text);

// Three extents of 2^20 multiply to 2^60: statistics and costs of one operator fit 64 bits.
inline constexpr int kLargestExtent = 1 << 20;
inline constexpr int kSumBytes = 4;  // int32, in DRAM

inline bool has_weights(const Operator& op) {
  return op.right == RightOperand::kWeights || op.right == RightOperand::kInt4Weights;
}

// Of so many weights, or multipliers of groups, with four bits each in a row, which begins a byte.
constexpr std::int64_t int4_bytes(std::int64_t elements) { return (elements + 1) / 2; }
// Rows of multipliers of so many rows of weights.
constexpr int int4_groups(int inner) { return (inner + kInt4Group - 1) / kInt4Group; }

// Bytes of the right operand of a matmul in DRAM.
std::int64_t right_bytes(const Operator& matmul);

// How often a LayerNorm reads its int8 rows: mean and root are whole numbers, of steps four times
// as fine (supernet/quantization/quantized_network.hpp, with what that is worth).
inline constexpr int kNormReads = 4;

// Whether its results begin with int32 numbers from DRAM.
bool loads_bias(const Operator& op);
// Bytes of these there; 0 without any.
std::int64_t bias_bytes(const Operator& op);

// Work and operands of an operator, counted as the survey does (Sec. 2.2, its digits decoded).
struct OperatorStatistics {
  std::int64_t macs = 0;
  // A projection 2 m n k; an act-to-act matmul (2k - 1) m n, or 2 m n k with a bias; softmax 4 per
  // score; LayerNorm 8, GELU 10 and residual add 1 per element, which together make the 58 per
  // token and model-width element that the survey's sums give (how it splits them is not printed).
  // Ours, for the survey has none of these: RMSNorm 4 (square, sum, two products), SiLU 4 (as a
  // softmax), rotary positions 3, arithmetic 1.
  std::int64_t flops = 0;
  // Every int8 operand and result once, and every int32 of a bias. Masked scores count whole.
  std::int64_t bytes = 0;
};
OperatorStatistics statistics(const Operator& op);

enum class Mode {
  kPrefill,  // all positions of a sequence at once
  kDecode,   // one token at the last position, keys and values of all earlier ones cached
};

// What LayerNorms and GELUs read.
enum class NonlinearInputs {
  kSums,  // int32 sums of the product before, as Gemmini's library has it: of a network's size
          // they do not fit the units' 32 bits
  kInt8,  // int8, as a quantised network computes them exactly: a LayerNorm the residual stream,
          // a GELU the product before, each in a pass of its own. Its embedding adds positions,
          // and its logits are int32 sums, begun with the head's bias.
};

// Which keys a position may attend to.
enum class Mask {
  kNone,    // all
  kCausal,  // its own and earlier ones
};

struct Workload {
  int sequence_length = 512;  // positions attended to, the current token included
  Mode mode = Mode::kPrefill;
  Mask mask = Mask::kNone;
  bool biases = false;  // whether projections and FFN add their bias
  NonlinearInputs nonlinear_inputs = NonlinearInputs::kSums;
  int batch = 1;  // sequences computed together

  // Positions computed of each sequence.
  int computed_positions() const { return mode == Mode::kDecode ? 1 : sequence_length; }

  bool operator==(const Workload&) const = default;
};

// That of a supernet's networks as they run on the accelerator: quantised, causal and with biases
// (supernet/model/network.hpp).
inline constexpr Workload kSupernetWorkload{
    .mask = Mask::kCausal, .biases = true, .nonlinear_inputs = NonlinearInputs::kInt8};

// Whether its scores are masked: a token that is decoded may attend to all.
bool masks_scores(const Workload& workload);

// An operator at its place in the network.
struct TransformerOperator {
  std::string_view role;    // "attention.scores"; a literal
  int layer = 0;            // -1 outside the layers
  std::int64_t repeat = 1;  // how often it is run there: once per head, or for each of q, k and v
  Operator op;
};

// In the order in which they run. Per layer, as in Gemmini's transformer.c: LayerNorm; three
// projections d -> heads * head_width; per head scores, softmax and context; output projection;
// residual add; LayerNorm; FFN up, GELU, FFN down; residual add. With a vocabulary, before them the
// embedding look-up and after them the final LayerNorm and the language-model head for every
// computed position. The whole score matrix is computed: Gemmini does not skip masked scores. A
// causal mask is a full bias of every head's scores, 0 or far below; a token that is decoded may
// attend to all and has none. With `biases`, q, k, v, the output projection and both matmuls of the
// FFN have a row of them; without, they are left out (under 1 % of the bytes). Of a batch, the rows
// of all sequences go through a layer's matrices together; attention is every sequence's own, and
// so is the look-up that adds positions. Throws InputError for a sequence length outside 1 to 2^20,
// for more than 2^20 rows, and for heads that are wider than 2^20 together.
std::vector<TransformerOperator> transformer_operators(const Architecture& architecture,
                                                       const Workload& workload);

// Multiply-accumulates of all its runs. Throws Error when they do not fit 64 bits.
std::int64_t macs(const TransformerOperator& item);

}  // namespace paretoformer::accel_sim
