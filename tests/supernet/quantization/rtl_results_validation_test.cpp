// Compares the integer operators, fast and plain, with what Gemmini's RTL with norm units computed,
// bit for bit (tests/rtl_results.hpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "supernet/quantization/integer_operators.hpp"
#include "tests/rtl_results.hpp"
#include "tests/supernet/quantization/scalar_operators.hpp"

namespace paretoformer::supernet {
namespace {

using rtl_results::Case;
using rtl_results::hexadecimal;
using rtl_results::Numbers;

// The functions under test.
struct Operators {
  decltype(&integer_matmul) matmul;
  decltype(&requantize_rows) plain;
  decltype(&integer_relu) relu;
  decltype(&integer_gelu) gelu;
  decltype(&integer_softmax) softmax;
  decltype(&integer_layer_norm) layer_norm;
  decltype(&supernet::rescale) rescale;
  decltype(&supernet::residual_add) residual_add;
};

const Operators kFast{integer_matmul,  requantize_rows,    integer_relu, integer_gelu,
                      integer_softmax, integer_layer_norm, rescale,      residual_add};
const Operators kScalar{scalar::integer_matmul, scalar::requantize_rows, scalar::integer_relu,
                        scalar::integer_gelu,   scalar::integer_softmax, scalar::integer_layer_norm,
                        scalar::rescale,        scalar::residual_add};

// What leaves the accumulator.
std::string activated(const Case& row, const std::vector<std::int32_t>& x, const Operators& run) {
  const int m = row.number("m");
  const int n = row.number("n");
  const float scale = row.scale("scale");
  const float input_scale = row.scale("bert_scale");
  const std::string& activation = row.text("activation");
  std::vector<std::int8_t> y(x.size());
  const Rows<const std::int32_t> from{x.data(), n};
  const Rows<std::int8_t> to{y.data(), n};
  if (activation == "none")
    run.plain(m, n, from, scale, to);
  else if (activation == "relu")
    run.relu(m, n, from, scale, to);
  else if (activation == "igelu")
    run.gelu(m, n, from, gelu_constants(input_scale), scale, to);
  else if (activation == "softmax")
    run.softmax(m, n, from, exp_constants(input_scale), scale, to);
  else if (activation == "layernorm")
    run.layer_norm(m, n, from, scale, to);
  else
    return "unknown activation " + activation;
  return hexadecimal(y, n);
}

std::string matmul_result(const Case& row, const Operators& run) {
  const int m = row.number("m");
  const int k = row.number("k");
  const int n = row.number("n");
  const bool a_t = row.number("transpose_a") != 0;
  const bool b_t = row.number("transpose_b") != 0;
  const int bias = row.number("bias");
  Numbers numbers(row.number("case"));
  auto a = numbers.matrix<std::int8_t>(a_t ? k : m, a_t ? m : k, row.number("range_a"));
  auto b = numbers.matrix<std::int8_t>(b_t ? n : k, b_t ? k : n, row.number("range_b"));
  const auto d = numbers.matrix<std::int32_t>(m, n, row.number("range_d"), bias == 3 ? 4096 : 1);
  if (row.number("special_rows") != 0) {
    std::fill_n(a.begin(), 2 * k, std::int8_t{0});
    a[static_cast<std::size_t>(k)] = 1;
  }
  run.rescale(a_t ? k : m, a_t ? m : k, {std::vector(a).data(), a_t ? m : k}, row.scale("scale_a"),
              {a.data(), a_t ? m : k});
  run.rescale(b_t ? n : k, b_t ? k : n, {std::vector(b).data(), b_t ? k : n}, row.scale("scale_b"),
              {b.data(), b_t ? k : n});
  std::vector<std::int32_t> c(d.size());
  run.matmul(m, n, k, a_t ? transposed(a.data(), m) : plain(a.data(), k),
             b_t ? transposed(b.data(), k) : plain(b.data(), n),
             Bias{bias == 0 ? nullptr : d.data(), bias == 2 ? 0 : n}, {c.data(), n});
  return row.number("int32_result") != 0 ? hexadecimal(c, n) : activated(row, c, run);
}

std::string residual_add_result(const Case& row, const Operators& run) {
  const int m = row.number("m");
  const int n = row.number("n");
  Numbers numbers(row.number("case"));
  const auto a = numbers.matrix<std::int8_t>(m, n, row.number("range_a"));
  const auto b = numbers.matrix<std::int8_t>(m, n, row.number("range_b"));
  std::vector<std::int8_t> y(a.size());
  const ResidualScales scales{row.scale("scale_a"), row.scale("scale_b"), row.scale("scale"),
                              row.text("activation") == "relu"};
  run.residual_add(m, n, {a.data(), n}, {b.data(), n}, scales, {y.data(), n});
  return hexadecimal(y, n);
}

std::string norm_result(const Case& row, const Operators& run) {
  const int n = row.number("n");
  std::vector<std::int32_t> x(static_cast<std::size_t>(n), 7);
  const auto others =
      Numbers(row.number("case"))
          .matrix<std::int32_t>(row.number("m") - 1, n, row.number("range_d"), row.number("bias"));
  x.insert(x.end(), others.begin(), others.end());
  return activated(row, x, run);
}

std::string result(const Case& row, const Operators& run) {
  const std::string& kind = row.text("kind");
  if (kind == "matmul") return matmul_result(row, run);
  if (kind == "resadd") return residual_add_result(row, run);
  if (kind == "norm") return norm_result(row, run);
  return "unknown kind " + kind;
}

TEST(IntegerOperators, EqualTheResultsOfTheRtl) {
  const std::filesystem::path file = rtl_results::file();
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no results of RTL in " << file;
  std::map<std::string, std::pair<int, int>> passed;
  for (const Case& row : rtl_results::read_cases(file)) {
    const std::string& expected = row.text("result_rows_hex");
    const bool equal = result(row, kFast) == expected && result(row, kScalar) == expected;
    EXPECT_TRUE(equal) << "case " << row.text("case") << "\nis  " << result(row, kScalar)
                       << "\nnot " << expected;
    auto& [good, all] = passed[row.text("kind") + ", " + row.text("activation")];
    good += equal ? 1 : 0;
    ++all;
  }
  EXPECT_FALSE(passed.empty());
  for (const auto& [kind, count] : passed)
    std::printf("%s: %d of %d cases\n", kind.c_str(), count.first, count.second);
}

}  // namespace
}  // namespace paretoformer::supernet
