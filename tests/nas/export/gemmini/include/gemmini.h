// What an exported program uses of Gemmini's library (gemmini.h of gemmini-rocc-tests): the same
// names and the same commands for the same arguments. Commands are packed as its macros pack them.
#ifndef PARETOFORMER_TESTS_GEMMINI_H
#define PARETOFORMER_TESTS_GEMMINI_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/gemmini_params.h"
#include "rocc-software/src/xcustom.h"

enum { NO_ACTIVATION, RELU, LAYERNORM, IGELU, SOFTMAX };
enum tiled_matmul_type_t { OS, WS, CPU };
#define WEIGHT_STATIONARY 1

enum {  // funct
  CONFIG = 0,
  MVIN = 2,
  MVOUT = 3,
  FLUSH = 7,
  LOOP = 8,
  LOOP_BOUNDS = 9,
  LOOP_AB = 10,
  LOOP_DC = 11,
  LOOP_STRIDES_AB = 12,
  LOOP_STRIDES_DC = 13
};
enum { CONFIG_EX, CONFIG_LD, CONFIG_ST, CONFIG_NORM };

static inline uint64_t gemmini_float_bits(float value) {
  union {
    float value;
    uint32_t bits;
  } both = {value};
  return both.bits;
}

#define GEMMINI_COMMAND(rs1, rs2, funct) ROCC_INSTRUCTION_0_R_R(XCUSTOM_ACC, rs1, rs2, funct)
#define GEMMINI_PLACE(address, columns, rows) \
  ((uint64_t)(rows) << 48 | (uint64_t)(columns) << 32 | (uint64_t)(address))

#define gemmini_flush(skip) GEMMINI_COMMAND(skip, 0, FLUSH)
#ifdef __riscv
#define gemmini_fence() asm volatile("fence")
#else
#define gemmini_fence()
#endif
#define gemmini_extended_mvin(dram, local, columns, rows) \
  GEMMINI_COMMAND(dram, GEMMINI_PLACE(local, columns, rows), MVIN)
#define gemmini_extended_mvout(dram, local, columns, rows) \
  GEMMINI_COMMAND(dram, GEMMINI_PLACE(local, columns, rows), MVOUT)
#define gemmini_extended_config_ex(dataflow, act, shift, a_stride, a_transpose, b_transpose) \
  GEMMINI_COMMAND(gemmini_float_bits(1) << 32 | (uint64_t)(a_stride) << 16 |                 \
                      (uint64_t)(b_transpose) << 9 | (uint64_t)(a_transpose) << 8 |          \
                      (uint64_t)(act) << 3 | (uint64_t)(dataflow) << 2 | CONFIG_EX,          \
                  (uint64_t)1 << 48 | (uint64_t)(shift), CONFIG)
#define gemmini_config_ex(dataflow, act, shift) \
  gemmini_extended_config_ex(dataflow, act, shift, 1, 0, 0)
#define gemmini_extended4_config_ld(stride, scale, shrunk, block_stride, id)             \
  GEMMINI_COMMAND(gemmini_float_bits(scale) << 32 | (uint64_t)(block_stride) << 16 |     \
                      (uint64_t)1 << 8 | (uint64_t)(id) << 3 | (uint64_t)(shrunk) << 2 | \
                      CONFIG_LD,                                                         \
                  stride, CONFIG)
#define gemmini_extended3_config_ld(stride, scale, shrunk, id) \
  gemmini_extended4_config_ld(stride, scale, shrunk, DIM, id)
#define gemmini_extended_config_st(stride, act, scale) \
  GEMMINI_COMMAND((uint64_t)(act) << 2 | CONFIG_ST,    \
                  gemmini_float_bits(scale) << 32 | (uint32_t)(stride), CONFIG)
#define gemmini_config_norm(constant, kind, only_id, act_msb, id, qb, qc)         \
  GEMMINI_COMMAND((uint64_t)(uint32_t)(constant) << 32 | (uint64_t)(kind) << 18 | \
                      (uint64_t)(only_id) << 17 | (uint64_t)(act_msb) << 16 |     \
                      (uint64_t)(id) << 8 | CONFIG_NORM,                          \
                  (uint64_t)(uint32_t)(qc) << 32 | (uint64_t)(uint32_t)(qb), CONFIG)
