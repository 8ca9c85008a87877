#include "supernet/training/cuda/attention.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/supernet/training/cuda/on_device.hpp"
#include "tests/supernet/training/cuda/plain_attention.hpp"

namespace paretoformer::supernet::cuda {
namespace {

std::size_t count(const AttentionShape& shape, int per_head) {
  return static_cast<std::size_t>(shape.rows()) *
         static_cast<std::size_t>(shape.heads * shape.head_width * per_head);
}

// One forward and backward pass. With an offset that is no multiple of 8, rows cannot be copied 16
// bytes at a time.
struct Attention {
  AttentionShape shape;
  Array<Bf16> qkv, attended, d_attended, d_qkv;
  Array<float> log_sum_exp, products;

  explicit Attention(const AttentionShape& given, std::size_t offset = 0)
      : shape(given),
        qkv(count(given, 3), offset),
        attended(count(given, 1), offset),
        d_attended(count(given, 1), offset),
        d_qkv(count(given, 3), offset),
        log_sum_exp(static_cast<std::size_t>(given.rows() * given.heads)),
        products(log_sum_exp.size()) {
    std::mt19937 random(7);
    // Scores of a few units: neither uniform nor all on one key.
    std::normal_distribution<float> normal(0.0F, 1.5F);
    for (Array<Bf16>* array : {&qkv, &d_attended})
      for (Bf16& value : array->values) value = to_bf16(normal(random));
  }

  void run() {
    Stream stream;
    for (Array<Bf16>* array : {&qkv, &attended, &d_attended, &d_qkv}) array->to_device(stream);
    for (Array<float>* array : {&log_sum_exp, &products}) array->to_device(stream);
    stream.synchronize();
    attention_forward(stream, shape, qkv.device(), attended.device(), log_sum_exp.device());
    attention_backward(stream, shape, qkv.device(), attended.device(), log_sum_exp.device(),
                       d_attended.device(), products.device(), d_qkv.device());
    for (Array<Bf16>* array : {&attended, &d_qkv}) array->to_host(stream);
    for (Array<float>* array : {&log_sum_exp, &products}) array->to_host(stream);
  }

  std::size_t at(int sequence, int row, int head, int part, int parts) const {
    const std::size_t r = static_cast<std::size_t>(sequence * shape.length + row);
    return (r * static_cast<std::size_t>(shape.heads) + static_cast<std::size_t>(head)) *
               static_cast<std::size_t>(parts * shape.head_width) +
           static_cast<std::size_t>(part * shape.head_width);
  }

  PlainAttention plain(int sequence, int head) {
    PlainAttention plain;
    plain.log_sum_exp.resize(static_cast<std::size_t>(shape.length));
    const auto rows = [&](const Array<Bf16>& from, int part, int parts) {
      Rows rows(shape.length, shape.head_width);
      for (int i = 0; i < shape.length; ++i)
        for (int c = 0; c < shape.head_width; ++c)
          rows.at(i, c) = to_float(
              from.values[at(sequence, i, head, part, parts) + static_cast<std::size_t>(c)]);
      return rows;
    };
    plain.q = rows(qkv, 0, 3);
    plain.k = rows(qkv, 1, 3);
    plain.v = rows(qkv, 2, 3);
    plain.d_output = rows(d_attended, 0, 1);
    plain.forward();
    plain.backward();
    return plain;
  }

  void expect_right(int sequence, int head) {
    const PlainAttention right = plain(sequence, head);
    const PlainAttention::Errors errors = right.gradient_errors();
    for (int i = 0; i < shape.length; ++i) {
      const auto row = static_cast<std::ptrdiff_t>(sequence * shape.length + i);
      ASSERT_NEAR(log_sum_exp.values[static_cast<std::size_t>(head * shape.rows() + row)],
                  right.log_sum_exp[static_cast<std::size_t>(i)],
                  right.score_error(i) +
                      kSumError * std::abs(right.log_sum_exp[static_cast<std::size_t>(i)]));
      const std::vector<double> output_errors = right.output_errors(i);
      for (int c = 0; c < shape.head_width; ++c) {
        const auto column = static_cast<std::size_t>(c);
        const auto d = [&](int part) {
          return to_float(d_qkv.values[at(sequence, i, head, part, 3) + column]);
        };
        ASSERT_NEAR(to_float(attended.values[at(sequence, i, head, 0, 1) + column]),
                    right.output.at(i, c), output_errors[column])
            << i << " " << c;
        ASSERT_NEAR(d(0), right.d_q.at(i, c), errors.d_q.at(i, c)) << i << " " << c;
        ASSERT_NEAR(d(1), right.d_k.at(i, c), errors.d_k.at(i, c)) << i << " " << c;
        ASSERT_NEAR(d(2), right.d_v.at(i, c), errors.d_v.at(i, c)) << i << " " << c;
      }
    }
  }

