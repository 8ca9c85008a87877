// The interpreter executes what Gemmini's RTL with norm units was given, with its results, bit for
// bit (tests/rtl_results.hpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/workload/operators.hpp"
#include "nas/functional/interpreter.hpp"
#include "tests/rtl_results.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Activation;
using accel_sim::Bias;
using accel_sim::OperatorKind;
using accel_sim::Placement;
using accel_sim::RightOperand;
using rtl_results::Case;
using rtl_results::Numbers;
using Bytes = std::vector<std::int8_t>;
using Words = std::vector<std::int32_t>;

Activation fused_activation(const Case& row) {
  const std::string& word = row.text("activation");
  if (row.number("int32_result") != 0) return Activation::kSums;
  if (word == "relu") return Activation::kRelu;
  if (word == "igelu") return Activation::kGelu;
  if (word == "softmax") return Activation::kSoftmax;
  return word == "layernorm" ? Activation::kLayerNorm : Activation::kNone;
}

CallConstants constants_of(const Case& row) {
  CallConstants constants;
  constants.scale = row.scale("scale");
  if (row.text("kind") != "norm") {
    constants.left_scale = row.scale("scale_a");
    constants.right_scale = row.scale("scale_b");
  }
  const std::string& word = row.text("activation");
  if (word == "relu") constants.activation = StoreActivation::kRelu;
  if (word == "igelu") {
    constants.activation = StoreActivation::kGelu;
    constants.gelu = supernet::gelu_constants(row.scale("bert_scale"));
  }
  if (word == "softmax") constants.exp = supernet::exp_constants(row.scale("bert_scale"));
  return constants;
}

// The call of a case with its operands.
class Run {
 public:
  Run(const accel_sim::Operator& op, const accel_sim::Target& target)
      : target_(target),
        call_(compile(op, target)),
        place_(packed(call_, target)),
        memory_(place_.bytes) {}

  const Placement& place() const { return place_; }
  MainMemory& memory() { return memory_; }

  std::string result(const CallConstants& constants) {
    Interpreter(target_, memory_).run(lower(call_, target_), constants);
    return call_.result_bytes == 4 ? text<std::int32_t>() : text<std::int8_t>();
  }

 private:
  template <class T>
  std::string text() const {
    const int rows = call_.op.rows, columns = call_.op.columns;
    std::vector<T> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
    memory_.get(place_.result, rows, columns, values.data());
    return rtl_results::hexadecimal(values, columns);
  }

  const accel_sim::Target& target_;
  accel_sim::Call call_;
  Placement place_;
  MainMemory memory_;
};

// What the lowering has no calls for: a transposed left operand is stored as it is multiplied.
Bytes transposed(const Bytes& stored, int rows, int columns) {
  Bytes values(stored.size());
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c)
      values[static_cast<std::size_t>(c * rows + r)] =
          stored[static_cast<std::size_t>(r * columns + c)];
  return values;
}

std::string matmul_result(const Case& row, const accel_sim::Target& target) {
  const int m = row.number("m"), k = row.number("k"), n = row.number("n");
  const bool b_t = row.number("transpose_b") != 0;
  const int bias = row.number("bias");
  const accel_sim::Operator op = accel_sim::matmul(
      m, k, n, b_t ? RightOperand::kTransposedActivations : RightOperand::kWeights,
      fused_activation(row),
      bias == 0   ? Bias::kNone
      : bias == 2 ? Bias::kRow
                  : Bias::kFull);
  Run run(op, target);
  Numbers numbers(row.number("case"));
  auto a = numbers.matrix<std::int8_t>(m, k, row.number("range_a"));
  if (row.number("transpose_a") != 0) a = transposed(a, k, m);
  const auto b = numbers.matrix<std::int8_t>(k, n, row.number("range_b"));
  const auto d = numbers.matrix<std::int32_t>(m, n, row.number("range_d"), bias == 3 ? 4096 : 1);
  if (row.number("special_rows") != 0) {
    std::fill_n(a.begin(), 2 * k, std::int8_t{0});
    a[static_cast<std::size_t>(k)] = 1;
  }
  run.memory().put(run.place().left, m, k, a.data());
  run.memory().put(run.place().right, b_t ? n : k, b_t ? k : n, b.data());
  if (bias != 0) run.memory().put(run.place().bias, bias == 2 ? 1 : m, n, d.data());
  return run.result(constants_of(row));
}

std::string residual_add_result(const Case& row, const accel_sim::Target& target) {
  const int m = row.number("m"), n = row.number("n");
  Run run(elementwise(OperatorKind::kResidualAdd, m, n), target);
  Numbers numbers(row.number("case"));
  const auto a = numbers.matrix<std::int8_t>(m, n, row.number("range_a"));
  const auto b = numbers.matrix<std::int8_t>(m, n, row.number("range_b"));
  run.memory().put(run.place().left, m, n, a.data());
  run.memory().put(run.place().right, m, n, b.data());
  return run.result(constants_of(row));
}

std::string norm_result(const Case& row, const accel_sim::Target& target) {
  const int m = row.number("m"), n = row.number("n");
  const bool softmax = row.text("activation") == "softmax";
  Run run(elementwise(softmax ? OperatorKind::kSoftmax : OperatorKind::kLayerNorm, m, n), target);
  Words x(static_cast<std::size_t>(n), 7);
  const auto others =
      Numbers(row.number("case"))
          .matrix<std::int32_t>(m - 1, n, row.number("range_d"), row.number("bias"));
  x.insert(x.end(), others.begin(), others.end());
  run.memory().put(run.place().left, m, n, x.data());
  return run.result(constants_of(row));
}

std::string result(const Case& row, const accel_sim::Target& target) {
  const std::string& kind = row.text("kind");
  if (kind == "matmul") return matmul_result(row, target);
  if (kind == "resadd") return residual_add_result(row, target);
  if (kind == "norm") return norm_result(row, target);
  return "unknown kind " + kind;
}

TEST(Interpreter, EqualsTheResultsOfTheRtl) {
  const std::filesystem::path file = rtl_results::file();
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no results of RTL in " << file;
  for (const char* const name : {"gemmini_transformer", "gemmini_soc"}) {
    accel_sim::Target target = accel_sim::find_target(name);
    target.fusion = accel_sim::Fusion::kOn;
    int cases = 0;
    for (const Case& row : rtl_results::read_cases(file)) {
      EXPECT_EQ(result(row, target), row.text("result_rows_hex"))
          << name << ", case " << row.text("case");
      ++cases;
    }
    EXPECT_GT(cases, 0);
    std::printf("%s: %d cases\n", name, cases);
  }
}

}  // namespace
}  // namespace paretoformer::nas
