#include "supernet/kernels/matmul.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
#include <type_traits>
#include <vector>

#include "supernet/kernels/kernel_sets.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

template <class T>
std::vector<T> integers(std::size_t count, Random& random) {
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(random.below(9)) - T{4};
  return values;
}

std::vector<Bf16Unit> bf16_units() {
  switch (bf16_unit()) {
    case Bf16Unit::none:
      return {};
    case Bf16Unit::avx512:
      return {Bf16Unit::avx512};
    default:
      return {Bf16Unit::avx512, Bf16Unit::amx};
  }
}

// The kernels of this processor.
template <class T>
struct Kernel {
  const char* name;
  std::function<void(int, int, int, MatrixView<T>, MatrixView<T>, T*, std::ptrdiff_t, Into)> run;
  std::function<void(MatrixView<T>, int, int, const PackedMatrix<T>&)> pack;
  std::function<void(int, int, int, MatrixView<T>, const PackedMatrix<T>&, int, T*, std::ptrdiff_t,
                     Into)>
      run_packed;
};

template <class T>
std::vector<Kernel<T>> matmul_kernels() {
  std::vector<Kernel<T>> all;
  for (const KernelSet* set : kernel_sets()) {
    const auto add = [&](const Kernels<T>& of) {
      all.push_back({set->name, of.matmul_vector, of.pack_vector, of.matmul_packed_vector});
    };
    if constexpr (std::is_same_v<T, float>)
      add(set->of_float);
    else
      add(set->of_double);
  }
  if constexpr (std::is_same_v<T, float>) {
    for (const Bf16Unit unit : bf16_units())
      all.push_back({unit == Bf16Unit::amx ? "amx bf16" : "avx512 bf16",
                     [unit](int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c,
                            std::ptrdiff_t c_stride,
                            Into into) { matmul_bf16(m, n, k, a, b, c, c_stride, into, unit); },
                     pack_bf16,
                     [unit](int m, int n, int k, MatrixView<T> a, const PackedMatrix<T>& b,
                            int first, T* c, std::ptrdiff_t c_stride, Into into) {
                       matmul_packed_bf16(m, n, k, a, b, first, c, c_stride, into, unit);
                     }});
    if (bf16_unit() == Bf16Unit::amx)
      all.push_back({"amx split", matmul_split, pack_split, matmul_packed_split});
  }
  return all;
}

template <class T>
class Matmul : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Matmul, Scalars);

// Small integers multiply and add without rounding, so the result must be exact.
TYPED_TEST(Matmul, EqualsTheDefinitionOnRandomShapesStridesAndTransposes) {
  using T = TypeParam;
  Random random(11);
  for (int round = 0; round < 300; ++round) {
    // Now and then beyond the blocks of k, n and m.
    const int big = round % 60 == 0 ? 900 : 70;
    const int m = 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(big)));
    const int n = 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(big)));
    const int k = 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(big)));
    const bool a_t = random.chance(0.5);
    const bool b_t = random.chance(0.5);
    // Slices of wider matrices; sometimes 4 kB apart, which takes the packing path.
    const auto pad = [&] { return static_cast<int>(random.below(5)); };
    int a_stride = (a_t ? m : k) + pad();
    if (random.chance(0.1)) a_stride = 1024;
    const int b_stride = (b_t ? k : n) + pad();
    const int c_stride = n + pad();
    const auto a = integers<T>(static_cast<std::size_t>(a_stride) * (a_t ? k : m), random);
    const auto b = integers<T>(static_cast<std::size_t>(b_stride) * (b_t ? n : k), random);
    auto c = integers<T>(static_cast<std::size_t>(c_stride) * m, random);
    auto expected = c;
    const bool accumulate = random.chance(0.5);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        T sum = accumulate ? expected[i * c_stride + j] : T{0};
        for (int p = 0; p < k; ++p)
          sum += (a_t ? a[p * a_stride + i] : a[i * a_stride + p]) *
                 (b_t ? b[j * b_stride + p] : b[p * b_stride + j]);
        expected[i * c_stride + j] = sum;
      }
    const auto before = c;
    for (const Kernel<T>& kernel : matmul_kernels<T>()) {
      c = before;
      kernel.run(m, n, k, a_t ? transposed(a.data(), a_stride) : plain(a.data(), a_stride),
                 b_t ? transposed(b.data(), b_stride) : plain(b.data(), b_stride), c.data(),
                 c_stride, accumulate ? Into::accumulate : Into::replace);
      ASSERT_EQ(c, expected) << kernel.name << " " << m << "x" << n << "x" << k
                             << (a_t ? " A^T" : "") << (b_t ? " B^T" : "");
    }
  }
}

