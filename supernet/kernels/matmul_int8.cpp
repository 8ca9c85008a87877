#include "supernet/kernels/matmul_int8.hpp"

#include <algorithm>
#include <memory>

#include "supernet/kernels/kernel_sets.hpp"

namespace paretoformer::supernet {
namespace {

// Blocks as floats, whose product is exact: 512 products of at most 2^14 stay below 2^24, up to
// which floats hold every integer.
struct Blocks {
  static constexpr int kM = 128, kN = 256, kK = 512;
  float a[kM * kK];
  float b[kK * kN];
  float c[kM * kN];
};

Blocks& blocks() {
  thread_local const std::unique_ptr<Blocks> buffer{new Blocks};
  return *buffer;
}

// Rows x columns elements as floats, in the order in which they lie in memory.
MatrixView<float> convert(int rows, int columns, MatrixView<std::int8_t> from, float* to) {
  const bool by_rows = from.column_stride == 1;
  const int lines = by_rows ? rows : columns;
  const int length = by_rows ? columns : rows;
  for (int i = 0; i < lines; ++i) {
    const std::int8_t* line = from.data + i * (by_rows ? from.row_stride : from.column_stride);
    for (int j = 0; j < length; ++j) to[i * length + j] = static_cast<float>(line[j]);
  }
  return by_rows ? plain(to, length) : transposed(to, length);
}

void add(int rows, int columns, const float* product, Bias bias, std::int32_t* c,
         std::ptrdiff_t c_stride) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const auto sum =
          static_cast<std::uint32_t>(static_cast<std::int32_t>(product[i * columns + j]));
      const std::int32_t before = bias.data ? bias.data[i * bias.stride + j] : 0;
      c[i * c_stride + j] = static_cast<std::int32_t>(static_cast<std::uint32_t>(before) + sum);
    }
}

// Of the rows from i and the columns from j on; after the first products, what there is so far.
Bias part_of(Bias bias, int i, int j, bool first, const std::int32_t* c, std::ptrdiff_t c_stride) {
  if (!first) bias = {c, c_stride};
  if (bias.data) bias.data += i * bias.stride + j;
  return bias;
}

void matmul_by_floats(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                      Bias bias, std::int32_t* c, std::ptrdiff_t c_stride) {
  Blocks& block = blocks();
  for (int j = 0; j < n; j += Blocks::kN)
    for (int p = 0; p < k; p += Blocks::kK) {
      const int columns = std::min(Blocks::kN, n - j);
      const int depth = std::min(Blocks::kK, k - p);
      const MatrixView<float> block_b =
          convert(depth, columns,
                  {b.data + p * b.row_stride + j * b.column_stride, b.row_stride, b.column_stride},
                  block.b);
      for (int i = 0; i < m; i += Blocks::kM) {
        const int rows = std::min(Blocks::kM, m - i);
        const MatrixView<float> block_a = convert(
            rows, depth,
            {a.data + i * a.row_stride + p * a.column_stride, a.row_stride, a.column_stride},
            block.a);
        matmul_vector<float>(rows, columns, depth, block_a, block_b, block.c, columns);
        add(rows, columns, block.c, part_of(bias, i, j, p == 0, c, c_stride), c + i * c_stride + j,
            c_stride);
      }
    }
}

}  // namespace

void matmul_int8(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                 Bias bias, std::int32_t* c, std::ptrdiff_t c_stride, Int8Unit unit) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j)
        c[i * c_stride + j] = bias.data ? bias.data[i * bias.stride + j] : 0;
    return;
  }
  if (unit == Int8Unit::vnni) return matmul_vnni(m, n, k, a, b, bias, c, c_stride);
  if (unit == Int8Unit::pairs) return kernel_set().matmul_pairs(m, n, k, a, b, bias, c, c_stride);
  matmul_by_floats(m, n, k, a, b, bias, c, c_stride);
}

}  // namespace paretoformer::supernet
