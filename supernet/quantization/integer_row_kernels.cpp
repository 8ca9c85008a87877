// The row-wise operators of integer_operators.hpp, compiled once per instruction set: see
// supernet/kernels/kernel_sets.hpp, also for why nothing of a header is called here. The loops are
// without branches, so that they vectorise; products and sums are of unsigned words, which wrap.
#include "supernet/quantization/integer_kernel_sets.hpp"

namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET {
namespace {

using Word = std::uint32_t;

Word word(std::int32_t x) { return static_cast<Word>(x); }
std::int32_t number(Word x) { return static_cast<std::int32_t>(x); }

// requantize(). Clipping to int8 before rounding gives the same: the limits are integers. NaN fails
// the first comparison and becomes 127.
std::int32_t requantized(std::int32_t x, float scale) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  float y = static_cast<float>(x) * scale;
  y = y < 127.0F ? y : 127.0F;
  y = y > -128.0F ? y : -128.0F;
  return __builtin_bit_cast(std::int32_t, y + kRound) - 0x4B400000;
}

// Vectors of int8 are long: rows without gaps are one, so that only its end is scalar.
bool dense(std::ptrdiff_t columns, std::ptrdiff_t x_stride, std::ptrdiff_t y_stride) {
  return x_stride == columns && y_stride == columns;
}

// y[j] = requantized(function(x[j]), scale), row by row.
template <class From, class Function>
void map(std::ptrdiff_t rows, std::ptrdiff_t columns, Rows<const From> x, float scale,
         Rows<std::int8_t> y, Function function) {
  if (dense(columns, x.stride, y.stride)) {
    columns *= rows;
    rows = 1;
  }
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const From* __restrict from = x.data + r * x.stride;
    std::int8_t* __restrict to = y.data + r * y.stride;
    for (std::ptrdiff_t j = 0; j < columns; ++j)
      to[j] = static_cast<std::int8_t>(requantized(function(from[j]), scale));
  }
}

void requantize_rows(int rows, int columns, Rows<const std::int32_t> x, float scale,
                     Rows<std::int8_t> y) {
  map(rows, columns, x, scale, y, [](std::int32_t v) { return v; });
}

void integer_relu(int rows, int columns, Rows<const std::int32_t> x, float scale,
                  Rows<std::int8_t> y) {
  map(rows, columns, x, scale, y, [](std::int32_t v) { return v > 0 ? v : 0; });
}

void integer_gelu(int rows, int columns, Rows<const std::int32_t> x, const GeluConstants& constants,
                  float scale, Rows<std::int8_t> y) {
  const Word b = word(constants.b);
  const Word c = word(constants.c);
  const std::int32_t most = number(0 - b);
  map(rows, columns, x, scale, y, [=](std::int32_t v) {
    const std::int32_t size = number(v < 0 ? 0 - word(v) : word(v));
    const Word sum = word(size < most ? size : most) + b;
    const Word polynomial = c + sum * sum;
    return number(word(v) * ((v < 0 ? 0 - polynomial : polynomial) + c));
  });
}

// i_exp() of how far numbers are below the largest, in 32 bits: z is below 32 exactly up to
// `last`, and up to there distance * inverse_ln2 fits.
struct Exponential {
  Word ln2, inverse_ln2, b, c, last;

  Word operator()(Word distance) const {
    const Word near = distance <= last ? distance : last;
    const Word z = (near * inverse_ln2) >> 16;
    const Word sum = z * ln2 - near + b;
    const Word value = (c + sum * sum) >> (z & 31);
    return distance <= last ? value : 0;
  }
};

// For inverse_ln2 in [0, 65536], as exp_constants() makes it. With 0, z is 0 at any distance; more
// than 2^21 / inverse_ln2 below, also where the difference has wrapped and is negative, z is 32 or
// more.
Exponential exponential(const ExpConstants& constants) {
  const Word inverse = word(constants.inverse_ln2);
  const Word last = inverse == 0 ? ~Word{0} : ((Word{1} << 21) - 1) / inverse;
  return {word(constants.ln2), inverse, word(constants.b), word(constants.c), last};
}

void integer_softmax(int rows, int columns, Rows<const std::int32_t> x,
                     const ExpConstants& constants, float scale, Rows<std::int8_t> y) {
  const Exponential exp = exponential(constants);
  for (int r = 0; r < rows; ++r) {
    const std::int32_t* row = x.data + r * x.stride;
    std::int32_t largest = row[0];
    for (int j = 1; j < columns; ++j) largest = row[j] > largest ? row[j] : largest;
    Word sum = 0;
    for (int j = 0; j < columns; ++j) sum += exp(word(largest) - word(row[j]));
    const float inverse = 127.0F / static_cast<float>(number(sum));
    map<std::int32_t>(1, columns, {row, 0}, inverse * scale, {y.data + r * y.stride, 0},
                      [=](std::int32_t v) { return number(exp(word(largest) - word(v))); });
  }
}

