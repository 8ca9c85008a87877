#include "nas/export/gemmini_runtime.hpp"

namespace paretoformer::nas {

// Functions that are called from many places with other arguments stay functions: the compiler must
// not search for tiles, which costs what it costs on the machine.
const std::string_view kGemminiRuntime = R"(
// The platform's: writes a character of the report.
void platform_put(char c);

#define ONCE __attribute__((noinline, noclone, unused))
#define BLOCKS(n) (((n) + DIM - 1) / DIM)
#define PADDING(n) (BLOCKS(n) * DIM - (n))
#define IN_ACCUMULATOR ((uint32_t)1 << 31)
#define ADDED ((uint32_t)3 << 30)
#define DMA_COLUMNS (MAX_BLOCK_LEN * DIM)

// C = A B + bias, from int8 rows to int8, or to int32 sums, with the library's tile. `act` may be
// SOFTMAX, of scores whose step is `score_scale`.
static ONCE void matmul(size_t rows, size_t inner, size_t columns, const int8_t *a, size_t a_stride,
                        const int8_t *b, size_t b_stride, bool transposed, const void *bias,
                        bool one_row, void *c, size_t c_stride, bool sums, int act, float scale,
                        float score_scale) {
  tiled_matmul_auto(rows, columns, inner, a, b, bias, c, a_stride, b_stride, columns, c_stride,
                    MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY, act, scale,
                    score_scale, one_row, false, transposed, sums, false, 0, WS);
}

// A tile of a matmul; what is NULL stays in the accelerator or is not there.
struct loop {
  const int8_t *a, *b;
  const int32_t *bias;
  void *c;
  uint16_t rows, inner, columns;
  uint8_t a_half, b_half;  // 1 or 2: of the scratchpad
  bool accumulate;
};

// What the tiles of a matmul have in common. Strides in elements.
struct matmul {
  size_t a_stride, b_stride, c_stride, bias_stride;
  bool transposed, sums;
  int act;
  float scale;
  int32_t exp_ln2, exp_inverse_ln2, b, c;  // of SOFTMAX
};

static ONCE void matmul_tiles(const struct matmul *m, const struct loop *loops, size_t count) {
  gemmini_extended_config_ex(WEIGHT_STATIONARY, m->act & 3, 0, 1, false, m->transposed);
  gemmini_extended_config_st(m->c_stride * (m->sums ? sizeof(int32_t) : 1), m->act & 3, m->scale);
  gemmini_extended3_config_ld(m->a_stride, MVIN_SCALE_IDENTITY, false, 0);
  gemmini_extended3_config_ld(m->b_stride, MVIN_SCALE_IDENTITY, false, 1);
  gemmini_extended3_config_ld(m->bias_stride * sizeof(int32_t), MVIN_SCALE_IDENTITY, false, 2);
  if (m->act == SOFTMAX) {
    gemmini_config_norm(m->exp_ln2, 0, 0, 1, 0, m->b, m->c);
    gemmini_config_norm(m->exp_inverse_ln2, 1, 0, 1, 0, m->b, m->c);
  }
  for (const struct loop *l = loops; l != loops + count; ++l)
    gemmini_loop_ws(BLOCKS(l->rows), BLOCKS(l->columns), BLOCKS(l->inner), PADDING(l->rows),
                    PADDING(l->columns), PADDING(l->inner), l->a, l->b, l->bias, l->c, m->a_stride,
                    m->b_stride, m->bias_stride, m->c_stride, false, m->transposed, m->sums, false,
                    l->accumulate, m->act, l->a_half, l->b_half, false);
  gemmini_fence();
}

// y = a + b, scaled on the way in and out.
static ONCE void residual_add(size_t rows, size_t columns, size_t tile_rows, size_t tile_columns,
                              const int8_t *a, float a_scale, const int8_t *b, float b_scale,
                              int8_t *y, float scale) {
  tiled_resadd(rows, columns, columns, tile_rows, tile_columns, a_scale, b_scale, scale, a, b, y,
               false, WS);
}

// y = gelu(x): the loop of a residual add whose second operand is not there.
static ONCE void gelu(size_t rows, size_t columns, size_t tile_rows, size_t tile_columns,
                      const int8_t *x, int8_t *y, int32_t b, int32_t c, float scale) {
  gemmini_extended_config_st(columns, IGELU, scale);
  gemmini_config_ex(WEIGHT_STATIONARY, 0, 0);
  gemmini_extended4_config_ld(columns, MVIN_SCALE_IDENTITY, true, DIM, 0);
  gemmini_extended4_config_ld(columns, MVIN_SCALE_IDENTITY, true, DIM, 1);
  gemmini_config_norm(0, 0, 0, 0, 0, b, c);
  for (size_t i = 0; i < rows; i += tile_rows)
    for (size_t j = 0; j < columns; j += tile_columns) {
      const size_t m = rows - i < tile_rows ? rows - i : tile_rows;
      const size_t n = columns - j < tile_columns ? columns - j : tile_columns;
      gemmini_loop_ws(BLOCKS(m), BLOCKS(n), 0, PADDING(m), PADDING(n), 0, x + i * columns + j, NULL,
                      NULL, y + i * columns + j, columns, columns, 0, columns, false, false, false,
                      false, false, IGELU, 0, 0, true);
    }
  gemmini_fence();
}

// LayerNorm of int8 rows, `reads` times as large in the accumulator, in tiles of `tile_rows` rows.
static ONCE void layer_norm(size_t rows, size_t columns, size_t tile_rows, int reads,
                            const int8_t *x, int8_t *y, float scale) {
  // Of a row's last command and the ones before it, by pass: mean, inverse deviation, result.
  static const uint64_t last[] = {2 << 26, 4 << 26, 0}, before[] = {1 << 26, 3 << 26, 0};
  const size_t commands = (columns - 1) / DMA_COLUMNS;  // of whole width, before the last
  const size_t rest = columns - commands * DMA_COLUMNS;
  gemmini_extended_config_st(columns, LAYERNORM, scale);
  gemmini_config_ex(WEIGHT_STATIONARY, 0, 0);
  gemmini_extended4_config_ld(columns, MVIN_SCALE_IDENTITY, true, DIM, 0);
  for (size_t i = 0; i < rows; i += DIM) {
    const size_t height = rows - i < DIM ? rows - i : DIM;
    const uint32_t place = i % tile_rows / DIM * BLOCKS(columns) * DIM;
    for (size_t j = 0; j <= commands; ++j)
      for (int read = 0; read < reads; ++read)
        gemmini_extended_mvin(x + i * columns + j * DMA_COLUMNS,
                              (read == 0 ? IN_ACCUMULATOR : ADDED) + place + j * DMA_COLUMNS,
                              j < commands ? DMA_COLUMNS : rest, height);
    // Unrolled, and with addresses of 64 bits, the host is not what the units wait for.
    for (size_t row = 0; row < height; row += 2)
#pragma GCC unroll 3
      for (int pass = 0; pass < 3; ++pass)
#pragma GCC unroll 2
        for (size_t set = 0; set < 2; ++set) {  // of statistics
          if (row + set == height) break;
          int8_t *to = y + (i + row + set) * columns;
          uint64_t from = ADDED | before[pass] | (place + row + set);
          gemmini_config_norm(0, 0, 0, 0, set, 0, 0);
          for (size_t j = 0; j < commands; ++j, to += DMA_COLUMNS, from += DMA_COLUMNS)
            gemmini_extended_mvout(to, from, DMA_COLUMNS, 1);
          gemmini_extended_mvout(to, from ^ (before[pass] ^ last[pass]), rest, 1);
        }
  }
  gemmini_fence();
}

// y = positions + a row of the table for each token.
static ONCE void embedding(size_t rows, size_t columns, size_t tile_rows, const int32_t *tokens,
                           const int8_t *table, const int8_t *positions, int8_t *y, float scale) {
  const size_t commands = (columns - 1) / DMA_COLUMNS;
  const size_t rest = columns - commands * DMA_COLUMNS;
  gemmini_extended_config_st(columns, NO_ACTIVATION, scale);
  gemmini_config_ex(WEIGHT_STATIONARY, 0, 0);
  gemmini_extended4_config_ld(columns, MVIN_SCALE_IDENTITY, true, DIM, 0);
  for (size_t i = 0; i < rows; i += DIM) {
    const size_t height = rows - i < DIM ? rows - i : DIM;
    const uint32_t place = i % tile_rows / DIM * BLOCKS(columns) * DIM;
    for (size_t j = 0; j <= commands; ++j)
      gemmini_extended_mvin(positions + i * columns + j * DMA_COLUMNS,
                            IN_ACCUMULATOR + place + j * DMA_COLUMNS,
                            j < commands ? DMA_COLUMNS : rest, height);
    for (size_t r = 0; r < height; ++r) {
      const int8_t *from = table + (size_t)tokens[i + r] * columns;
      for (size_t j = 0; j <= commands; ++j)
        gemmini_extended_mvin(from + j * DMA_COLUMNS, ADDED + place + r + j * DMA_COLUMNS,
                              j < commands ? DMA_COLUMNS : rest, 1);
    }
    for (size_t j = 0; j <= commands; ++j)
      gemmini_extended_mvout(y + i * columns + j * DMA_COLUMNS, ADDED + place + j * DMA_COLUMNS,
                             j < commands ? DMA_COLUMNS : rest, height);
  }
  gemmini_fence();
}

// Fills L2 with other lines, as it is where a network is priced. It replaces lines at random: twice
// its size leaves one in eight.
static ONCE void fill_l2(const int8_t *others, size_t bytes) {
  gemmini_extended3_config_ld(DMA_COLUMNS, MVIN_SCALE_IDENTITY, false, 0);
  for (size_t i = 0; i < bytes; i += DIM * DMA_COLUMNS)
    gemmini_extended_mvin(others + i, 0, DMA_COLUMNS, DIM);
  gemmini_fence();
}

static uint64_t cycles(void) {
#ifdef __riscv
  uint64_t count;
  asm volatile("rdcycle %0" : "=r"(count));
  return count;
#else
  return 0;
#endif
}

static void put_text(const char *text) {
  while (*text) platform_put(*text++);
}

static void put_number(uint64_t number, unsigned base) {
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[number % base];
  while ((number /= base) > 0);
  while (count > 0) platform_put(digits[--count]);
}

// FNV-1a over words of 64 bits. The compiler must not know what is there: the accelerator wrote it.
static uint64_t checksum(const void *data, size_t bytes) {
  const volatile uint64_t *words = data;
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) hash = (hash ^ words[i]) * 0x100000001b3u;
  return hash;
}
)";

}  // namespace paretoformer::nas
