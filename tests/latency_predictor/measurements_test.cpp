#include "latency_predictor/measurements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>

#include "latency_predictor/latency_predictor.hpp"
#include "support/error.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::HasSubstr;

class MeasurementsFile : public testing::Test {
 protected:
  LookupTable read(const std::string& text, std::optional<double> clock_mhz = {}) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    return read_measurements(path_, "phone", clock_mhz);
  }
  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryFolder temporary_;
  std::filesystem::path path_ = temporary_ / "measured.csv";
};

// 2.5 us are 500 cycles at 200 MHz; 3 nJ are 3000 pJ.
TEST_F(MeasurementsFile, UnitsStandInTheHeader) {
  const accel_sim::Operator op = accel_sim::matmul(32, 64, 48);
  const accel_sim::HardwareCost expected{accel_sim::Cycles(2'500'000'000),
                                         accel_sim::Picojoules(3000.0)};
  for (const char* text : {"operator,latency_us,energy_nj\nmatmul weights - 32 64 48,2.5,3\n",
                           "operator,latency_ns,energy_pj\nmatmul weights - 32 64 48,2500,3e3\n",
                           "operator,latency_ms,energy_uj\nmatmul weights - 32 64 48,0.0025,3e-3\n",
                           "operator,latency_s,energy_mj\nmatmul weights - 32 64 48,2.5e-6,3e-6\n",
                           "operator,latency_cycles,energy_fj\nmatmul weights - 32 64 48,500,3e6\n",
                           "energy_j , latency_us, operator\r\n"
                           " 3e-9, 2.5,matmul weights - 32 64 48\r\n\r\n"})
    EXPECT_EQ(read(text, 200).cost(op), expected) << text;
  const LookupTable cycles =
      read("operator,latency_cycles,energy_fj\nmatmul weights - 32 64 48,500,3e6\n");
  EXPECT_EQ(cycles.time_unit(), TimeUnit::kCycles);
  EXPECT_EQ(cycles.cost(op),
            (accel_sim::HardwareCost{accel_sim::Cycles(500), accel_sim::Picojoules(3000.0)}));
}

// What a spreadsheet may make of the file.
TEST_F(MeasurementsFile, IsReadAsSpreadsheetsWriteIt) {
  const accel_sim::Operator op = accel_sim::matmul(32, 64, 48);
  const accel_sim::HardwareCost expected{accel_sim::Cycles(2'500'000'000),
                                         accel_sim::Picojoules(3000.0)};
  for (const char* text :
       {"\xEF\xBB\xBFoperator,latency_us,energy_nj\nmatmul weights - 32 64 48,2.5,3\n",
        "\"operator\",\"latency_us\",\"energy_nj\"\n\"matmul weights - 32 64 48\",\"2.5\",\"3\"\n",
        "operator;latency_us;energy_nj\r\nmatmul weights - 32 64 48;2,5;3,0\r\n",
        "operator;latency_us;energy_nj\nmatmul weights - 32 64 48;2.5;3\n",
        "operator\tlatency_us\tenergy_nj\nmatmul weights - 32 64 48\t2,5\t3\n",
        "operator,latency_us,energy_nj\rmatmul weights - 32 64 48,2.5,3\r",
        "\n\nOperator,Latency_us,ENERGY_NJ,,\n,,,,\nmatmul weights - 32 64 48,2.5,3,,\n\n,,\n",
        "note,operator,latency_us,energy_nj\n\"a, \"\"b\"\"\",matmul weights - 32 64 48,2.5,3",
        "operator,latency_us,energy_nj\nmatmul weights - 32 64 48 , \"2.5\" ,3"})
    EXPECT_EQ(read(text).cost(op), expected) << text;
}

TEST_F(MeasurementsFile, EnergyMayBeMissing) {
  const LookupTable table = read("operator,latency_us\nmatmul weights - 32 64 48,2.5\n");
  EXPECT_EQ(table.cost(accel_sim::matmul(32, 64, 48)),
            (accel_sim::HardwareCost{accel_sim::Cycles(2'500'000'000), accel_sim::Picojoules()}));
}

TEST_F(MeasurementsFile, KeepsFractionsOfACycle) {
  const accel_sim::Operator one = accel_sim::matmul(32, 64, 48),
                            other = accel_sim::matmul(32, 64, 49);
  const LatencyPredictor predictor(
      "phone", accel_sim::Workload{32},
      read("operator,latency_us,energy_uj\nmatmul weights - 32 64 48,8.6131,1\n"
           "matmul weights - 32 64 49,0.0004,1\n"));
  ASSERT_TRUE(predictor.in_time());
  EXPECT_EQ(predictor.latency(predictor.table().cost(one)), 8613.1);
  EXPECT_EQ(predictor.latency(predictor.table().cost(other)), 0.4);
  EXPECT_EQ(predictor.latency(predictor.table().cost(other) * 10), 4);
  // A third of a gigahertz: three nanoseconds a cycle.
  const LookupTable clocked =
      read("operator,latency_cycles,energy_uj\nmatmul weights - 32 64 48,2.5,1\n", 1000 / 3.0);
  EXPECT_EQ(clocked.time_unit(), TimeUnit::kFemtoseconds);
  EXPECT_EQ(clocked.cost(one).latency.value(), 7'500'000);
}

TEST_F(MeasurementsFile, AClockIsANumber) {
  const std::string text = "operator,latency_us,energy_uj\nmatmul weights - 32 64 48,8.6131,1\n";
  for (const double wrong : {std::nan(""), HUGE_VAL, 0.0, -1.0})
    EXPECT_THROW(read(text, wrong), InputError) << wrong;
}

TEST_F(MeasurementsFile, ATemplateThatIsFilledInMakesAPredictor) {
  const Architecture network{96, 16, 50, {{4, 384}}};
  const accel_sim::Workload workload{32, accel_sim::Mode::kPrefill};
  std::vector<accel_sim::Operator> operators;
  std::int64_t runs = 0;
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators(network, workload)) {
    if (std::find(operators.begin(), operators.end(), item.op) == operators.end())
      operators.push_back(item.op);
    runs += item.repeat;
  }
  std::string text = measurement_template(operators);
  EXPECT_THAT(error_of(text), HasSubstr(":2: \"\" is no latency of \"embedding - - 32 0 96\""));
  for (std::size_t at = 0; (at = text.find(",,", at)) != std::string::npos;)
    text.replace(at, 2, ",7,0.5");
  const LatencyPredictor predictor("phone", workload, read(text));
  const accel_sim::HardwareCost cost = predictor.predict(network);
  EXPECT_EQ(predictor.latency(cost), 7000.0 * static_cast<double>(runs));
  EXPECT_EQ(cost.energy.value(), 0.5e6 * static_cast<double>(runs));
}

TEST_F(MeasurementsFile, BadLinesAreNamed) {
  const std::string header = "operator,latency_us,energy_uj\n";
  const auto error = [&](const std::string& line) { return error_of(header + line + "\n"); };
  EXPECT_THAT(error_of(""), HasSubstr("measured.csv:1: the file is empty"));
  EXPECT_THAT(error_of("\n\xEF\xBB\xBF"),
              HasSubstr("measured.csv:2: \"\xEF\xBB\xBF\" is no header"));
  EXPECT_THAT(error_of("operator,latency,energy_uj\n"),
              HasSubstr(":1: \"latency\" has no known unit"));
  EXPECT_THAT(error_of("operator,latency_us,energy_kj\n"), HasSubstr("\"energy_kj\" has no known"));
  EXPECT_THAT(error_of("operator,latency_us,latency_ns\n"),
              HasSubstr("\"latency_ns\" is a second"));
  EXPECT_THAT(error_of("operator,operator,latency_ns\n"), HasSubstr("\"operator\" is a second"));
  EXPECT_THAT(error_of("operator,energy_pj\n"), HasSubstr("is no header"));
  EXPECT_THAT(error_of("latency_us,energy_pj\n"), HasSubstr("is no header"));
  EXPECT_THAT(error_of("\xFF\xFEo\0p\0"), HasSubstr("is UTF-16"));
  EXPECT_THAT(error("matmul weights - 32 64 48,1"),
              HasSubstr(":2: \"\" is no energy of \"matmul weights - 32 64 48\": expected a number "
                        "from 0 on, or no such column"));
  EXPECT_THAT(error("matmul weights - 32 64 48,1,2,3"),
              HasSubstr(":2: expected 3 fields, found 4"));
  EXPECT_THAT(error("\"matmul weights - 32 64 48,1,2"), HasSubstr(":2: a quotation mark is not"));
  EXPECT_THAT(error_of("operator;latency_us\r\n\r\ngelu - - 7 0 9;1.000,5\r\n"),
              HasSubstr(":3: \"1.000,5\" is no latency"));
  EXPECT_THAT(error("matmul weights - 32 64,1,1"), HasSubstr("is no operator"));
  for (const char* bad : {"-1", "x", "1x", "inf", "nan", "0x10", "1 2"}) {
    EXPECT_THAT(error("gelu - - 7 0 9," + std::string(bad) + ",1"), HasSubstr("is no latency"));
    EXPECT_THAT(error("gelu - - 7 0 9,1," + std::string(bad)), HasSubstr("is no energy"));
  }
  EXPECT_THAT(error("gelu - - 7 0 9,1e300,1"), HasSubstr("is out of range"));
  EXPECT_THAT(error("gelu - - 7 0 9,1,1e300"), HasSubstr("is out of range"));
  EXPECT_THAT(error("gelu - - 7 0 9,1,1\ngelu - - 7 0 9,1,1"), HasSubstr(":3: \"gelu - - 7 0 9\""));
}

}  // namespace
}  // namespace paretoformer::latency_predictor
