#include "supernet/training/cuda/pass.hpp"

#include <algorithm>

#include "supernet/training/cuda/attention.hpp"
#include "supernet/training/cuda/gemm.hpp"
#include "supernet/training/cuda/row_kernels.hpp"
#include "supernet/training/cuda/text_kernels.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr std::size_t kAlign = 256;

AttentionShape attention_shape(const Pass& pass, std::size_t layer) {
  return {pass.sequences, pass.length, pass.network.layers[layer].heads, pass.network.head_width};
}

int attention_width(const Pass& pass, std::size_t layer) {
  return pass.network.layers[layer].heads * pass.network.head_width;
}

// LayerNorm `l`'s gain, bias and statistics, and where its result goes; l = depth: the final one.
NormRows norm1(const Pass& pass, std::size_t l) {
  const ParameterLayout& layout = pass.layout;
  const Buffers& b = pass.buffers;
  const int d = pass.network.model_width;
  if (l == pass.network.layers.size()) {
    const std::size_t row = layout.final_norm_row(pass.network);
    return {pass.rows(),
            d,
            pass.weights.vector(layout.final_gain + row),
            pass.weights.vector(layout.final_bias + row),
            b.norm,
            b.mean,
            b.deviation};
  }
  const LayerOffsets& o = layout.layer(static_cast<int>(l));
  const std::size_t row = layout.norm_row(pass.network);
  return {pass.rows(),
          d,
          pass.weights.vector(o.norm1_gain + row),
          pass.weights.vector(o.norm1_bias + row),
          b.layers[l].norm1,
          b.layers[l].mean1,
          b.layers[l].deviation1};
}

NormRows norm2(const Pass& pass, std::size_t l) {
  const LayerOffsets& o = pass.layout.layer(static_cast<int>(l));
  const std::size_t row = pass.layout.norm_row(pass.network);
  const Buffers::Layer& b = pass.buffers.layers[l];
  return {pass.rows(),
          pass.network.model_width,
          pass.weights.vector(o.norm2_gain + row),
          pass.weights.vector(o.norm2_bias + row),
          b.norm2,
          b.mean2,
          b.deviation2};
}

// y[rows x out] = x[rows x in] W^T, W [out][in] in rows of `stride`.
void project(const Pass& pass, const Bf16* x, int in, std::size_t weight, std::ptrdiff_t stride,
             int out, Bf16* y) {
  gemm(pass.stream, pass.rows(), out, in, plain<Bf16>(x, in),
       transposed<Bf16>(pass.weights.matrix(weight), stride), y, out);
}

// Logits of some rows of a last LayerNorm's [rows][width].
void logits_of(const Pass& pass, const Bf16* norm, int width, int first, int rows, Bf16* logits) {
  gemm(
      pass.stream, rows, pass.layout.vocabulary(), width,
      plain<Bf16>(norm + std::ptrdiff_t{first} * width, width),
      transposed<Bf16>(pass.weights.matrix(pass.layout.token_embedding), pass.layout.model_width()),
      logits, pass.buffers.logit_stride);
}

// Does `work(first row, rows, soft targets)` for all rows, with their logits in memory; those of a
// teacher are in its second half.
template <class Work>
void for_logits(const Pass& pass, Work work) {
  const Buffers& b = pass.buffers;
  const Teacher& teacher = pass.teacher;
  const int most = teacher.norm ? b.logit_rows / 2 : b.logit_rows;
  Bf16* const soft = b.logits + most * b.logit_stride;
  for (int first = 0; first < pass.rows(); first += most) {
    const int rows = std::min(most, pass.rows() - first);
    logits_of(pass, b.norm, pass.network.model_width, first, rows, b.logits);
    if (teacher.norm) logits_of(pass, teacher.norm, teacher.width, first, rows, soft);
    work(first, rows, SoftTargets{teacher.norm ? soft : nullptr, teacher.weight});
  }
}

class BackwardPass {
 public:
  BackwardPass(const Pass& pass, const GradientSums& gradient)
      : pass_(pass),
        sums_(gradient),
        b_(pass.buffers),
        d_(pass.network.model_width),
        stride_(pass.layout.model_width()) {}

