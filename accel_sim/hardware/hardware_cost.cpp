#include "accel_sim/hardware/hardware_cost.hpp"

#include "support/error.hpp"

namespace paretoformer::accel_sim::cost_arithmetic {

void overflow() { throw Error("a hardware cost does not fit into 64 bits"); }

}  // namespace paretoformer::accel_sim::cost_arithmetic
