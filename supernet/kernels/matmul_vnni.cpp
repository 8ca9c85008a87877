#include "supernet/kernels/matmul_int8.hpp"

// Compiled for AVX-512 VNNI whatever the rest is compiled for, and entered only where the processor
// has it (int8_unit()). So nothing here may come from a header as code: see kernel_sets.hpp.
#ifdef PARETOFORMER_VNNI_KERNELS

#include <cstring>
#include <utility>

#include "supernet/kernels/avx512_transpose.hpp"

namespace paretoformer::supernet {
namespace {

// vpdpbusd adds four products of neighbouring bytes to a word, one factor unsigned, the other
// signed (Intel, Software Developer's Manual, volume 2, VPDPBUSD), and wraps. So B is packed as b +
// 128, and 128 times the sum of the row of A is subtracted at the end. The structure is that of
// matmul_vector.cpp: a register tile of kTileRows x 2 vectors, B packed into panels of two vectors,
// [quad of k][column][4], the rows of A read in place where four of their bytes are a word.
constexpr int kLanes = 16;
constexpr int kPanel = 2 * kLanes;  // columns
constexpr int kTileRows = 14;       // 14 x 2 accumulators + 2 of B of the 32 registers
constexpr int kQuad = 4;
constexpr int kBlockK = 768;  // a panel is 24 kB
constexpr int kBlockN = 512;
constexpr int kBlockM = 512;

using Word = std::int32_t;

struct Buffers {
  alignas(64) std::int8_t a[kBlockM * kBlockK];
  alignas(64) Word b[kBlockK / kQuad * kBlockN];
  Word row_sums[kBlockM];
};

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }

// The first `count` of 16 and of 64; more than that, all, and negative, none.
__mmask16 first(int count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFF : count <= 0 ? 0 : (1U << count) - 1);
}
__mmask64 first_bytes(int count) {
  return count >= 64 ? ~__mmask64{0} : count <= 0 ? 0 : (__mmask64{1} << count) - 1;
}

__m512i offset() { return _mm512_set1_epi8(static_cast<char>(0x80)); }

// Panels of B(0..k, 0..n) whose columns are contiguous: 16 columns of 16 quads are one square of
// words.
void pack_columns_of_b(int k, int n, MatrixView<std::int8_t> b, Word* packed) {
  const int quads = ceil_div(k, kQuad);
  for (int j = 0; j < n; j += kLanes)
    for (int q = 0; q < quads; q += kLanes) {
      const __mmask64 mask = first_bytes(k - q * kQuad);
      __m512i r[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        const std::int8_t* column = b.data + smaller(j + i, n - 1) * b.column_stride;
        r[i] = _mm512_maskz_loadu_epi8(mask, column + q * kQuad);
      }
      transpose(r);
      Word* const target = packed + j / kPanel * kPanel * quads + j % kPanel +
                           static_cast<std::ptrdiff_t>(q) * kPanel;
      for (int i = 0; i < smaller(kLanes, quads - q); ++i)
        _mm512_store_si512(target + i * kPanel, _mm512_xor_si512(r[i], offset()));
    }
}

// Where its rows are contiguous: the bytes of four rows are interleaved, 16 columns at a time.
void pack_rows_of_b(int k, int n, MatrixView<std::int8_t> b, Word* packed) {
  const int quads = ceil_div(k, kQuad);
  for (int q = 0; q < quads; ++q)
    for (int j = 0; j < n; j += kLanes) {
      __m128i row[kQuad];
      for (int p = 0; p < kQuad; ++p) {
        const bool here = q * kQuad + p < k;
        const std::int8_t* source = b.data + (here ? q * kQuad + p : 0) * b.row_stride + j;
        row[p] = _mm_maskz_loadu_epi8(here ? first(n - j) : __mmask16{0}, source);
      }
      const __m128i low01 = _mm_unpacklo_epi8(row[0], row[1]);
      const __m128i high01 = _mm_unpackhi_epi8(row[0], row[1]);
      const __m128i low23 = _mm_unpacklo_epi8(row[2], row[3]);
      const __m128i high23 = _mm_unpackhi_epi8(row[2], row[3]);
      __m512i words = _mm512_castsi128_si512(_mm_unpacklo_epi16(low01, low23));
      words = _mm512_inserti32x4(words, _mm_unpackhi_epi16(low01, low23), 1);
      words = _mm512_inserti32x4(words, _mm_unpacklo_epi16(high01, high23), 2);
      words = _mm512_inserti32x4(words, _mm_unpackhi_epi16(high01, high23), 3);
      _mm512_store_si512(packed + j / kPanel * kPanel * quads + j % kPanel + q * kPanel,
                         _mm512_xor_si512(words, offset()));
    }
}

// The rows of a block of A, and 128 times the sum of each.
struct RowsOfA {
  const std::int8_t* data;
  std::ptrdiff_t stride;
  const Word* sums;
};

RowsOfA rows_of(int m, int k, MatrixView<std::int8_t> a, Buffers& buffers) {
  RowsOfA rows{a.data, a.row_stride, buffers.row_sums};
  if (a.column_stride != 1 || k % kQuad != 0) {  // copied, with zeros at the end of quads
    const int padded = ceil_div(k, kQuad) * kQuad;
    for (int i = 0; i < m; ++i) {
      std::int8_t* const row = buffers.a + i * padded;
      for (int p = 0; p < k; ++p) row[p] = a.data[i * a.row_stride + p * a.column_stride];
      std::memset(row + k, 0, static_cast<std::size_t>(padded - k));
    }
    rows.data = buffers.a;
    rows.stride = padded;
  }
  for (int i = 0; i < m; ++i) {
    __m512i sum = _mm512_setzero_si512();
    for (int p = 0; p < k; p += 64)
      sum = _mm512_dpbusd_epi32(
          sum, offset(),
          _mm512_maskz_loadu_epi8(first_bytes(k - p), rows.data + i * rows.stride + p));
    buffers.row_sums[i] = _mm512_reduce_add_epi32(sum);
  }
  return rows;
}

Word quad_at(const std::int8_t* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// One register tile: C[kRows x kColumns vectors] = bias + A[kRows x quads] panel[quads]; `last` are
// the columns of the last vector that there are.
template <int kRows, int kColumns>
void tile(int quads, const RowsOfA& a, int row, const Word* panel, Bias bias, Word* c,
          std::ptrdiff_t c_stride, __mmask16 last) {
  __m512i sum[kRows][kColumns];
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kColumns; ++j) sum[i][j] = _mm512_setzero_si512();
  // Rows in groups of three: see tile() in matmul_vector.cpp.
  constexpr int kGroups = (kRows + 2) / 3;
  const std::int8_t* base[kGroups];
  for (int g = 0; g < kGroups; ++g) base[g] = a.data + (row + 3 * g) * a.stride;
  for (int q = 0; q < quads; ++q) {
    __m512i b[kColumns];
    for (int j = 0; j < kColumns; ++j) b[j] = _mm512_load_si512(panel + q * kPanel + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const __m512i broadcast =
          _mm512_set1_epi32(quad_at(base[i / 3] + (i % 3) * a.stride + q * kQuad));
      for (int j = 0; j < kColumns; ++j)
        sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], b[j], broadcast);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kColumns; ++j) {
      const __mmask16 mask = j + 1 == kColumns ? last : __mmask16{0xFFFF};
      Word* const target = c + i * c_stride + j * kLanes;
      __m512i result = _mm512_sub_epi32(sum[i][j], _mm512_set1_epi32(a.sums[row + i]));
      if (bias.data)
        result = _mm512_add_epi32(
            result, _mm512_maskz_loadu_epi32(mask, bias.data + i * bias.stride + j * kLanes));
      _mm512_mask_storeu_epi32(target, mask, result);
    }
}

using Tile = void (*)(int, const RowsOfA&, int, const Word*, Bias, Word*, std::ptrdiff_t,
                      __mmask16);

// Of the rows from i and the columns from j on.
Bias part_of(Bias bias, int i, int j) {
  if (bias.data) bias.data += i * bias.stride + j;
  return bias;
}

template <int kColumns, std::size_t... kRow>
Tile pick_tile(int rows, std::index_sequence<kRow...>) {
  static constexpr Tile kTiles[] = {tile<static_cast<int>(kRow) + 1, kColumns>...};
  return kTiles[rows - 1];
}

// A block of rows of A times the packed block of B.
void rows_times_panels(int m, int n, int quads, const RowsOfA& a, const Word* packed_b, Bias bias,
                       Word* c, std::ptrdiff_t c_stride) {
  constexpr auto kRows = std::make_index_sequence<kTileRows>{};
  // Equal heights instead of full tiles and a small remainder.
  const int height = ceil_div(m, ceil_div(m, kTileRows));
  for (int j = 0; j < n; j += kPanel) {
    const bool two = n - j > kLanes;
    const __mmask16 last = first(n - j - (two ? kLanes : 0));
    for (int i = 0; i < m; i += height) {
      const int rows = smaller(height, m - i);
      const Tile run = two ? pick_tile<2>(rows, kRows) : pick_tile<1>(rows, kRows);
      run(quads, a, i, packed_b + static_cast<std::ptrdiff_t>(j) * quads, part_of(bias, i, j),
          c + i * c_stride + j, c_stride, last);
    }
  }
}

}  // namespace

void matmul_vnni(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                 Bias bias, Word* c, std::ptrdiff_t c_stride) {
  static_assert(sizeof(Buffers) <= kMatmulScratch);
  Buffers& packed = *static_cast<Buffers*>(matmul_scratch());
  for (int i = 0; i < m; i += kBlockM)
    for (int p = 0; p < k; p += kBlockK) {
      const int height = smaller(kBlockM, m - i);
      const int depth = smaller(kBlockK, k - p);
      const RowsOfA rows = rows_of(
          height, depth,
          {a.data + i * a.row_stride + p * a.column_stride, a.row_stride, a.column_stride}, packed);
      for (int j = 0; j < n; j += kBlockN) {
        const int columns = smaller(kBlockN, n - j);
        const MatrixView<std::int8_t> block{b.data + p * b.row_stride + j * b.column_stride,
                                            b.row_stride, b.column_stride};
        if (b.column_stride == 1)
          pack_rows_of_b(depth, columns, block, packed.b);
        else
          pack_columns_of_b(depth, columns, block, packed.b);
        const Bias before = p == 0 ? bias : Bias{c, c_stride};
        rows_times_panels(height, columns, ceil_div(depth, kQuad), rows, packed.b,
                          part_of(before, i, j), c + i * c_stride + j, c_stride);
      }
    }
}

}  // namespace paretoformer::supernet

#else

namespace paretoformer::supernet {

void matmul_vnni(int, int, int, MatrixView<std::int8_t>, MatrixView<std::int8_t>, Bias,
                 std::int32_t*, std::ptrdiff_t) {
  __builtin_unreachable();
}

}  // namespace paretoformer::supernet

#endif