  void run() {
    const std::size_t depth = pass_.network.layers.size();
    const std::size_t row = pass_.layout.final_norm_row(pass_.network);
    head();
    normalisation(norm1(pass_, depth), b_.output, false, pass_.layout.final_gain + row,
                  pass_.layout.final_bias + row,
                  vector(pass_.layout.layer(static_cast<int>(depth) - 1).down_bias),
                  pass_.dropout.mask(DropoutSite::ffn, depth - 1));
    for (std::size_t l = depth; l-- > 0;) {
      ffn(l);
      attention(l);
    }
    embeddings();
  }

 private:
  float* vector(std::size_t offset) const { return sums_.arena + offset; }

  // dx[rows x in] = dy[rows x out] W, and the gradient of W[out][in]: dy^T x.
  void project_back(const Bf16* dy, int out, const Bf16* x, int in, std::size_t weight,
                    std::ptrdiff_t stride, Bf16* dx) const {
    const int n = pass_.rows();
    gemm(pass_.stream, n, in, out, plain<Bf16>(dy, out),
         plain<Bf16>(pass_.weights.matrix(weight), stride), dx, in);
    weight_gradient(dy, out, x, in, weight, stride);
  }

  void weight_gradient(const Bf16* dy, int out, const Bf16* x, int in, std::size_t weight,
                       std::ptrdiff_t stride) const {
    gemm(pass_.stream, out, in, pass_.rows(), transposed<Bf16>(dy, out), plain<Bf16>(x, in),
         sums_.arena + weight, stride, sums_.replace ? Into::replace : Into::accumulate);
  }

  // Logits, losses, and the gradients of the final LayerNorm's result and of the tied embedding.
  void head() const {
    const ParameterLayout& layout = pass_.layout;
    const int v = layout.vocabulary();
    for_logits(pass_, [&](int first, int rows, const SoftTargets& soft) {
      cross_entropy(pass_.stream, rows, v, b_.logit_stride, b_.logits, pass_.targets + first, soft,
                    sums_.scale, b_.losses + first);
      const std::ptrdiff_t at = std::ptrdiff_t{first} * d_;
      gemm(pass_.stream, rows, d_, v, plain<Bf16>(b_.logits, b_.logit_stride),
           plain<Bf16>(pass_.weights.matrix(layout.token_embedding), stride_), b_.d_norm + at, d_);
      gemm(pass_.stream, v, d_, rows, transposed<Bf16>(b_.logits, b_.logit_stride),
           plain<Bf16>(b_.norm + at, d_), sums_.arena + layout.token_embedding, stride_,
           sums_.replace && first == 0 ? Into::replace : Into::accumulate);
    });
  }

  // From d_norm to the gradient of the stream before the LayerNorm; `bias` is what was added last
  // to the stream (null: none), and `mask` that of it.
  void normalisation(const NormRows& norm, const float* x, bool residual, std::size_t gain,
                     std::size_t norm_bias, float* bias, const DropoutMask& mask) const {
    layer_norm_backward(
        pass_.stream,
        {norm.rows, norm.width, b_.d_norm, x, norm.gain, norm.mean, norm.inverse_deviation,
         residual, b_.d_stream, b_.d_stream16, vector(gain), vector(norm_bias), bias, mask},
        b_.partial_sums);
  }

  void ffn(std::size_t l) const {
    const LayerOffsets& o = pass_.layout.layer(static_cast<int>(l));
    const Buffers::Layer& b = b_.layers[l];
    const int f = pass_.network.layers[l].ffn_width;
    const std::size_t row = pass_.layout.norm_row(pass_.network);
    project_back(b_.d_stream16, d_, b.gelu, f, o.down, o.ffn_width, b_.d_up);
    bias_gelu_backward(pass_.stream, pass_.rows(), f, b.up, pass_.weights.vector(o.up_bias),
                       b_.d_up, vector(o.up_bias), b_.partial_sums);
    project_back(b_.d_up, f, b.norm2, d_, o.up, stride_, b_.d_norm);
    normalisation(norm2(pass_, l), b.middle, true, o.norm2_gain + row, o.norm2_bias + row,
                  vector(o.output_bias), pass_.dropout.mask(DropoutSite::attention, l));
  }

