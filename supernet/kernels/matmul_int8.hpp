// Products of int8 numbers summed in int32, which wraps: the same bits whatever they are computed
// with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/kernels/matmul.hpp"

namespace paretoformer::supernet {

// What this processor multiplies int8 with: AVX-512 VNNI, vectors of pairs of int16 (all x86-64),
// or nothing of its own but floats.
enum class Int8Unit { none, pairs, vnni };
Int8Unit int8_unit();

// What a product begins with: a row of int32 for each of its rows (a mask, say), or, with stride 0,
// one row for all, or nothing. It may be the product's own memory, which is then added to.
struct Bias {
  const std::int32_t* data = nullptr;
  std::ptrdiff_t stride = 0;
};

// C = bias + A B like matmul() of supernet/kernels/matmul.hpp on int8, modulo 2^32; m, n and k may
// be 0. `unit` is none or that of this processor. Allocates only on a thread's first call.
void matmul_int8(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                 Bias bias, std::int32_t* c, std::ptrdiff_t c_stride, Int8Unit unit);

// The same with VNNI; m, n and k are not 0.
void matmul_vnni(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                 Bias bias, std::int32_t* c, std::ptrdiff_t c_stride);

}  // namespace paretoformer::supernet
