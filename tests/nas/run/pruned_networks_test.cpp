#include "nas/run/pruned_networks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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
  const std::vector<PrunedFront> fronts = pruned_fronts(pruner, predictor, false, watch);
  ASSERT_EQ(fronts.size(), 3u);
  const Architecture largest = run.proxy.space().largest();
  std::size_t all = 0;
  for (const PrunedFront& front : fronts) {
    SCOPED_TRACE(front.name);
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

}  // namespace
}  // namespace paretoformer::nas
