#include "nas/run/finetune_front.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "nas/core/candidate_evaluator.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

class FinetuneFront : public ::testing::Test {
 protected:
  FrontFinetuning finetuned(bool resume, int steps = 8, const Watch& watch = {}) {
    return finetune_front(run_.folder, run_.proxy, archive_,
                          finetune_config(config_.training, steps, 1e-3),
                          supernet::Arithmetic::fp32, 3, 2, resume, watch);
  }
  std::string error(bool resume, int steps) {
    try {
      finetuned(resume, steps);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  TinyRun run_{config_};
  latency_predictor::LatencyPredictor predictor_ = predictor_of(config_);
  CandidateEvaluator evaluator_{supernet_losses(run_.proxy), predictor_, run_.proxy.context()};
  Archive archive_ = run_search(run_.folder, run_.proxy, evaluator_, {}).archive;
};

TEST_F(FinetuneFront, BandsHoldTheBestOfTheirCost) {
  const std::vector<CostBand> bands = cost_bands(archive_, 4, 3);
  ASSERT_GE(bands.size(), 3u);
  double least = 0;
  for (const CostBand& band : bands) {
    std::vector<double> losses;  // of all that fit
    for (const Candidate& each : archive_.candidates())
      if (!each.estimated && each.objectives.edp() > least && each.objectives.edp() <= band.most)
        losses.push_back(each.objectives.validation_loss);
    std::sort(losses.begin(), losses.end());
    ASSERT_EQ(band.networks.size(), std::min<std::size_t>(3, losses.size()));
    for (std::size_t i = 0; i < band.networks.size(); ++i)
      EXPECT_EQ(band.networks[i].objectives.validation_loss, losses[i]);
    least = band.most;
  }
  EXPECT_THROW(cost_bands(Archive({Objective::kPerplexity}), 4, 3), InputError);
}

TEST_F(FinetuneFront, RanksAgainAndTakesUpWhatIsThere) {
  std::int64_t told = 0;
  Watch watch;
  watch.on_progress = [&](const Progress& progress) {
    EXPECT_GE(progress.done, told);
    told = progress.done;
    EXPECT_LE(progress.done, progress.total);
  };
  const FrontFinetuning found = finetuned(false, 8, watch);
  ASSERT_GE(found.networks.size(), 4u);
  EXPECT_EQ(told, 8 * static_cast<std::int64_t>(found.networks.size()));
  std::vector<double> before, after;
  for (const TrainedOn& each : found.networks) {
    EXPECT_NEAR(each.before.scoring, each.network.objectives.validation_loss, 1e-6);
    EXPECT_NE(each.after.whole, each.before.whole);
    before.push_back(each.before.whole);
    after.push_back(each.after.whole);
    EXPECT_LE(found.pick(each.band, true).after.whole, each.after.whole);
    EXPECT_LE(found.pick(each.band, false).before.whole, each.before.whole);
  }
  EXPECT_EQ(found.tau.value, kendall_tau({before, after}));
  EXPECT_LE(found.tau.low, found.tau.value);
  const Json json = to_json(found, Objective::kEdp);
  EXPECT_EQ(json["bands"].size(), found.bands.size());
  EXPECT_EQ(json["objective"], "edp");

  EXPECT_THAT(error(false, 8), HasSubstr("use it with --resume"));
  EXPECT_THAT(error(true, 9), HasSubstr("was trained on otherwise"));
  // One is missing: it is trained again, to the same end.
  const FinetuneFiles files(
      run_.folder.finetuned() /
      (json["bands"][0]["networks"][0]["id"].get<std::string>() + ".safetensors"));
  for (const auto& file : {files.description(), files.weights(), files.checkpoint()})
    std::filesystem::remove(file);
  EXPECT_EQ(to_json(finetuned(true), Objective::kEdp), json);
  // No training at all: nothing is reported between whole networks.
  std::set<std::int64_t> parts;
  watch.on_progress = [&](const Progress& progress) { parts.insert(progress.done % 8); };
  EXPECT_EQ(to_json(finetuned(true, 8, watch), Objective::kEdp), json);
  EXPECT_EQ(parts, std::set<std::int64_t>{0});
}

}  // namespace
}  // namespace paretoformer::nas