#define gemmini_loop_ws(I, J, K, pad_I, pad_J, pad_K, A, B, D, C, A_stride, B_stride, D_stride,    \
                        C_stride, A_transpose, B_transpose, full_C, low_D, accumulate, act, a_id,  \
                        b_id, is_resadd)                                                           \
  {                                                                                                \
    GEMMINI_COMMAND(GEMMINI_LOOP_EXTENTS(pad_I, pad_J, pad_K), GEMMINI_LOOP_EXTENTS(I, J, K),      \
                    LOOP_BOUNDS)                                                                   \
    GEMMINI_COMMAND(A, B, LOOP_AB)                                                                 \
    GEMMINI_COMMAND(D, C, LOOP_DC)                                                                 \
    GEMMINI_COMMAND(A_stride, B_stride, LOOP_STRIDES_AB)                                           \
    GEMMINI_COMMAND(D_stride, C_stride, LOOP_STRIDES_DC)                                           \
    GEMMINI_COMMAND(                                                                               \
        (uint64_t)(a_id) << 18 | (uint64_t)(b_id) << 16 | (uint64_t)(act) << 8 |                   \
            (uint64_t)(low_D) << 2 | (uint64_t)(full_C) << 1 | (uint64_t)(accumulate),             \
        (uint64_t)(is_resadd) << 2 | (uint64_t)(B_transpose) << 1 | (uint64_t)(A_transpose), LOOP) \
  }
#define GEMMINI_LOOP_EXTENTS(i, j, k) ((uint64_t)(k) << 32 | (uint64_t)(j) << 16 | (uint64_t)(i))

static size_t gemmini_blocks(size_t elements) { return (elements + DIM - 1) / DIM; }
static size_t gemmini_least(size_t a, size_t b) { return a < b ? a : b; }

// Whether a tile of blocks fits half the memories (L1231-1309).
static bool gemmini_fits(size_t i, size_t j, size_t k) {
  return (i + j) * k * DIM <= BANK_NUM * BANK_ROWS / 2 && i * j * DIM <= ACC_ROWS / 2;
}

// One LOOP_WS per tile of i x j x k blocks; an operand of at most two tiles stays (L780-831).
static void gemmini_tiles(size_t rows, size_t columns, size_t inner, const elem_t* A,
                          const elem_t* B, const void* D, void* C, size_t stride_A, size_t stride_B,
                          size_t stride_D, size_t stride_C, size_t i, size_t j, size_t k, int act,
                          bool one_row, bool transpose_B, bool full_C) {
  const size_t size_C = full_C ? sizeof(acc_t) : sizeof(elem_t);
  const size_t height = i * DIM, width = j * DIM, depth = k * DIM;
  const size_t deep = (inner + depth - 1) / depth;
  const bool keeps_A = (rows + height - 1) / height * deep <= 2;
  const bool keeps_B = (columns + width - 1) / width * deep <= 2;
  for (size_t r = 0; r < rows; r += height)
    for (size_t c = 0; c < columns; c += width)
      for (size_t d = 0; d < inner; d += depth) {
        const size_t m = gemmini_least(height, rows - r), n = gemmini_least(width, columns - c);
        const size_t l = gemmini_least(depth, inner - d);
        const elem_t* a = keeps_A && c > 0 ? NULL : A + r * stride_A + d;
        const elem_t* b = keeps_B && r > 0 ? NULL
                          : transpose_B    ? B + c * stride_B + d
                                           : B + d * stride_B + c;
        const acc_t* bias =
            D == NULL || d > 0 ? NULL : (const acc_t*)D + (one_row ? 0 : r * stride_D) + c;
        char* to = d + depth < inner ? NULL : (char*)C + (r * stride_C + c) * size_C;
        gemmini_loop_ws(gemmini_blocks(m), gemmini_blocks(n), gemmini_blocks(l),
                        gemmini_blocks(m) * DIM - m, gemmini_blocks(n) * DIM - n,
                        gemmini_blocks(l) * DIM - l, a, b, bias, to, stride_A, stride_B,
                        one_row ? 0 : stride_D, stride_C, false, transpose_B, full_C, false,
                        D != NULL || d > 0, act, keeps_A ? (r + d == 0 ? 1 : 2) : 0,
                        keeps_B ? (c + d == 0 ? 1 : 2) : 0, false)
      }
}

