// Which values dropout keeps (Srivastava et al. 2014): a hash of where a value is decides, so the
// same ones fall on any number of threads, on any machine and on a GPU, forward and backward.
//
// Functions are static: the kernels of every instruction set are to have their own copies
// (kernel_sets.hpp).
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define PARETOFORMER_HOST_AND_DEVICE __host__ __device__
#else
#define PARETOFORMER_HOST_AND_DEVICE
#endif

namespace paretoformer::supernet {

// Of one matrix of activations.
struct DropoutMask {
  std::uint64_t key = 0;        // of the matrix
  std::int64_t first_row = 0;   // the number of its first row, of which its values are a function
  std::uint32_t threshold = 0;  // values whose hash is below it are dropped; 0: none is
  double scale = 1;             // of those that are kept, so that the mean stays

  explicit operator bool() const { return threshold > 0; }
};

// The mask of one row.
struct DropoutRow {
  std::uint32_t low, high, threshold;
};

// SplitMix64 (Steele, Lea, Flood 2014): the numbers of a stream that the matrix's key begins.
PARETOFORMER_HOST_AND_DEVICE static inline DropoutRow dropout_row(const DropoutMask& mask,
                                                                  std::int64_t row) {
  std::uint64_t x =
      mask.key + 0x9e3779b97f4a7c15ULL * (static_cast<std::uint64_t>(mask.first_row + row) + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return {static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(x >> 32), mask.threshold};
}

// lowbias32 (Wellons 2018, nullprogram.com/blog/2018/07/31): two multiplications of 32 bits, which
// vectors have. The other half of the row's key comes in between, so that rows whose first halves
// are near one another do not have the same columns one beside the other.
PARETOFORMER_HOST_AND_DEVICE static inline bool keeps(const DropoutRow& row, std::uint32_t column) {
  std::uint32_t x = row.low + column;
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x ^= row.high;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  x ^= x >> 16;
  return x >= row.threshold;
}

}  // namespace paretoformer::supernet