  bool guarded() const {
    return attended.guarded && d_qkv.guarded && log_sum_exp.guarded && products.guarded;
  }
};

bool same_bits(const Attention& a, const Attention& b) {
  return same(a.attended, b.attended, a.attended.size()) &&
         same(a.log_sum_exp, b.log_sum_exp, a.log_sum_exp.size()) &&
         same(a.d_qkv, b.d_qkv, a.d_qkv.size());
}

class CudaAttention : public OnDevice<testing::TestWithParam<AttentionShape>> {};
class CudaAttentionRows : public OnDevice<testing::Test> {};

TEST_P(CudaAttention, IsThatOfDoubleUpToRounding) {
  Attention attention(GetParam());
  attention.run();
  for (int s = 0; s < GetParam().sequences; ++s)
    for (int h = 0; h < GetParam().heads; ++h) {
      attention.expect_right(s, h);
      if (HasFatalFailure()) return;
    }
  EXPECT_TRUE(attention.guarded());
}

// In another run, and, emulated, with threads in the reverse order.
TEST_P(CudaAttention, HasTheSameBitsAgain) {
  Attention once(GetParam());
  once.run();
  Attention again(GetParam());
#ifdef PARETOFORMER_CUDA_EMULATION
  emulation::reversed = true;
  again.run();
  emulation::reversed = false;
#else
  again.run();
#endif
  EXPECT_TRUE(same_bits(once, again));
}

std::vector<AttentionShape> shapes() {
  std::vector<AttentionShape> shapes;
  for (const int width : {1, 7, 16, 24, 64, 80, 100, 128})
    for (const int length : {1, 5, 64, 70, 129}) {
      // Every width with one, two and three heads, and some lengths with several sequences.
      const int heads = 1 + (width + length) % 3;
      shapes.push_back({length < 70 ? 2 : 1, length, length > 64 && width > 64 ? 1 : heads, width});
    }
  return shapes;
}

std::string name(const testing::TestParamInfo<AttentionShape>& info) {
  const AttentionShape& shape = info.param;
  return "Sequences" + std::to_string(shape.sequences) + "Length" + std::to_string(shape.length) +
         "Heads" + std::to_string(shape.heads) + "Width" + std::to_string(shape.head_width);
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudaAttention, testing::ValuesIn(shapes()), name);

TEST_F(CudaAttentionRows, NeedNotBeAligned) {
  for (const int width : {24, 64}) {
    const AttentionShape shape{1, 70, 2, width};
    Attention aligned(shape);
    Attention unaligned(shape, 1);
    aligned.run();
    unaligned.run();
    EXPECT_TRUE(same_bits(aligned, unaligned)) << width;
    EXPECT_TRUE(unaligned.guarded());
  }
}

TEST_F(CudaAttentionRows, DoNotDependOnOtherSequences) {
  Attention two({2, 70, 1, 16});
  Attention changed({2, 70, 1, 16});
  Attention one({1, 70, 1, 16});
  for (std::size_t i = one.qkv.size(); i < changed.qkv.size(); ++i)
    changed.qkv.values[i] = to_bf16(-to_float(changed.qkv.values[i]) * 3.0F);
  for (Array<Bf16> Attention::*array : {&Attention::qkv, &Attention::d_attended})
    std::copy_n((two.*array).values.begin(), (one.*array).size(), (one.*array).values.begin());
  for (Attention* attention : {&two, &changed, &one}) attention->run();
  for (Attention* other : {&changed, &one}) {
    EXPECT_TRUE(same(two.attended, other->attended, one.attended.size()));
    EXPECT_TRUE(same(two.d_qkv, other->d_qkv, one.d_qkv.size()));
    EXPECT_TRUE(same(two.log_sum_exp, other->log_sum_exp, one.log_sum_exp.size()));
  }
  EXPECT_FALSE(same(two.d_qkv, changed.d_qkv, two.d_qkv.size()));
}

TEST_F(CudaAttentionRows, LargeScoresDoNotOverflow) {
  Attention attention({1, 70, 1, 16});
  // Scores up to some thousands, whose exponentials no float can hold.
  for (Bf16& value : attention.qkv.values) value = to_bf16(to_float(value) * 20.0F);
  attention.run();
  for (const Array<Bf16>* array : {&attention.attended, &attention.d_qkv})
    for (const Bf16 value : array->values) ASSERT_TRUE(std::isfinite(to_float(value)));
}

TEST_F(CudaAttentionRows, WidthsAreRefusedAbove128) {
  Attention attention({1, 1, 1, 136});
  EXPECT_THROW(attention.run(), Error);
}

// The reference itself: gradients against differences of sum(d_output * output).
TEST_F(CudaAttentionRows, ReferenceHasTheGradientsOfDifferences) {
  PlainAttention plain = Attention({1, 6, 1, 5}).plain(0, 0);
  const auto loss = [&] {
    plain.forward();
    double sum = 0;
    for (std::size_t i = 0; i < plain.output.values.size(); ++i)
      sum += plain.output.values[i] * plain.d_output.values[i];
    return sum;
  };
  const auto check = [&](Rows& rows, const Rows& gradient) {
    constexpr double kStep = 1e-5;  // errors of kStep^2 and 1e-16 / kStep
    for (std::size_t i = 0; i < rows.values.size(); ++i) {
      const double value = rows.values[i];
      rows.values[i] = value + kStep;
      const double above = loss();
      rows.values[i] = value - kStep;
      const double below = loss();
      rows.values[i] = value;
      EXPECT_NEAR(gradient.values[i], (above - below) / (2 * kStep), 1e-7);
    }
  };
  check(plain.q, plain.d_q);
  check(plain.k, plain.d_k);
  check(plain.v, plain.d_v);
}

}  // namespace
}  // namespace paretoformer::supernet::cuda
