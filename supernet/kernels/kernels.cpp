#include "supernet/kernels/kernels.hpp"

#include "supernet/kernels/kernel_sets.hpp"

// Every function is that of the instruction set in use.
namespace paretoformer::supernet {

template <class T>
void embed(int rows, int width, int context, const std::int32_t* tokens, const T* token_embedding,
           const T* position_embedding, std::ptrdiff_t table_stride, T* x) {
  kernels<T>().embed(rows, width, context, tokens, token_embedding, position_embedding,
                     table_stride, x);
}

template <class T>
void layer_norm(int rows, int width, const T* x, const T* gain, const T* bias, T* y, T* mean,
                T* inverse_deviation) {
  kernels<T>().layer_norm(rows, width, x, gain, bias, y, mean, inverse_deviation);
}

template <class T>
void layer_norm_backward(int rows, int width, const T* dy, const T* x, const T* gain, const T* mean,
                         const T* inverse_deviation, const T* d_residual, T* dx, T* d_gain,
                         T* d_bias, T* dx_sum) {
  kernels<T>().layer_norm_backward(rows, width, dy, x, gain, mean, inverse_deviation, d_residual,
                                   dx, d_gain, d_bias, dx_sum);
}

template <class T>
void add_bias(int rows, int width, const T* bias, T* y) {
  kernels<T>().add_bias(rows, width, bias, y);
}

template <class T>
void add_bias_backward(int rows, int width, const T* dy, T* d_bias) {
  kernels<T>().add_bias_backward(rows, width, dy, d_bias);
}

template <class T>
void add_residual(int rows, int width, const T* x, const T* bias, T* y) {
  kernels<T>().add_residual(rows, width, x, bias, y);
}

template <class T>
void drop(int rows, int width, const DropoutMask& mask, const T* x, T* y) {
  kernels<T>().drop(rows, width, mask, x, y);
}

template <class T>
void add_dropped(int rows, int width, const DropoutMask& mask, const T* x, const T* bias, T* y) {
  kernels<T>().add_dropped(rows, width, mask, x, bias, y);
}

template <class T>
void bias_gelu(int rows, int width, const T* bias, bool slope, T* u, T* y) {
  kernels<T>().bias_gelu(rows, width, bias, slope, u, y);
}

template <class T>
void bias_gelu_backward(int rows, int width, const T* slope, T* dy, T* d_bias) {
  kernels<T>().bias_gelu_backward(rows, width, slope, dy, d_bias);
}

template <class T>
void round_to_int8(int rows, int width, std::ptrdiff_t stride, T scale, T* x,
                   std::uint8_t* inside) {
  kernels<T>().round_to_int8(rows, width, stride, scale, x, inside);
}

template <class T>
void where_inside(std::size_t count, const std::uint8_t* inside, const T* x, T* y) {
  kernels<T>().where_inside(count, inside, x, y);
}

template <class T>
void rounded_layer_norm(int rows, int width, const T* x, T step, T scale, T* y, T* mean,
                        T* inverse_deviation, std::uint8_t* inside) {
  kernels<T>().rounded_layer_norm(rows, width, x, step, scale, y, mean, inverse_deviation, inside);
}

template <class T>
void rounded_residual(int rows, int width, const T* x, const T* bias, T added_scale, T sum_scale,
                      T* y, std::uint8_t* added_inside, std::uint8_t* sum_inside) {
  kernels<T>().rounded_residual(rows, width, x, bias, added_scale, sum_scale, y, added_inside,
                                sum_inside);
}

template <class T>
void rounded_gelu(int rows, int width, const T* bias, T u_scale, T y_scale, T* u, T* y) {
  kernels<T>().rounded_gelu(rows, width, bias, u_scale, y_scale, u, y);
}

template <class T>
void causal_softmax(int rows, int columns, int first_query, T scale, T* scores,
                    std::ptrdiff_t stride, T* log_sum_exp) {
  kernels<T>().causal_softmax(rows, columns, first_query, scale, scores, stride, log_sum_exp);
}

template <class T>
void causal_softmax_again(int rows, int columns, int first_query, T scale, T* scores,
                          std::ptrdiff_t stride, const T* log_sum_exp) {
  kernels<T>().causal_softmax_again(rows, columns, first_query, scale, scores, stride, log_sum_exp);
}

template <class T>
void softmax_backward(int rows, int columns, const T* probabilities, T* gradient,
                      std::ptrdiff_t stride, T scale) {
  kernels<T>().softmax_backward(rows, columns, probabilities, gradient, stride, scale);
}

template <class T>
double cross_entropy(int rows, int vocabulary, T* logits, const std::int32_t* targets,
                     T gradient_scale, T* probabilities) {
  return kernels<T>().cross_entropy(rows, vocabulary, logits, targets, gradient_scale,
                                    probabilities);
}

template <class T>
double distillation(int rows, int vocabulary, T* logits, const std::int32_t* targets,
                    const T* teacher, T soft, T gradient_scale) {
  return kernels<T>().distillation(rows, vocabulary, logits, targets, teacher, soft,
                                   gradient_scale);
}

template <class T>
double cross_entropy_loss(int rows, int vocabulary, T* logits, const std::int32_t* targets) {
  return kernels<T>().cross_entropy_loss(rows, vocabulary, logits, targets);
}

template <class T>
double sum_of_squares(std::size_t count, const T* values) {
  return kernels<T>().sum_of_squares(count, values);
}

template <class T>
void adamw(std::size_t count, const AdamW& adamw, const T* gradient, T* parameter, T* m, T* v) {
  kernels<T>().adamw(count, adamw, gradient, parameter, m, v);
}

#define PARETOFORMER_INSTANTIATE(T)                                                                \
  template void embed<T>(int, int, int, const std::int32_t*, const T*, const T*, std::ptrdiff_t,   \
                         T*);                                                                      \
  template void layer_norm<T>(int, int, const T*, const T*, const T*, T*, T*, T*);                 \
  template void layer_norm_backward<T>(int, int, const T*, const T*, const T*, const T*, const T*, \
                                       const T*, T*, T*, T*, T*);                                  \
  template void add_bias<T>(int, int, const T*, T*);                                               \
  template void add_bias_backward<T>(int, int, const T*, T*);                                      \
  template void add_residual<T>(int, int, const T*, const T*, T*);                                 \
  template void drop<T>(int, int, const DropoutMask&, const T*, T*);                               \
  template void add_dropped<T>(int, int, const DropoutMask&, const T*, const T*, T*);              \
  template void bias_gelu<T>(int, int, const T*, bool, T*, T*);                                    \
  template void bias_gelu_backward<T>(int, int, const T*, T*, T*);                                 \
  template void round_to_int8<T>(int, int, std::ptrdiff_t, T, T*, std::uint8_t*);                  \
  template void where_inside<T>(std::size_t, const std::uint8_t*, const T*, T*);                   \
  template void rounded_layer_norm<T>(int, int, const T*, T, T, T*, T*, T*, std::uint8_t*);        \
  template void rounded_residual<T>(int, int, const T*, const T*, T, T, T*, std::uint8_t*,         \
                                    std::uint8_t*);                                                \
  template void rounded_gelu<T>(int, int, const T*, T, T, T*, T*);                                 \
  template void causal_softmax<T>(int, int, int, T, T*, std::ptrdiff_t, T*);                       \
  template void causal_softmax_again<T>(int, int, int, T, T*, std::ptrdiff_t, const T*);           \
  template void softmax_backward<T>(int, int, const T*, T*, std::ptrdiff_t, T);                    \
  template double cross_entropy<T>(int, int, T*, const std::int32_t*, T, T*);                      \
  template double distillation<T>(int, int, T*, const std::int32_t*, const T*, T, T);              \
  template double cross_entropy_loss<T>(int, int, T*, const std::int32_t*);                        \
  template double sum_of_squares<T>(std::size_t, const T*);                                        \
  template void adamw<T>(std::size_t, const AdamW&, const T*, T*, T*, T*);

PARETOFORMER_INSTANTIATE(float)
PARETOFORMER_INSTANTIATE(double)

}  // namespace paretoformer::supernet