  void attention(std::size_t l) const {
    const LayerOffsets& o = pass_.layout.layer(static_cast<int>(l));
    const Buffers::Layer& b = b_.layers[l];
    const int a = attention_width(pass_, l);
    const std::size_t row = pass_.layout.norm_row(pass_.network);
    project_back(b_.d_stream16, d_, b.attended, a, o.output, o.attention_width, b_.d_attended);
    attention_backward(pass_.stream, attention_shape(pass_, l), b.qkv, b.attended, b.log_sum_exp,
                       b_.d_attended, b_.attention_products, b_.d_qkv);
    add_bias_backward(pass_.stream, pass_.rows(), 3 * a, b_.d_qkv, vector(o.qkv_bias),
                      b_.partial_sums);
    project_back(b_.d_qkv, 3 * a, b.norm1, d_, o.qkv, stride_, b_.d_norm);
    normalisation(norm1(pass_, l), b.input, true, o.norm1_gain + row, o.norm1_bias + row,
                  l > 0 ? vector(pass_.layout.layer(static_cast<int>(l) - 1).down_bias) : nullptr,
                  l > 0 ? pass_.dropout.mask(DropoutSite::ffn, l - 1) : DropoutMask{});
  }

  void embeddings() const {
    const ParameterLayout& layout = pass_.layout;
    if (pass_.dropout)
      drop(pass_.stream, pass_.rows(), d_, pass_.dropout.mask(DropoutSite::embedding, 0),
           b_.d_stream);
    position_gradient(pass_.stream, pass_.sequences, pass_.length, d_, b_.d_stream,
                      sums_.arena + layout.position_embedding, stride_);
    token_gradient(pass_.stream, sums_.tokens.distinct, sums_.tokens.tokens, sums_.tokens.starts,
                   sums_.tokens.rows, d_, b_.d_stream, sums_.arena + layout.token_embedding,
                   stride_);
  }

  const Pass& pass_;
  const GradientSums& sums_;
  Buffers& b_;
  int d_, stride_;
};

}  // namespace

Buffers::Buffers(const ParameterLayout& layout, int sequence_count, int sequence_length, Keep keep,
                 int logit_row_count, bool allocate)
    : sequences(sequence_count), length(sequence_length) {
  const Architecture& largest = layout.largest();
  const auto rows = static_cast<std::size_t>(sequences) * static_cast<std::size_t>(length);
  const auto d = static_cast<std::size_t>(largest.model_width);
  const bool training = keep == Keep::all_layers;
  std::size_t a = 0;
  std::size_t f = 0;
  std::size_t heads = 0;
  for (const paretoformer::Layer& layer : largest.layers) {
    heads = std::max(heads, static_cast<std::size_t>(layer.heads));
    f = std::max(f, static_cast<std::size_t>(layer.ffn_width));
  }
  a = heads * static_cast<std::size_t>(largest.head_width);
  logit_rows = std::min(logit_row_count, static_cast<int>(rows));
  logit_stride = ceil_div(layout.vocabulary(), 8) * 8;
  layers.resize(largest.layers.size());

  // The plan is made twice: first to count, then to hand out addresses.
  const auto take = [&](auto*& pointer, std::size_t count) {
    using T = std::remove_reference_t<decltype(*pointer)>;
    pointer = memory_.data() ? reinterpret_cast<T*>(memory_.data() + bytes_) : nullptr;
    bytes_ += ceil_div(count * sizeof(T), kAlign) * kAlign;
  };
  const auto plan = [&] {
    bytes_ = 0;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      Layer& b = layers[l];
      if (l > 0 && !training) {
        b = layers[0];
        continue;
      }
      for (float** stream : {&b.input, &b.middle}) take(*stream, rows * d);
      for (Bf16** norms : {&b.norm1, &b.norm2}) take(*norms, rows * d);
      take(b.qkv, rows * 3 * a);
      take(b.attended, rows * a);
      for (Bf16** wide : {&b.up, &b.gelu}) take(*wide, rows * f);
      for (float** statistic : {&b.mean1, &b.deviation1, &b.mean2, &b.deviation2})
        take(*statistic, rows);
      take(b.log_sum_exp, heads * rows);
    }
    // Without a backward pass a layer may overwrite its input with its output.
    output = layers[0].input;
    if (training) take(output, rows * d);
    for (float** of_rows : {&mean, &deviation, &losses}) take(*of_rows, rows);
    for (Bf16** of_stream : {&norm, &added}) take(*of_stream, rows * d);
    take(logits, static_cast<std::size_t>(logit_rows) * static_cast<std::size_t>(logit_stride));
    if (!training) return;
    take(d_stream, rows * d);
    for (Bf16** gradient : {&d_stream16, &d_norm}) take(*gradient, rows * d);
    take(d_attended, rows * a);
    take(d_qkv, rows * 3 * a);
    take(d_up, rows * f);
    take(attention_products, heads * rows);
    take(partial_sums, partial_sum_floats(static_cast<int>(rows), static_cast<int>(d),
                                          static_cast<int>(std::max(3 * a, f))));
  };
  plan();
  if (!allocate) return;
  memory_ = DeviceArray<unsigned char>(bytes_);
  plan();
}