// What makes results independent of the number of threads.
TYPED_TEST(Matmul, CuttingRowsOrColumnsDoesNotChangeTheBits) {
  using T = TypeParam;
  Random random(12);
  const int m = 157;
  const int n = 203;
  const int k = 700;
  std::vector<T> a(m * k);
  std::vector<T> b(k * n);
  for (T& value : a) value = static_cast<T>(random.normal());
  for (T& value : b) value = static_cast<T>(random.normal());
  for (const Kernel<T>& kernel : matmul_kernels<T>()) {
    std::vector<T> whole(m * n);
    std::vector<T> pieces(m * n);
    kernel.run(m, n, k, plain(a.data(), k), plain(b.data(), n), whole.data(), n, Into::replace);
    for (int i = 0; i < m; i += 31)
      for (int j = 0; j < n; j += 57)
        kernel.run(std::min(31, m - i), std::min(57, n - j), k, plain(a.data() + i * k, k),
                   plain(b.data() + j, n), pieces.data() + i * n + j, n, Into::replace);
    EXPECT_EQ(whole, pieces) << kernel.name;
  }
}

struct alignas(64) Line {
  unsigned char bytes[64];
};

// Memory full of NaN, so that what nobody has packed shows.
std::vector<Line> memory_for_packed(std::size_t bytes) {
  Line nan;
  std::fill(std::begin(nan.bytes), std::end(nan.bytes), static_cast<unsigned char>(0xFF));
  return std::vector<Line>((bytes + sizeof(Line) - 1) / sizeof(Line), nan);
}

// A matrix that is packed in pieces, once, and products with parts of it.
template <class T, class Check>
void over_parts_of_matrices(const Check& check) {
  Random random(15);
  for (int round = 0; round < 60; ++round) {
    const auto up_to = [&](int most) {
      return 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(most)));
    };
    // Now and then beyond the blocks of k and n.
    const int rows = up_to(round % 10 == 0 ? 1300 : 100);
    const int columns = up_to(round % 10 == 5 ? 900 : 100);
    const bool transposed_b = random.chance(0.5);
    const int stride = (transposed_b ? rows : columns) + up_to(5);
    std::vector<T> values(static_cast<std::size_t>(stride) * (transposed_b ? columns : rows));
    for (T& value : values) value = static_cast<T>(random.normal());
    const MatrixView<T> b =
        transposed_b ? transposed(values.data(), stride) : plain(values.data(), stride);

    const int k = random.chance(0.3) ? rows : up_to(rows);
    const int first = kPackedColumns * (up_to((columns + kPackedColumns - 1) / kPackedColumns) - 1);
    const int n = random.chance(0.3) ? columns - first : up_to(columns - first);
    const int m = up_to(60);
    std::vector<T> a(static_cast<std::size_t>(m) * k), c(static_cast<std::size_t>(m) * n);
    for (T& value : a) value = static_cast<T>(random.normal());
    for (T& value : c) value = static_cast<T>(random.normal());
    check(rows, columns, b, first, m, n, k, a, c,
          random.chance(0.5) ? Into::replace : Into::accumulate);
  }
}

template <class T, class Pack>
void pack_in_pieces(const PackedMatrix<T>& packed, const Pack& pack) {
  for (int first = 0; first < packed.columns; first += 3 * kPackedColumns)
    pack(first, std::min(first + 3 * kPackedColumns, packed.columns));
}

TYPED_TEST(Matmul, PackedMatricesGiveTheSameBits) {
  using T = TypeParam;
  over_parts_of_matrices<T>([](int rows, int columns, MatrixView<T> b, int first, int m, int n,
                               int k, const std::vector<T>& a, const std::vector<T>& c, Into into) {
    const MatrixView<T> part{b.data + first * b.column_stride, b.row_stride, b.column_stride};
    for (const Kernel<T>& kernel : matmul_kernels<T>()) {
      // More than any kernel's rounding up and any number of terms.
      std::vector<Line> memory = memory_for_packed(std::size_t{8} * (rows + 32) * (columns + 32));
      const PackedMatrix<T> packed{memory.data(), rows, columns, Products::fp32};
      pack_in_pieces(packed, [&](int begin, int end) { kernel.pack(b, begin, end, packed); });
      std::vector<T> expected = c, result = c;
      kernel.run(m, n, k, plain(a.data(), k), part, expected.data(), n, into);
      kernel.run_packed(m, n, k, plain(a.data(), k), packed, first, result.data(), n, into);
      ASSERT_EQ(result, expected) << kernel.name << " " << m << "x" << n << "x" << k << " from "
                                  << first << " of " << rows << "x" << columns;
    }
  });
}

