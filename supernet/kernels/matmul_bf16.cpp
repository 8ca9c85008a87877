#include "supernet/kernels/matmul_bf16.hpp"

// Compiled for AVX-512 BF16 and AMX whatever the rest is compiled for, and entered only where the
// processor has them (bf16_unit()). So nothing here may come from a header as code: see
// kernel_sets.hpp.
#ifdef PARETOFORMER_BF16_KERNELS

#include "supernet/kernels/avx512_transpose.hpp"

namespace paretoformer::supernet {
namespace {

// Both factors are packed as squares of 16 x 16 words, a word being two neighbouring elements along
// k in bfloat16: [row][pair] for A, [pair][column] for B, which is what AMX loads as one tile and
// what vdpbf16ps takes as one vector per row (Intel, Architecture Instruction Set Extensions
// Programming Reference, chapter 3, TDPBF16PS).
constexpr int kSide = 16;
constexpr int kDepth = 2 * kSide;            // elements of k in one square
constexpr int kSquareWords = kSide * kSide;  // 1 kB
using Word = unsigned int;

// A factor is kTerms bfloat16 numbers: one (rounded) or three (exact).
constexpr int kMostTerms = 3;

// Blocks: that of B, at most 0.8 MB with three terms, stays in the L2 cache; deep ones save passes
// over C, which cost a third of the time at 128.
constexpr int kBlockM = 512;
constexpr int kBlockN = 256;
constexpr int kBlockK = 512;

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }

__mmask16 first(int count) {
  return static_cast<__mmask16>(count >= kSide ? 0xFFFF : count <= 0 ? 0 : (1 << count) - 1);
}

__m512i round_pair(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// The words of one term of 16 pairs, and what is left of them for the next terms.
__m512i next_term(__m512& low, __m512& high, bool last) {
  const __m512i words = round_pair(low, high);
  if (last) return words;
  const auto widen = [](__m256i half) {
    return reinterpret_cast<__m512>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  };
  low = _mm512_sub_ps(low, widen(_mm512_castsi512_si256(words)));
  high = _mm512_sub_ps(high, widen(_mm512_extracti64x4_epi64(words, 1)));
  return words;
}

// One square per term, one after the other, from `lines` x `depth` elements (i, k) at
// source[i * line_stride + k * k_stride], the rest zero; a line is a row of A or a column of B.
// `lines_first`: [line][pair], otherwise [pair][line].
template <int kTerms>
void pack_square(int lines, int depth, const float* source, std::ptrdiff_t line_stride,
                 std::ptrdiff_t k_stride, bool lines_first, Word* target) {
  __m512 low[kSide];
  __m512 high[kSide];
  const bool k_contiguous = k_stride == 1;
  if (k_contiguous) {  // a vector is one line
    const __mmask16 low_mask = first(depth);
    const __mmask16 high_mask = first(depth - kSide);
    for (int i = 0; i < kSide; ++i) {
      const float* line = source + (i < lines ? i : 0) * line_stride;
      const __mmask16 here = i < lines ? 0xFFFF : 0;
      low[i] = _mm512_maskz_loadu_ps(low_mask & here, line);
      high[i] = _mm512_maskz_loadu_ps(high_mask & here, line + kSide);
    }
  } else {  // a vector is one k
    const __mmask16 mask = first(lines);
    for (int p = 0; p < kSide; ++p) {
      const float* pair = source + 2 * p * k_stride;
      low[p] = _mm512_maskz_loadu_ps(2 * p < depth ? mask : 0, pair);
      high[p] = _mm512_maskz_loadu_ps(2 * p + 1 < depth ? mask : 0, pair + k_stride);
    }
  }
  // Words of 16 bits 0, 16, 1, 17, ...: the two elements of a pair side by side.
  const __m512i interleave =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (int term = 0; term < kTerms; ++term, target += kSquareWords) {
    __m512i r[kSide];
    for (int i = 0; i < kSide; ++i) r[i] = next_term(low[i], high[i], term + 1 == kTerms);
    if (!k_contiguous)
      for (int i = 0; i < kSide; ++i) r[i] = _mm512_permutexvar_epi16(interleave, r[i]);
    if (k_contiguous != lines_first) transpose(r);
    for (int i = 0; i < kSide; ++i) _mm512_store_si512(target + i * kSide, r[i]);
  }
}

// Packs `lines` x `depth` elements into squares [line / 16][k / 32][term], reading along the
// direction that is contiguous in memory.
template <int kTerms>
void pack(int lines, int depth, const float* source, std::ptrdiff_t line_stride,
          std::ptrdiff_t k_stride, bool lines_first, Word* target) {
  const int steps = ceil_div(depth, kDepth);
  const int rows = ceil_div(lines, kSide);
  for (int square = 0; square < steps * rows; ++square) {
    const int row = k_stride == 1 ? square / steps : square % rows;
    const int step = k_stride == 1 ? square % steps : square / rows;
    pack_square<kTerms>(smaller(kSide, lines - row * kSide), smaller(kDepth, depth - step * kDepth),
                        source + row * kSide * line_stride + step * kDepth * k_stride, line_stride,
                        k_stride, lines_first,
                        target + (row * steps + step) * kTerms * kSquareWords);
  }
}

// C[rows of two squares x columns of two squares] (+)= A B over `steps` squares; `a` and `b` each
// hold two rows of squares, those of `b` `b_pitch` apart, those of `a` one after the other.
using Kernel = void (*)(int steps, const Word* a, const Word* b, std::ptrdiff_t b_pitch, float* c,
                        std::ptrdiff_t c_stride, bool accumulate);

// Loads tiles 4 and 5 (A) or 6 and 7 (B) with one term of two neighbouring rows of squares.
void load_a(const Word* a, std::ptrdiff_t pitch) {
  _tile_loadd(4, a, kSide * sizeof(Word));
  _tile_loadd(5, a + pitch, kSide * sizeof(Word));
}
void load_b(const Word* b, std::ptrdiff_t pitch) {
  _tile_loadd(6, b, kSide * sizeof(Word));
  _tile_loadd(7, b + pitch, kSide * sizeof(Word));
}
void multiply_tiles() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

template <int kTerms>
void amx_kernel(int steps, const Word* a, const Word* b, std::ptrdiff_t b_pitch, float* c,
                std::ptrdiff_t c_stride, bool accumulate) {
  const std::size_t bytes = static_cast<std::size_t>(c_stride) * sizeof(float);
  float* const lower = c + kSide * c_stride;
  if (accumulate) {
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + kSide, bytes);
    _tile_loadd(2, lower, bytes);
    _tile_loadd(3, lower + kSide, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::ptrdiff_t pitch = steps * kTerms * kSquareWords;
  for (int step = 0; step < steps; ++step, a += kTerms * kSquareWords, b += kTerms * kSquareWords) {
    if constexpr (kTerms == 1) {
      load_a(a, pitch);
      load_b(b, b_pitch);
      multiply_tiles();
    } else {
      // Terms of (A, B): an order in which one product needs but one new pair of tiles, with the
      // largest product last.
      constexpr int kOrder[6][2] = {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}};
      for (int i = 0; i < 6; ++i) {
        if (i == 0 || kOrder[i][0] != kOrder[i - 1][0])
          load_a(a + kOrder[i][0] * kSquareWords, pitch);
        if (i == 0 || kOrder[i][1] != kOrder[i - 1][1])
          load_b(b + kOrder[i][1] * kSquareWords, b_pitch);
        multiply_tiles();
      }
    }
  }
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + kSide, bytes);
  _tile_stored(2, lower, bytes);
  _tile_stored(3, lower + kSide, bytes);
}

// Eight rows at a time: 8 x 2 accumulators cover the latency of vdpbf16ps.
void avx512_kernel(int steps, const Word* a, const Word* b, std::ptrdiff_t b_pitch, float* c,
                   std::ptrdiff_t c_stride, bool accumulate) {
  constexpr int kRows = 8;
  for (int row = 0; row < 2 * kSide; row += kRows) {
    const Word* rows = a + row / kSide * steps * kSquareWords + row % kSide * kSide;
    float* const target = c + row * c_stride;
    __m512 sum[kRows][2];
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < 2; ++j)
        sum[i][j] =
            accumulate ? _mm512_loadu_ps(target + i * c_stride + j * kSide) : _mm512_setzero_ps();
    for (int step = 0; step < steps; ++step)
      for (int p = 0; p < kSide; ++p) {
        const Word* column = b + step * kSquareWords + p * kSide;
        const auto b0 = reinterpret_cast<__m512bh>(_mm512_load_si512(column));
        const auto b1 = reinterpret_cast<__m512bh>(_mm512_load_si512(column + b_pitch));
        const Word* element = rows + step * kSquareWords + p;
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
          const auto broadcast =
              reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(element[i * kSide])));
          sum[i][0] = _mm512_dpbf16_ps(sum[i][0], broadcast, b0);
          sum[i][1] = _mm512_dpbf16_ps(sum[i][1], broadcast, b1);
        }
      }
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < 2; ++j) _mm512_storeu_ps(target + i * c_stride + j * kSide, sum[i][j]);
  }
}

