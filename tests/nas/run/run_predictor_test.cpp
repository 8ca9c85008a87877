#include "nas/run/run_predictor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <tuple>

#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/predictor_check.hpp"
#include "latency_predictor/tables.hpp"
#include "nas/run/confirmation.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/captured_log.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RunPredictorTest : public ::testing::Test {
 protected:
  // A predictor's file with prices that no simulation gives.
  std::filesystem::path analytical_file(const std::string& name, const accel_sim::Target& hardware,
                                        const accel_sim::Workload& workload) const {
    const latency_predictor::LatencyPredictor predictor(
        hardware, workload, latency_predictor::analytical_table(hardware));
    predictor.fill(space_);
    predictor.save((box_ / name).string());
    return box_ / name;
  }
  accel_sim::HardwareCost analytical() const {
    return latency_predictor::LatencyPredictor(
               config_.hardware, config_.workload,
               latency_predictor::analytical_table(config_.hardware))
        .predict(network_);
  }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  // What a search prices: networks with a vocabulary.
  SearchSpace space_ = config_.space.with_vocabulary(256);
  Architecture network_ = space_.largest();
};

TEST_F(RunPredictorTest, InPlaceIsWithinOnePercentOfWholeNetworksAndSumsAreNot) {
  const latency_predictor::LatencyPredictor sums = predictor_of(config_);
  const latency_predictor::LatencyPredictor in_place = predictor_in_place(config_, space_);
  EXPECT_TRUE(sums.in_place().empty());
  EXPECT_FALSE(in_place.in_place().empty());
  const latency_predictor::PredictorCheck before = check_predictor(sums, space_, 20, 1);
  const latency_predictor::PredictorCheck after = check_predictor(in_place, space_, 20, 1);
  RecordProperty("sums_energy", std::to_string(before.energy.mape));
  RecordProperty("in_place_energy", std::to_string(after.energy.mape));
  RecordProperty("sums_latency", std::to_string(before.latency.mape));
  RecordProperty("in_place_latency", std::to_string(after.latency.mape));
  EXPECT_LT(after.latency.mape, 0.01);
  EXPECT_LT(after.energy.mape, 0.01);
  EXPECT_LT(after.latency.mape, before.latency.mape);
  EXPECT_GT(before.energy.mape, 0.05);  // activations that L2 holds, loaded from DRAM
}

TEST_F(RunPredictorTest, SaysWhyItFallsBackToPlainSums) {
  CapturedLog said;
  EXPECT_FALSE(predictor_in_place(config_, space_).in_place().empty());
  const Json json{
      {"depth", {1}}, {"model_width", {1048576}}, {"heads", {1}}, {"ffn_width", {4096}}};
  const SearchSpace large = SearchSpace::from_json(JsonNode(json, "large"));
  const latency_predictor::LatencyPredictor sums = predictor_in_place(config_, large);
  EXPECT_TRUE(sums.in_place().empty());
  EXPECT_THAT(said.text(), AllOf(StartsWith("paretoformer: warning: networks are priced as plain "
                                            "sums of their operators, for they cannot be"),
                                 HasSubstr(why_unsimulated(sums, large))));
}

TEST_F(RunPredictorTest, TheFileOfTheRunFolderIsUsed) {
  const RunFolder run = RunFolder::open(config_, false);
  const accel_sim::HardwareCost in_place = predictor_in_place(config_, space_).predict(network_);
  EXPECT_EQ(predictor_of(run, space_).predict(network_), in_place);
  const accel_sim::HardwareCost file = analytical();
  ASSERT_NE(file.latency, in_place.latency);
  std::filesystem::rename(analytical_file("file", config_.hardware, config_.workload),
                          run.predictor());
  EXPECT_EQ(predictor_of(run, space_).predict(network_), file);
}

TEST_F(RunPredictorTest, TheFileOfTheConfigurationComesFirst) {
  config_.predictor = analytical_file("named", config_.hardware, config_.workload);
  const accel_sim::HardwareCost file = analytical();
  EXPECT_EQ(predictor_of(config_).predict(network_), file);
  EXPECT_EQ(predictor_in_place(config_, space_).predict(network_), file);
  const RunFolder run = RunFolder::open(config_, false);
  std::ofstream(run.predictor()) << "not looked at";
  EXPECT_EQ(predictor_of(run, space_).predict(network_), file);
}

TEST_F(RunPredictorTest, AFileForAnotherHardwareOrWorkloadIsRefused) {
  accel_sim::Target other = config_.hardware;
  other.l2_kib /= 2;
  accel_sim::Workload longer = config_.workload;
  longer.sequence_length *= 2;
  const RunConfig plain = config_;
  const RunFolder run = RunFolder::open(plain, false);
  const auto error = [](const auto& predictor) -> std::string {
    try {
      predictor();
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  for (const auto& [hardware, workload, what] :
       {std::tuple{other, config_.workload, "hardware"},
        std::tuple{config_.hardware, longer, "workload"}}) {
    config_.predictor = analytical_file("other", hardware, workload);
    const auto refusal = AllOf(HasSubstr("other: was made for another "), HasSubstr(what));
    EXPECT_THAT(error([&] { predictor_of(config_); }), refusal);
    EXPECT_THAT(error([&] { predictor_in_place(config_, space_); }), refusal);
    std::filesystem::rename(box_ / "other", run.predictor());
    EXPECT_THAT(error([&] { predictor_of(run, space_); }),
                AllOf(HasSubstr("predictor.json: was made for another "), HasSubstr(what)));
  }
}

}  // namespace
}  // namespace paretoformer::nas
