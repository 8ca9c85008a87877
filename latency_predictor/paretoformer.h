/* The latency predictor for C, and for every language that can call C (C99).
 *
 * Units: latencies are clock cycles of the accelerator, energies femtojoules (1 pJ = 1000 fJ). Both
 * are exact integers, so that sums agree on every machine. Of a device that was measured in time,
 * everything called `cycles` here counts femtoseconds: paretoformer_predictor_unit() tells.
 *
 * Errors: a function that can fail takes a `paretoformer_error*` last, which may be NULL. On
 * failure it is filled in, on success it is left alone. NULL where something is needed, values out
 * of range and files that are damaged are errors like others. No exception leaves a function.
 *
 * Ownership: what a function takes by pointer stays the caller's and is not kept. A predictor
 * belongs to the caller, who frees it with paretoformer_predictor_free().
 *
 * Threads: any number of them may use one predictor at the same time, whatever they call; only
 * paretoformer_predictor_free() has to come after all other calls are over. Answers do not depend
 * on the number of threads.
 *
 * Linking: Paretoformer::latency_predictor is a static C++ library, so the CMake project that links
 * it needs LANGUAGES C CXX, even if all of its own sources are C. */
#ifndef PARETOFORMER_H
#define PARETOFORMER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t paretoformer_status;
enum {
  PARETOFORMER_OK = 0,
  PARETOFORMER_FAILURE = 1,  /* a full disk; an operator that a table does not know; no memory */
  PARETOFORMER_BAD_INPUT = 2 /* what was given cannot be used */
};

typedef struct paretoformer_error {
  paretoformer_status status;
  char text[1024]; /* one line, UTF-8 as far as what it quotes is, cut to fit, always terminated */
} paretoformer_error;

typedef int32_t paretoformer_mode;
enum {
  PARETOFORMER_PREFILL = 0, /* all positions of a sequence at once */
  PARETOFORMER_DECODE = 1   /* one token at the last position, earlier keys and values cached */
};

typedef struct paretoformer_predictor paretoformer_predictor;

/* A network. All sizes are 1 to 2^20, except `vocabulary`, which may be 0: Transformer layers only,
 * no embedding and no language-model head. A network has 1 to 1024 layers. Layers at the end with 0
 * heads and FFN width 0 are no layers: so networks of different depths fit into one array.
 * `weight_bits`, which may be NULL, are those of a layer's matrices: 8, or 4 on hardware with
 * int4_weights. */
typedef struct paretoformer_architecture {
  int64_t model_width;
  int64_t head_width; /* of every attention head; usually 64 */
  int64_t vocabulary;
  size_t max_layers;          /* elements of the arrays */
  const int64_t* heads;       /* attention heads per layer */
  const int64_t* ffn_widths;  /* hidden width of the feed-forward block per layer */
  const int64_t* weight_bits; /* per layer; NULL: 8 in all */
} paretoformer_architecture;

/* Many networks, arrays row by row; everything else as in paretoformer_architecture. */
typedef struct paretoformer_architectures {
  size_t count;
  const int64_t* model_widths; /* [count] */
  int64_t head_width;
  int64_t vocabulary;
  size_t max_layers;
  const int64_t* heads;       /* [count][max_layers] */
  const int64_t* ffn_widths;  /* [count][max_layers] */
  const int64_t* weight_bits; /* [count][max_layers], or NULL */
} paretoformer_architectures;

typedef struct paretoformer_cost {
  int64_t cycles;
  int64_t femtojoules;
} paretoformer_cost;

/* An operator at its place in a network. */
typedef struct paretoformer_operator {
  char role[32];          /* "attention.scores" */
  char operation[96];     /* "matmul weights gelu 512 768 3072": kind, right operand, fused
                             activation, rows, inner dimension, columns */
  int64_t layer;          /* -1 outside the layers */
  int64_t repeat;         /* how often it runs there: once per head, or for each of q, k and v */
  paretoformer_cost cost; /* of all repeats */
} paretoformer_operator;

/* "1.2.3", a string that is always there. */
const char* paretoformer_version(void);

/* A predictor that prices operators with the cycle simulator, on demand: milliseconds for an
 * operator of usual size the first time (longer the larger it is), nanoseconds afterwards.
 * `hardware` is a preset ("gemmini_transformer", "gemmini_cnn") or else the path of a hardware
 * file; `sequence_length`, 1 to 2^20, counts the positions attended to. NULL on failure. */
paretoformer_predictor* paretoformer_predictor_simulator(const char* hardware,
                                                         int64_t sequence_length,
                                                         paretoformer_mode mode,
                                                         paretoformer_error* error);

/* A predictor from a file that paretoformer_predictor_save() or LatencyPredictor::save() wrote. It
 * knows the operators of the file; others are a PARETOFORMER_FAILURE. NULL on failure. */
paretoformer_predictor* paretoformer_predictor_load(const char* path, paretoformer_error* error);

/* Does nothing for NULL. */
void paretoformer_predictor_free(paretoformer_predictor* predictor);

/* Writes all operators priced so far, under a temporary name first: `path` is either replaced as a
 * whole or left alone. Waits for other threads' calls on the predictor that are running. */
paretoformer_status paretoformer_predictor_save(const paretoformer_predictor* predictor,
                                                const char* path, paretoformer_error* error);

/* Prices all operators of a search space ahead, on all cores. `space` is a preset ("survey") or
 * else the path of a search-space file. */
paretoformer_status paretoformer_predictor_fill(const paretoformer_predictor* predictor,
                                                const char* space, paretoformer_error* error);

/* What the prices are for. */
paretoformer_status paretoformer_predictor_workload(const paretoformer_predictor* predictor,
                                                    int64_t* sequence_length,
                                                    paretoformer_mode* mode,
                                                    paretoformer_error* error);

typedef int32_t paretoformer_unit;
enum {
  PARETOFORMER_CYCLES = 0,
  PARETOFORMER_FEMTOSECONDS = 1 /* 1 ns = 1000000 fs */
};

/* What the latencies of the predictor count. */
paretoformer_status paretoformer_predictor_unit(const paretoformer_predictor* predictor,
                                                paretoformer_unit* unit, paretoformer_error* error);

/* The cost of one network. `cost` is written on success only. */
paretoformer_status paretoformer_predict(const paretoformer_predictor* predictor,
                                         const paretoformer_architecture* architecture,
                                         paretoformer_cost* cost, paretoformer_error* error);

/* The cost of each network in turn, on the calling thread; a microsecond per network once its
 * operators are priced. `cycles` and `femtojoules` have room for architectures->count values. On
 * failure the error names the network, and the values before its own are valid. */
paretoformer_status paretoformer_predict_batch(const paretoformer_predictor* predictor,
                                               const paretoformer_architectures* architectures,
                                               int64_t* cycles, int64_t* femtojoules,
                                               paretoformer_error* error);

/* The operators of a network in the order in which they run; their costs add up to what
 * paretoformer_predict() says. `*count` becomes their number. With capacity 0 nothing else happens
 * and `operators` may be NULL; a capacity above 0 but below the number is PARETOFORMER_BAD_INPUT.
 */
paretoformer_status paretoformer_breakdown(const paretoformer_predictor* predictor,
                                           const paretoformer_architecture* architecture,
                                           paretoformer_operator* operators, size_t capacity,
                                           size_t* count, paretoformer_error* error);

#ifdef __cplusplus
}
#endif

#endif /* PARETOFORMER_H */
