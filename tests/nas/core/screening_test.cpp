#include "nas/core/screening.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "nas/core/candidate_evaluator.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

// Falls with the logarithm of all widths together: diminishing returns, and heads and FFN widths of
// all layers depend on one another.
double loss_of(const Architecture& network) {
  double capacity = 1;
  for (const Layer& layer : network.layers)
    capacity += network.model_width * (64.0 * layer.heads + layer.ffn_width);
  return 8 - 0.3 * std::log(capacity);
}

Objectives cost_without_loss(const Architecture& network) {
  Objectives objectives;
  objectives.latency = static_cast<double>(parameter_count(network));
  objectives.energy_pj = 1;
  objectives.parameters = parameter_count(network);
  return objectives;
}

std::vector<Architecture> sample(const SearchSpace& space, int count, std::uint64_t seed) {
  Random random(seed);
  std::vector<Architecture> networks;
  for (int i = 0; i < count; ++i) networks.push_back(space.sample(random));
  return networks;
}

std::vector<double> losses_of(const std::vector<Architecture>& networks) {
  std::vector<double> losses;
  for (const Architecture& network : networks) losses.push_back(loss_of(network));
  return losses;
}

TEST(LossSurrogate, PredictsASmoothLossOfTheSurveysSpaceFromOneHundredNetworks) {
  const SearchSpace space = SearchSpace::find("survey");
  const std::vector<Architecture> known = sample(space, 100, 1);
  const LossSurrogate surrogate(space, known, losses_of(known));
  double squares = 0, spread = 0, mean = 0, expected = 0;
  const std::vector<Architecture> others = sample(space, 500, 2);
  for (double loss : losses_of(others)) mean += loss / 500;
  for (const Architecture& network : others) {
    const LossEstimate estimate = surrogate.estimate(network);
    squares += std::pow(estimate.loss - loss_of(network), 2);
    spread += std::pow(loss_of(network) - mean, 2);
    expected += estimate.deviation * estimate.deviation;
  }
  EXPECT_LT(squares, 0.01 * spread);
  // Its own opinions of its error, over all networks and for each: about right, not more.
  EXPECT_LT(surrogate.leave_one_out_error(), 3 * std::sqrt(squares / 500));
  EXPECT_GT(surrogate.leave_one_out_error(), std::sqrt(squares / 500) / 3);
  EXPECT_LT(expected, 9 * squares);
  EXPECT_GT(expected, squares / 9);
}

TEST(LossSurrogate, IsLessSureOfWhatItHasNotSeen) {
  const SearchSpace space = SearchSpace::find("survey");
  std::vector<Architecture> shallow;
  for (const Architecture& network : sample(space, 200, 1))
    if (network.depth() == space.depths().front()) shallow.push_back(network);
  const LossSurrogate surrogate(space, shallow, losses_of(shallow));
  EXPECT_GT(surrogate.estimate(space.largest()).deviation,
            3 * surrogate.estimate(shallow.front()).deviation);
}

class MostPromising : public ::testing::Test {
 protected:
  MostPromising() {
    for (const Architecture& network : sample(space_, 60, 1)) {
      if (archive_.contains(architecture_id(network))) continue;
      archive_.add(
          {architecture_id(network), network, with_loss(cost_(network), loss_of(network)), 0});
    }
    for (const Architecture& network : sample(space_, 300, 2))
      if (!archive_.contains(architecture_id(network)) &&
          ids_.insert(architecture_id(network)).second)
        drawn_.push_back({architecture_id(network), network, {}});
  }

  SearchSpace space_ = SearchSpace::find("quickstart");
  SearchConfig config_;
  CostFunction cost_ = cost_without_loss;
  Archive archive_{{Objective::kPerplexity, Objective::kLatency}};
  std::set<std::uint64_t> ids_;
  std::vector<Proposal> drawn_;
  SearchState state_{space_, archive_, config_, 1, 1, cost_};
};

TEST_F(MostPromising, AreSomeOfThoseDrawn) {
  const std::vector<Proposal> chosen = most_promising(state_, drawn_, 20);
  EXPECT_EQ(chosen.size(), 20u);
  std::set<std::uint64_t> distinct;
  for (const Proposal& proposal : chosen) {
    EXPECT_TRUE(ids_.count(proposal.id));
    EXPECT_TRUE(distinct.insert(proposal.id).second);
  }
  EXPECT_EQ(most_promising(state_, drawn_, 20), chosen);
  EXPECT_EQ(most_promising(state_, drawn_, drawn_.size()), drawn_);
}

TEST_F(MostPromising, ExtendTheFront) {
  const Point reference = reference_point(archive_);
  const double before = archive_.hypervolume(reference);
  const auto gain = [&](std::span<const Proposal> proposals) {
    Archive archive = archive_;
    for (const Proposal& p : proposals)
      archive.add(
          {p.id, p.architecture, with_loss(cost_(p.architecture), loss_of(p.architecture)), 1});
    return archive.hypervolume(reference) - before;
  };
  const double all = gain(drawn_);
  ASSERT_GT(all, 0);
  // A tenth of the drawn ones lose less than half of what the first tenth would.
  EXPECT_LT(all - gain(most_promising(state_, drawn_, 30)),
            0.5 * (all - gain(std::span(drawn_).first(30))));
}

}  // namespace
}  // namespace paretoformer::nas