// Through the choice of kernels, in no more memory than is said to be enough.
TYPED_TEST(Matmul, PackedMatricesFitTheirMemory) {
  using T = TypeParam;
  for (const Products products : {Products::fp32, Products::bf16}) {
    if (products == Products::bf16 && bf16_unit() == Bf16Unit::none) continue;
    over_parts_of_matrices<T>([&](int rows, int columns, MatrixView<T> b, int first, int m, int n,
                                  int k, const std::vector<T>& a, const std::vector<T>& c,
                                  Into into) {
      const std::size_t bytes = packed_bytes<T>(rows, columns, products);
      std::vector<Line> memory = memory_for_packed(bytes + sizeof(Line));
      const PackedMatrix<T> packed{memory.data(), rows, columns, products};
      pack_in_pieces(packed, [&](int begin, int end) { pack<T>(b, begin, end, packed); });
      const auto* const behind = reinterpret_cast<const unsigned char*>(memory.data());
      for (std::size_t i = bytes; i < memory.size() * sizeof(Line); ++i)
        ASSERT_EQ(behind[i], 0xFF) << "byte " << i << " of " << bytes;
      std::vector<T> expected = c, result = c;
      const MatrixView<T> part{b.data + first * b.column_stride, b.row_stride, b.column_stride};
      matmul<T>(m, n, k, plain(a.data(), k), part, expected.data(), n, into, products);
      matmul_packed<T>(m, n, k, plain(a.data(), k), packed, first, result.data(), n, into);
      ASSERT_EQ(result, expected);
    });
  }
}

// Both kernels of fp32: every element is within the rounding of its terms, and tiles are not
// much worse than vectors in the mean (better for most shapes).
TEST(MatmulSplit, IsAsAccurateAsVectors) {
  if (bf16_unit() != Bf16Unit::amx) GTEST_SKIP() << "this processor has no AMX tiles";
  Random random(14);
  for (const int k : {1, 33, 768, 2048}) {
    const int m = 48, n = 40;
    std::vector<float> a(m * k), b(k * n);
    for (float& value : a) value = static_cast<float>(random.normal());
    for (float& value : b) value = static_cast<float>(random.normal());
    std::vector<float> tiles(m * n), vectors(m * n);
    matmul_split(m, n, k, plain(a.data(), k), plain(b.data(), n), tiles.data(), n, Into::replace);
    matmul_vector(m, n, k, plain(a.data(), k), plain(b.data(), n), vectors.data(), n);
    double tile_squares = 0, vector_squares = 0;
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double sum = 0, size = 0;
        for (int p = 0; p < k; ++p) {
          const double product = static_cast<double>(a[i * k + p]) * b[p * n + j];
          sum += product;
          size += std::abs(product);
        }
        const double tile_error = tiles[i * n + j] - sum;
        const double vector_error = vectors[i * n + j] - sum;
        // 2^-23 are left out; each of up to 2048 / 32 * 6 sums rounds by 2^-24 at most, on average
        // much less.
        EXPECT_LE(std::abs(tile_error), 0x1p-22 * size) << "k=" << k;
        tile_squares += tile_error * tile_error;
        vector_squares += vector_error * vector_error;
      }
    EXPECT_LE(std::sqrt(tile_squares), 1.5 * std::sqrt(vector_squares) + 1e-7) << "k=" << k;
  }
}

// To nearest, ties to even: the upper half of a float after adding just under one half, or one half
// where the last bit kept is odd.
float rounded_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return std::bit_cast<float>((bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u);
}

TEST(MatmulBf16, EqualsTheProductOfRoundedFactors) {
  EXPECT_EQ(rounded_to_bf16(1 + 0x1p-8f), 1.0f);             // a tie: the even neighbour is below
  EXPECT_EQ(rounded_to_bf16(1 + 3 * 0x1p-8f), 1 + 0x1p-6f);  // a tie: the even one is above
  if (bf16_units().empty()) GTEST_SKIP() << "this processor has no bfloat16 unit";
  Random random(13);
  const int m = 45, n = 37, k = 530;
  std::vector<float> a(m * k), b(k * n);
  for (float& value : a) value = static_cast<float>(random.normal());
  for (float& value : b) value = static_cast<float>(random.normal());
  a[0] = 1 + 0x1p-8f;
  for (const Bf16Unit unit : bf16_units()) {
    std::vector<float> c(m * n);
    matmul_bf16(m, n, k, plain(a.data(), k), plain(b.data(), n), c.data(), n, Into::replace, unit);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double sum = 0;
        for (int p = 0; p < k; ++p)
          sum += static_cast<double>(rounded_to_bf16(a[i * k + p])) * rounded_to_bf16(b[p * n + j]);
        // 530 sums in fp32 of terms of size one
        EXPECT_NEAR(c[i * n + j], sum, 1e-4);
      }
  }
}

}  // namespace
}  // namespace paretoformer::supernet