// All eight tiles are 16 rows of 64 bytes.
void configure_tiles() {
  struct alignas(64) {
    unsigned char palette, start_row, reserved[14];
    unsigned short columns[16];
    unsigned char rows[16];
  } config{};
  config.palette = 1;
  for (int tile = 0; tile < 8; ++tile) {
    config.columns[tile] = 64;
    config.rows[tile] = kSide;
  }
  _tile_loadconfig(&config);
}

struct Buffers {  // with squares of one further line: kernels work on pairs
  alignas(64) Word a[(kBlockM + kSide) * kBlockK * kMostTerms / 2];
  alignas(64) Word b[(kBlockN + kSide) * kBlockK * kMostTerms / 2];
};

// A block of B: rows of squares that are `pitch` words apart.
struct Squares {
  const Word* data;
  std::ptrdiff_t pitch;
};

// A packed block of A times one of B.
template <int kTerms>
void block(int m, int n, int steps, const Word* packed_a, const Squares& packed_b, float* c,
           std::ptrdiff_t c_stride, bool accumulate, Kernel kernel) {
  constexpr int kPair = 2 * kSide;
  const int pitch = steps * kTerms * kSquareWords;
  alignas(64) float edge[kPair * kPair];
  for (int i = 0; i < m; i += kPair)
    for (int j = 0; j < n; j += kPair) {
      const Word* a = packed_a + i / kSide * pitch;
      const Word* b = packed_b.data + j / kSide * packed_b.pitch;
      float* const target = c + i * c_stride + j;
      if (i + kPair <= m && j + kPair <= n) {
        kernel(steps, a, b, packed_b.pitch, target, c_stride, accumulate);
        continue;
      }
      const int rows = smaller(kPair, m - i);
      const __mmask16 left = first(n - j);
      const __mmask16 right = first(n - j - kSide);
      if (accumulate)
        for (int r = 0; r < rows; ++r) {
          _mm512_store_ps(edge + r * kPair, _mm512_maskz_loadu_ps(left, target + r * c_stride));
          _mm512_store_ps(edge + r * kPair + kSide,
                          _mm512_maskz_loadu_ps(right, target + r * c_stride + kSide));
        }
      kernel(steps, a, b, packed_b.pitch, edge, kPair, accumulate);
      for (int r = 0; r < rows; ++r) {
        _mm512_mask_storeu_ps(target + r * c_stride, left, _mm512_load_ps(edge + r * kPair));
        _mm512_mask_storeu_ps(target + r * c_stride + kSide, right,
                              _mm512_load_ps(edge + r * kPair + kSide));
      }
    }
}

