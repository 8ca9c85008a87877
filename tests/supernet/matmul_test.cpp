#include "supernet/matmul.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/random.hpp"

namespace paretoformer {
namespace {

template <class T>
std::vector<T> integers(std::size_t count, Random& random) {
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(random.below(9)) - T{4};
  return values;
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
    // Now and then beyond the blocks of k (256), n (512) and m (256).
    const int big = round % 20 == 0 ? 600 : 70;
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
    matmul<T>(m, n, k, a_t ? transposed(a.data(), a_stride) : plain(a.data(), a_stride),
              b_t ? transposed(b.data(), b_stride) : plain(b.data(), b_stride), c.data(), c_stride,
              accumulate ? Into::accumulate : Into::replace);
    ASSERT_EQ(c, expected) << m << "x" << n << "x" << k << (a_t ? " A^T" : "")
                           << (b_t ? " B^T" : "");
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
  std::vector<T> whole(m * n);
  std::vector<T> pieces(m * n);
  matmul<T>(m, n, k, plain(a.data(), k), plain(b.data(), n), whole.data(), n);
  for (int i = 0; i < m; i += 31)
    for (int j = 0; j < n; j += 57)
      matmul<T>(std::min(31, m - i), std::min(57, n - j), k, plain(a.data() + i * k, k),
                plain(b.data() + j, n), pieces.data() + i * n + j, n);
  EXPECT_EQ(whole, pieces);
}

}  // namespace
}  // namespace paretoformer
