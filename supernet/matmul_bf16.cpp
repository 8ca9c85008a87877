#include "supernet/matmul_bf16.hpp"

// Compiled for AVX-512 BF16 and AMX whatever the rest is compiled for, and entered only where the
// processor has them. So nothing here may come from a header as code: an inline function compiled
// here could be the copy that the linker gives to everybody else.
#if defined(__AVX512BF16__) && defined(__AMX_BF16__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace paretoformer {
namespace {

// Both factors are packed as squares of 16 x 16 words, a word being two neighbouring elements along
// k in bfloat16: [row][pair] for A, [pair][column] for B, which is what AMX loads as one tile and
// what vdpbf16ps takes as one vector per row (Intel, Architecture Instruction Set Extensions
// Programming Reference, chapter 3, TDPBF16PS).
constexpr int kSide = 16;
constexpr int kDepth = 2 * kSide;            // elements of k in one square
constexpr int kSquareWords = kSide * kSide;  // 1 kB
constexpr int kBlockK = 256;                 // two rows of squares of A stay in the L1 cache
constexpr int kBlockN = 512;                 // the packed block of B, 256 kB, stays in the L2 cache
constexpr int kBlockM = 512;                 // rows, and
constexpr int kPackK = 1024;  // depth of a packed block of A, which is packed once for all of n
using Word = unsigned int;

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }

__mmask16 first(int count) {
  return static_cast<__mmask16>(count >= kSide ? 0xFFFF : count <= 0 ? 0 : (1 << count) - 1);
}

__m512i round_pair(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// Transposes 16 x 16 words in registers.
void transpose(__m512i (&r)[kSide]) {
  __m512i t[kSide];
  for (int i = 0; i < kSide; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < kSide; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
  }
}

// One square from `lines` x `depth` elements (i, k) at source[i * line_stride + k * k_stride],
// the rest zero; a line is a row of A or a column of B. `lines_first`: [line][pair], otherwise
// [pair][line].
void pack_square(int lines, int depth, const float* source, std::ptrdiff_t line_stride,
                 std::ptrdiff_t k_stride, bool lines_first, Word* target) {
  __m512i r[kSide];
  const bool k_contiguous = k_stride == 1;
  if (k_contiguous) {
    const __mmask16 low = first(depth);
    const __mmask16 high = first(depth - kSide);
    for (int i = 0; i < kSide; ++i) {
      const float* line = source + (i < lines ? i : 0) * line_stride;
      const __mmask16 here = i < lines ? 0xFFFF : 0;
      r[i] = round_pair(_mm512_maskz_loadu_ps(low & here, line),
                        _mm512_maskz_loadu_ps(high & here, line + kSide));
    }
  } else {
    const __mmask16 mask = first(lines);
    // Words of 16 bits 0, 16, 1, 17, ...: the two elements of a pair side by side.
    const __m512i interleave =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int p = 0; p < kSide; ++p) {
      const float* pair = source + 2 * p * k_stride;
      const __m512 low = _mm512_maskz_loadu_ps(2 * p < depth ? mask : 0, pair);
      const __m512 high = _mm512_maskz_loadu_ps(2 * p + 1 < depth ? mask : 0, pair + k_stride);
      r[p] = _mm512_permutexvar_epi16(interleave, round_pair(low, high));
    }
  }
  if (k_contiguous != lines_first) transpose(r);
  for (int i = 0; i < kSide; ++i) _mm512_store_si512(target + i * kSide, r[i]);
}

// Packs `lines` x `depth` elements into squares [line / 16][k / 32], reading along the direction
// that is contiguous in memory.
void pack(int lines, int depth, const float* source, std::ptrdiff_t line_stride,
          std::ptrdiff_t k_stride, bool lines_first, Word* target) {
  const int steps = ceil_div(depth, kDepth);
  const int rows = ceil_div(lines, kSide);
  for (int square = 0; square < steps * rows; ++square) {
    const int row = k_stride == 1 ? square / steps : square % rows;
    const int step = k_stride == 1 ? square % steps : square / rows;
    pack_square(smaller(kSide, lines - row * kSide), smaller(kDepth, depth - step * kDepth),
                source + row * kSide * line_stride + step * kDepth * k_stride, line_stride,
                k_stride, lines_first, target + (row * steps + step) * kSquareWords);
  }
}

// C[rows of two squares x columns of two squares] (+)= A B over `steps` squares. The second row of
// A's squares lies `a_pitch` words after the first; those of B are `steps` squares apart.
using Kernel = void (*)(int steps, const Word* a, std::ptrdiff_t a_pitch, const Word* b, float* c,
                        std::ptrdiff_t c_stride, bool accumulate);

