// The kernels of kernels.hpp, compiled once per instruction set: see kernel_sets.hpp, also for why
// nothing of a header is called here but the C library and static functions.
#include "supernet/kernels/dropout.hpp"
#include "supernet/kernels/kernel_sets.hpp"

namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET {
namespace {

constexpr int kLanes = 16;

// sum over i of term(i): sixteen interleaved partial sums, then halves added pairwise.
template <class T, class Term>
inline T reduce_sum(int count, Term term) {
  T lanes[kLanes] = {};
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += term(i);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

template <class T>
inline T reduce_max(int count, const T* x) {
  T lanes[kLanes];
  for (T& lane : lanes) lane = x[0];
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane)
      lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
  for (; i < count; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  T largest = lanes[0];
  for (const T lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

// a * b + c, rounded once where the processor can. Contraction by the compiler is switched off for
// this file: it treats the vector body and the scalar ends of a loop differently, and where those
// ends lie depends on addresses, so the same run would not give the same bits twice.
inline float multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

inline float square_root(float x) { return __builtin_sqrtf(x); }
inline double square_root(double x) { return __builtin_sqrt(x); }
inline float truncated(float x) { return __builtin_truncf(x); }
inline double truncated(double x) { return __builtin_trunc(x); }
inline float logarithm(float x) { return __builtin_logf(x); }
inline double logarithm(double x) { return __builtin_log(x); }
inline double exponential(double x) { return __builtin_exp(x); }

// exp(x) = 2^n e^r with |r| <= ln(2) / 2; e^r by its Taylor polynomial of degree 7 (remainder
// below 2e-8). Written without branches so that loops over it vectorise.
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = multiply_add(x, 1.44269504f, kRound);
  const float n = shifted - kRound;
  // ln 2 in two parts (Cody and Waite)
  const float r = multiply_add(n, 2.12194440e-4f, multiply_add(n, -0.693359375f, x));
  float y = 1.0f / 5040.0f;
  y = multiply_add(y, r, 1.0f / 720.0f);
  y = multiply_add(y, r, 1.0f / 120.0f);
  y = multiply_add(y, r, 1.0f / 24.0f);
  y = multiply_add(y, r, 1.0f / 6.0f);
  y = multiply_add(y, r, 0.5f);
  y = multiply_add(y, r, 1.0f);
  y = multiply_add(y, r, 1.0f);
  const std::int32_t exponent = __builtin_bit_cast(std::int32_t, shifted) - 0x4B400000;
  return y * __builtin_bit_cast(float, (exponent + 127) << 23);
}

// tanh(z) = 1 - 2 / (e^2z + 1), safe at both ends because exponential() saturates.
template <class T>
inline T hyperbolic_tangent(T z) {
  return T{1} - T{2} / (exponential(T{2} * z) + T{1});
}

template <class T>
void causal_rows(int rows, int columns, int first_query, T* scores, std::ptrdiff_t stride, T scale,
                 T* log_sum_exp, bool known) {
  for (int r = 0; r < rows; ++r) {
    T* row = scores + r * stride;
    const int kept = first_query + r + 1;
    T shift = known ? log_sum_exp[r] : scale * reduce_max(kept, row);
    for (int j = 0; j < kept; ++j) row[j] = exponential(row[j] * scale - shift);
    for (int j = kept; j < columns; ++j) row[j] = T{0};
    if (known) continue;
    const T sum = reduce_sum<T>(kept, [&](int j) { return row[j]; });
    const T inverse = T{1} / sum;
    for (int j = 0; j < kept; ++j) row[j] *= inverse;
    log_sum_exp[r] = shift + logarithm(sum);
  }
}

// logits := exp(logits - max); returns their sum and, through `log_sum`, log-sum-exp.
template <class T>
T exponentiate(int vocabulary, T* logits, double* log_sum) {
  const T shift = reduce_max(vocabulary, logits);
  for (int j = 0; j < vocabulary; ++j) logits[j] = exponential(logits[j] - shift);
  const T sum = reduce_sum<T>(vocabulary, [&](int j) { return logits[j]; });
  *log_sum = static_cast<double>(shift) + logarithm(static_cast<double>(sum));
  return sum;
}

template <class T>
void embed(int rows, int width, int context, const std::int32_t* tokens, const T* token_embedding,
           const T* position_embedding, std::ptrdiff_t table_stride, T* x) {
  for (int r = 0; r < rows; ++r) {
    const T* token = token_embedding + tokens[r] * table_stride;
    const T* position = position_embedding + (r % context) * table_stride;
    T* out = x + static_cast<std::ptrdiff_t>(r) * width;
    for (int i = 0; i < width; ++i) out[i] = token[i] + position[i];
  }
}

template <class T>
void layer_norm(int rows, int width, const T* x, const T* gain, const T* bias, T* y, T* mean,
                T* inverse_deviation) {
  for (int r = 0; r < rows; ++r, x += width, y += width) {
    const T m = reduce_sum<T>(width, [&](int i) { return x[i]; }) / static_cast<T>(width);
    const T variance = reduce_sum<T>(width, [&](int i) { return (x[i] - m) * (x[i] - m); }) /
                       static_cast<T>(width);
    const T s = T{1} / square_root(variance + static_cast<T>(kNormEpsilon));
    for (int i = 0; i < width; ++i) y[i] = (x[i] - m) * s * gain[i] + bias[i];
    mean[r] = m;
    inverse_deviation[r] = s;
  }
}

// Switches are template arguments: loops without branches vectorise.
template <class T, bool kResidual, bool kSum>
void layer_norm_backward_rows(int rows, int width, const T* dy, const T* x, const T* gain,
                              const T* mean, const T* inverse_deviation, const T* d_residual, T* dx,
                              T* d_gain, T* d_bias, T* dx_sum) {
  const T scale = T{1} / static_cast<T>(width);
  for (int r = 0; r < rows; ++r, dy += width, x += width, dx += width) {
    const T m = mean[r];
    const T s = inverse_deviation[r];
    const T sum = scale * reduce_sum<T>(width, [&](int i) { return dy[i] * gain[i]; });
    const T dot =
        scale * reduce_sum<T>(width, [&](int i) { return dy[i] * gain[i] * ((x[i] - m) * s); });
    for (int i = 0; i < width; ++i) {
      const T normal = (x[i] - m) * s;
      T gradient = s * (dy[i] * gain[i] - sum - normal * dot);
      if constexpr (kResidual) gradient += d_residual[i];
      dx[i] = gradient;
      d_gain[i] += dy[i] * normal;
      d_bias[i] += dy[i];
      if constexpr (kSum) dx_sum[i] += gradient;
    }
    if constexpr (kResidual) d_residual += width;
  }
}

template <class T>
void layer_norm_backward(int rows, int width, const T* dy, const T* x, const T* gain, const T* mean,
                         const T* inverse_deviation, const T* d_residual, T* dx, T* d_gain,
                         T* d_bias, T* dx_sum) {
  const auto run = d_residual ? (dx_sum ? layer_norm_backward_rows<T, true, true>
                                        : layer_norm_backward_rows<T, true, false>)
                              : (dx_sum ? layer_norm_backward_rows<T, false, true>
                                        : layer_norm_backward_rows<T, false, false>);
  run(rows, width, dy, x, gain, mean, inverse_deviation, d_residual, dx, d_gain, d_bias, dx_sum);
}

template <class T>
void add_bias(int rows, int width, const T* bias, T* y) {
  for (int r = 0; r < rows; ++r, y += width)
    for (int i = 0; i < width; ++i) y[i] += bias[i];
}

template <class T>
void add_bias_backward(int rows, int width, const T* dy, T* d_bias) {
  for (int r = 0; r < rows; ++r, dy += width)
    for (int i = 0; i < width; ++i) d_bias[i] += dy[i];
}

template <class T>
void add_residual(int rows, int width, const T* x, const T* bias, T* y) {
  for (int r = 0; r < rows; ++r, x += width, y += width)
    for (int i = 0; i < width; ++i) y[i] = x[i] + (y[i] + bias[i]);
}

template <class T>
void drop(int rows, int width, const DropoutMask& mask, const T* x, T* y) {
  const T scale = static_cast<T>(mask.scale);
  for (int r = 0; r < rows; ++r, x += width, y += width) {
    const DropoutRow row = dropout_row(mask, r);
    for (int i = 0; i < width; ++i)
      y[i] = keeps(row, static_cast<std::uint32_t>(i)) ? x[i] * scale : T{0};
  }
}

template <class T>
void add_dropped(int rows, int width, const DropoutMask& mask, const T* x, const T* bias, T* y) {
  const T scale = static_cast<T>(mask.scale);
  for (int r = 0; r < rows; ++r, x += width, y += width) {
    const DropoutRow row = dropout_row(mask, r);
    for (int i = 0; i < width; ++i) {
      const T added = (y[i] + bias[i]) * scale;
      y[i] = x[i] + (keeps(row, static_cast<std::uint32_t>(i)) ? added : T{0});
    }
  }
}

template <class T>
void bias_gelu(int rows, int width, const T* bias, bool slope, T* u, T* y) {
  constexpr T kC = static_cast<T>(kGeluCubic);
  constexpr T kS = static_cast<T>(kSqrt2OverPi);
  const auto curve = [](T x) { return hyperbolic_tangent(kS * (x + kC * x * x * x)); };
  for (int r = 0; r < rows; ++r, u += width, y += width) {
    if (!slope) {
      for (int i = 0; i < width; ++i) {
        const T x = u[i] + bias[i];
        y[i] = T{0.5} * x * (T{1} + curve(x));
      }
      continue;
    }
    for (int i = 0; i < width; ++i) {
      const T x = u[i] + bias[i];
      const T t = curve(x);
      y[i] = T{0.5} * x * (T{1} + t);
      u[i] = T{0.5} * (T{1} + t) + T{0.5} * x * (T{1} - t * t) * (kS * (T{1} + T{3} * kC * x * x));
    }
  }
}

template <class T>
void bias_gelu_backward(int rows, int width, const T* slope, T* dy, T* d_bias) {
  for (int r = 0; r < rows; ++r, slope += width, dy += width)
    for (int i = 0; i < width; ++i) {
      dy[i] *= slope[i];
      d_bias[i] += dy[i];
    }
}

// Adding 1.5 * 2^(mantissa bits) rounds numbers below half of that to integers, ties to even.
inline float round_to_integer(float x) { return (x + 12582912.0f) - 12582912.0f; }
inline double round_to_integer(double x) { return (x + 6755399441055744.0) - 6755399441055744.0; }

// The nearest int8 number, in steps of it. Written without branches, like what follows.
template <class T>
inline T to_int8(T steps) {
  steps = steps < T{-128} ? T{-128} : steps;
  steps = steps > T{127} ? T{127} : steps;
  return round_to_integer(steps);
}

// Whether the nearest integer is an int8 number.
template <class T>
inline bool is_inside(T steps) {
  return (steps >= T{-128.5}) & (steps < T{127.5});
}

template <class T>
void round_to_int8(int rows, int width, std::ptrdiff_t stride, T scale, T* x,
                   std::uint8_t* inside) {
  const T inverse = T{1} / scale;
  for (int r = 0; r < rows; ++r, x += stride) {
    if (inside) {
      for (int i = 0; i < width; ++i) inside[i] = is_inside(x[i] * inverse);
      inside += stride;
    }
    for (int i = 0; i < width; ++i) x[i] = to_int8(x[i] * inverse) * scale;
  }
}

template <class T>
void where_inside(std::size_t count, const std::uint8_t* inside, const T* x, T* y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = inside[i] ? x[i] : T{0};
}

template <class T>
void rounded_layer_norm(int rows, int width, const T* x, T step, T scale, T* y, T* mean,
                        T* inverse_deviation, std::uint8_t* inside) {
  const T per_step = T{1} / step;
  const T inverse = T{1} / scale;
  for (int r = 0; r < rows; ++r, x += width, y += width, inside += width) {
    const T sum = round_to_integer(reduce_sum<T>(width, [&](int i) { return x[i]; }) * per_step);
    const T m = truncated(sum / static_cast<T>(width)) * step;
    const T squares = reduce_sum<T>(
        width, [&](int i) { return (x[i] - m) * per_step * ((x[i] - m) * per_step); });
    const T root = truncated(square_root(truncated(squares / static_cast<T>(width))));
    const T s = T{1} / (root < T{1} ? step : root * step);
    for (int i = 0; i < width; ++i) y[i] = (x[i] - m) * s * inverse;
    for (int i = 0; i < width; ++i) inside[i] = is_inside(y[i]);
    for (int i = 0; i < width; ++i) y[i] = to_int8(y[i]) * scale;
    mean[r] = m;
    inverse_deviation[r] = s;
  }
}

template <class T>
void rounded_residual(int rows, int width, const T* x, const T* bias, T added_scale, T sum_scale,
                      T* y, std::uint8_t* added_inside, std::uint8_t* sum_inside) {
  const T inverse = T{1} / added_scale;
  const T ratio = added_scale / sum_scale;
  for (int r = 0; r < rows; ++r, x += width, y += width) {
    for (int i = 0; i < width; ++i) y[i] = (y[i] + bias[i]) * inverse;
    for (int i = 0; i < width; ++i) added_inside[i] = is_inside(y[i]);
    for (int i = 0; i < width; ++i) y[i] = (to_int8(y[i]) + to_int8(x[i] * inverse)) * ratio;
    for (int i = 0; i < width; ++i) sum_inside[i] = is_inside(y[i]);
    for (int i = 0; i < width; ++i) y[i] = to_int8(y[i]) * sum_scale;
    added_inside += width;
    sum_inside += width;
  }
}

template <class T>
void rounded_gelu(int rows, int width, const T* bias, T u_scale, T y_scale, T* u, T* y) {
  // erf(x / sqrt 2) is about sign(x) (kA (min(|x|, kKnee) - kKnee)^2 + 1)
  constexpr T kA = static_cast<T>(-0.2888 / 2);
  constexpr T kKnee = static_cast<T>(1.769 * 1.4142135623730951);
  const T u_inverse = T{1} / u_scale;
  const T y_inverse = T{1} / y_scale;
  for (int r = 0; r < rows; ++r, u += width, y += width)
    for (int i = 0; i < width; ++i) {
      const T steps = (u[i] + bias[i]) * u_inverse;
      const T x = to_int8(steps) * u_scale;
      const T size = x < T{0} ? -x : x;
      const T left = (size < kKnee ? size : kKnee) - kKnee;
      const T erf = kA * left * left + T{1};  // of |x|
      const T half = T{0.5} * x + T{0.5} * size * erf;
      const T slope = T{0.5} + T{0.5} * (x < T{0} ? T{-1} : T{1}) * (erf + T{2} * kA * left * size);
      const T level = half * y_inverse;
      y[i] = to_int8(level) * y_scale;
      // Without a branch.
      const int inside = int{is_inside(steps)} & int{is_inside(level)};
      u[i] = inside != 0 ? slope : T{0};
    }
}

template <class T>
void causal_softmax(int rows, int columns, int first_query, T scale, T* scores,
                    std::ptrdiff_t stride, T* log_sum_exp) {
  causal_rows(rows, columns, first_query, scores, stride, scale, log_sum_exp, false);
}

template <class T>
void causal_softmax_again(int rows, int columns, int first_query, T scale, T* scores,
                          std::ptrdiff_t stride, const T* log_sum_exp) {
  causal_rows(rows, columns, first_query, scores, stride, scale, const_cast<T*>(log_sum_exp), true);
}

template <class T>
void softmax_backward(int rows, int columns, const T* probabilities, T* gradient,
                      std::ptrdiff_t stride, T scale) {
  for (int r = 0; r < rows; ++r, probabilities += stride, gradient += stride) {
    const T sum = reduce_sum<T>(columns, [&](int j) { return probabilities[j] * gradient[j]; });
    for (int j = 0; j < columns; ++j) gradient[j] = probabilities[j] * (gradient[j] - sum) * scale;
  }
}

template <class T>
double cross_entropy(int rows, int vocabulary, T* logits, const std::int32_t* targets,
                     T gradient_scale, T* probabilities) {
  double loss = 0;
  for (int r = 0; r < rows; ++r, logits += vocabulary) {
    const double target_logit = static_cast<double>(logits[targets[r]]);
    double log_sum = 0;
    const T inverse = T{1} / exponentiate(vocabulary, logits, &log_sum);
    loss += log_sum - target_logit;
    if (probabilities) {
      T* row = probabilities + static_cast<std::ptrdiff_t>(r) * vocabulary;
      for (int j = 0; j < vocabulary; ++j) row[j] = logits[j] * inverse;
    }
    const T scale = inverse * gradient_scale;
    for (int j = 0; j < vocabulary; ++j) logits[j] *= scale;
    logits[targets[r]] -= gradient_scale;
  }
  return loss;
}

template <class T>
double distillation(int rows, int vocabulary, T* logits, const std::int32_t* targets,
                    const T* teacher, T soft, T gradient_scale) {
  double loss = 0;
  for (int r = 0; r < rows; ++r, logits += vocabulary, teacher += vocabulary) {
    const double target_logit = static_cast<double>(logits[targets[r]]);
    double log_sum = 0;
    const T inverse = T{1} / exponentiate(vocabulary, logits, &log_sum);
    loss += log_sum - target_logit;
    for (int j = 0; j < vocabulary; ++j)
      logits[j] = (logits[j] * inverse - soft * teacher[j]) * gradient_scale;
    logits[targets[r]] -= (T{1} - soft) * gradient_scale;
  }
  return loss;
}

template <class T>
double cross_entropy_loss(int rows, int vocabulary, T* logits, const std::int32_t* targets) {
  double loss = 0;
  for (int r = 0; r < rows; ++r, logits += vocabulary) {
    const double target_logit = static_cast<double>(logits[targets[r]]);
    double log_sum = 0;
    exponentiate(vocabulary, logits, &log_sum);
    loss += log_sum - target_logit;
  }
  return loss;
}

template <class T>
double sum_of_squares(std::size_t count, const T* values) {
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = static_cast<double>(values[i + static_cast<std::size_t>(lane)]);
      lanes[lane] += value * value;
    }
  for (; i < count; ++i) lanes[0] += static_cast<double>(values[i]) * values[i];
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <class T>
void adamw(std::size_t count, const AdamW& adamw, const T* gradient, T* parameter, T* m, T* v) {
  const T beta1 = static_cast<T>(adamw.beta1);
  const T beta2 = static_cast<T>(adamw.beta2);
  const T scale = static_cast<T>(adamw.gradient_scale);
  const T step = static_cast<T>(adamw.learning_rate / adamw.correction1);
  const T inverse_root = static_cast<T>(1.0 / square_root(adamw.correction2));
  const T epsilon = static_cast<T>(adamw.epsilon);
  const T keep = static_cast<T>(1.0 - adamw.learning_rate * adamw.weight_decay);
  for (std::size_t i = 0; i < count; ++i) {
    const T g = gradient[i] * scale;
    m[i] = beta1 * m[i] + (T{1} - beta1) * g;
    v[i] = beta2 * v[i] + (T{1} - beta2) * g * g;
    parameter[i] = parameter[i] * keep - step * m[i] / (square_root(v[i]) * inverse_root + epsilon);
  }
}

template <class T>
constexpr Kernels<T> table(MatmulVector<T>* matmul, PackVector<T>* pack,
                           MatmulPackedVector<T>* matmul_packed) {
  return {embed<T>,
          layer_norm<T>,
          layer_norm_backward<T>,
          add_bias<T>,
          add_bias_backward<T>,
          add_residual<T>,
          drop<T>,
          add_dropped<T>,
          bias_gelu<T>,
          bias_gelu_backward<T>,
          round_to_int8<T>,
          where_inside<T>,
          rounded_layer_norm<T>,
          rounded_residual<T>,
          rounded_gelu<T>,
          causal_softmax<T>,
          causal_softmax_again<T>,
          softmax_backward<T>,
          cross_entropy<T>,
          distillation<T>,
          cross_entropy_loss<T>,
          sum_of_squares<T>,
          adamw<T>,
          matmul,
          pack,
          matmul_packed};
}

}  // namespace

#ifdef PARETOFORMER_PAIR_KERNELS
constexpr MatmulPairs* kMatmulPairs = matmul_pairs;
#else
constexpr MatmulPairs* kMatmulPairs = nullptr;
#endif

constinit const KernelSet kKernels{
    PARETOFORMER_KERNEL_SET_NAME, table<float>(matmul_float, pack_float, matmul_packed_float),
    table<double>(matmul_double, pack_double, matmul_packed_double), kMatmulPairs};

}  // namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET
