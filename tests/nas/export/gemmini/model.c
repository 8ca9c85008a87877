// A functional model of the accelerator's commands, after the rules of its RTL: no timing, no
// memories but the accumulator. It runs one exported program (PROGRAM) and logs what moves data.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define main program
#include PROGRAM
#undef main

enum { kHalves = 3 };  // 1 and 2
enum {                 // GemminiISA.scala
  kConfig = 0,
  kMvin = 2,
  kMvout = 3,
  kFlush = 7,
  kLoop = 8,
  kBounds = 9,
  kAB,
  kDC,
  kStridesAB,
  kStridesDC
};
enum { kConfigLoad = 1, kConfigStore, kConfigNorm };
static FILE* rocc_log;

struct operand {  // in a half of the scratchpad
  int rows, columns;
  int8_t* values;
};
static struct {
  long stride;
  float scale;
  int is_int8;
} loads[3];
static struct {
  long stride;
  float scale;
  int activation;
} stores;
static int32_t ln2, inverse_ln2, q_b, q_c;
static int statistics;  // which of the two
static struct {
  int64_t count;
  int32_t centre, spread;
  float factor;
} rows_of[2];
static int32_t accumulator[ACC_ROWS][DIM];
static struct operand lefts[kHalves], rights[kHalves];
static uint64_t loop[kStridesDC + 1][2];
static int slot = 0, result_half = 0;

static void fail(const char* why) {
  fprintf(stderr, "%s\n", why);
  exit(3);
}
static void require(int condition, const char* what) {
  if (!condition) fail(what);
}

// Addresses are those of the program's memory.
static long offset(uint64_t address) {
  if (address == 0) return -1;
  const long at = (long)(address - (uint64_t)&m);
  require(at >= 0 && at < (long)sizeof m, "an address outside the memory");
  return at;
}

// --- numbers

static int32_t wrap(int64_t x) { return (int32_t)(uint32_t)(uint64_t)x; }
static int8_t scaled(int32_t x, float scale) {
  const float y = (float)x * scale;
  return y >= 127 ? 127 : y <= -128 ? -128 : (int8_t)rintf(y);
}
static int32_t exponential(int32_t q) {
  const uint32_t z = (uint32_t)((uint64_t)((int64_t)wrap(-(int64_t)q) * inverse_ln2) >> 16);
  const int32_t p = wrap((int64_t)q + (int64_t)wrap((int64_t)z * ln2));
  const int64_t sum = wrap((int64_t)p + q_b);
  const uint32_t square = (uint32_t)wrap(wrap(sum * sum) + (int64_t)q_c);
  return z > 31 ? 0 : (int32_t)(square >> z);
}
static int32_t gelu_of(int32_t q) {
  const int32_t clipped = abs(q) > -q_b ? -q_b : abs(q);
  const int32_t poly = wrap((int64_t)(clipped + q_b) * (clipped + q_b) + q_c);
  return wrap((int64_t)q * wrap((q < 0 ? -(int64_t)poly : poly) + q_c));
}
static float factor_of_layer_norm(int32_t squares, int64_t count) {
  const uint32_t variance = (uint32_t)(squares / (int32_t)count);
  int16_t root = (int16_t)(uint16_t)sqrt((double)variance);
  if (root == 0) root = 1;
  return 1.0f / (float)root * stores.scale;
}

// --- single commands

static void config(uint64_t rs1, uint64_t rs2) {
  const uint32_t high = (uint32_t)(rs2 >> 32);
  switch (rs1 & 3) {
    case kConfigLoad: {
      const int id = rs1 >> 3 & 3;
      const uint32_t bits = (uint32_t)(rs1 >> 32);
      memcpy(&loads[id].scale, &bits, 4);
      loads[id].stride = (long)rs2;
      loads[id].is_int8 = rs1 >> 2 & 1;
      require((rs1 >> 16 & 0xffff) == DIM, "blocks further apart than they are high");
      break;
    }
    case kConfigStore:
      stores.stride = (long)(uint32_t)rs2;
      memcpy(&stores.scale, &high, 4);
      stores.activation = rs1 >> 2 & 3;
      break;
    case kConfigNorm:
      statistics = rs1 >> 8 & 0xff;
      if (rs1 >> 17 & 1) break;
      q_b = (int32_t)(uint32_t)rs2;
      q_c = (int32_t)high;
      *(rs1 >> 18 & 1 ? &inverse_ln2 : &ln2) = (int32_t)(uint32_t)(rs1 >> 32);
      stores.activation = (rs1 >> 16 & 1 ? 4 : 0) | (stores.activation & 3);
      break;
    default:
      require((rs1 >> 2 & 1) == 1, "an output-stationary array");
  }
}

