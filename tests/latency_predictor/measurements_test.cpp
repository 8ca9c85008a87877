#include "latency_predictor/measurements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "latency_predictor/latency_predictor.hpp"
#include "support/error.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

class MeasurementsFile : public testing::Test {
 protected:
  LookupTable read(const std::string& text, double clock_mhz = 1000) {
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

// 2.5 us at 200 MHz are 500 cycles; 3 nJ are 3000 pJ.
TEST_F(MeasurementsFile, UnitsStandInTheHeader) {
  const Operator op = matmul(32, 64, 48);
  const HardwareCost expected{Cycles(500), Picojoules(3000.0)};
  for (const char* text : {"operator,latency_us,energy_nj\nmatmul weights - 32 64 48,2.5,3\n",
                           "operator,latency_ns,energy_pj\nmatmul weights - 32 64 48,2500,3e3\n",
                           "operator,latency_ms,energy_uj\nmatmul weights - 32 64 48,0.0025,3e-3\n",
                           "operator,latency_s,energy_mj\nmatmul weights - 32 64 48,2.5e-6,3e-6\n",
                           "operator,latency_cycles,energy_fj\nmatmul weights - 32 64 48,500,3e6\n",
                           "energy_j , latency_us, operator\r\n"
                           " 3e-9, 2.5,matmul weights - 32 64 48\r\n\r\n"})
    EXPECT_EQ(read(text, 200).cost(op), expected) << text;
}

TEST_F(MeasurementsFile, ATemplateThatIsFilledInMakesAPredictor) {
  const Architecture network{96, 16, 50, {{4, 384}}};
  const Workload workload{32, Mode::kPrefill};
  std::vector<Operator> operators;
  std::int64_t runs = 0;
  for (const TransformerOperator& item : transformer_operators(network, workload)) {
    if (std::find(operators.begin(), operators.end(), item.op) == operators.end())
      operators.push_back(item.op);
    runs += item.repeat;
  }
  std::string text = measurement_template(operators);
  EXPECT_THAT(error_of(text), HasSubstr(":2: \"\" is no latency of \"embedding - - 32 0 96\""));
  for (std::size_t at = 0; (at = text.find(",,", at)) != std::string::npos;)
    text.replace(at, 2, ",7,0.5");
  const LatencyPredictor predictor("phone", workload, read(text));
  const HardwareCost cost = predictor.predict(network);
  EXPECT_EQ(cost.latency.value(), 7000 * runs);
  EXPECT_EQ(cost.energy.value(), 0.5e6 * static_cast<double>(runs));
}

TEST_F(MeasurementsFile, BadLinesAreNamed) {
  const std::string header = "operator,latency_us,energy_uj\n";
  const auto error = [&](const std::string& line) { return error_of(header + line + "\n"); };
  EXPECT_THAT(error_of(""), HasSubstr("measured.csv:1: the file is empty"));
  EXPECT_THAT(error_of("operator,latency,energy_uj\n"), HasSubstr(":1: \"operator,latency,"));
  EXPECT_THAT(error_of("operator,latency_us\n"), HasSubstr("is no header"));
  EXPECT_THAT(error("matmul weights - 32 64 48,1"), HasSubstr(":2: expected 3 fields, found 2"));
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
}  // namespace paretoformer
