/* The same as predict.cpp, in C99: what a network costs on an accelerator, and its first layer
 * operator by operator.
 *
 * usage: predict_c [HARDWARE]    a preset (gemmini_transformer) or a hardware file */
#include <inttypes.h>
#include <stdio.h>

#include "latency_predictor/paretoformer.h"

enum { kMostOperators = 64 };

int main(int argc, char** argv) {
  /* Every call that can fail fills in the error and says so by what it returns. */
  paretoformer_error error;
  paretoformer_predictor* predictor = paretoformer_predictor_simulator(
      argc > 1 ? argv[1] : "gemmini_transformer", 128, PARETOFORMER_PREFILL, &error);
  if (!predictor) {
    fprintf(stderr, "%s\n", error.text);
    return 1;
  }

  /* Two layers. The arrays stay ours: they are read during the call and not kept. */
  const int64_t heads[] = {4, 2}, ffn_widths[] = {1024, 512};
  const paretoformer_architecture network = {.model_width = 256,
                                             .head_width = 64,
                                             .vocabulary = 0,
                                             .max_layers = 2,
                                             .heads = heads,
                                             .ffn_widths = ffn_widths};

  paretoformer_cost cost;
  paretoformer_operator parts[kMostOperators];
  size_t count = 0;
  int status = 1;
  if (paretoformer_predict(predictor, &network, &cost, &error) == PARETOFORMER_OK &&
      paretoformer_breakdown(predictor, &network, parts, kMostOperators, &count, &error) ==
          PARETOFORMER_OK) {
    printf("network: %" PRId64 " cycles, %.1f pJ\n", cost.cycles, (double)cost.femtojoules / 1000);
    for (size_t i = 0; i < count; ++i)
      if (parts[i].layer == 0)
        printf("%dx %s: %" PRId64 " cycles\n", (int)parts[i].repeat, parts[i].role,
               parts[i].cost.cycles);
    status = 0;
  } else {
    fprintf(stderr, "%s\n", error.text);
  }
  paretoformer_predictor_free(predictor);
  return status;
}