static void mvin(uint64_t from, uint64_t rs2) {
  const int rows = rs2 >> 48, columns = rs2 >> 32 & 0xffff;
  const uint32_t place = (uint32_t)rs2;
  require(place >> 31 && loads[0].is_int8, "an mvin of other than int8 into the accumulator");
  fprintf(rocc_log, "mvin %ld %d %d %u %u\n", offset(from), rows, columns, place & 0xffffff,
          place >> 30 & 1);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const int8_t* x = (const int8_t*)from + r * loads[0].stride + c;
      const int32_t value = loads[0].scale == 1 ? *x : scaled(*x, loads[0].scale);
      int32_t* to = &accumulator[(place & 0xffffff) + c / DIM * DIM + r][c % DIM];
      *to = wrap((place >> 30 & 1 ? (int64_t)*to : 0) + value);
    }
}

static void mvout(uint64_t to, uint64_t rs2) {
  const int rows = rs2 >> 48, columns = rs2 >> 32 & 0xffff;
  const uint32_t place = (uint32_t)rs2 & 0x3ffffff, command = (uint32_t)rs2 >> 26 & 7;
  fprintf(rocc_log, "mvout %ld %d %d %u %u\n", offset(to), rows, columns, place, command);
  require(command == 0 || rows == 1, "statistics of several rows");
  const int normalises = stores.activation == LAYERNORM;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const int32_t x = accumulator[place + c / DIM * DIM + r][c % DIM];
      if (command == 1 || command == 2) {
        if (rows_of[statistics].count == 0) rows_of[statistics].centre = 0;
        rows_of[statistics].centre = wrap((int64_t)rows_of[statistics].centre + x);
        ++rows_of[statistics].count;
      } else if (command == 3 || command == 4) {
        const int32_t far = wrap((int64_t)x - rows_of[statistics].centre);
        rows_of[statistics].spread =
            wrap(rows_of[statistics].spread + (int64_t)wrap((int64_t)far * far));
      } else {
        require(command == 0, "an unknown command of the normaliser");
        const int32_t result = normalises ? wrap((int64_t)x - rows_of[statistics].centre) : x;
        ((int8_t*)to)[r * stores.stride + c] =
            scaled(result, normalises ? rows_of[statistics].factor : stores.scale);
      }
    }
  if (command == 2) {
    rows_of[statistics].centre /= (int32_t)rows_of[statistics].count;
    rows_of[statistics].spread = 0;
  }
  if (command == 4) {
    rows_of[statistics].factor =
        factor_of_layer_norm(rows_of[statistics].spread, rows_of[statistics].count);
    rows_of[statistics].count = 0;
  }
}

// --- LOOP_WS

static uint64_t extent(int which, int shift) { return loop[kBounds][which] >> shift & 0xffff; }
static int elements(int shift) { return (int)(extent(1, shift) * DIM - extent(0, shift)); }

// A row of a matrix: blocks of rows are as far apart as the loop says, rows in them as the config.
static const int8_t* row(uint64_t base, int r, uint64_t loop_stride, long bytes, long stride) {
  return (const int8_t*)base + (long)(r / DIM * DIM) * (long)loop_stride * bytes + r % DIM * stride;
}

static void load(struct operand* to, uint64_t from, int rows, int columns, uint64_t loop_stride,
                 int id) {
  if (from == 0) {
    require(to->rows == rows && to->columns == columns, "an operand that is not there");
    return;
  }
  require(!loads[id].is_int8 && loads[id].scale == 1, "a scaled operand of a product");
  free(to->values);
  *to = (struct operand){rows, columns, malloc((size_t)rows * columns)};
  for (int r = 0; r < rows; ++r)
    memcpy(to->values + (long)r * columns, row(from, r, loop_stride, 1, loads[id].stride), columns);
}

