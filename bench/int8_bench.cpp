// The int8 product against the fp32 product on one thread, on shapes of a network's evaluation, and
// what the integer operators take of the time. Both run in turns, and the best time of each counts,
// so that whatever else the machine does weighs on neither.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <vector>

#include "supernet/kernels/matmul.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "supernet/quantization/integer_operators.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;
using Clock = std::chrono::steady_clock;

constexpr int kTurns = 200;
constexpr double kSeconds = 2;  // for all turns of one contest, at most

std::vector<std::int8_t> random_values(int rows, int columns) {
  Random random(7);
  std::vector<std::int8_t> values(static_cast<std::size_t>(rows) *
                                  static_cast<std::size_t>(columns));
  for (std::int8_t& value : values) value = static_cast<std::int8_t>(random.below(255));
  return values;
}

double seconds_of(const std::function<void()>& run) {
  const auto begin = Clock::now();
  run();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Shape {
  bool transposed;  // B
  int m, n, k;
  const char* where;
};

constexpr Shape kShapes[] = {
    {true, 256, 384, 128, "projections, width 128"},
    {true, 64, 64, 32, "attention scores, head of 32"},
    {false, 64, 32, 64, "attention context"},
    {true, 256, 1024, 128, "logits"},
    {true, 512, 1024, 256, "up, width 256"},
    {true, 512, 3072, 768, "up, width 768"},
    {false, 512, 768, 3072, "down, rows of weights"},
};

template <class T>
supernet::MatrixView<T> view_of_b(const Shape& shape, const std::vector<T>& b) {
  return shape.transposed ? supernet::transposed(b.data(), shape.k)
                          : supernet::plain(b.data(), shape.n);
}

// Prints a line. Returns false when the products differ.
bool contest(const Shape& shape) {
  const auto& [transposed, m, n, k, where] = shape;
  const std::vector<std::int8_t> a = random_values(m, k), b = random_values(n, k);
  const std::vector<float> float_a(a.begin(), a.end()), float_b(b.begin(), b.end());
  std::vector<float> float_c(static_cast<std::size_t>(m) * static_cast<std::size_t>(n));
  std::vector<std::int32_t> c(float_c.size());
  double fp32 = INFINITY, int8 = INFINITY;
  const auto start = Clock::now();
  for (int turn = 0;
       turn < kTurns && Clock::now() - start < std::chrono::duration<double>(kSeconds); ++turn) {
    fp32 = std::min(fp32, seconds_of([&] {
                      matmul(m, n, k, supernet::plain(float_a.data(), k), view_of_b(shape, float_b),
                             float_c.data(), n);
                    }));
    int8 = std::min(int8, seconds_of([&] {
                      supernet::integer_matmul(m, n, k, supernet::plain(a.data(), k),
                                               view_of_b(shape, b), {}, {c.data(), n});
                    }));
  }
  for (std::size_t i = 0; i < c.size(); ++i)  // sums beyond 2^24 are rounded in fp32
    if (std::abs(float_c[i] - static_cast<float>(c[i])) > 16) return false;
  const double gop = 2e-9 * m * n * k;
  std::printf("| %s %dx%dx%d | %s | %.0f | %.0f | %.1f |\n", transposed ? "NT" : "NN", m, n, k,
              where, gop / fp32, gop / int8, fp32 / int8);
  return true;
}

void operators() {
  constexpr int kRows = 256, kColumns = 512;
  const std::vector<std::int8_t> a = random_values(kRows, kColumns);
  std::vector<std::int32_t> x(a.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 8 * a[i];
  std::vector<std::int8_t> y(a.size());
  const supernet::Rows<const std::int32_t> from{x.data(), kColumns};
  const supernet::Rows<std::int8_t> to{y.data(), kColumns};
  const auto gelu = supernet::gelu_constants(0.01F);
  const auto exp = supernet::exp_constants(0.01F);
  const auto time = [&](const char* name, const std::function<void()>& run) {
    double best = INFINITY;
    for (int turn = 0; turn < kTurns; ++turn) best = std::min(best, seconds_of(run));
    std::printf("| %s | %.2f |\n", name, 1e9 * best / (kRows * kColumns));
  };
  time("requantisation", [&] { requantize_rows(kRows, kColumns, from, 0.1F, to); });
  time("i-GELU", [&] { integer_gelu(kRows, kColumns, from, gelu, 0.1F, to); });
  time("softmax", [&] { integer_softmax(kRows, kColumns, from, exp, 1, to); });
  time("LayerNorm", [&] { integer_layer_norm(kRows, kColumns, from, 16, to); });
  time("residual add", [&] {
    supernet::residual_add(kRows, kColumns, {a.data(), kColumns}, {a.data(), kColumns},
                           {0.5F, 0.25F, 0.7F}, to);
  });
}

}  // namespace

int main() {
  std::printf("| shape | where | fp32 GFLOP/s | int8 GOP/s | ratio |\n|---|---|---|---|---|\n");
  for (const Shape& shape : kShapes)
    if (!contest(shape)) {
      std::fprintf(stderr, "int8_bench: the products for %s differ\n", shape.where);
      return 1;
    }
  std::printf("\n| operator | ns an element |\n|---|---|\n");
  operators();
}
