// The project's matrix products against Eigen's and, where it is installed, oneDNN's, on one thread
// and on the shapes of training. All run in turns, and the best time of each counts, so that
// whatever else the machine does weighs on none.
#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "supernet/kernels/matmul.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "support/random.hpp"

#ifdef PARETOFORMER_ONEDNN
#include <dnnl.h>
#include <omp.h>
#endif

namespace {

using namespace paretoformer;
using Clock = std::chrono::steady_clock;
using Map = Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

constexpr int kTurns = 200;
constexpr double kSeconds = 2;  // for all turns of one shape, at most

enum class Kind { kNN, kNT, kTN };  // which operand is stored transposed

struct Shape {
  Kind kind;
  int m, n, k;
  const char* where;
};

constexpr Shape kShapes[] = {
    {Kind::kNT, 256, 384, 128, "forward pass, width 128"},
    {Kind::kNN, 256, 128, 384, "backward pass"},
    {Kind::kTN, 256, 128, 512, "weight gradient"},
    {Kind::kNT, 256, 1024, 128, "logits"},
    {Kind::kNT, 64, 128, 32, "attention scores, head of 32"},
    {Kind::kNT, 64, 512, 64, "attention scores, head of 64"},
    {Kind::kNT, 512, 1024, 256, "forward pass, width 256"},
    {Kind::kNT, 512, 3072, 768, "forward pass, width 768"},
    {Kind::kNN, 512, 768, 3072, "backward pass"},
    {Kind::kTN, 384, 768, 2048, "weight gradient"},
    {Kind::kNT, 512, 8192, 768, "logits"},
};

std::vector<float> random_values(int rows, int columns) {
  Random random(7);
  std::vector<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (float& value : values) value = static_cast<float>(random.below(2001)) * 1e-3F - 1;
  return values;
}

struct Product {
  const char* name;
  std::function<void(float* c)> run;
  double seconds = INFINITY;
};

// The operands of a shape and what multiplies them.
class Contest {
 public:
  explicit Contest(const Shape& shape)
      : shape_(shape),
        a_transposed_(shape.kind == Kind::kTN),
        b_transposed_(shape.kind == Kind::kNT),
        a_(random_values(a_transposed_ ? shape.k : shape.m, a_transposed_ ? shape.m : shape.k)),
        b_(random_values(b_transposed_ ? shape.n : shape.k, b_transposed_ ? shape.k : shape.n)) {
    const auto [kind, m, n, k, where] = shape;
    const supernet::MatrixView<float> a =
        a_transposed_ ? supernet::transposed(a_.data(), m) : supernet::plain(a_.data(), k);
    const supernet::MatrixView<float> b =
        b_transposed_ ? supernet::transposed(b_.data(), k) : supernet::plain(b_.data(), n);
    products_.push_back({"vectors", [=](float* c) {
                           matmul_vector(m, n, k, a, b, c, n, supernet::Into::replace);
                         }});
    if (supernet::bf16_unit() == supernet::Bf16Unit::amx)
      products_.push_back(
          {"tiles", [=](float* c) { matmul_split(m, n, k, a, b, c, n, supernet::Into::replace); }});
    products_.push_back({"Eigen", [this](float* c) { eigen(c); }});
#ifdef PARETOFORMER_ONEDNN
    products_.push_back({"oneDNN", [this](float* c) {
                           const auto& [kind, m, n, k, where] = shape_;
                           dnnl_sgemm(a_transposed_ ? 'T' : 'N', b_transposed_ ? 'T' : 'N', m, n, k,
                                      1, a_.data(), a_transposed_ ? m : k, b_.data(),
                                      b_transposed_ ? k : n, 0, c, n);
                         }});
#endif
    if (supernet::bf16_unit() != supernet::Bf16Unit::none)
      products_.push_back({"bf16", [=](float* c) {
                             matmul_bf16(m, n, k, a, b, c, n, supernet::Into::replace,
                                         supernet::bf16_unit());
                           }});
  }

  // GFLOP/s of every product. Returns false when one of them is wrong.
  bool run() {
    std::vector<float> expected(static_cast<std::size_t>(shape_.m) *
                                static_cast<std::size_t>(shape_.n));
    std::vector<float> c(expected.size());
    products_[0].run(expected.data());
    const auto start = Clock::now();
    for (int turn = 0; turn < kTurns; ++turn) {
      for (Product& product : products_) {
        const auto begin = Clock::now();
        product.run(c.data());
        product.seconds = std::min(product.seconds, since(begin));
        for (std::size_t i = 0; turn == 0 && i < c.size(); ++i)
          if (std::abs(c[i] - expected[i]) > 1e-3F * static_cast<float>(shape_.k)) return false;
      }
      if (turn >= 5 && since(start) > kSeconds) break;
    }
    return true;
  }

  void print(bool names) const {
    if (names) {
      std::printf("| shape | where |");
      for (const Product& product : products_) std::printf(" %s |", product.name);
      std::printf("\n|---|---|");
      for (std::size_t i = 0; i < products_.size(); ++i) std::printf("---|");
      std::printf("\n");
    }
    const char* kinds[] = {"NN", "NT", "TN"};
    std::printf("| %s %dx%dx%d | %s |", kinds[static_cast<int>(shape_.kind)], shape_.m, shape_.n,
                shape_.k, shape_.where);
    for (const Product& product : products_)
      std::printf(" %.0f |", 2e-9 * shape_.m * shape_.n * shape_.k / product.seconds);
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  static double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  void eigen(float* c) {
    const auto& [kind, m, n, k, where] = shape_;
    const Map a(a_.data(), a_transposed_ ? k : m, a_transposed_ ? m : k);
    const Map b(b_.data(), b_transposed_ ? n : k, b_transposed_ ? k : n);
    Map target(c, m, n);
    switch (kind) {
      case Kind::kNN:
        target.noalias() = a * b;
        break;
      case Kind::kNT:
        target.noalias() = a * b.transpose();
        break;
      case Kind::kTN:
        target.noalias() = a.transpose() * b;
        break;
    }
  }

  Shape shape_;
  bool a_transposed_, b_transposed_;
  std::vector<float> a_, b_;
  std::vector<Product> products_;
};

}  // namespace

int main() {
#ifdef PARETOFORMER_ONEDNN
  omp_set_num_threads(1);
#endif
  bool names = true;
  for (const Shape& shape : kShapes) {
    Contest contest(shape);
    if (!contest.run()) {
      std::fprintf(stderr, "matmul_bench: the results for %s differ\n", shape.where);
      return 1;
    }
    contest.print(names);
    names = false;
  }
}
