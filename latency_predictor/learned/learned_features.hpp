// What the learned model knows of an operator on some hardware before it has learned anything:
// countable accesses, a closed-form estimate of its cycles and DRAM traffic, and the features that
// say where that estimate is likely to be wrong.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "accel_sim/hardware/energy.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"

namespace paretoformer::latency_predictor {

// Operators that behave alike, each with coefficients of its own. Those of a single row (decoding)
// are apart: nothing of them is reused, and the array is nearly idle.
enum class OperatorGroup {
  kExact,  // computed, not learned: what runs on the host, and the fused GELU
  kProjection,
  kFusedScores,    // the softmax works on them in the accumulator
  kSpilledScores,  // it reads them back as int32 sums
  kPlainScores,    // there is none, or the host's
  kContext,
  kFusedSoftmax,
  kSoftmax,
  kLayerNorm,
  kResidualAdd,
  kEmbedding,
  kGelu,  // of int8
};
inline constexpr int kOperatorGroups = 12;
// Groups times several rows or one.
inline constexpr int kLearnedGroups = 2 * kOperatorGroups;

// "projection", "projection of one row".
std::string learned_group_name(int group);

inline constexpr std::size_t kLearnedFeatures = 29;

struct OperatorEstimate {
  int group = 0;  // 2 * OperatorGroup + (one row)
  // Exact but for dram_bytes, which is 64 bytes times `fetches` and what is written; and for
  // l2_bytes, in which the alignment of rows is averaged over.
  accel_sim::AccessCounts accesses;
  double fetches = 0;        // lines that L2 asks the DRAM for, an estimate
  double written_bytes = 0;  // exact
  double cycles = 0;         // an estimate

  bool exact() const { return group < 2; }
};

// Of an exact operator nothing but the group is set.
struct OperatorFeatures : OperatorEstimate {
  std::array<double, kLearnedFeatures> x;
};

// Pure, allocates nothing. `op` as scheduled_operators() makes it. Weight-stationary hardware
// only; output-stationary matmuls are issued by the host, command by command.
OperatorFeatures operator_features(const accel_sim::Operator& op,
                                   const accel_sim::Target& hardware);

}  // namespace paretoformer::latency_predictor