Buffers& buffers() {
  static_assert(sizeof(Buffers) <= kMatmulScratch);
  return *static_cast<Buffers*>(matmul_scratch());
}

// block_of_b(p, j, depth, columns): that of the rows from p and the columns from j on.
template <int kTerms, class BlockOfB>
void multiply_blocks(int m, int n, int k, MatrixView<float> a, const BlockOfB& block_of_b, float* c,
                     std::ptrdiff_t c_stride, Into into, Kernel kernel) {
  Word* const packed_a = buffers().a;
  for (int i = 0; i < m; i += kBlockM)
    for (int p = 0; p < k; p += kBlockK) {
      const int rows = smaller(kBlockM, m - i);
      const int depth = smaller(kBlockK, k - p);
      pack<kTerms>(rows, depth, a.data + i * a.row_stride + p * a.column_stride, a.row_stride,
                   a.column_stride, true, packed_a);
      for (int j = 0; j < n; j += kBlockN) {
        const int columns = smaller(kBlockN, n - j);
        block<kTerms>(rows, columns, ceil_div(depth, kDepth), packed_a,
                      block_of_b(p, j, depth, columns), c + i * c_stride + j, c_stride,
                      into == Into::accumulate || p > 0, kernel);
      }
    }
}

// Of B from row p and column j on, as [column / 16][k / 32][term].
template <int kTerms>
void pack_b(int depth, int columns, MatrixView<float> b, int p, int j, Word* target) {
  pack<kTerms>(columns, depth, b.data + p * b.row_stride + j * b.column_stride, b.column_stride,
               b.row_stride, false, target);
}

template <int kTerms>
void multiply(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
              std::ptrdiff_t c_stride, Into into, Kernel kernel) {
  Word* const packed = buffers().b;
  const auto block = [=](int p, int j, int depth, int columns) -> Squares {
    pack_b<kTerms>(depth, columns, b, p, j, packed);
    return {packed, ceil_div(depth, kDepth) * kTerms * kSquareWords};
  };
  multiply_blocks<kTerms>(m, n, k, a, block, c, c_stride, into, kernel);
}

