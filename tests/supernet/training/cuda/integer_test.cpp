// Networks in int8 on the device: every operator has the bits of supernet/quantization's, and a
// network has its loss.
#include <bit>
#include <limits>
#include <random>

#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/training/cuda/integer_evaluation.hpp"
#include "supernet/training/cuda/integer_kernels.hpp"
#include "tests/supernet/lively_parameters.hpp"
#include "tests/supernet/random_text.hpp"
#include "tests/supernet/training/cuda/on_device.hpp"

namespace paretoformer::supernet::cuda {
namespace {

std::size_t bytes_of(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(byte_stride(columns));
}

// With the threads of a block in either order, where that can be chosen.
class CudaIntegers : public OnDevice<testing::TestWithParam<bool>> {
 protected:
#ifdef PARETOFORMER_CUDA_EMULATION
  CudaIntegers() { emulation::reversed = GetParam(); }
  ~CudaIntegers() override { emulation::reversed = false; }
#endif
  // What lies behind the rows of a matrix is random, too.
  Array<std::int8_t> random_rows(int rows, int columns, int least = -128) {
    Array<std::int8_t> array(bytes_of(rows, columns));
    std::uniform_int_distribution<int> number(least, 127);
    for (std::int8_t& value : array.values) value = static_cast<std::int8_t>(number(random_));
    array.to_device(stream_);
    return array;
  }
  Array<std::int8_t> no_rows(int rows, int columns) {
    Array<std::int8_t> array(bytes_of(rows, columns));
    array.to_device(stream_);
    return array;
  }
  static Rows<const std::int8_t> rows_of(const Array<std::int8_t>& array, int columns) {
    return {array.values.data(), byte_stride(columns)};
  }
  // The results on the device, which ends nowhere else, are these rows of `columns`.
  void expect_rows(Array<std::int8_t>& found, const std::vector<std::int8_t>& expected,
                   int columns) {
    found.to_host(stream_);
    EXPECT_TRUE(found.guarded);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::size_t row = i / static_cast<std::size_t>(columns);
      const std::size_t column = i % static_cast<std::size_t>(columns);
      ASSERT_EQ(found.values[row * static_cast<std::size_t>(byte_stride(columns)) + column],
                expected[i])
          << row << " " << column;
    }
  }

