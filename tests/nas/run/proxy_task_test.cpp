#include "nas/run/proxy_task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/error.hpp"
#include "support/files.hpp"
#include "tests/nas/tiny_run.hpp"
#include "tests/stop_after.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ProxyTaskTest : public ::testing::Test {
 protected:
  std::string load_error(ProxyTask& proxy, const RunFolder& run) {
    try {
      proxy.load_weights(run);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
};

TEST_F(ProxyTaskTest, WeightsAreThoseThatWereTrained) {
  TinyRun run(config_);
  EXPECT_EQ(run.proxy.space().vocabulary(), 256);
  ProxyTask other(config_, {});
  EXPECT_THROW(other.evaluator(), Error);
  other.load_weights(run.folder);
  EXPECT_EQ(other.weights(), run.proxy.weights());
  const Architecture largest = other.space().largest();
  EXPECT_EQ(other.evaluator().losses(std::span(&largest, 1)),
            run.proxy.evaluator().losses(std::span(&largest, 1)));
}

TEST_F(ProxyTaskTest, MissingUnfinishedForeignOrDamagedWeightsAreRefused) {
  RunFolder run = RunFolder::open(config_, false);
  run.keep();
  ProxyTask proxy(config_, {});
  EXPECT_THAT(load_error(proxy, run), HasSubstr("supernet.safetensors: there is no trained"));
  StopAfter stop(5);
  EXPECT_THROW(proxy.train(run, stop.watch()), Interrupted);
  EXPECT_THAT(load_error(proxy, run), HasSubstr("is trained for 5 of 12 steps only"));
  proxy.train(run, {});
  EXPECT_EQ(load_error(proxy, run), "no InputError");

  RunConfig changed = config_;
  changed.seed = 2;
  ProxyTask foreign(changed, {});
  EXPECT_NE(foreign.fingerprint(), proxy.fingerprint());
  EXPECT_THAT(load_error(foreign, run),
              HasSubstr("supernet.safetensors: was trained with another"));

  const std::string bytes = read_file(run.supernet());
  for (std::size_t size :
       {std::size_t{0}, std::size_t{5}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    write_file_atomic(run.supernet(), bytes.substr(0, size));
    EXPECT_THAT(load_error(proxy, run), HasSubstr("supernet.safetensors: not a whole")) << size;
  }
}

TEST_F(ProxyTaskTest, ATrainingThatEndedByPatienceIsFinished) {
  config_.training.steps = 2000;
  config_.training.learning_rate = 0.1;  // too high for the loss to fall at every probe
  config_.training.probe_interval = 2;
  config_.training.patience = 2;
  TinyRun run(config_);
  const std::vector<supernet::ProbeRecord> records =
      supernet::read_probe_records(run.folder.convergence());
  EXPECT_LT(records.back().step, 2000);
  ProxyTask other(config_, {});
  EXPECT_EQ(load_error(other, run.folder), "no InputError");
  EXPECT_EQ(other.weights(), run.proxy.weights());
}

TEST_F(ProxyTaskTest, TheFingerprintFollowsTextAndTrainingOnly) {
  const auto fingerprint = [](const RunConfig& config) {
    return ProxyTask(config, {}).fingerprint();
  };
  const std::string base = fingerprint(config_);
  RunConfig same = config_;
  same.run = "elsewhere";
  same.search.population = 7;
  same.training.checkpoint_seconds = 1;
  same.workload.sequence_length = 9;
  EXPECT_EQ(fingerprint(same), base);
  RunConfig other = config_;
  other.corpus.seed = 2;
  EXPECT_NE(fingerprint(other), base);
  other = config_;
  other.training.learning_rate *= 2;
  EXPECT_NE(fingerprint(other), base);
}

TEST_F(ProxyTaskTest, TooShortATextIsRefused) {
  config_.training.batch = 5000;
  EXPECT_THROW(ProxyTask(config_, {}), InputError);
}

TEST_F(ProxyTaskTest, SeparationIsFiniteAndRepeats) {
  TinyRun run(config_);
  const Separation separation = measure_separation(run.proxy, 10, 1);
  EXPECT_EQ(separation.model_width, 32);
  EXPECT_EQ(separation.networks, 10);
  EXPECT_TRUE(std::isfinite(separation.ratio()));
  EXPECT_GT(separation.spread, 0);
  EXPECT_EQ(measure_separation(run.proxy, 10, 1).ratio(), separation.ratio());
}

}  // namespace
}  // namespace paretoformer::nas
