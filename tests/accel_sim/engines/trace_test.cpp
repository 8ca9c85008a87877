#include "accel_sim/engines/trace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

struct Event {
  std::string name;
  std::int64_t begin = 0, end = 0;
  Json arguments;
};

// The file as the viewer sees it: complete events by the name of their row, in the file's order.
class TraceTest : public ::testing::Test {
 protected:
  std::map<std::string, std::vector<Event>> written(const ChromeTrace& trace) {
    trace.write(box_ / "trace.json", Json{{"engine", "fast"}});
    document_ = read_json(box_ / "trace.json");
    std::map<int, std::string> rows;
    std::map<std::string, std::vector<Event>> events;
    for (const Json& e : document_["traceEvents"]) {
      EXPECT_EQ(e["pid"], 0);
      if (e["ph"] == "M") {
        if (e["name"] == "thread_name") rows[e["tid"]] = e["args"]["name"];
        continue;
      }
      EXPECT_EQ(e["ph"], "X");
      const std::int64_t begin = e["ts"], duration = e["dur"];
      EXPECT_GE(duration, 0);
      events[rows.at(e["tid"])].push_back({e["name"], begin, begin + duration, e["args"]});
    }
    for (const auto& [tid, name] : rows) names_.push_back(name);
    return events;
  }

  // Of one run of the operator, added to `trace` as it is in a network.
  SimulationReport add(ChromeTrace& trace, const TransformerOperator& item,
                       const std::string& target = "gemmini_transformer") {
    Trace spans;
    const SimulationReport report = simulate(item.op, find_target(target), {}, &spans);
    trace.add(item, report.cost.latency, spans);
    return report;
  }

  TemporaryFolder box_;
  Json document_;
  std::vector<std::string> names_;  // of rows, from top to bottom
};

TEST_F(TraceTest, EmptyRunIsValidAndNamesItsLanes) {
  EXPECT_TRUE(written(ChromeTrace()).empty());
  EXPECT_THAT(names_, ElementsAre("operators", "host", "load", "execute", "store"));
  EXPECT_EQ(document_["otherData"]["cycles"], 0);
  EXPECT_EQ(document_["otherData"]["engine"], "fast");
  EXPECT_EQ(document_["otherData"]["time_unit"], "1 us in the viewer is 1 cycle");
}

TEST_F(TraceTest, RowsOfARealRunDoNotOverlapAndLieWithinIt) {
  ChromeTrace trace;
  const TransformerOperator item{"gemm", -1, 1, matmul(256, 512, 256)};
  const SimulationReport report = add(trace, item);
  const std::int64_t total = report.cost.latency.value();
  EXPECT_EQ(trace.total(), report.cost.latency);
  const auto rows = written(trace);
  ASSERT_THAT(names_, IsSupersetOf({"operators", "host", "load", "execute", "store"}));
  EXPECT_EQ(document_["otherData"]["cycles"], total);
  std::map<std::string, int> events;
  std::int64_t array = 0;
  for (const auto& [row, list] : rows) {
    std::int64_t last = 0;
    for (const Event& event : list) {
      EXPECT_GE(event.begin, last) << row << " " << event.name;
      EXPECT_LE(event.end, total) << row << " " << event.name;
      last = event.end;
      ++events[event.name];
      if (row == "execute") array += event.end - event.begin;
    }
  }
  // While it computes, the array may wait for the port of the scratchpad.
  EXPECT_GE(array, report.breakdown.array);
  EXPECT_LE(array, report.breakdown.array + report.breakdown.load);
  EXPECT_EQ(events["prologue"], 1);
  EXPECT_EQ(events["fence"], 1);
  EXPECT_GT(events["mvin"], 0);
  EXPECT_GT(events["mvout"], 0);
  const Event& whole = rows.at("operators").at(0);
  EXPECT_EQ(whole.name, "gemm");
  EXPECT_EQ(whole.end, total);
  EXPECT_EQ(whole.arguments["operator"], "matmul weights - 256 512 256");
  EXPECT_EQ(rows.at("execute").at(0).arguments["operator"], "gemm");
}

