// The kernels of kernels.hpp and matmul.hpp for every instruction set that they are compiled for,
// and the choice of one when the program runs.
//
// row_kernels.cpp, matmul_vector.cpp and matmul_pairs.cpp are compiled once per set, each time into
// a namespace of their own. What they define is local to them or in that namespace, and never
// inline: of an inline function or a template of a header the linker keeps one copy for the whole
// program, and that may be the one with instructions which not every processor has
// (tests/supernet/kernels/kernel_sets.cmake).
//
// x86-64-v3 and x86-64-v4 (AVX2 and AVX-512, both with fused multiply-add) give the same bits. The
// portable set rounds products before it adds them where the processor has no fused instruction for
// it (x86-64 from before 2013), so its results differ from theirs in the last bits.
#pragma once

#include <type_traits>
#include <vector>

#include "supernet/kernels/kernels.hpp"
#include "supernet/kernels/matmul.hpp"
#include "supernet/kernels/matmul_int8.hpp"

namespace paretoformer::supernet {

template <class T>
struct Kernels {
  decltype(&supernet::embed<T>) embed;
  decltype(&supernet::layer_norm<T>) layer_norm;
  decltype(&supernet::layer_norm_backward<T>) layer_norm_backward;
  decltype(&supernet::add_bias<T>) add_bias;
  decltype(&supernet::add_bias_backward<T>) add_bias_backward;
  decltype(&supernet::add_residual<T>) add_residual;
  decltype(&supernet::drop<T>) drop;
  decltype(&supernet::add_dropped<T>) add_dropped;
  decltype(&supernet::bias_gelu<T>) bias_gelu;
  decltype(&supernet::bias_gelu_backward<T>) bias_gelu_backward;
  decltype(&supernet::round_to_int8<T>) round_to_int8;
  decltype(&supernet::where_inside<T>) where_inside;
  decltype(&supernet::rounded_layer_norm<T>) rounded_layer_norm;
  decltype(&supernet::rounded_residual<T>) rounded_residual;
  decltype(&supernet::rounded_gelu<T>) rounded_gelu;
  decltype(&supernet::causal_softmax<T>) causal_softmax;
  decltype(&supernet::causal_softmax_again<T>) causal_softmax_again;
  decltype(&supernet::softmax_backward<T>) softmax_backward;
  decltype(&supernet::cross_entropy<T>) cross_entropy;
  decltype(&supernet::distillation<T>) distillation;
  decltype(&supernet::cross_entropy_loss<T>) cross_entropy_loss;
  decltype(&supernet::sum_of_squares<T>) sum_of_squares;
  decltype(&supernet::adamw<T>) adamw;
  decltype(&supernet::matmul_vector<T>) matmul_vector;
  decltype(&supernet::pack_vector<T>) pack_vector;
  decltype(&supernet::matmul_packed_vector<T>) matmul_packed_vector;
};

// matmul_int8() on vectors of pairs of int16; m, n and k are not 0.
using MatmulPairs = void(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                         Bias bias, std::int32_t* c, std::ptrdiff_t c_stride);

struct KernelSet {
  const char* name;  // "portable", "x86-64-v3", "x86-64-v4"
  Kernels<float> of_float;
  Kernels<double> of_double;
  MatmulPairs* matmul_pairs;  // null where processor or compiler has no x86-64 sets
};

// Those that this processor can run, the fastest last.
const std::vector<const KernelSet*>& kernel_sets();

// One of these by its name; throws InputError.
const KernelSet& kernel_set_named(const char* name);

// The one in use: what the environment variable PARETOFORMER_CPU names at the first call, otherwise
// the fastest. A set that is named is used alone, without units for bfloat16 or int8: bf16_unit()
// is none and int8_unit() not vnni.
// Throws InputError for a name that is not in kernel_sets().
const KernelSet& kernel_set();

// Of kernel_set(); T is float or double.
template <class T>
const Kernels<T>& kernels();

// Defined by row_kernels.cpp, matmul_vector.cpp and, for x86-64, matmul_pairs.cpp.
template <class T>
using MatmulVector = std::remove_pointer_t<decltype(&matmul_vector<T>)>;
template <class T>
using PackVector = std::remove_pointer_t<decltype(&pack_vector<T>)>;
template <class T>
using MatmulPackedVector = std::remove_pointer_t<decltype(&matmul_packed_vector<T>)>;

namespace portable {
extern const KernelSet kKernels;
MatmulVector<float> matmul_float;
MatmulVector<double> matmul_double;
PackVector<float> pack_float;
PackVector<double> pack_double;
MatmulPackedVector<float> matmul_packed_float;
MatmulPackedVector<double> matmul_packed_double;
MatmulPairs matmul_pairs;
}  // namespace portable

namespace x86_64_v3 {
extern const KernelSet kKernels;
MatmulVector<float> matmul_float;
MatmulVector<double> matmul_double;
PackVector<float> pack_float;
PackVector<double> pack_double;
MatmulPackedVector<float> matmul_packed_float;
MatmulPackedVector<double> matmul_packed_double;
MatmulPairs matmul_pairs;
}  // namespace x86_64_v3

namespace x86_64_v4 {
extern const KernelSet kKernels;
MatmulVector<float> matmul_float;
MatmulVector<double> matmul_double;
PackVector<float> pack_float;
PackVector<double> pack_double;
MatmulPackedVector<float> matmul_packed_float;
MatmulPackedVector<double> matmul_packed_double;
MatmulPairs matmul_pairs;
}  // namespace x86_64_v4

}  // namespace paretoformer::supernet