static void leave(int32_t* sums, int rows, int columns, uint64_t to, int full, int act) {
  const uint64_t stride = loop[kStridesDC][1];
  require(full || act == stores.activation || (act == 0 && stores.activation == 0),
          "an activation that is not configured");
  for (int r = 0; r < rows; ++r, sums += columns) {
    int8_t* y = (int8_t*)row(to, r, stride, full ? 4 : 1, stores.stride);
    float factor = stores.scale;
    if (act == SOFTMAX) {
      int32_t most = INT32_MIN, sum = 0;
      for (int c = 0; c < columns; ++c) most = sums[c] > most ? sums[c] : most;
      for (int c = 0; c < columns; ++c) {
        sums[c] = exponential(wrap((int64_t)sums[c] - most));
        sum = wrap((int64_t)sum + sums[c]);
      }
      factor = 127.0f / (float)sum * stores.scale;
    }
    for (int c = 0; c < columns; ++c) {
      if (full)
        memcpy(y + 4 * c, &sums[c], 4);
      else
        y[c] = scaled(act == IGELU ? gelu_of(sums[c]) : sums[c], factor);
    }
  }
}

static void add(int rows, int columns, int act) {
  const uint64_t a = loop[kAB][0], b = loop[kAB][1], c = loop[kDC][1];
  const uint64_t* strides = loop[kStridesAB];
  require(loads[0].is_int8 && loads[1].is_int8, "operands of an addition that are not int8");
  fprintf(rocc_log, "add %d %d %ld %ld %ld %d\n", rows, columns, offset(a), offset(b), offset(c),
          act);
  int32_t* sums = calloc((size_t)rows * columns, 4);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < columns; ++i) {
      int32_t* sum = &sums[r * columns + i];
      *sum = scaled(row(a, r, strides[0], 1, loads[0].stride)[i], loads[0].scale);
      if (b != 0) *sum += scaled(row(b, r, strides[1], 1, loads[1].stride)[i], loads[1].scale);
    }
  leave(sums, rows, columns, c, 0, act);
  free(sums);
}

static void run_loop(uint64_t rs1, uint64_t rs2) {
  static int32_t* halves[2];
  const int rows = elements(0), columns = elements(16), inner = elements(32), act = rs1 >> 8 & 7;
  if (rs2 >> 2 & 1) {
    add(rows, columns, act);
    return;
  }
  const int full = rs1 >> 1 & 1, transposed = rs2 >> 1 & 1;
  const uint64_t a = loop[kAB][0], b = loop[kAB][1];
  const uint64_t bias = loop[kDC][0], c = loop[kDC][1];
  slot = slot % 2 + 1;
  struct operand* left = &lefts[rs1 >> 18 & 3 ? rs1 >> 18 & 3 : (uint64_t)slot];
  struct operand* right = &rights[rs1 >> 16 & 3 ? rs1 >> 16 & 3 : (uint64_t)slot];
  fprintf(rocc_log, "loop %d %d %d %ld %ld %ld %ld %d %d %d %d\n", rows, inner, columns, offset(a),
          offset(b), offset(bias), offset(c), transposed, full, (int)(rs1 & 1), act);
  require((long)rows * columns <= ACC_ROWS / 2 * DIM, "results that do not fit the accumulator");
  load(left, a, rows, inner, loop[kStridesAB][0], 0);
  load(right, b, transposed ? columns : inner, transposed ? inner : columns, loop[kStridesAB][1],
       1);
  int32_t** sums = &halves[result_half];
  if (!*sums) *sums = malloc(sizeof(int32_t) * ACC_ROWS * DIM);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < columns; ++j) {
      int32_t sum = rs1 & 1 ? (*sums)[r * columns + j] : 0;
      if (bias != 0) memcpy(&sum, row(bias, r, loop[kStridesDC][0], 4, loads[2].stride) + 4 * j, 4);
      for (int k = 0; k < inner; ++k)
        sum = wrap((int64_t)sum + left->values[r * inner + k] *
                                      right->values[transposed ? j * inner + k : k * columns + j]);
      (*sums)[r * columns + j] = sum;
    }
  if (c == 0) return;
  leave(*sums, rows, columns, c, full, act);
  result_half = 1 - result_half;
}

void rocc(uint64_t rs1, uint64_t rs2, int funct) {
  if (funct == kConfig) {
    config(rs1, rs2);
  } else if (funct == kMvin) {
    mvin(rs1, rs2);
  } else if (funct == kMvout) {
    mvout(rs1, rs2);
  } else if (funct == kLoop) {
    run_loop(rs1, rs2);
  } else if (funct != kFlush) {
    require(funct >= kBounds && funct <= kStridesDC, "an unknown command");
    loop[funct][0] = rs1;
    loop[funct][1] = rs2;
  }
}

void platform_put(char c) { putchar(c); }

int main(int count, char** arguments) {
  rocc_log = fopen(count > 1 ? arguments[1] : "/dev/null", "w");
  const int status = program();
  fclose(rocc_log);
  return status;
}