static void tiled_matmul_auto(size_t rows, size_t columns, size_t inner, const elem_t* A,
                              const elem_t* B, const void* D, void* C, size_t stride_A,
                              size_t stride_B, size_t stride_D, size_t stride_C, scale_t A_scale,
                              scale_t B_scale, scale_acc_t D_scale, int act, acc_scale_t scale,
                              acc_scale_t bert_scale, bool repeating_bias, bool transpose_A,
                              bool transpose_B, bool full_C, bool low_D, uint8_t weightA,
                              enum tiled_matmul_type_t type) {
  (void)transpose_A, (void)low_D, (void)weightA;
  const size_t all_i = gemmini_blocks(rows), all_j = gemmini_blocks(columns);
  const size_t all_k = gemmini_blocks(inner);
  // The first guess: a square of results, or whole rows to be normalised.
  const bool whole = act == LAYERNORM || act == SOFTMAX;
  const size_t side = (size_t)sqrt(ACC_ROWS / 2 / DIM);
  size_t i = whole ? 1 : gemmini_least(all_i, side);
  size_t j = whole ? all_j : gemmini_least(all_j, side);
  size_t k = whole ? 1 : gemmini_least(all_k, BANK_NUM * BANK_ROWS / 4 / DIM / side);
  for (bool grows = true; grows;) {
    grows = false;
    if (j < all_j && gemmini_fits(i, j + 1, k)) ++j, grows = true;
    if (i < all_i && gemmini_fits(i + 1, j, k)) ++i, grows = true;
    if (k < all_k && gemmini_fits(i, j, k + 1)) ++k, grows = true;
  }
  gemmini_extended_config_ex(type, act & 3, 0, 1, false, transpose_B) gemmini_extended_config_st(
      stride_C * (full_C ? sizeof(acc_t) : sizeof(elem_t)), act & 3, scale)
      gemmini_extended3_config_ld(stride_A, A_scale, false, 0)
          gemmini_extended3_config_ld(stride_B, B_scale, false, 1)
              gemmini_extended3_config_ld(repeating_bias ? 0 : stride_D * sizeof(acc_t), D_scale,
                                          false, 2) if (act == SOFTMAX) {  // L739-752
    const float a = 0.3585, b = 1.353, c = 0.344;
    const acc_t ln2 = (acc_t)(0.693147 / bert_scale);
    const acc_t qb = b / bert_scale, qc = c / (a * bert_scale * bert_scale);
    gemmini_config_norm(ln2, 0, 0, 1, 0, qb, qc)
        gemmini_config_norm(65536 / ln2, 1, 0, 1, 0, qb, qc)
  }
  gemmini_tiles(rows, columns, inner, A, B, D, C, stride_A, stride_B, stride_D, stride_C, i, j, k,
                act, repeating_bias, transpose_B, full_C);
  gemmini_fence();
}

static void tiled_resadd(size_t rows, size_t columns, size_t stride, size_t tile_rows,
                         size_t tile_columns, scale_t A_scale, scale_t B_scale, acc_scale_t C_scale,
                         const elem_t* A, const elem_t* B, elem_t* C, bool relu,
                         enum tiled_matmul_type_t type) {
  gemmini_extended_config_st(stride, relu ? RELU : NO_ACTIVATION, C_scale)
      gemmini_config_ex(type, 0, 0) gemmini_extended4_config_ld(stride, A_scale, true, DIM, 0)
          gemmini_extended4_config_ld(stride, B_scale, true, DIM,
                                      1) for (size_t r = 0; r < rows;
                                              r += tile_rows) for (size_t c = 0; c < columns;
                                                                   c += tile_columns) {
    const size_t m = gemmini_least(tile_rows, rows - r);
    const size_t n = gemmini_least(tile_columns, columns - c), at = r * stride + c;
    gemmini_loop_ws(gemmini_blocks(m), gemmini_blocks(n), 0, gemmini_blocks(m) * DIM - m,
                    gemmini_blocks(n) * DIM - n, 0, A + at, B + at, NULL, C + at, stride, stride, 0,
                    stride, false, false, false, false, false, relu, 0, 0, true)
  }
  gemmini_fence();
}

#endif
