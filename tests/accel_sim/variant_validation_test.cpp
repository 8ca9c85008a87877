// Compares the simulator with RTL on machines that differ from the preset gemmini_soc in one
// respect, and counts how often it names the faster of two machines or of two tiles. Bounds as in
// soc_validation_test.cpp.
#include <array>

#include "tests/accel_sim/measured_operations.hpp"

namespace paretoformer::accel_sim {
namespace {

struct Measurement {
  MeasuredRow row;
  double simulated;
};

std::vector<Measurement> measurements(const std::string& table) {
  std::vector<Measurement> result;
  for (const MeasuredRow& row : measured_rows(table)) {
    if (!measured_operator(row) || row.notes("code cold")) continue;
    result.push_back({row, static_cast<double>(simulated_cycles(row))});
  }
  return result;
}

TEST_F(MeasuredOnSoc, EveryKindOfHardware) {
  constexpr std::array kBounds = {
      ErrorBound{"sp256acc64", 6}, ErrorBound{"sp64acc256", 6}, ErrorBound{"mesh32", 6},
      ErrorBound{"mesh8", 6},      ErrorBound{"inflight32", 6}, ErrorBound{"l2big", 6},
      ErrorBound{"l2banks2", 6},
  };
  ErrorTable table;
  for (const auto& [row, simulated] : measurements("variant_cycles.csv")) {
    const std::string& hardware = row.text("hardware");
    const std::string name = measured_name(row);
    table.add(hardware, name, row.cycles(), simulated);
    const bool is_matmul = row.text("kind") == "gemm";
    table.add(hardware + (is_matmul ? ", matmuls, " : ", residual adds, ") + row.text("state"),
              name, row.cycles(), simulated);
  }
  table.expect(kBounds);
}

TEST_F(MeasuredOnSoc, TheFasterOfTwoKindsOfHardware) {
  const std::vector<Measurement> all = measurements("variant_cycles.csv");
  // Asked for: none. Residual adds on 8 x 8, where two mvins meet on the same sets of L2; vectors
  // among machines that differ by their L2; what an L2 of 2 MiB held before.
  struct Count {
    const char* state;
    int wrong;
  };
  for (const auto& [state, wrong] : {Count{"cold", 9}, Count{"warm", 5}}) {
    OrderCount order;
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t j = i + 1; j < all.size(); ++j) {
        const MeasuredRow &a = all[i].row, &b = all[j].row;
        if (a.text("state") != state || measured_name(a) != measured_name(b)) continue;
        order.add(measured_name(a) + " " + a.text("hardware"), a.cycles(), all[i].simulated,
                  b.text("hardware"), b.cycles(), all[j].simulated);
      }
    order.print(state);
    EXPECT_GE(order.pairs(), 300);
    EXPECT_LE(order.wrong(), wrong);
  }
}

// The same operation in all but its tile.
bool differ_in_tile_only(const MeasuredRow& a, const MeasuredRow& b) {
  for (const char* column : {"hardware", "kind", "m", "k", "n", "transpose_b", "stride_b",
                             "dram_latency", "state", "l2_before"})
    if (a.text(column) != b.text(column)) return false;
  for (const char* column : {"tile_m", "tile_k", "tile_n"})
    if (a.text(column) != b.text(column)) return a.text("note") == b.text("note");
  return false;
}

TEST_F(MeasuredOnSoc, TheFasterOfTwoTiles) {
  OrderCount order;
  for (const char* table : {"soc_cycles.csv", "norm_cycles.csv"}) {
    const std::vector<Measurement> all = measurements(table);
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t j = i + 1; j < all.size(); ++j) {
        const MeasuredRow &a = all[i].row, &b = all[j].row;
        if (!differ_in_tile_only(a, b)) continue;
        order.add(measured_name(a), a.cycles(), all[i].simulated, measured_name(b), b.cycles(),
                  all[j].simulated);
      }
  }
  order.print("two tiles");
  EXPECT_GT(order.pairs(), 200);
  // Asked for: none. Of one pair nobody knows how far L2 was filled; of the other one the narrower
  // tile is 7.5 % too quick.
  EXPECT_LE(order.wrong(), 2);
}

}  // namespace
}  // namespace paretoformer::accel_sim