int packed_depth(const PackedMatrix<float>& packed, int p) {
  return smaller(kBlockK, packed.rows - p);
}

template <int kTerms>
std::ptrdiff_t packed_pitch(const PackedMatrix<float>& packed, int p) {
  return ceil_div(packed_depth(packed, p), kDepth) * kTerms * kSquareWords;
}

// A packed matrix is one block of kBlockK rows after the other, each as of pack_b().
template <int kTerms>
Word* packed_block(const PackedMatrix<float>& packed, int p, int first) {
  static_assert(kDepth == kBf16Depth && kMostTerms == kSplitTerms && kPackedColumns == 2 * kSide);
  const std::ptrdiff_t rows_of_squares = 2 * ceil_div(packed.columns, kPackedColumns);
  return static_cast<Word*>(packed.data) + rows_of_squares * p / kDepth * kTerms * kSquareWords +
         first / kSide * packed_pitch<kTerms>(packed, p);
}

template <int kTerms>
void pack_matrix(MatrixView<float> b, int first, int last, const PackedMatrix<float>& packed) {
  for (int p = 0; p < packed.rows; p += kBlockK)
    pack_b<kTerms>(packed_depth(packed, p), last - first, b, p, first,
                   packed_block<kTerms>(packed, p, first));
}

template <int kTerms>
void multiply(int m, int n, int k, MatrixView<float> a, const PackedMatrix<float>& b, int first,
              float* c, std::ptrdiff_t c_stride, Into into, Kernel kernel) {
  const auto block = [&](int p, int j, int, int) -> Squares {
    return {packed_block<kTerms>(b, p, first + j), packed_pitch<kTerms>(b, p)};
  };
  multiply_blocks<kTerms>(m, n, k, a, block, c, c_stride, into, kernel);
}

}  // namespace

void matmul_bf16(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                 std::ptrdiff_t c_stride, Into into, Bf16Unit unit) {
  if (unit == Bf16Unit::avx512) return multiply<1>(m, n, k, a, b, c, c_stride, into, avx512_kernel);
  configure_tiles();
  multiply<1>(m, n, k, a, b, c, c_stride, into, amx_kernel<1>);
  _tile_release();
}

void matmul_split(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                  std::ptrdiff_t c_stride, Into into) {
  configure_tiles();
  multiply<3>(m, n, k, a, b, c, c_stride, into, amx_kernel<3>);
  _tile_release();
}

void pack_bf16(MatrixView<float> b, int first, int last, const PackedMatrix<float>& packed) {
  pack_matrix<1>(b, first, last, packed);
}

void matmul_packed_bf16(int m, int n, int k, MatrixView<float> a, const PackedMatrix<float>& b,
                        int first, float* c, std::ptrdiff_t c_stride, Into into, Bf16Unit unit) {
  if (unit == Bf16Unit::avx512)
    return multiply<1>(m, n, k, a, b, first, c, c_stride, into, avx512_kernel);
  configure_tiles();
  multiply<1>(m, n, k, a, b, first, c, c_stride, into, amx_kernel<1>);
  _tile_release();
}

void pack_split(MatrixView<float> b, int first, int last, const PackedMatrix<float>& packed) {
  pack_matrix<3>(b, first, last, packed);
}

void matmul_packed_split(int m, int n, int k, MatrixView<float> a, const PackedMatrix<float>& b,
                         int first, float* c, std::ptrdiff_t c_stride, Into into) {
  configure_tiles();
  multiply<3>(m, n, k, a, b, first, c, c_stride, into, amx_kernel<3>);
  _tile_release();
}

}  // namespace paretoformer::supernet

#else

namespace paretoformer::supernet {

void matmul_bf16(int, int, int, MatrixView<float>, MatrixView<float>, float*, std::ptrdiff_t, Into,
                 Bf16Unit) {
  __builtin_unreachable();
}
void matmul_split(int, int, int, MatrixView<float>, MatrixView<float>, float*, std::ptrdiff_t,
                  Into) {
  __builtin_unreachable();
}
void pack_bf16(MatrixView<float>, int, int, const PackedMatrix<float>&) { __builtin_unreachable(); }
void matmul_packed_bf16(int, int, int, MatrixView<float>, const PackedMatrix<float>&, int, float*,
                        std::ptrdiff_t, Into, Bf16Unit) {
  __builtin_unreachable();
}
void pack_split(MatrixView<float>, int, int, const PackedMatrix<float>&) {
  __builtin_unreachable();
}
void matmul_packed_split(int, int, int, MatrixView<float>, const PackedMatrix<float>&, int, float*,
                         std::ptrdiff_t, Into) {
  __builtin_unreachable();
}

}  // namespace paretoformer::supernet

#endif
