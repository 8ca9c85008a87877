// A part of a trace.
#pragma once

#include <vector>

#include "accel_sim/engines/engine.hpp"

namespace paretoformer::accel_sim {

// The spans of one lane, in their order.
inline std::vector<TraceSpan> lane(const Trace& trace, Lane wanted) {
  std::vector<TraceSpan> spans;
  for (const TraceSpan& span : trace)
    if (span.lane == wanted) spans.push_back(span);
  return spans;
}

}  // namespace paretoformer::accel_sim