  std::mt19937 random_{5};
  Stream stream_;
};

INSTANTIATE_TEST_SUITE_P(Threads, CudaIntegers, testing::Bool(),
                         [](const auto& info) { return info.param ? "Reversed" : "InOrder"; });

struct Shape {
  int rows, outputs, inputs;
};

TEST_P(CudaIntegers, ProductsAndWhatBecomesOfThem) {
  for (const auto& [rows, outputs, inputs] :
       {Shape{1, 1, 1}, Shape{3, 130, 70}, Shape{131, 9, 33}, Shape{40, 17, 400}}) {
    SCOPED_TRACE(std::to_string(rows) + "x" + std::to_string(inputs) + "x" +
                 std::to_string(outputs));
    Array<std::int8_t> x = random_rows(rows, inputs);
    Array<std::int8_t> weight = random_rows(outputs, inputs);
    for (int o = 0; o < outputs; ++o)
      std::fill_n(weight.values.begin() + static_cast<std::ptrdiff_t>(bytes_of(o, inputs)) + inputs,
                  byte_stride(inputs) - inputs, std::int8_t{0});
    weight.to_device(stream_);
    Array<std::int32_t> bias(static_cast<std::size_t>(outputs));
    for (std::int32_t& value : bias.values) value = static_cast<std::int32_t>(random_()) / 4096;
    bias.to_device(stream_);
    const DeviceLinear linear{outputs, inputs, weight.device(), bias.device(), 0.0005F};
    std::vector<std::int32_t> sums(static_cast<std::size_t>(rows * outputs));
    integer_matmul(rows, outputs, inputs, plain(x.values.data(), byte_stride(inputs)),
                   transposed(weight.values.data(), byte_stride(inputs)), {bias.values.data(), 0},
                   {sums.data(), outputs});

    Array<std::int32_t> kept(sums.size());
    kept.to_device(stream_);
    integer_sums(stream_, linear, rows, x.device(), kept.device(), outputs);
    kept.to_host(stream_);
    EXPECT_TRUE(kept.guarded);
    EXPECT_EQ(kept.values, sums);

    std::vector<std::int8_t> results(sums.size());
    requantize_rows(rows, outputs, {sums.data(), outputs}, linear.scale, {results.data(), outputs});
    Array<std::int8_t> y = no_rows(rows, outputs);
    integer_linear(stream_, linear, rows, x.device(), nullptr, y.device());
    expect_rows(y, results, outputs);

    Array<std::int8_t> table(256);
    for (int i = 0; i < 256; ++i)
      table.values[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(3 * i);
    table.to_device(stream_);
    std::vector<std::int8_t> looked_up;
    for (const std::int8_t q : results)
      looked_up.push_back(table.values[static_cast<std::size_t>(q + 128)]);
    integer_linear(stream_, linear, rows, x.device(), table.device(), y.device());
    expect_rows(y, looked_up, outputs);

    for (const bool relu : {false, true}) {
      const ResidualScales scales{0.9F, 1, 0.7F, relu};
      Array<std::int8_t> stream = random_rows(rows, outputs);
      std::vector<std::int8_t> together(sums.size());
      residual_add(rows, outputs, rows_of(stream, outputs), {results.data(), outputs}, scales,
                   {together.data(), outputs});
      integer_linear_added(stream_, linear, rows, x.device(), scales, stream.device());
      expect_rows(stream, together, outputs);
    }
  }
}

TEST_P(CudaIntegers, Norms) {
  for (const int columns : {1, 16, 45, 768}) {
    SCOPED_TRACE(columns);
    constexpr int kRows = 11, kReads = 4;
    Array<std::int8_t> x = random_rows(kRows, columns);
    std::fill_n(x.values.begin(), columns, std::int8_t{7});  // without a deviation
    x.to_device(stream_);
    std::vector<std::int32_t> read;
    for (int row = 0; row < kRows; ++row)
      for (int column = 0; column < columns; ++column)
        read.push_back(kReads *
                       x.values[bytes_of(row, columns) + static_cast<std::size_t>(column)]);
    std::vector<std::int8_t> expected(read.size());
    integer_layer_norm(kRows, columns, {read.data(), columns}, 31.5F, {expected.data(), columns});
    Array<std::int8_t> y = no_rows(kRows, columns);
    integer_norm(stream_, kRows, columns, x.device(), kReads, 31.5F, y.device());
    expect_rows(y, expected, columns);
  }
}

TEST_P(CudaIntegers, Embeddings) {
  constexpr int kRows = 9, kColumns = 21, kLength = 4, kTokens = 6;
  const ResidualScales scales{0.4F, 1, 1.3F};
  Array<std::int8_t> tokens = random_rows(kTokens, kColumns);
  Array<std::int8_t> positions = random_rows(kLength, kColumns);
  Array<std::int32_t> text(kRows);
  text.values = random_tokens(3, kRows, kTokens);
  text.to_device(stream_);
  std::vector<std::int8_t> expected(static_cast<std::size_t>(kRows) * kColumns);
  for (int row = 0; row < kRows; ++row) {
    const int token = text.values[static_cast<std::size_t>(row)];
    residual_add(1, kColumns, {tokens.values.data() + bytes_of(token, kColumns), 0},
                 {positions.values.data() + bytes_of(row % kLength, kColumns), 0}, scales,
                 {expected.data() + static_cast<std::ptrdiff_t>(row) * kColumns, 0});
  }
  Array<std::int8_t> x = no_rows(kRows, kColumns);
  integer_embedding(stream_, kRows, kColumns, kLength, text.device(), tokens.device(),
                    positions.device(), scales, x.device());
  expect_rows(x, expected, kColumns);
}

// Of every head by itself, with a mask of the keys behind each query.
std::vector<std::int8_t> plain_attention(const IntegerAttention& shape,
                                         const Array<std::int8_t>& query,
                                         const Array<std::int8_t>& key,
                                         const Array<std::int8_t>& value) {
  const int length = shape.length, width = shape.head_width, all = shape.heads * width;
  const auto square = static_cast<std::size_t>(length) * static_cast<std::size_t>(length);
  std::vector<std::int32_t> mask(square), scores(square), sums(square * 128);
  causal_mask(length, mask.data());
  std::vector<std::int8_t> p(square);
  std::vector<std::int8_t> context(static_cast<std::size_t>(shape.sequences * length * all));
  for (int s = 0; s < shape.sequences; ++s)
    for (int head = 0; head < shape.heads; ++head) {
      const auto first = static_cast<std::ptrdiff_t>(bytes_of(s * length, all)) + head * width;
      const int stride = byte_stride(all);
      integer_matmul(length, length, width, plain(query.values.data() + first, stride),
                     transposed(key.values.data() + first, stride), {mask.data(), length},
                     {scores.data(), length});
      integer_softmax(length, length, {scores.data(), length}, shape.softmax, 1,
                      {p.data(), length});
      integer_matmul(length, width, length, plain<std::int8_t>(p.data(), length),
                     plain(value.values.data() + first, stride), {}, {sums.data(), width});
      requantize_rows(length, width, {sums.data(), width}, shape.context_scale,
                      {context.data() + std::ptrdiff_t{s} * length * all + head * width, all});
    }
  return context;
}

TEST_P(CudaIntegers, Attention) {
  struct Case {
    int length, heads, width;
  };
  for (const auto& [length, heads, width] :
       {Case{1, 1, 7}, Case{5, 3, 16}, Case{64, 1, 24}, Case{65, 2, 33}, Case{130, 1, 64},
        Case{70, 1, 80}, Case{20, 2, 128}}) {
    SCOPED_TRACE(std::to_string(length) + " tokens, width " + std::to_string(width));
    constexpr int kSequences = 2;
    const int all = heads * width;
    const IntegerAttention shape{kSequences, length, heads, width, exp_constants(0.0004F), 0.02F};
    Array<std::int8_t> query = random_rows(kSequences * length, all, -40);
    Array<std::int8_t> key = random_rows(kSequences * length, all, -60);
    Array<std::int8_t> value = random_rows(kSequences * length, all);
    Array<std::int8_t> context = no_rows(kSequences * length, all);
    integer_attention(stream_, shape, query.device(), key.device(), value.device(),
                      context.device());
    expect_rows(context, plain_attention(shape, query, key, value), all);
  }
  IntegerAttention wide{};
  wide.head_width = 129;
  EXPECT_THROW(integer_attention(stream_, wide, nullptr, nullptr, nullptr, nullptr), Error);
}

TEST_P(CudaIntegers, LossesOfSums) {
  constexpr int kRows = 3, kVocabulary = 300, kStride = 301;
  constexpr float kScale = 0.002F;
  Array<std::int32_t> sums(kRows * kStride), targets(kRows);
  for (std::int32_t& value : sums.values)
    value = static_cast<std::int32_t>(random_() % 9000) - 4500;
  targets.values = {0, 299, 17};
  sums.to_device(stream_);
  targets.to_device(stream_);
  Array<float> losses(kRows);
  losses.to_device(stream_);
  integer_losses(stream_, kRows, kVocabulary, kStride, sums.device(), kScale, targets.device(),
                 losses.device());
  losses.to_host(stream_);
  EXPECT_TRUE(losses.guarded);
  for (int row = 0; row < kRows; ++row) {
    const std::int32_t* const from = sums.values.data() + row * kStride;
    double sum = 0;
    for (int i = 0; i < kVocabulary; ++i) sum += std::exp(double{kScale} * from[i]);
    const auto r = static_cast<std::size_t>(row);
    const double expected = std::log(sum) - double{kScale} * from[targets.values[r]];
    EXPECT_NEAR(losses.values[r], expected, 2e-6 * expected);  // some roundings of fp32
  }
}

// Slices of a supernet whose widths are no multiples of anything, at several lengths; with room for
// all sequences at a time, and for one.
TEST_P(CudaIntegers, NetworksHaveTheirLosses) {
  const Architecture largest{21, 7, 29, {{3, 35}, {3, 35}}};
  const ParameterLayout layout(largest, kLongContext);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  for (const Architecture& network : {largest, Architecture{21, 7, 29, {{1, 18}}}})
    for (const int length : {3, kLongContext}) {
      const RandomText text(4, 3, length, 29);
      const QuantizedNetwork quantized =
          calibrated(fold(layout, parameters.data(), network), text.batch);
      const double expected = integer_loss(quantized, text.batch);
      for (const int rows : {1, 1000}) {
        IntegerEvaluation evaluation(layout, parameters, kLongContext,
                                     {std::size_t{29 * 4 * 40}, rows});
        const double loss = evaluation.loss(quantized, text.batch);
        EXPECT_NEAR(loss, expected, 2e-6 * expected)
            << length;  // the same logits: fp32 sums differ
        EXPECT_EQ(evaluation.loss(quantized, text.batch), loss);
      }
    }
}

// The sizes of all activations, in one part and in several. Those of fp32 and of bf16 passes are
// apart by the rounding of what products take, 2^-9 of them, which adds up over two layers.
TEST_P(CudaIntegers, SeeTheActivationsOfTheFoldedNetwork) {
  const Architecture largest{21, 7, 29, {{3, 35}, {3, 35}}};
  const ParameterLayout layout(largest, kLongContext);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  for (const Architecture& network : {largest, Architecture{21, 7, 29, {{1, 18}}}}) {
    const RandomText text(4, 5, kLongContext, 29);
    Sites<Distribution> expected = observe(fold(layout, parameters.data(), network), text.batch);
    for (const int rows : {2 * kLongContext, 1000}) {
      IntegerEvaluation evaluation(layout, parameters, kLongContext, {1 << 20, rows});
      Sites<Distribution> seen = evaluation.observe(network, text.batch);
      for (std::size_t i = 0; i < expected.all().size(); ++i) {
        const Distribution &a = *seen.all()[i], &b = *expected.all()[i];
        EXPECT_EQ(a.count(), b.count()) << site_name(i);
        EXPECT_NEAR(a.largest(), b.largest(), 0.02F * b.largest()) << site_name(i);
        const float scale = b.scale(Calibration::kPercentile999);
        EXPECT_NEAR(a.scale(Calibration::kPercentile999), scale, 0.02F * scale) << site_name(i);
      }
    }
  }
}

// Whole numbers and halves, which bf16 holds, are in the bins in which the host counts them.
TEST_P(CudaIntegers, SizesAreCountedInTheBinsOfTheHost) {
  constexpr int kRows = 70, kColumns = 33, kStride = 40;
  Array<Bf16> x(kRows * kStride);
  Array<float> bias(kColumns);
  for (Bf16& value : x.values) value = to_bf16(static_cast<float>(random_() % 200) - 100);
  for (float& value : bias.values) value = static_cast<float>(random_() % 9) / 2;
  x.to_device(stream_);
  bias.to_device(stream_);
  std::vector<float> values;
  for (int row = 0; row < kRows; ++row)
    for (int column = 0; column < kColumns; ++column)
      values.push_back(to_float(x.values[static_cast<std::size_t>(row * kStride + column)]) +
                       bias.values[static_cast<std::size_t>(column)]);
  Distribution host, device;
  host.add(values);
  Array<unsigned> partial(kSiteBlocks);
  Array<SiteCounts> counts(1);
  const SiteRows rows{.rows = kRows,
                      .columns = kColumns,
                      .half = x.device(),
                      .stride = kStride,
                      .bias = bias.device()};
  count_sizes(stream_, rows, partial.device(), counts.device());
  counts.to_host(stream_);
  EXPECT_TRUE(counts.guarded);
  device.add_counts(std::bit_cast<float>(counts.values[0].largest), counts.values[0].bins);
  EXPECT_EQ(device.count(), host.count());
  EXPECT_EQ(device.largest(), host.largest());
  for (const Calibration method : kCalibrationWords.values())
    EXPECT_EQ(device.scale(method), host.scale(method));

  x.values[5] = to_bf16(std::numeric_limits<float>::infinity());
  x.to_device(stream_);
  count_sizes(stream_, rows, partial.device(), counts.device());
  counts.to_host(stream_);
  EXPECT_THROW(
      device.add_counts(std::bit_cast<float>(counts.values[0].largest), counts.values[0].bins),
      InputError);
}

}  // namespace
}  // namespace paretoformer::supernet::cuda
