// Parameters of a Gemmini, as its generator writes them; memories may be given to the compiler.
#ifndef PARETOFORMER_TESTS_GEMMINI_PARAMS_H
#define PARETOFORMER_TESTS_GEMMINI_PARAMS_H

#include <stdint.h>

#define XCUSTOM_ACC 3
#define DIM 16
#define ADDR_LEN 32
#define BANK_NUM 4
#ifndef BANK_ROWS
#define BANK_ROWS 4096
#endif
#ifndef ACC_ROWS
#define ACC_ROWS 1024
#endif
#define MAX_BLOCK_LEN 4
#define MVIN_SCALE_IDENTITY 1.0
#define ACC_SCALE_IDENTITY 1.0

typedef int8_t elem_t;
typedef int32_t acc_t;
typedef float scale_t;
typedef int32_t scale_acc_t;
typedef float acc_scale_t;

#endif
