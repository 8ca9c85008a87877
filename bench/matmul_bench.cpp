// The project's matrix product against Eigen's, on one thread, on the shapes of training. Both run
// in turns within one measurement, and the best time of each counts, so that whatever else the
// machine does weighs on neither.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "supernet/matmul.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;
using Clock = std::chrono::steady_clock;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Map = Eigen::Map<Rows>;

enum class Kind { kNN, kNT, kTN };  // which operand is stored transposed

struct Shape {
  Kind kind;
  int m, n, k;
  const char* where;
};

constexpr Shape kShapes[] = {
    {Kind::kNT, 256, 384, 128, "forward"},
    {Kind::kNN, 256, 128, 384, "backward"},
    {Kind::kNT, 256, 512, 128, "forward, FFN"},
    {Kind::kTN, 512, 128, 1024, "weight gradient"},
    {Kind::kNT, 256, 1024, 128, "logits"},
    {Kind::kNT, 1024, 768, 768, "BERT-base projection"},
    {Kind::kNT, 64, 128, 32, "attention scores"},
};

std::vector<float> random_values(int rows, int columns) {
  Random random(7);
  std::vector<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (float& value : values) value = static_cast<float>(random.below(2001)) * 1e-3F - 1;
  return values;
}

template <class Body>
double seconds(int repeats, const Body& body) {
  const auto start = Clock::now();
  for (int i = 0; i < repeats; ++i) body();
  return std::chrono::duration<double>(Clock::now() - start).count() / repeats;
}

void matmul_against_eigen(benchmark::State& state, const Shape& shape) {
  const auto [kind, m, n, k, where] = shape;
  const bool ta = kind == Kind::kTN;
  const bool tb = kind == Kind::kNT;
  std::vector<float> a = random_values(ta ? k : m, ta ? m : k);
  std::vector<float> b = random_values(tb ? n : k, tb ? k : n);
  std::vector<float> own(static_cast<std::size_t>(m) * static_cast<std::size_t>(n));
  std::vector<float> eigen(own.size());
  const MatrixView<float> a_view = ta ? transposed(a.data(), m) : plain(a.data(), k);
  const MatrixView<float> b_view = tb ? transposed(b.data(), k) : plain(b.data(), n);
  const Map a_map(a.data(), ta ? k : m, ta ? m : k);
  const Map b_map(b.data(), tb ? n : k, tb ? k : n);
  Map c_map(eigen.data(), m, n);

  const auto run_own = [&, m = m, n = n, k = k] {
    matmul(m, n, k, a_view, b_view, own.data(), n);
    benchmark::ClobberMemory();
  };
  const auto run_eigen = [&, kind = kind] {
    switch (kind) {
      case Kind::kNN:
        c_map.noalias() = a_map * b_map;
        break;
      case Kind::kNT:
        c_map.noalias() = a_map * b_map.transpose();
        break;
      case Kind::kTN:
        c_map.noalias() = a_map.transpose() * b_map;
        break;
    }
    benchmark::ClobberMemory();
  };

  const double operations = 2.0 * m * n * k;
  const int repeats = std::max(1, static_cast<int>(5e7 / operations));
  double best_own = 1e9;
  double best_eigen = 1e9;
  for (auto unused : state) {
    static_cast<void>(unused);
    best_own = std::min(best_own, seconds(repeats, run_own));
    best_eigen = std::min(best_eigen, seconds(repeats, run_eigen));
  }
  for (std::size_t i = 0; i < own.size(); ++i)
    if (std::abs(own[i] - eigen[i]) > 1e-3F * static_cast<float>(k)) {
      state.SkipWithError("the two results differ");
      return;
    }
  state.counters["own_GFLOPs"] = 1e-9 * operations / best_own;
  state.counters["Eigen_GFLOPs"] = 1e-9 * operations / best_eigen;
  state.counters["ratio"] = best_eigen / best_own;
  state.SetLabel(where);
}

}  // namespace

int main(int argc, char** argv) {
  for (const Shape& shape : kShapes) {
    const char* kind = shape.kind == Kind::kNN ? "NN " : (shape.kind == Kind::kNT ? "NT " : "TN ");
    const std::string name = kind + std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" +
                             std::to_string(shape.k);
    benchmark::RegisterBenchmark(name.c_str(), matmul_against_eigen, shape)->Iterations(200);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
