#include "accel_sim/engines/engine.hpp"

namespace paretoformer::accel_sim {

CycleBreakdown& CycleBreakdown::operator+=(const CycleBreakdown& other) {
  for (const CycleCause& cause : kCycleCauses) this->*cause.cycles += other.*cause.cycles;
  return *this;
}

CycleBreakdown operator*(CycleBreakdown breakdown, std::int64_t times) {
  for (const CycleCause& cause : kCycleCauses) breakdown.*cause.cycles *= times;
  return breakdown;
}

}  // namespace paretoformer::accel_sim
