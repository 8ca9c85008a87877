// The options of `simulate` for one operator say what the tables measured on RTL say: the binary
// gives the cycles that the comparison with those tables (tests/accel_sim) is made with.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/accel_sim/measured_operations.hpp"
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using accel_sim::CacheState;
using accel_sim::MeasuredRow;
using Words = std::vector<std::string>;

using Columns = std::vector<std::pair<std::string, std::string>>;

// Rows as the tables have them.
const std::vector<Columns>& rows() {
  static const std::vector<Columns> kRows = {
      {{"kind", "gemm"}, {"m", "100"}, {"k", "70"}, {"n", "90"}},
      {{"kind", "gemm"}, {"m", "1"}, {"k", "128"}, {"n", "512"}, {"state", "warm"}},
      {{"kind", "gemm"}, {"m", "64"}, {"k", "64"}, {"n", "32"}, {"stride_b", "256"}},
      {{"kind", "gemm"},
       {"m", "128"},
       {"k", "64"},
       {"n", "128"},
       {"tile_m", "128"},
       {"tile_k", "64"},
       {"tile_n", "32"},
       {"l2_before", "empty"}},
      {{"kind", "gemm"},
       {"m", "128"},
       {"k", "64"},
       {"n", "128"},
       {"transpose_b", "1"},
       {"stride_b", "768"},
       {"state", "warm"}},
      {{"kind", "fused_softmax"}, {"m", "96"}, {"k", "32"}, {"n", "96"}, {"transpose_b", "1"}},
      {{"kind", "fused_softmax_masked"},
       {"m", "64"},
       {"k", "32"},
       {"n", "64"},
       {"transpose_b", "1"}},
      {{"kind", "fused_layernorm"},
       {"hardware", "sp64acc256"},
       {"m", "64"},
       {"k", "128"},
       {"n", "128"},
       {"state", "warm"}},
      {{"kind", "fused_layernorm"},
       {"m", "32"},
       {"k", "64"},
       {"n", "128"},
       {"tile_m", "16"},
       {"tile_k", "64"},
       {"tile_n", "128"}},
      {{"kind", "fused_igelu"}, {"m", "64"}, {"k", "96"}, {"n", "192"}},
      {{"kind", "gemm_bias_row"}, {"m", "64"}, {"k", "128"}, {"n", "128"}},
      {{"kind", "resadd"}, {"m", "64"}, {"n", "128"}},
      {{"kind", "resadd_scaled"}, {"m", "64"}, {"n", "128"}, {"state", "warm"}},
      {{"kind", "norm_layernorm"}, {"m", "16"}, {"n", "128"}},
      {{"kind", "norm_softmax"}, {"m", "16"}, {"n", "64"}, {"state", "warm"}},
      {{"kind", "gemm"}, {"hardware", "mesh32"}, {"m", "64"}, {"k", "128"}, {"n", "128"}},
      {{"kind", "gemm"}, {"hardware", "mesh8"}, {"m", "64"}, {"k", "128"}, {"n", "128"}},
      {{"kind", "gemm"}, {"hardware", "inflight32"}, {"m", "64"}, {"k", "128"}, {"n", "128"}},
      {{"kind", "gemm"},
       {"hardware", "l2big"},
       {"m", "64"},
       {"k", "128"},
       {"n", "128"},
       {"state", "warm"}},
      {{"kind", "gemm"}, {"hardware", "l2banks2"}, {"m", "64"}, {"k", "128"}, {"n", "128"}},
  };
  return kRows;
}

MeasuredRow row_of(const Columns& columns) {
  MeasuredRow row;
  row.set("dram_latency", "40");
  row.set("state", "cold");
  for (const auto& [column, value] : columns) row.set(column, value);
  return row;
}

std::string extents(const MeasuredRow& row, const Words& columns) {
  std::string text;
  for (const std::string& column : columns) text += (text.empty() ? "" : ",") + row.text(column);
  return text;
}

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

Words options_of_matmul(const MeasuredRow& row) {
  const std::string& kind = row.text("kind");
  Words words = {"--gemm", extents(row, {"m", "k", "n"})};
  const auto add = [&](const std::string& option, const std::string& value) {
    words.push_back(option);
    words.push_back(value);
  };
  if (row.number("transpose_b") == 1) words.push_back("--transpose-b");
  if (!row.text("stride_b").empty()) add("--stride-b", row.text("stride_b"));
  if (row.number("tile_m") > 0) add("--tile", extents(row, {"tile_m", "tile_k", "tile_n"}));
  if (begins(kind, "fused_softmax")) add("--activation", "softmax");
  if (kind == "fused_layernorm") add("--activation", "layernorm");
  if (kind == "fused_igelu") add("--activation", "gelu");
  if (kind == "fused_softmax_masked") add("--bias", "full");
  if (kind == "gemm_bias_row") add("--bias", "row");
  return words;
}

Words options_of(const MeasuredRow& row) {
  const std::string& kind = row.text("kind");
  if (kind == "norm_layernorm") return {"--elementwise", "layernorm," + extents(row, {"m", "n"})};
  if (kind == "norm_softmax") return {"--elementwise", "softmax," + extents(row, {"m", "n"})};
  if (!begins(kind, "resadd")) return options_of_matmul(row);
  Words words = {"--elementwise", "residual_add," + extents(row, {"m", "n"})};
  if (kind == "resadd") words.insert(words.end(), {"--scales", "1"});
  return words;
}

TEST(SimulateMeasured, OptionsGiveTheLibrarysCycles) {
  const Sandbox box;
  for (const Columns& columns : rows()) {
    const MeasuredRow row = row_of(columns);
    const CacheState state = measured_state(row);
    write(box / "hardware.json", measured_hardware(row).dump());
    Words words = {"simulate", "--json", "--hardware", "hardware.json", "--state"};
    words.push_back(state == CacheState::kWarm    ? "warm"
                    : state == CacheState::kEmpty ? "empty"
                                                  : "cold");
    const Words options = options_of(row);
    words.insert(words.end(), options.begin(), options.end());
    SCOPED_TRACE(::testing::PrintToString(words));
    const Result result = box.run(words);
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(Json::parse(result.out)["cycles"], simulated_cycles(row));
  }
}

}  // namespace
}  // namespace paretoformer::integration
