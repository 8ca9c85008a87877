// The elementwise and row-wise operators of a Transformer, forward and backward, on plain arrays.
//
// Every function works on `rows` rows that are `stride` elements apart (one stride for all its
// two-dimensional arguments unless said otherwise), single-threaded and without allocating.
// Reductions run over sixteen interleaved partial sums in a fixed order, so the bits depend
// neither on threads nor on the compiler's choice of vectors. T is float or double; in float,
// exponentials are polynomials with a relative error below 3e-7.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/kernels/dropout.hpp"

namespace paretoformer::supernet {

// Of layer_norm(), and of the tanh form of bias_gelu(): Hendrycks and Gimpel 2016, section 2.
inline constexpr double kNormEpsilon = 1e-5;
inline constexpr double kGeluCubic = 0.044715;
inline constexpr double kSqrt2OverPi = 0.7978845608028654;

// x[r] = token_embedding[tokens[r]] + position_embedding[r % context]; both tables have rows of
// `table_stride`, x has rows of `width`.
template <class T>
void embed(int rows, int width, int context, const std::int32_t* tokens, const T* token_embedding,
           const T* position_embedding, std::ptrdiff_t table_stride, T* x);

// y = (x - mean) / sqrt(variance + kNormEpsilon) * gain + bias; keeps mean and 1/deviation per row.
template <class T>
void layer_norm(int rows, int width, const T* x, const T* gain, const T* bias, T* y, T* mean,
                T* inverse_deviation);
// dx = d_residual + dL/dx, where d_residual is the gradient that reaches x past the normalisation
// (null: none). d_gain and d_bias accumulate over the rows, and so does dx_sum (null: not wanted),
// the sum of the rows of dx: the gradient of the bias of the projection that ended in x.
template <class T>
void layer_norm_backward(int rows, int width, const T* dy, const T* x, const T* gain, const T* mean,
                         const T* inverse_deviation, const T* d_residual, T* dx, T* d_gain,
                         T* d_bias, T* dx_sum);

// y[r] += bias
template <class T>
void add_bias(int rows, int width, const T* bias, T* y);
// d_bias += sum over rows of dy
template <class T>
void add_bias_backward(int rows, int width, const T* dy, T* d_bias);
// y[r] = x[r] + y[r] + bias: the residual connection after a projection.
template <class T>
void add_residual(int rows, int width, const T* x, const T* bias, T* y);

// Dropout: y = x * mask.scale where the mask keeps a value, otherwise 0; y may be x. The backward
// pass is the same of a gradient.
template <class T>
void drop(int rows, int width, const DropoutMask& mask, const T* x, T* y);
// The residual connection with it: y[r] = x[r] + what is left of y[r] + bias.
template <class T>
void add_dropped(int rows, int width, const DropoutMask& mask, const T* x, const T* bias, T* y);

// y = gelu(u + bias), in the tanh form of Hendrycks and Gimpel 2016 that GPT-2 uses. With `slope`,
// u becomes gelu'(u + bias), all that the backward pass needs.
template <class T>
void bias_gelu(int rows, int width, const T* bias, bool slope, T* u, T* y);
// dy *= slope; d_bias += sum over rows of dy.
template <class T>
void bias_gelu_backward(int rows, int width, const T* slope, T* dy, T* d_bias);

// Steps of a training pass that sees an int8 network. x becomes its int8 number times the scale S:
// x / S rounded to the nearest integer (ties to even), clipped to -128 and 127. `inside` tells
// where clipping changed nothing (null: not wanted), its rows as far apart as those of x: the
// gradient of x is then that of its int8 number, and 0 elsewhere (the straight-through estimator,
// Bengio et al. 2013, arXiv 1308.3432).
template <class T>
void round_to_int8(int rows, int width, std::ptrdiff_t stride, T scale, T* x, std::uint8_t* inside);
// y = inside ? x : 0; y may be x.
template <class T>
void where_inside(std::size_t count, const std::uint8_t* inside, const T* x, T* y);
// layer_norm() as integers have it, without gain and bias: x in steps of `step`; mean, variance and
// its root are whole numbers of steps, rounded down (the mean to 0, the root to 1 at least); y is
// rounded to `scale`. layer_norm_backward() with what it keeps is the straight-through gradient.
template <class T>
void rounded_layer_norm(int rows, int width, const T* x, T step, T scale, T* y, T* mean,
                        T* inverse_deviation, std::uint8_t* inside);
// add_residual() as integers have it: y + bias and x are rounded to `added_scale`, their sum to
// `sum_scale`. x must not be clipped by that.
template <class T>
void rounded_residual(int rows, int width, const T* x, const T* bias, T added_scale, T sum_scale,
                      T* y, std::uint8_t* added_inside, std::uint8_t* sum_inside);
// bias_gelu() as integers have it: u + bias is rounded to `u_scale` and gelu(), I-BERT's polynomial
// (Kim et al. 2021, arXiv 2101.01321, section 3.4), to `y_scale`. u becomes its slope, or 0 where
// either was clipped.
template <class T>
void rounded_gelu(int rows, int width, const T* bias, T u_scale, T y_scale, T* u, T* y);

// Causal softmax of one block of attention scores: row r (query first_query + r) keeps columns
// 0..first_query + r, scaled by `scale`; columns up to `columns` beyond them become 0. Stores
// log(sum(exp)) of the scaled scores per row.
template <class T>
void causal_softmax(int rows, int columns, int first_query, T scale, T* scores,
                    std::ptrdiff_t stride, T* log_sum_exp);
// The same probabilities again from the raw scores and the stored log-sum-exp.
template <class T>
void causal_softmax_again(int rows, int columns, int first_query, T scale, T* scores,
                          std::ptrdiff_t stride, const T* log_sum_exp);

// gradient := probabilities * (gradient - sum_j probabilities * gradient) * scale, row by row: the
// gradient of the raw scores from that of the probabilities.
template <class T>
void softmax_backward(int rows, int columns, const T* probabilities, T* gradient,
                      std::ptrdiff_t stride, T scale);

// Cross-entropy of next-token logits. Returns the sum over rows of -log softmax(logits)[target];
// turns logits into (softmax(logits) - one_hot(target)) * gradient_scale, and, when
// `probabilities` is given, stores softmax(logits) there.
template <class T>
double cross_entropy(int rows, int vocabulary, T* logits, const std::int32_t* targets,
                     T gradient_scale, T* probabilities);
// The same against a mixture of soft and hard targets (in-place distillation): the gradient is
// (softmax(logits) - soft * teacher - (1 - soft) * one_hot(target)) * gradient_scale. Returns the
// loss against `targets` alone, so that losses of all sub-networks compare.
template <class T>
double distillation(int rows, int vocabulary, T* logits, const std::int32_t* targets,
                    const T* teacher, T soft, T gradient_scale);
// The loss alone; logits are destroyed.
template <class T>
double cross_entropy_loss(int rows, int vocabulary, T* logits, const std::int32_t* targets);

// Sum of squares, in double.
template <class T>
double sum_of_squares(std::size_t count, const T* values);

struct AdamW {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  double gradient_scale;            // multiplies every gradient (averaging, clipping)
  double correction1, correction2;  // 1 - beta^t
};
// One step (Loshchilov and Hutter 2019: decoupled weight decay).
template <class T>
void adamw(std::size_t count, const AdamW& adamw, const T* gradient, T* parameter, T* m, T* v);

}  // namespace paretoformer::supernet
