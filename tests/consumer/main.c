/* The README's C example: the same in C99. */
#include <inttypes.h>
#include <stdio.h>

#include "latency_predictor/paretoformer.h"

int main(void) {
#include "readme.c"
  printf("%" PRId64 " cycles, %.3f pJ\n", cost.cycles, (double)cost.femtojoules / 1000);
  paretoformer_predictor_free(predictor);
  return 0;
}