TEST_F(TraceTest, OperatorsFollowEachOtherAndRepeatsAreDrawnOnce) {
  ChromeTrace trace;
  const TransformerOperator first{"attention.qkv", 0, 3, matmul(64, 64, 64)};
  const TransformerOperator second{"ffn.up", 0, 1, matmul(64, 64, 128)};
  const std::int64_t once = add(trace, first).cost.latency.value();
  const std::int64_t other = add(trace, second).cost.latency.value();
  trace.add({"attention.qkv", 1, 3, first.op}, Cycles(once));
  EXPECT_EQ(trace.total().value(), 6 * once + other);
  const auto rows = written(trace);
  const std::vector<Event>& operators = rows.at("operators");
  ASSERT_EQ(operators.size(), 3u);
  EXPECT_EQ(operators[0].end, 3 * once);
  EXPECT_EQ(operators[0].arguments["repeat"], 3);
  EXPECT_EQ(operators[0].arguments["cycles"], once);
  EXPECT_EQ(operators[1].begin, 3 * once);
  EXPECT_EQ(operators[2].begin, 3 * once + other);
  EXPECT_EQ(operators[2].arguments["layer"], 1);
  for (const auto& [row, list] : rows) {
    if (row == "operators") continue;
    for (const Event& event : list) {
      const bool is_first = event.arguments["operator"] == "attention.qkv";
      EXPECT_GE(event.begin, is_first ? 0 : 3 * once);
      EXPECT_LE(event.end, is_first ? once : 3 * once + other);
    }
  }
}

TEST_F(TraceTest, SpansAreSortedAndOverlapsTakeARowOfTheirOwn) {
  ChromeTrace trace;
  trace.add({"gemm", -1, 1, matmul(1, 1, 1)}, Cycles(100),
            {{Lane::kLoad, "c", 30, 50},
             {Lane::kLoad, "a", 0, 20},
             {Lane::kLoad, "b", 10, 30},
             {Lane::kStore, "d", 10, 30}});
  const auto rows = written(trace);
  const auto names = [&](const std::string& row) {
    std::vector<std::string> list;
    for (const Event& event : rows.at(row)) list.push_back(event.name);
    return list;
  };
  EXPECT_THAT(names_, ElementsAre("operators", "host", "load", "load 2", "execute", "store"));
  EXPECT_THAT(names("load"), ElementsAre("a", "c"));
  EXPECT_THAT(names("load 2"), ElementsAre("b"));
  EXPECT_THAT(names("store"), ElementsAre("d"));
}

TEST_F(TraceTest, TheHostsOwnOperatorsAreInItsLane) {
  ChromeTrace trace;
  const TransformerOperator item{"ffn.norm", 0, 1, elementwise(OperatorKind::kLayerNorm, 4, 64)};
  const SimulationReport report = add(trace, item, "gemmini_cnn");
  const auto rows = written(trace);
  ASSERT_EQ(rows.at("host").size(), 1u);
  EXPECT_EQ(rows.at("host")[0].end, report.cost.latency.value());
}

TEST_F(TraceTest, UnwritableFileIsAFailure) {
  EXPECT_THROW(ChromeTrace().write(box_ / "missing/trace.json", Json()), Error);
  EXPECT_FALSE(std::filesystem::exists(box_ / "missing"));
}

TEST(CycleBreakdownTest, SumsAndProductsTakeEveryMember) {
  const CycleBreakdown a{1, 2, 3, 4, 5, 6, 7};
  const CycleBreakdown b{10, 20, 30, 40, 50, 60, 70};
  EXPECT_EQ(a + b, (CycleBreakdown{11, 22, 33, 44, 55, 66, 77}));
  EXPECT_EQ(a * 10, b);
  EXPECT_EQ((a + b).total(), a.total() + b.total());
}

}  // namespace
}  // namespace paretoformer::accel_sim
