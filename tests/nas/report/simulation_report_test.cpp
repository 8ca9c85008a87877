#include "nas/report/simulation_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

accel_sim::Call call_of(const accel_sim::TransformerOperator& item,
                        const accel_sim::Target& hardware) {
  accel_sim::Call call = compile(item.op, hardware);
  static_cast<accel_sim::TransformerOperator&>(call) = item;
  return call;
}

// Numbers that are easy to follow: a matmul that runs twice, and a GELU of the host.
Simulation example() {
  Simulation simulation;
  simulation.hardware.static_pj_per_cycle = 1;
  simulation.hardware.host_pj_per_cycle = 2;
  accel_sim::SimulationReport report;
  report.cost = {accel_sim::Cycles(100), accel_sim::Picojoules(10.5)};
  report.breakdown.array = 60;
  report.breakdown.load = 40;
  report.accesses.macs = 12800;
  report.accesses.dram_bytes = 7;
  report.load_busy = 50;
  const auto add = [&](const accel_sim::TransformerOperator& item) {
    simulation.operators.push_back({call_of(item, simulation.hardware), report});
  };
  add({"ffn.up", 0, 2, accel_sim::matmul(32, 16, 25)});
  report = {};
  report.cost = {accel_sim::Cycles(200), accel_sim::Picojoules(1.25)};
  report.breakdown.host = 200;
  report.accesses.dram_bytes = 3;
  add({"ffn.gelu", 0, 1, elementwise(accel_sim::OperatorKind::kGelu, 32, 25)});
  return simulation;
}

TEST(SimulationReportTest, TotalsAreOfAllRepeats) {
  const accel_sim::SimulationReport whole = total(example());
  EXPECT_EQ(whole.cost.latency.value(), 400);
  EXPECT_EQ(whole.cost.energy.value(), 22.25);
  EXPECT_EQ(whole.breakdown.array, 120);
  EXPECT_EQ(whole.breakdown.load, 80);
  EXPECT_EQ(whole.breakdown.host, 200);
  EXPECT_EQ(whole.accesses.macs, 25600);
  EXPECT_EQ(whole.accesses.dram_bytes, 17);
  EXPECT_EQ(whole.load_busy, 100);
}

TEST(SimulationReportTest, Json) {
  const Json json = to_json(example());
  EXPECT_EQ(json["cycles"], 400);
  EXPECT_EQ(json["energy_pj"], 22.25);
  EXPECT_EQ(json["utilization"], 25600.0 / (400 * 256));
  EXPECT_EQ(json["matmul_utilization"], 25600.0 / (200 * 256));
  EXPECT_EQ(json["breakdown"]["load"], 80);
  EXPECT_EQ(json["energy_breakdown_pj"]["dram"], 1700.0);
  EXPECT_EQ(json["energy_breakdown_pj"]["static"], 400.0);
  EXPECT_EQ(json["energy_breakdown_pj"]["host"], 400.0);
  const Json& op = json["operators"][0];
  EXPECT_EQ(op["repeat"], 2);
  EXPECT_EQ(op["cycles"], 200);
  EXPECT_EQ(op["energy_pj"], 21.0);
  EXPECT_EQ(op["utilization"], 0.5);
  EXPECT_EQ(op["tile"], (Json{{"rows", 32}, {"inner", 16}, {"columns", 32}}));
  EXPECT_FALSE(json["operators"][1].contains("tile"));
}

TEST(SimulationReportTest, Table) {
  const std::string table = simulation_table(example());
  for (const char* part : {"ffn.up", "ffn.gelu", "total", "   30.0 %  works",
                           "   20.0 %  waits for loads", "   50.0 %  waits for the host"})
    EXPECT_THAT(table, HasSubstr(part));
  EXPECT_EQ(table.find("normaliser"), std::string::npos);
}

TEST(SimulationReportTest, NothingRunIsNothing) {
  const Json json = to_json(Simulation{});
  EXPECT_EQ(json["cycles"], 0);
  EXPECT_EQ(json["utilization"], 0);
  EXPECT_TRUE(json["operators"].empty());
  const std::string table = simulation_table(Simulation{});
  EXPECT_THAT(table, HasSubstr("total"));
  EXPECT_EQ(table.find("nan"), std::string::npos) << table;
}

TEST(SimulationReportTest, SumsThatDoNotFitAreAnError) {
  Simulation simulation = example();
  simulation.operators[0].report.cost.latency = accel_sim::Cycles(std::int64_t{1} << 62);
  EXPECT_THROW(total(simulation), Error);
}

}  // namespace
}  // namespace paretoformer::nas
