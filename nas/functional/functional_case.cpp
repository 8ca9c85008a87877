#include "nas/functional/functional_case.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "accel_sim/workload/operators.hpp"
#include "supernet/quantization/integer_operators.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Activation;
using accel_sim::Call;
using accel_sim::Matrix;
using accel_sim::Normalisation;
using accel_sim::Operator;
using accel_sim::OperatorKind;
using accel_sim::Placement;
using accel_sim::Target;
using Bytes = std::vector<std::int8_t>;
using Words = std::vector<std::int32_t>;

constexpr int kTriangleMask = -127 * 127;  // what the constants of row blocks add

std::size_t count(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

// Makes the case: operands go to DRAM as they are drawn, results as they are worked out.
class Maker {
 public:
  Maker(const Call& call, const Target& target, std::uint64_t seed)
      : call_(call),
        op_(call.program),
        target_(target),
        place_(packed(call, target)),
        random_(seed),
        range_(random_.chance(0.25) ? 127 : 8),
        made_{lower(call, target), CallConstants(),     MainMemory(place_.bytes),
              MainMemory(0),       place_.result,       op_.rows,
              op_.columns,         place_.partial_sums, 0} {}

  FunctionalCase make() {
    if (op_.kind == OperatorKind::kMatmul)
      matmul();
    else
      elementwise();
    return std::move(made_);
  }

 private:
  template <class T>
  std::vector<T> drawn(int rows, int columns, int range) {
    const int choices = 2 * range + 1;
    std::vector<T> values(count(rows, columns));
    for (T& value : values) {
      const std::uint64_t choice = random_.below(static_cast<std::uint64_t>(choices));
      value = static_cast<T>(static_cast<int>(choice) - range);
    }
    return values;
  }

  template <class T>
  std::vector<T> operand(const Matrix& matrix, int rows, int columns, int range) {
    std::vector<T> values = drawn<T>(rows, columns, range);
    made_.before.put(matrix, rows, columns, values.data());
    return values;
  }

  // Scales for sums of that size.
  void choose_scales(float size) {
    CallConstants& constants = made_.constants;
    const float step = std::clamp(2 / size, 1e-4F, 0.5F);
    constants.exp = supernet::exp_constants(step);
    constants.gelu = supernet::gelu_constants(step);
    constants.scale = 40 / size;
    if (call_.fused != Normalisation::kNone || op_.kind != OperatorKind::kMatmul)
      constants.scale = adds() ? 0.75F : 1;
    const bool layer_norm =
        call_.fused == Normalisation::kLayerNorm || op_.kind == OperatorKind::kLayerNorm;
    if (layer_norm) constants.scale = 40;
    if (computes_gelu()) {
      constants.activation = StoreActivation::kGelu;
      constants.scale = 20 / (static_cast<float>(constants.gelu.c) * size);
    } else if (op_.activation == Activation::kRelu) {
      constants.activation = StoreActivation::kRelu;
    }
  }

  bool computes_gelu() const {
    return op_.kind == OperatorKind::kGelu ||
           (op_.activation == Activation::kGelu &&
            target_.nonlinear_units == accel_sim::NonlinearUnits::kOnChip);
  }

  void matmul() {
    const int m = op_.rows, k = op_.inner, n = op_.columns;
    const bool transposed = op_.right == accel_sim::RightOperand::kTransposedActivations;
    const auto size = static_cast<float>(range_ * range_) / 3 * std::sqrt(static_cast<float>(k));
    choose_scales(size);
    const Bytes a = operand<std::int8_t>(place_.left, m, k, range_);
    const bool int4 = op_.right == accel_sim::RightOperand::kInt4Weights;
    const Bytes b =
        int4 ? int4_weights()
             : operand<std::int8_t>(place_.right, transposed ? n : k, transposed ? k : n, range_);
    const Words d = bias(static_cast<int>(size));
    const bool one_row = op_.bias == accel_sim::Bias::kRow;
    Words c(count(m, n));
    supernet::integer_matmul(
        m, n, k, supernet::plain(a.data(), k),
        transposed ? supernet::transposed(b.data(), k) : supernet::plain(b.data(), n),
        {d.empty() ? nullptr : d.data(), one_row ? 0 : n}, {c.data(), n});
    made_.partial_bytes =
        spills_sums(*call_.schedule, op_, target_) ? static_cast<std::int64_t>(4 * count(m, n)) : 0;
    made_.expected = made_.before;
    if (call_.result_bytes == 4)
      made_.expected.put(place_.result, m, n, c.data());
    else if (op_.bias == accel_sim::Bias::kTriangle)
      for (const auto& [first, rows, columns] : row_blocks(call_)) leave(c, first, rows, columns);
    else
      leave(c, 0, m, n);
  }

  Bytes int4_weights() {
    const int k = op_.inner, n = op_.columns;
    Bytes values = drawn<std::int8_t>(k, n, 7);
    std::vector<std::uint8_t> multipliers(count(accel_sim::int4_groups(k), n));
    for (std::uint8_t& m : multipliers) m = static_cast<std::uint8_t>(1 + random_.below(16));
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < n; ++j)
        values[count(i, n) + static_cast<std::size_t>(j)] = static_cast<std::int8_t>(
            values[count(i, n) + static_cast<std::size_t>(j)] *
            multipliers[count(i / kInt4Group, n) + static_cast<std::size_t>(j)]);
    made_.before.put_int4(place_, k, n, values.data(), multipliers.data());
    return values;
  }

  // What the products begin with, or what row blocks add.
  Words bias(int size) {
    switch (op_.bias) {
      case accel_sim::Bias::kNone:
        return {};
      case accel_sim::Bias::kRow:
        return operand<std::int32_t>(place_.bias, 1, op_.columns, size);
      case accel_sim::Bias::kFull: {
        Words values = drawn<std::int32_t>(op_.rows, op_.columns, size);
        for (std::int32_t& value : values)
          if (random_.chance(0.25)) value = supernet::kMasked;
        made_.before.put(place_.bias, op_.rows, op_.columns, values.data());
        return values;
      }
      case accel_sim::Bias::kTriangle:
        return triangle();
    }
    throw Error("a bias of unknown kind");
  }

  Words triangle() {
    const int height = row_block_height(call_);
    const int last = row_blocks(call_).back().first;
    Bytes identity(count(height, height)), mask(count(last + height, height));
    for (int i = 0; i < height; ++i) {
      identity[count(i, height + 1)] = 127;
      for (int j = 0; j < i; ++j)
        mask[count(last + i, height) + static_cast<std::size_t>(j)] = -127;
    }
    made_.before.put(place_.identity, height, height, identity.data());
    made_.before.put(place_.triangle, last + height, height, mask.data());
    Words values(count(op_.rows, op_.columns));
    for (int i = 0; i < op_.rows; ++i)
      std::fill(values.begin() + std::ptrdiff_t{i} * op_.columns + i + 1,
                values.begin() + (std::ptrdiff_t{i} + 1) * op_.columns, kTriangleMask);
    return values;
  }

  // Two int8 operands.
  bool adds() const {
    return op_.kind == OperatorKind::kResidualAdd ||
           (op_.kind == OperatorKind::kEmbedding && reads_int8(op_));
  }

  void elementwise() {
    const int m = op_.rows, n = op_.columns;
    choose_scales(static_cast<float>(range_));
    if (adds()) return residual_add();
    Words x(count(m, n));
    if (call_.operand_bytes == 4) {
      x = operand<std::int32_t>(place_.left, m, n, range_ * range_);
    } else {
      const Bytes bytes = operand<std::int8_t>(place_.left, m, n, range_);
      std::transform(bytes.begin(), bytes.end(), x.begin(), [&](int v) { return v * call_.reads; });
    }
    made_.expected = made_.before;
    leave(x, 0, m, n);
  }

  // Rows of a table, any of them, some more than once.
  Bytes gathered(const Bytes& table) {
    Bytes rows;
    for (int r = 0; r < op_.rows; ++r) {
      const auto row = static_cast<int>(random_.below(static_cast<std::uint64_t>(op_.rows)));
      made_.constants.gathered.push_back(row);
      const auto first = table.begin() + static_cast<std::ptrdiff_t>(count(row, op_.columns));
      rows.insert(rows.end(), first, first + op_.columns);
    }
    return rows;
  }

  void residual_add() {
    const int m = op_.rows, n = op_.columns;
    const Bytes a = operand<std::int8_t>(place_.left, m, n, 127);
    Bytes b = operand<std::int8_t>(place_.right, m, n, 127);
    CallConstants& constants = made_.constants;
    if (op_.kind == OperatorKind::kEmbedding)
      b = gathered(b);
    else if (call_.scaled)
      constants.left_scale = 0.8F, constants.right_scale = 1.3F;
    Bytes y(a.size());
    supernet::residual_add(m, n, {a.data(), n}, {b.data(), n},
                           {constants.left_scale, constants.right_scale, constants.scale},
                           {y.data(), n});
    made_.expected = made_.before;
    made_.expected.put(place_.result, m, n, y.data());
  }

  // Some rows and the first columns of sums, as int8.
  void leave(const Words& sums, int first, int rows, int columns) {
    const CallConstants& constants = made_.constants;
    const supernet::Rows<const std::int32_t> x{sums.data() + std::ptrdiff_t{first} * op_.columns,
                                               op_.columns};
    Bytes values(count(rows, columns));
    const supernet::Rows<std::int8_t> y{values.data(), columns};
    if (call_.fused == Normalisation::kSoftmax || op_.kind == OperatorKind::kSoftmax)
      supernet::integer_softmax(rows, columns, x, constants.exp, constants.scale, y);
    else if (call_.fused == Normalisation::kLayerNorm || op_.kind == OperatorKind::kLayerNorm)
      supernet::integer_layer_norm(rows, columns, x, constants.scale, y);
    else if (constants.activation == StoreActivation::kGelu)
      supernet::integer_gelu(rows, columns, x, constants.gelu, constants.scale, y);
    else if (constants.activation == StoreActivation::kRelu)
      supernet::integer_relu(rows, columns, x, constants.scale, y);
    else
      supernet::requantize_rows(rows, columns, x, constants.scale, y);
    made_.expected.put(place_.result.at(first, 0), rows, columns, values.data());
  }

  const Call& call_;
  const Operator& op_;
  const Target& target_;
  Placement place_;
  Random random_;
  int range_;
  FunctionalCase made_;
};

}  // namespace

FunctionalCase random_case(const Call& call, const Target& target, std::uint64_t seed) {
  if (call.runs_in != accel_sim::RunsIn::kOwnProgram)
    throw InputError("\"" + describe(call.op) + "\" has no program of its own to execute");
  return Maker(call, target, seed).make();
}

FunctionalResult run(const FunctionalCase& functional, const accel_sim::Hardware& hardware) {
  MainMemory memory = functional.before;
  Interpreter(hardware, memory).run(functional.program, functional.constants);
  const Matrix& result = functional.result;
  const std::int64_t bytes = std::int64_t{functional.columns} * result.element_bytes;
  FunctionalResult answer;
  for (int r = 0; r < functional.rows; ++r) {
    const auto row = memory.at(result.at(r, 0).address, bytes);
    answer.checksum = hash_bytes(row.data(), row.size(), answer.checksum);
  }
  const auto left = memory.at(functional.partial_sums.address, functional.partial_bytes);
  std::copy_n(
      functional.before.at(functional.partial_sums.address, functional.partial_bytes).begin(),
      left.size(), left.begin());
  answer.equal = memory == functional.expected;
  return answer;
}

}  // namespace paretoformer::nas
