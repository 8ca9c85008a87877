// The survey's own analytical model (arXiv 2302.14017, Sec. 3.3 and A.5), beside the models of a
// Gemmini: no calls, no latencies, square tiles, an L2 managed by hand.
#pragma once

#include <array>
#include <cstdint>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/workload/convolution.hpp"
#include "accel_sim/workload/operators.hpp"
#include "accel_sim/workload/profile.hpp"

namespace paretoformer::accel_sim {

struct SurveyEstimate {
  std::int64_t dram_bytes = 0;   // between DRAM and L2
  std::int64_t local_bytes = 0;  // between L2 and the scratchpad or accumulator
  Cycles compute;                // of the array, or of the special function unit
  Cycles memory;
  Cycles latency;  // the larger of the two, operator by operator

  // Throw Error when a sum or product does not fit 64 bits.
  SurveyEstimate& operator+=(const SurveyEstimate& other);
  friend SurveyEstimate operator*(const SurveyEstimate& estimate, std::int64_t times);
  bool operator==(const SurveyEstimate&) const = default;
};

// The model, operator by operator, as decoded from the published intensities and latencies:
// - A block of array_size^3 takes array_size cycles. The special function unit takes array_size
//   elements a cycle.
// - Compute and memory overlap perfectly. The two levels of memory do not: bytes to and from DRAM
//   over dram_bytes_per_cycle, plus bytes between L2 and the local memories over
//   bus_bytes_per_cycle.
// - A matmul m x k x n with square tiles of side T reads its left operand ceil(n / T) times, its
//   right one ceil(m / T) times, and writes its results once. One tile of both operands fills L2,
//   T = 1024 for 2 MiB; and half of the scratchpad (double buffering), T = 256 for 256 KiB. The
//   accumulator sets no limit (T = 181 would give latencies up to 0.8 % longer).
// - Projections read an 8-bit bias for every result. Results are 8 bits wide, 32 before a
//   non-linear operator: scores, FFN up (GELU), output projection and FFN down (LayerNorm).
//   Non-linear operators read 32 bits and write 8, LayerNorm its scale and shift in 32 bits;
//   residual adds work on 8 bits.
// - When `fused`, softmax, GELU and LayerNorm take no time and no traffic, and the matmul before
//   them writes 8 bits.
// Only array_size, scratchpad_kib, l2_kib, bus_bytes_per_cycle and dram_bytes_per_cycle of the
// hardware matter. One repeat of `item`.
SurveyEstimate survey_estimate(const TransformerOperator& item, bool fused,
                               const Hardware& hardware);

// By OperatorClass; what follows a convolution counts as kOther.
using SurveyEstimates = std::array<SurveyEstimate, kOperatorClassNames.size()>;

// With kDecode the sum over all positions of a sequence, as profile() does. Throws what that
// throws.
SurveyEstimates survey_estimates(const Architecture& architecture, int length, Mode mode,
                                 bool fused, const Hardware& hardware, int batch = 1);
SurveyEstimates survey_estimates(const ListedNetwork& network, int length, Mode mode, bool fused,
                                 const Hardware& hardware, int batch = 1);
// Convolutions as their matmuls, but that inputs are counted once, not as im2col repeats them, and
// without bias. Batch normalisation reads 32 bits and writes 8, ReLU and residual add work on 8
// bits; when `fused`, of all these only the residual add remains.
SurveyEstimates survey_estimates(const ConvolutionalNetwork& network, bool fused,
                                 const Hardware& hardware);

SurveyEstimate total(const SurveyEstimates& estimates);

}  // namespace paretoformer::accel_sim