Buffers::Buffers(const ParameterLayout& layout, int sequence_count, int sequence_length, Keep keep,
                 int logit_row_count)
    : Buffers(layout, sequence_count, sequence_length, keep, logit_row_count, true) {}

std::size_t Buffers::bytes(const ParameterLayout& layout, int sequences, int length, Keep keep,
                           int logit_rows) {
  return Buffers(layout, sequences, length, keep, logit_rows, false).bytes_;
}

void forward(const Pass& pass) {
  Buffers& buffers = pass.buffers;
  const Weights& w = pass.weights;
  const int n = pass.rows();
  const int d = pass.network.model_width;
  const int stride = pass.layout.model_width();
  const std::size_t depth = pass.network.layers.size();
  embed(pass.stream, n, d, pass.length, pass.tokens, w.matrix(pass.layout.token_embedding),
        w.matrix(pass.layout.position_embedding), stride, buffers.layers[0].input);
  if (pass.dropout)
    drop(pass.stream, n, d, pass.dropout.mask(DropoutSite::embedding, 0), buffers.layers[0].input);
  layer_norm(pass.stream, norm1(pass, 0), buffers.layers[0].input);
  for (std::size_t l = 0; l < depth; ++l) {
    const Buffers::Layer& b = buffers.layers[l];
    const LayerOffsets& o = pass.layout.layer(static_cast<int>(l));
    const int a = attention_width(pass, l);
    const int f = pass.network.layers[l].ffn_width;
    project(pass, b.norm1, d, o.qkv, stride, 3 * a, b.qkv);
    add_bias(pass.stream, n, 3 * a, w.vector(o.qkv_bias), b.qkv);
    attention_forward(pass.stream, attention_shape(pass, l), b.qkv, b.attended, b.log_sum_exp);
    project(pass, b.attended, a, o.output, o.attention_width, d, buffers.added);
    residual_layer_norm(pass.stream, norm2(pass, l), b.input, buffers.added,
                        w.vector(o.output_bias), b.middle,
                        pass.dropout.mask(DropoutSite::attention, l));
    project(pass, b.norm2, d, o.up, stride, f, b.up);
    bias_gelu(pass.stream, n, f, b.up, w.vector(o.up_bias), b.gelu);
    project(pass, b.gelu, f, o.down, o.ffn_width, d, buffers.added);
    residual_layer_norm(pass.stream, norm1(pass, l + 1), b.middle, buffers.added,
                        w.vector(o.down_bias),
                        l + 1 < depth ? buffers.layers[l + 1].input : buffers.output,
                        pass.dropout.mask(DropoutSite::ffn, l));
  }
}

void losses(const Pass& pass) {
  forward(pass);
  for_logits(pass, [&](int first, int rows, const SoftTargets&) {
    row_losses(pass.stream, rows, pass.layout.vocabulary(), pass.buffers.logit_stride,
               pass.buffers.logits, pass.targets + first, pass.buffers.losses + first);
  });
}

void losses_and_gradients(const Pass& pass, const GradientSums& gradient) {
  forward(pass);
  BackwardPass(pass, gradient).run();
}

}  // namespace paretoformer::supernet::cuda