void amx_kernel(int steps, const Word* a, std::ptrdiff_t a_pitch, const Word* b, float* c,
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
  const Word* a1 = a + a_pitch;
  const Word* b1 = b + steps * kSquareWords;
  constexpr std::size_t kLine = kSide * sizeof(Word);
  for (int step = 0; step < steps; ++step) {
    const int offset = step * kSquareWords;
    _tile_loadd(4, a + offset, kLine);
    _tile_loadd(6, b + offset, kLine);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b1 + offset, kLine);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a1 + offset, kLine);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + kSide, bytes);
  _tile_stored(2, lower, bytes);
  _tile_stored(3, lower + kSide, bytes);
}

// Eight rows at a time: 8 x 2 accumulators cover the latency of vdpbf16ps.
void avx512_kernel(int steps, const Word* a, std::ptrdiff_t a_pitch, const Word* b, float* c,
                   std::ptrdiff_t c_stride, bool accumulate) {
  constexpr int kRows = 8;
  for (int row = 0; row < 2 * kSide; row += kRows) {
    const Word* rows = a + row / kSide * a_pitch + row % kSide * kSide;
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
        const auto b1 =
            reinterpret_cast<__m512bh>(_mm512_load_si512(column + steps * kSquareWords));
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

struct Buffers {
  // Squares of one further line: kernels work on pairs.
  alignas(64) Word a[(kBlockM + kSide) * kPackK / 2];
  alignas(64) Word b[(kBlockN + kSide) * kBlockK / 2];
};

// A packed block of A, its rows of squares `a_pitch` words apart, times the packed block of B.
void block(int m, int n, int steps, const Word* a, std::ptrdiff_t a_pitch, const Word* b, float* c,
           std::ptrdiff_t c_stride, bool accumulate, Kernel kernel) {
  constexpr int kPair = 2 * kSide;
  alignas(64) float edge[kPair * kPair];
  for (int i = 0; i < m; i += kPair)
    for (int j = 0; j < n; j += kPair) {
      const Word* rows_of_a = a + i / kSide * a_pitch;
      const Word* columns_of_b = b + j / kSide * steps * kSquareWords;
      float* const target = c + i * c_stride + j;
      if (i + kPair <= m && j + kPair <= n) {
        kernel(steps, rows_of_a, a_pitch, columns_of_b, target, c_stride, accumulate);
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
      kernel(steps, rows_of_a, a_pitch, columns_of_b, edge, kPair, accumulate);
      for (int r = 0; r < rows; ++r) {
        _mm512_mask_storeu_ps(target + r * c_stride, left, _mm512_load_ps(edge + r * kPair));
        _mm512_mask_storeu_ps(target + r * c_stride + kSide, right,
                              _mm512_load_ps(edge + r * kPair + kSide));
      }
    }
}

Bf16Unit find_unit() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
    return Bf16Unit::none;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & (1u << 5))) return Bf16Unit::none;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  // Linux gives the tile registers to a process that asks (Documentation/arch/x86/xstate.rst).
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if ((d & kAmxBf16) && (d & kAmxTile) &&
      syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0)
    return Bf16Unit::amx;
  return Bf16Unit::avx512;
}

}  // namespace

Bf16Unit bf16_unit() {
  static const Bf16Unit unit = find_unit();
  return unit;
}

void matmul_bf16(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                 std::ptrdiff_t c_stride, Into into, Bf16Unit unit) {
  static thread_local Buffers buffers;
  const bool amx = unit == Bf16Unit::amx;
  if (amx) configure_tiles();
  const Kernel kernel = amx ? amx_kernel : avx512_kernel;
  for (int i = 0; i < m; i += kBlockM)
    for (int q = 0; q < k; q += kPackK) {
      const int rows = smaller(kBlockM, m - i);
      const int packed = smaller(kPackK, k - q);
      const std::ptrdiff_t a_pitch = ceil_div(packed, kDepth) * kSquareWords;
      pack(rows, packed, a.data + i * a.row_stride + q * a.column_stride, a.row_stride,
           a.column_stride, true, buffers.a);
      for (int j = 0; j < n; j += kBlockN)
        for (int p = 0; p < packed; p += kBlockK) {
          const int columns = smaller(kBlockN, n - j);
          const int depth = smaller(kBlockK, packed - p);
          pack(columns, depth, b.data + (q + p) * b.row_stride + j * b.column_stride,
               b.column_stride, b.row_stride, false, buffers.b);
          block(rows, columns, ceil_div(depth, kDepth), buffers.a + p / kDepth * kSquareWords,
                a_pitch, buffers.b, c + i * c_stride + j, c_stride,
                into == Into::accumulate || q + p > 0, kernel);
        }
    }
  if (amx) _tile_release();
}

}  // namespace paretoformer

#else

namespace paretoformer {

Bf16Unit bf16_unit() { return Bf16Unit::none; }
void matmul_bf16(int, int, int, MatrixView<float>, MatrixView<float>, float*, std::ptrdiff_t, Into,
                 Bf16Unit) {
  __builtin_unreachable();
}

}  // namespace paretoformer

#endif
