#include "nas/core/candidate_evaluator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "accel_sim/hardware/area.hpp"
#include "latency_predictor/network_cost.hpp"
#include "latency_predictor/tables.hpp"
#include "search_spaces/search_space.hpp"
#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kContext = 32;

// Three sequences of ten are the quarter, so that no sum or mean is exact in binary.
LossSource made_up_losses() {
  return {3, 10, [](std::span<const Architecture> networks, LossPart part) {
            std::vector<double> sums;
            for (const Architecture& network : networks)
              sums.push_back((part == LossPart::kQuarter ? 3.3 : 7.1) + 1.0 / network.model_width);
            return sums;
          }};
}

class CandidateEvaluatorTest : public ::testing::Test {
 protected:
  accel_sim::Target hardware_ = accel_sim::find_target("gemmini_transformer");
  latency_predictor::LatencyPredictor predictor_{hardware_, accel_sim::Workload{kContext},
                                                 latency_predictor::analytical_table(hardware_)};
  std::vector<Architecture> networks_{
      {32, 16, 64, {{1, 64}}}, {48, 16, 64, {{2, 64}, {1, 128}}}, {64, 16, 64, {{4, 256}}}};
};

TEST_F(CandidateEvaluatorTest, ALossIsTheMeanOfAllSequences) {
  CandidateEvaluator evaluator(made_up_losses(), predictor_, kContext);
  const std::vector<Objectives> objectives = evaluator.evaluate(networks_);
  ASSERT_EQ(objectives.size(), 3u);
  // 3.3 + 1/32 and 7.1 + 1/32 over ten sequences.
  EXPECT_DOUBLE_EQ(objectives[0].validation_loss, (10.4 + 2.0 / 32) / 10);
  for (std::size_t i = 0; i < networks_.size(); ++i) {
    EXPECT_EQ(objectives[i].perplexity, std::exp(objectives[i].validation_loss));
    const latency_predictor::NetworkCost cost = predictor_.network_cost(networks_[i]);
    EXPECT_EQ(objectives[i].latency, static_cast<double>(cost.hardware.latency.value()));
    EXPECT_EQ(objectives[i].energy_pj, cost.hardware.energy.value());
    EXPECT_EQ(objectives[i].parameters, parameter_count(networks_[i], kContext));
    EXPECT_EQ(objectives[i].peak_memory_bytes, cost.memory.bytes());
    EXPECT_EQ(objectives[i].macs, cost.macs);
    EXPECT_EQ(with_loss(evaluator.cost(networks_[i]), objectives[i].validation_loss),
              objectives[i]);
  }
  // What a cost knows nothing of.
  EXPECT_EQ(evaluator.cost(networks_[0]).validation_loss, 0);
  EXPECT_EQ(evaluator.cost(networks_[0]).perplexity, 0);
}

TEST_F(CandidateEvaluatorTest, AQuarterAndTheRestAreTheWhole) {
  CandidateEvaluator evaluator(made_up_losses(), predictor_, kContext);
  EXPECT_EQ(evaluator.quarter(), 3);
  const std::vector<double> quarter = evaluator.quarter_sums(networks_);
  ASSERT_EQ(quarter.size(), 3u);
  EXPECT_EQ(quarter[1], 3.3 + 1.0 / 48);
  // To the last bit, in whatever company.
  EXPECT_EQ(evaluator.complete(networks_, quarter), evaluator.evaluate(networks_));
  const std::span<const Architecture> last = std::span(networks_).last(1);
  EXPECT_EQ(evaluator.complete(last, std::span(quarter).last(1))[0],
            evaluator.evaluate(networks_)[2]);
  EXPECT_TRUE(evaluator.evaluate({}).empty());
}

// Losses do not depend on the hardware, and costs on nothing but the predictor of it.
TEST_F(CandidateEvaluatorTest, ANetworkOnSeveralMachinesIsScoredOnceAndPricedOnEach) {
  std::vector<Architecture> asked, machines;
  LossSource source = made_up_losses();
  source.sums = [&, inner = source.sums](std::span<const Architecture> networks, LossPart part) {
    asked.insert(asked.end(), networks.begin(), networks.end());
    return inner(networks, part);
  };
  const accel_sim::Target large = accel_sim::find_target("gemmini_cnn");
  const Predictors predictors(predictor_, [&](const std::vector<int>& hardware) {
    machines.emplace_back().hardware = hardware;
    const accel_sim::Target& target = hardware[0] == 1 ? hardware_ : large;
    return latency_predictor::LatencyPredictor(target, accel_sim::Workload{kContext},
                                               latency_predictor::analytical_table(target));
  });
  CandidateEvaluator evaluator(source, predictors, kContext);
  std::vector<Architecture> designs(4, networks_[0]);
  designs[0].hardware = designs[3].hardware = {1};
  designs[1].hardware = {2};
  designs[2] = networks_[1];
  const std::vector<Objectives> objectives = evaluator.evaluate(designs);
  EXPECT_EQ(asked, (std::vector{networks_[0], networks_[1], networks_[0], networks_[1]}));
  ASSERT_EQ(machines.size(), 2u);  // each made once
  EXPECT_EQ(objectives[0].validation_loss, objectives[1].validation_loss);
  EXPECT_EQ(objectives[0], objectives[3]);
  EXPECT_NE(objectives[0].edp(), objectives[1].edp());
  EXPECT_DOUBLE_EQ(objectives[0].area_mm2, accel_sim::area(hardware_).total());
  EXPECT_DOUBLE_EQ(objectives[1].area_mm2, accel_sim::area(large).total());
  EXPECT_FALSE(objectives[2].has_area());  // on what the predictor of all is of
  EXPECT_EQ(evaluator.work(), 2);
}

TEST_F(CandidateEvaluatorTest, WorkIsTextInEvaluations) {
  CandidateEvaluator evaluator(made_up_losses(), predictor_, kContext);
  EXPECT_EQ(evaluator.work(), 0);
  const std::vector<double> quarter = evaluator.quarter_sums(networks_);
  EXPECT_DOUBLE_EQ(evaluator.work(), 3 * 0.3);
  evaluator.complete(std::span(networks_).first(2), std::span(quarter).first(2));
  EXPECT_DOUBLE_EQ(evaluator.work(), 3 * 0.3 + 2 * 0.7);
  evaluator.evaluate(networks_);
  EXPECT_DOUBLE_EQ(evaluator.work(), 3 * 0.3 + 2 * 0.7 + 3);
  evaluator.cost(networks_[0]);  // costs no text
  EXPECT_DOUBLE_EQ(evaluator.work(), 3 * 0.3 + 2 * 0.7 + 3);
}

TEST_F(CandidateEvaluatorTest, ALossThatIsNotFiniteIsAnErrorThatNamesTheNetwork) {
  for (double wrong : {std::nan(""), std::numeric_limits<double>::infinity(),
                       -std::numeric_limits<double>::infinity()})
    for (LossPart broken : {LossPart::kQuarter, LossPart::kRest}) {
      LossSource source = made_up_losses();
      source.sums = [wrong, broken](std::span<const Architecture> networks, LossPart part) {
        std::vector<double> sums(networks.size(), 1.0);
        if (part == broken) sums.back() = wrong;
        return sums;
      };
      CandidateEvaluator evaluator(source, predictor_, kContext);
      try {
        evaluator.evaluate(networks_);
        ADD_FAILURE() << wrong;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(),
                    AllOf(HasSubstr(describe(networks_.back())), HasSubstr("is not finite")));
      }
      // The half that is in order is no error.
      if (broken == LossPart::kRest) {
        EXPECT_EQ(evaluator.quarter_sums(networks_).size(), 3u);
      }
    }
}

TEST_F(CandidateEvaluatorTest, IntegersAreScoredOnTheWholeTextOfWhatIsCompleted) {
  LossSource source = made_up_losses();
  source.int8 = true;
  std::vector<std::size_t> asked;
  source.sums = [&asked, fp32 = source.sums](std::span<const Architecture> networks,
                                             LossPart part) {
    if (part != LossPart::kInt8) return fp32(networks, part);
    asked.push_back(networks.size());
    return std::vector<double>(networks.size(), 12.5);
  };
  CandidateEvaluator evaluator(source, predictor_, kContext);
  const std::vector<double> quarter = evaluator.quarter_sums(networks_);
  EXPECT_TRUE(asked.empty());
  const Objectives both = evaluator.complete(std::span(networks_).first(1), quarter)[0];
  EXPECT_EQ(asked, std::vector<std::size_t>{1});
  EXPECT_EQ(both.validation_loss_int8, 1.25);  // 12.5 over ten sequences
  EXPECT_EQ(both.perplexity_int8, std::exp(1.25));
  EXPECT_DOUBLE_EQ(evaluator.work(), 3 * 0.3 + 0.7);  // of fp32 alone
  EXPECT_FALSE(
      CandidateEvaluator(made_up_losses(), predictor_, kContext).evaluate(networks_)[0].has_int8());
}

}  // namespace
}  // namespace paretoformer::nas
