#include "supernet/training/cuda/gemm.hpp"

#include <random>
#include <tuple>
#include <type_traits>

#include "tests/supernet/training/cuda/on_device.hpp"

namespace paretoformer::supernet::cuda {
namespace {

class CudaGemm : public OnDevice<testing::Test> {
 protected:
  // Twice the product of small whole numbers, which no order of sums rounds: once written, once
  // added. Matrices begin `offset` elements into their memory and have rows of `stride`.
  template <class T>
  void expect_product(int m, int n, int k, int stride, std::size_t offset) {
    Stream stream;
    const auto size = static_cast<std::size_t>(stride) * static_cast<std::size_t>(stride);
    std::mt19937 random(3);
    std::uniform_int_distribution<int> number(-1, 1);
    Array<Bf16> a(size, offset), b(size, offset);
    for (Array<Bf16>* matrix : {&a, &b}) {
      for (Bf16& value : matrix->values) value = to_bf16(static_cast<float>(number(random)));
      matrix->to_device(stream);
    }
    for (const bool left : {false, true})
      for (const bool right : {false, true}) {
        Array<T> c(size, offset);
        c.to_device(stream);
        const auto view = [&](bool transpose, Array<Bf16>& matrix) {
          return transpose ? transposed<Bf16>(matrix.device(), stride)
                           : plain<Bf16>(matrix.device(), stride);
        };
        gemm(stream, m, n, k, view(left, a), view(right, b), c.device(), stride);
        gemm(stream, m, n, k, view(left, a), view(right, b), c.device(), stride, Into::accumulate);
        c.to_host(stream);
        EXPECT_TRUE(c.guarded);
        const auto at = [&](const auto& matrix, int i, int j) {
          return value(matrix.values[static_cast<std::size_t>(i * stride + j)]);
        };
        for (int i = 0; i < m; ++i)
          for (int j = 0; j < stride; ++j) {
            if (j >= n) {
              ASSERT_TRUE(std::isnan(at(c, i, j))) << i << " " << j;
              continue;
            }
            float sum = 0;
            for (int p = 0; p < k; ++p)
              sum += (left ? at(a, p, i) : at(a, i, p)) * (right ? at(b, j, p) : at(b, p, j));
            ASSERT_EQ(at(c, i, j), 2 * sum) << i << " " << j;
          }
      }
  }

 private:
  static float value(float x) { return x; }
  static float value(Bf16 x) { return to_float(x); }
};

// Sums of 100 products of -1, 0 and 1 twice are whole numbers below 256, which bf16 has.
TEST_F(CudaGemm, IsTheProductOfViews) {
  for (const auto& [m, n, k] : {std::tuple(64, 48, 96), std::tuple(7, 13, 9), std::tuple(1, 5, 3),
                                std::tuple(5, 1, 100), std::tuple(33, 50, 1)})
    for (const int stride : {104, 101})
      for (const std::size_t offset : {0, 1}) {
        expect_product<float>(m, n, k, stride, offset);
        expect_product<Bf16>(m, n, k, stride, offset);
      }
}

}  // namespace
}  // namespace paretoformer::supernet::cuda
