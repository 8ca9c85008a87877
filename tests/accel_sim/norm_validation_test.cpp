// Compares softmax, LayerNorm and i-GELU units, masks and biases with RTL simulation of the machine
// of the preset gemmini_soc, with two sizes of its memories. Bounds as in soc_validation_test.cpp.
#include <array>

#include "tests/accel_sim/measured_operations.hpp"

namespace paretoformer::accel_sim {
namespace {

TEST_F(MeasuredOnSoc, NormUnits) {
  constexpr std::array kBounds = {
      ErrorBound{"fused_softmax, cold", 5, 12},
  };
  ErrorTable table;
  for (const MeasuredRow& row : measured_rows("norm_cycles.csv")) {
    if (row.notes("code cold")) continue;  // instructions that are not in the host's cache
    std::string group = row.text("kind");
    if (row.number("m") == 1 && group.rfind("norm_", 0) == 0) group += ", one row";
    table.add(group + ", " + row.text("state"), row.text("hardware") + " " + measured_name(row),
              row.cycles(), static_cast<double>(simulated_cycles(row)));
  }
  table.expect(kBounds);
}

// Rows whose softmax or LayerNorm the simulator would not fuse would be compared with less than the
// library does.
TEST_F(MeasuredOnSoc, FusesWhatTheLibraryFuses) {
  for (const MeasuredRow& row : measured_rows("norm_cycles.csv")) {
    const Operator op = *measured_operator(row);
    const bool norm =
        op.activation == Activation::kSoftmax || op.activation == Activation::kLayerNorm;
    const Call call = measured_call(row, measured_target(row));
    EXPECT_EQ(call.fused != Normalisation::kNone, norm) << measured_name(row);
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