// i_sqrt(): doubles are fine enough to tell the root of n^2 - 1 from n.
Word square_root(Word x) { return static_cast<Word>(__builtin_sqrt(static_cast<double>(x))); }

struct Moments {
  Word mean;
  float inverse;  // of the root
};

Moments moments_of(int columns, const std::int32_t* row) {
  Word sum = 0;
  for (int j = 0; j < columns; ++j) sum += word(row[j]);
  const Word mean = word(number(sum) / columns);
  Word squares = 0;
  for (int j = 0; j < columns; ++j) squares += (word(row[j]) - mean) * (word(row[j]) - mean);
  const auto root = static_cast<std::int16_t>(square_root(word(number(squares) / columns)));
  return {mean, 1.0F / static_cast<float>(root == 0 ? 1 : root)};
}

void wide_layer_norm(int rows, int columns, Rows<const std::int32_t> x, float scale,
                     Rows<std::int8_t> y) {
  for (int r = 0; r < rows; ++r) {
    const std::int32_t* row = x.data + r * x.stride;
    const Moments m = moments_of(columns, row);
    map<std::int32_t>(1, columns, {row, 0}, m.inverse * scale, {y.data + r * y.stride, 0},
                      [=](std::int32_t v) { return number(word(v) - m.mean); });
  }
}

void integer_layer_norm(int rows, int columns, Rows<const std::int32_t> x, float scale,
                        Rows<std::int8_t> y) {
  constexpr int kResults = 2048;
  if (columns > kResults) return wide_layer_norm(rows, columns, x, scale, y);
  // The results of some rows become int8 as one: see dense().
  std::int32_t results[kResults];
  const int at_a_time = y.stride == columns ? kResults / columns : 1;
  for (int first = 0; first < rows; first += at_a_time) {
    const int count = rows - first < at_a_time ? rows - first : at_a_time;
    std::int32_t* result = results;
    for (int r = first; r < first + count; ++r, result += columns) {
      const std::int32_t* row = x.data + r * x.stride;
      const Moments m = moments_of(columns, row);
      for (int j = 0; j < columns; ++j)
        result[j] = requantized(number(word(row[j]) - m.mean), m.inverse * scale);
    }
    std::int8_t* to = y.data + first * y.stride;
    for (std::ptrdiff_t i = 0; i < result - results; ++i)
      to[i] = static_cast<std::int8_t>(results[i]);
  }
}

void rescale(int rows, int columns, Rows<const std::int8_t> x, float scale, Rows<std::int8_t> y) {
  map(rows, columns, x, scale, y, [](std::int8_t v) { return std::int32_t{v}; });
}

// A scale of 1 changes no int8 number: `kScaleB` says whether b has another.
template <bool kScaleB>
void add_rows(std::ptrdiff_t rows, std::ptrdiff_t columns, Rows<const std::int8_t> a,
              Rows<const std::int8_t> b, const ResidualScales& scales, Rows<std::int8_t> y) {
  const std::int32_t least = scales.relu ? 0 : -256;
  if (dense(columns, a.stride, y.stride) && b.stride == columns) {
    columns *= rows;
    rows = 1;
  }
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const std::int8_t* __restrict from_a = a.data + r * a.stride;
    const std::int8_t* __restrict from_b = b.data + r * b.stride;
    std::int8_t* __restrict to = y.data + r * y.stride;
    for (std::ptrdiff_t j = 0; j < columns; ++j) {
      const std::int32_t added = kScaleB ? requantized(from_b[j], scales.b) : from_b[j];
      const std::int32_t sum = requantized(from_a[j], scales.a) + added;
      to[j] = static_cast<std::int8_t>(requantized(sum > least ? sum : least, scales.sum));
    }
  }
}

void residual_add(int rows, int columns, Rows<const std::int8_t> a, Rows<const std::int8_t> b,
                  const ResidualScales& scales, Rows<std::int8_t> y) {
  const auto run = scales.b == 1 ? add_rows<false> : add_rows<true>;
  run(rows, columns, a, b, scales, y);
}

void widen(std::size_t count, const std::int8_t* __restrict x, int times,
           std::int32_t* __restrict y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = times * x[i];
}

void to_float(std::size_t count, const std::int32_t* __restrict x, float scale,
              float* __restrict y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = static_cast<float>(x[i]) * scale;
}

std::int32_t largest_size(std::size_t count, const float* x) {
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t size = __builtin_bit_cast(std::int32_t, x[i]) & 0x7fffffff;
    largest = size > largest ? size : largest;
  }
  return largest;
}

}  // namespace

// constinit: nothing of this instruction set may run before the choice.
constinit const IntegerKernels kIntegerKernels = {
    &requantize_rows, &integer_relu, &integer_gelu, &integer_softmax, &integer_layer_norm,
    &rescale,         &residual_add, &widen,        &to_float,        &largest_size};

}  // namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET
