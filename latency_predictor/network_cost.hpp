// What a network or a part of it costs, all read off one list of calls.
#pragma once

#include <cstdint>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/lowering/peak_memory.hpp"

namespace paretoformer::latency_predictor {

struct NetworkCost {
  accel_sim::HardwareCost hardware;
  accel_sim::PeakMemory memory;
  std::int64_t macs = 0;

  NetworkCost& operator+=(const NetworkCost& other) {
    hardware += other.hardware;
    memory += other.memory;
    macs = accel_sim::cost_arithmetic::sum(macs, other.macs);
    return *this;
  }
};

}  // namespace paretoformer::latency_predictor
