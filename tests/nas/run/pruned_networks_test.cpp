#include "nas/run/pruned_networks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nas/core/objectives.hpp"
#include "nas/run/run_predictor.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

TEST(PrunedFronts, AreOfTheSpacesSizesCheapestFirst) {
  const TemporaryFolder box;
  const RunConfig config = tiny_config(box.path() / "run");
  TinyRun run(config);
  const latency_predictor::LatencyPredictor predictor = predictor_of(config);
  std::int64_t told = 0;
  Watch watch;
  watch.on_progress = [&](const Progress& progress) { told = progress.done; };
  const Pruner pruner(run.proxy, {});
  const std::vector<PrunedFront> fronts =
      pruned_fronts(pruner, kPruningWords.values(), predictor, PrunedScore::kConfirmation, watch);
  ASSERT_EQ(fronts.size(), 3u);
  const Architecture largest = run.proxy.space().largest();
  std::size_t all = 0;
  for (const PrunedFront& front : fronts) {
    SCOPED_TRACE(front.name());
    all += front.networks.size();
    ASSERT_GT(front.networks.size(), 8u);
    ASSERT_LE(front.networks.size(), static_cast<std::size_t>(kPruningLimits));
    double before = 0;
    bool shallow = false;
    for (const PrunedLoss& each : front.networks) {
      EXPECT_TRUE(run.proxy.space().contains(each.architecture));  // any depth is in it, too
      EXPECT_EQ(each.architecture.model_width, largest.model_width);
      const double edp = cost_of(each.architecture, predictor, run.proxy.context()).edp();
      EXPECT_GT(edp, before);
      before = edp;
      shallow = shallow || each.architecture.depth() < largest.depth();
      EXPECT_NEAR(each.loss_int8, each.loss, 0.02);  // the bound of the whole product
      EXPECT_EQ(pruner.network(front.way, each.sizes).layout.largest(), each.architecture);
    }
    EXPECT_TRUE(shallow);
    EXPECT_EQ(front.networks.back().architecture, largest);
  }
  EXPECT_EQ(told, static_cast<std::int64_t>(all));
  // Tuned or not, the masks are the same.
  ASSERT_EQ(fronts[1].networks.size(), fronts[2].networks.size());
  for (std::size_t i = 0; i < fronts[1].networks.size(); ++i)
    EXPECT_EQ(fronts[1].networks[i].architecture, fronts[2].networks[i].architecture);
}

// The largest network, of which nothing is pruned, on a part of the text and on all of it.
TEST(PrunedFronts, AreScoredAsASearchOrAConfirmationScores) {
  const TemporaryFolder box;
  RunConfig config = tiny_config(box.path() / "run");
  config.validation_sequences = 8;
  TinyRun run(config);
  const ProxyTask& proxy = run.proxy;
  const latency_predictor::LatencyPredictor predictor = predictor_of(config);
  const Pruner pruner(proxy, {});
  const PruningWay way = PruningWay::kMagnitude;
  const auto scored = [&](PrunedScore score) {
    return pruned_fronts(pruner, {&way, 1}, predictor, score, {})[0].networks.back();
  };
  const Architecture largest = proxy.space().largest();
  const auto loss_on = [&](int sequences) {
    return supernet::Evaluator(proxy.losses(), proxy.corpus().validation, proxy.context(),
                               sequences)
        .losses({&largest, 1})[0];
  };
  const double part = loss_on(8), whole = loss_on(0);
  ASSERT_GT(std::abs(part - whole), 1e-3);
  const PrunedLoss search = scored(PrunedScore::kSearch);
  const PrunedLoss confirmed = scored(PrunedScore::kConfirmation);
  const PrunedLoss confirmed_int8 = scored(PrunedScore::kConfirmationInt8);
  ASSERT_EQ(search.architecture, largest);
  EXPECT_NEAR(search.loss, part, 1e-6);  // fp32 sums of another layout
  EXPECT_NEAR(confirmed.loss, whole, 1e-6);
  EXPECT_EQ(confirmed_int8.loss, confirmed.loss);
  // What integers add is that of the same sequences, whatever it is added to.
  EXPECT_NEAR(search.loss_int8 - search.loss, confirmed.loss_int8 - confirmed.loss, 1e-12);
  EXPECT_NE(confirmed_int8.loss_int8, confirmed.loss_int8);
}

}  // namespace
}  // namespace paretoformer::nas
