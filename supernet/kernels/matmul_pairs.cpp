// matmul_int8() on vectors, compiled once per instruction set: see kernel_sets.hpp, also for why
// nothing of a header is called here but intrinsics.
#include <immintrin.h>

#include <utility>

#include "supernet/kernels/kernel_sets.hpp"

namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET {
namespace {

// x86 multiplies vectors of int16 and adds neighbouring products, exactly, as int32 (Intel,
// Software Developer's Manual, volume 2, PMADDWD), twice as many products an instruction as in
// fp32. So int8 becomes int16, and two neighbours along k a word. The structure is that of
// matmul_vnni.cpp: B is packed into panels of two vectors, [pair of k][column], and the rows of A
// are copied.
using Word = std::uint32_t;

#if defined(__AVX512BW__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 14;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 6;
#else
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 6;
#endif
typedef Word Vector __attribute__((vector_size(kVectorBytes)));
typedef Word Unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));

Vector sum_of_products(Vector a, Vector b) {
#if defined(__AVX512BW__)
  return (Vector)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Vector)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
  return (Vector)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
}

constexpr int kLanes = kVectorBytes / 4;
constexpr int kPanel = 2 * kLanes;  // columns
constexpr int kBlockK = 512;
constexpr int kBlockM = 512;
constexpr int kBlockN = 256;

struct Buffers {
  alignas(64) std::int16_t a[kBlockM * kBlockK];
  alignas(64) Word b[kBlockN * kBlockK / 2];
};

constexpr int smaller(int a, int b) { return a < b ? a : b; }

Word pair(std::int8_t low, std::int8_t high) {
  return (static_cast<Word>(low) & 0xFFFF) | static_cast<Word>(high) << 16;
}

// k numbers that are `stride` apart, and a zero where k is odd.
void widen(int k, const std::int8_t* from, std::ptrdiff_t stride, std::int16_t* to) {
  // NOLINTBEGIN(bugprone-signed-char-misuse): numbers, not characters.
  if (stride == 1)
    for (int p = 0; p < k; ++p) to[p] = from[p];
  else
    for (int p = 0; p < k; ++p) to[p] = from[p * stride];
  // NOLINTEND(bugprone-signed-char-misuse)
  if (k % 2 != 0) to[k] = 0;
}

Word pair_at(const std::int16_t* p) {
  Word word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

// As panels; columns behind the last are zeros.
void pack_b(int k, int n, MatrixView<std::int8_t> b, Word* packed) {
  const int pairs = (k + 1) / 2;
  for (int j = 0; j < n; j += kPanel) {
    Word* const panel = packed + j * pairs;
    const std::int8_t* const from = b.data + j * b.column_stride;
    const int columns = smaller(kPanel, n - j);
    if (columns < kPanel)
      for (int i = 0; i < pairs * kPanel; ++i) panel[i] = 0;
    if (b.column_stride != 1) {
      for (int i = 0; i < columns; ++i) {
        std::int16_t line[kBlockK];
        widen(k, from + i * b.column_stride, b.row_stride, line);
        for (int p = 0; p < pairs; ++p) panel[p * kPanel + i] = pair_at(line + 2 * p);
      }
      continue;
    }
    for (int p = 0; p < pairs; ++p) {
      const std::int8_t* const low = from + 2 * p * b.row_stride;
      const bool both = 2 * p + 1 < k;
      for (int i = 0; i < columns; ++i)
        panel[p * kPanel + i] = pair(low[i], both ? low[b.row_stride + i] : std::int8_t{0});
    }
  }
}

Vector load(const std::int32_t* p) { return *reinterpret_cast<const Unaligned*>(p); }
void store(std::int32_t* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }

// A row of a tile.
void store_row(Vector low, Vector high, int columns, const std::int32_t* bias, std::int32_t* c) {
  if (columns == kPanel) {
    store(c, bias ? low + load(bias) : low);
    store(c + kLanes, bias ? high + load(bias + kLanes) : high);
    return;
  }
  std::int32_t words[kPanel];
  store(words, low);
  store(words + kLanes, high);
  for (int j = 0; j < columns; ++j)
    c[j] = static_cast<std::int32_t>(static_cast<Word>(words[j]) +
                                     (bias ? static_cast<Word>(bias[j]) : 0));
}

// C[kRows x columns] = bias + A[kRows x pairs] panel[pairs], columns up to kPanel.
template <int kRows>
void tile(int pairs, const std::int16_t* a, const Word* panel, int columns, Bias bias,
          std::int32_t* c, std::ptrdiff_t c_stride) {
  Vector sum[kRows][2] = {};
  for (int p = 0; p < pairs; ++p) {
    const Vector* const b = reinterpret_cast<const Vector*>(panel + p * kPanel);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Vector row = Vector{} + pair_at(a + 2 * (i * pairs + p));
      sum[i][0] += sum_of_products(row, b[0]);
      sum[i][1] += sum_of_products(row, b[1]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
    store_row(sum[i][0], sum[i][1], columns, bias.data ? bias.data + i * bias.stride : nullptr,
              c + i * c_stride);
}

using Tile = void (*)(int, const std::int16_t*, const Word*, int, Bias, std::int32_t*,
                      std::ptrdiff_t);

template <std::size_t... kRow>
Tile pick_tile(int rows, std::index_sequence<kRow...>) {
  static constexpr Tile kTiles[] = {tile<static_cast<int>(kRow) + 1>...};
  return kTiles[rows - 1];
}

// Of the rows from i and the columns from j on.
Bias part_of(Bias bias, int i, int j) {
  if (bias.data) bias.data += i * bias.stride + j;
  return bias;
}

void rows_times_panel(int rows, int pairs, const std::int16_t* a, const Word* panel, int columns,
                      Bias bias, std::int32_t* c, std::ptrdiff_t c_stride) {
  // Equal heights instead of full tiles and a small remainder.
  const int tiles = (rows + kTileRows - 1) / kTileRows;
  const int height = (rows + tiles - 1) / tiles;
  for (int i = 0; i < rows; i += height) {
    const Tile run = pick_tile(smaller(height, rows - i), std::make_index_sequence<kTileRows>{});
    run(pairs, a + 2 * i * pairs, panel, columns, part_of(bias, i, 0), c + i * c_stride, c_stride);
  }
}

}  // namespace

void matmul_pairs(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                  Bias bias, std::int32_t* c, std::ptrdiff_t c_stride) {
  static_assert(sizeof(Buffers) <= kMatmulScratch);
  Buffers& packed = *static_cast<Buffers*>(matmul_scratch());
  for (int i = 0; i < m; i += kBlockM)
    for (int p = 0; p < k; p += kBlockK) {
      const int rows = smaller(kBlockM, m - i);
      const int depth = smaller(kBlockK, k - p);
      const int pairs = (depth + 1) / 2;
      const Bias before = p == 0 ? bias : Bias{c, c_stride};
      for (int r = 0; r < rows; ++r)
        widen(depth, a.data + (i + r) * a.row_stride + p * a.column_stride, a.column_stride,
              packed.a + r * 2 * pairs);
      for (int j = 0; j < n; j += kBlockN) {
        const int columns = smaller(kBlockN, n - j);
        pack_b(depth, columns,
               {b.data + p * b.row_stride + j * b.column_stride, b.row_stride, b.column_stride},
               packed.b);
        for (int q = 0; q < columns; q += kPanel)
          rows_times_panel(rows, pairs, packed.a, packed.b + q * pairs,
                           smaller(kPanel, columns - q), part_of(before, i, j + q),
                           c + i * c_stride + j + q, c_stride);
      }
    }
}

}  // namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET
