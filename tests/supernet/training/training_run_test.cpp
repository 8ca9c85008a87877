#include "supernet/training/training_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include "supernet/model/evaluation.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/training/sharded_backend.hpp"
#include "supernet/training/warm_start.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/jsonl.hpp"
#include "support/random.hpp"
#include "tests/captured_log.hpp"
#include "tests/stop_after.hpp"
#include "tests/support/thread_ranks.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::supernet {
namespace {

namespace fs = std::filesystem;

constexpr int kRunVocabulary = 19;

class TrainingRuns : public testing::Test {
 protected:
  void SetUp() override {
    Random random(5);
    for (int i = 0; i < 4000; ++i)
      text_.push_back(static_cast<std::int32_t>(
          i == 0 ? 0 : (text_.back() * 5 + static_cast<int>(random.below(3))) % kRunVocabulary));
    config_.steps = 30;
    config_.batch = 4;
    config_.context = 16;
  }

  static SearchSpace space() {
    const Json json = parse_json(R"({"head_width": 8, "depth": [1, 2], "model_width": [16, 24],
                                     "heads": [1, 2], "ffn_width": [16, 32]})",
                                 "tiny.json");
    return SearchSpace::from_json(JsonNode(json, "tiny.json")).with_vocabulary(kRunVocabulary);
  }

  std::vector<float> train(const std::string& name, int stop_after = -1,
                           const std::string& fingerprint = "f", TrainingRanks ranks = {}) {
    TrainingRun run{layout_,
                    [&](std::int64_t step) {
                      return alone_ ? std::vector{space_.largest()} : sandwich(space_, 2, 1, step);
                    },
                    config_,
                    1,
                    std::span(text_).last(learnt_),
                    folder_ / name,
                    folder_ / (name + ".log"),
                    fingerprint};
    if (probed_) run.probes = ProbePlan{probes(), validation(), folder_ / (name + ".probes")};
    run.ranks = ranks;
    StopAfter stop(stop_after);
    run.watch = stop.watch([&](const Progress& progress) { last_ = progress; });
    return supernet::train(run);
  }

  std::vector<Architecture> probes() const {
    return alone_ ? std::vector{space_.largest()} : probe_networks(space_, 1);
  }
  std::span<const std::int32_t> validation() const { return std::span(text_).first(700); }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
  SearchSpace space_ = space();
  ParameterLayout layout_{space_.largest(), 16};
  TrainingConfig config_;
  std::vector<std::int32_t> text_;
  std::size_t learnt_ = 4000;  // of the text, from its end
  bool probed_ = false;
  bool alone_ = false;  // the largest network
  Progress last_;
};

TEST_F(TrainingRuns, AnInterruptedTrainingContinuesToTheSameBits) {
  const std::vector<float> whole = train("whole");
  for (const int stop : {1, 7, 20}) try {
      train("parts", stop);
      FAIL() << "it was not interrupted";
    } catch (const Interrupted& interruption) {
      EXPECT_THAT(interruption.what(), testing::HasSubstr("of 30 steps"));
    }
  CapturedLog said;
  EXPECT_EQ(train("parts"), whole);
  EXPECT_EQ(said.text(), (folder_ / "parts").string() + ": trained for 28 of 30 steps already\n" +
                             (folder_ / "parts").string() + ": saved after step 30\n");
  EXPECT_EQ(read_file(folder_ / "parts"), read_file(folder_ / "whole"));
  EXPECT_EQ(read_file(folder_ / "parts.log"), read_file(folder_ / "whole.log"));
  const std::string log = read_file(folder_ / "whole.log");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 30);
}

// A kill leaves log lines beyond the last checkpoint.
TEST_F(TrainingRuns, LogLinesBeyondTheCheckpointAreWrittenAgain) {
  train("whole");
  EXPECT_THROW(train("parts", 9), Interrupted);
  const std::string log = read_file(folder_ / "whole.log");
  std::size_t end = 0;
  for (int line = 0; line < 11; ++line) end = log.find('\n', end) + 1;
  write_file_atomic(folder_ / "parts.log", log.substr(0, end));
  train("parts");
  EXPECT_EQ(read_file(folder_ / "parts.log"), read_file(folder_ / "whole.log"));
}

TEST_F(TrainingRuns, ACheckpointOfSomethingElseIsRefused) {
  train("a");
  EXPECT_THROW(train("a", -1, "other"), InputError);
}

TEST_F(TrainingRuns, ADivergingTrainingSaysWhereAndKeepsTheCheckpoint) {
  EXPECT_THROW(train("a", 5), Interrupted);
  const std::string before = read_file(folder_ / "a");
  TrainingState<float> state = load_checkpoint(folder_ / "a", layout_, "f");
  state.parameters[layout_.final_gain] = 3e38f;  // finite, as a checkpoint must be
  save_checkpoint(folder_ / "a", layout_, state, "f");
  const std::string damaged = read_file(folder_ / "a");
  try {
    train("a");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("step 5 in sub-network d=24"));
  }
  EXPECT_EQ(read_file(folder_ / "a"), damaged);
  EXPECT_NE(before, damaged);
}

TEST_F(TrainingRuns, AnExplodingLossLeavesTheLastGoodCheckpoint) {
  EXPECT_THROW(train("a", 5), Interrupted);
  config_.checkpoint_seconds = 0;
  const double healthy = std::exchange(config_.learning_rate, 1e3);
  try {
    train("a");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::MatchesRegex(
                    "training diverged: the loss is [0-9.e+]+ at step [0-9]+ in sub-network "
                    "d=[0-9]+ h=.* f=.*; the last good checkpoint is kept in .*/a; .*"));
  }
  const TrainingState<float> state = load_checkpoint(folder_ / "a", layout_, "f");
  EXPECT_GE(state.step, 5);
  const std::vector<Architecture> networks = space_.extremes();
  for (const double loss : Evaluator(layout_, state.parameters, text_, 16).losses(networks))
    EXPECT_LT(loss, std::log(double{kRunVocabulary}) + 0.5);
  config_.learning_rate = healthy;
  EXPECT_NO_THROW(train("a"));
}

// Until the losses of the next step are known, new weights may be anything.
TEST_F(TrainingRuns, WeightsAreSavedOnlyOnceTheirLossesAreKnown) {
  config_.checkpoint_seconds = 0;
  config_.learning_rate = 1e3;
  EXPECT_THROW(train("a"), Error);
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(TrainingRuns, ALastStepThatBreaksTheWeightsIsNotSaved) {
  config_.steps = 1;
  config_.learning_rate = INFINITY;
  try {
    train("a");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("a weight is not finite"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(TrainingRuns, ProbesAtIntervalsAndAtTheEndChangeNothing) {
  const std::vector<float> weights = train("plain");
  probed_ = true;
  config_.probe_interval = 7;
  EXPECT_EQ(train("a"), weights);
  EXPECT_EQ(read_file(folder_ / "a"), read_file(folder_ / "plain"));
  std::vector<std::int64_t> steps;
  const std::vector<ProbeRecord> records = read_probe_records(folder_ / "a.probes");
  for (const ProbeRecord& record : records) steps.push_back(record.step);
  EXPECT_THAT(steps, testing::ElementsAre(7, 14, 21, 28, 30));
  EXPECT_FALSE(records[0].rank_agreement.has_value());
  EXPECT_TRUE(records[1].rank_agreement.has_value());
  const std::vector<float> end = train("a");  // it is finished
  Evaluator evaluator(layout_, end, std::span(text_).first(700), 16, 64);
  EXPECT_EQ(records.back().losses, evaluator.losses(probe_networks(space_, 1)));

  EXPECT_THROW(train("b", 20), Interrupted);
  JsonlWriter(folder_ / "b.probes").append(to_json(records[3]));  // killed later
  train("b");
  EXPECT_EQ(read_file(folder_ / "b.probes"), read_file(folder_ / "a.probes"));
}

TEST_F(TrainingRuns, AConvergedTrainingEndsEarlyAndToTheSameBitsWhenInterrupted) {
  probed_ = true;
  config_.stop_when_converged = true;
  config_.steps = 400;
  config_.probe_interval = 1;  // the shorter, the less changes in three
  const std::vector<float> whole = train("whole");
  const TrainingState<float> state = load_checkpoint(folder_ / "whole", layout_, "f");
  const std::vector<ProbeRecord> records = read_probe_records(folder_ / "whole.probes");
  ASSERT_TRUE(state.converged.has_value());
  EXPECT_LT(state.step, 350);
  EXPECT_EQ(state.step, training_steps(config_, state.converged));
  EXPECT_EQ(records.back().step, state.step);
  EXPECT_EQ(last_.done, state.step);
  EXPECT_EQ(last_.total, state.step);
  double last_rate = 0;
  read_jsonl(folder_ / "whole.log",
             [&](const JsonNode& node) { last_rate = node.json()["learning_rate"]; });
  EXPECT_NEAR(last_rate, 0.1 * config_.learning_rate, 1e-12);
  for (const ProbeRecord& record : records)
    if (record.converged && record.step >= config_.warmup * config_.steps) {
      EXPECT_EQ(record.step, state.converged);
      break;
    }
  // Each counts from where the one before stopped: before the decision, at it, and after.
  const auto decided = static_cast<int>(*state.converged);
  for (const int stop : {decided - 5, 4, 1, 1, 3}) EXPECT_THROW(train("parts", stop), Interrupted);
  EXPECT_EQ(train("parts"), whole);
  for (const char* file : {"", ".log", ".probes"})
    EXPECT_EQ(read_file(folder_ / ("parts" + std::string(file))),
              read_file(folder_ / ("whole" + std::string(file))));
  EXPECT_EQ(train("whole"), whole);  // finished
}

// With dropout, as what is dropped must be that of the step, too.
class PatientTrainingRuns : public TrainingRuns {
 protected:
  void SetUp() override {
    TrainingRuns::SetUp();
    learnt_ = 120;  // which are soon known by heart
    probed_ = true;
    config_.steps = 300;
    config_.batch = 2;
    config_.learning_rate = 1e-2;
    config_.dropout = 0.05;
    config_.probe_interval = 10;
    config_.patience = 3;
  }

  TrainingState<float> state(const std::string& name) const {
    return load_checkpoint(folder_ / name, layout_, "f");
  }
  std::vector<ProbeRecord> records(const std::string& name) const {
    return read_probe_records(folder_ / (name + ".probes"));
  }
  static double mean(const ProbeRecord& record) {
    return std::accumulate(record.losses.begin(), record.losses.end(), 0.0) /
           static_cast<double>(record.losses.size());
  }
};

TEST_F(PatientTrainingRuns, EndWithTheBestWeightsWhenNoneIsBetterForSoLong) {
  for (const bool alone : {false, true}) {
    alone_ = alone;
    const std::string name = alone ? "alone" : "all";
    const std::vector<float> weights = train(name);
    const TrainingState<float> end = state(name);
    const std::vector<ProbeRecord> found = records(name);
    ASSERT_TRUE(end.best_step.has_value());
    EXPECT_LT(end.step, 250);
    EXPECT_EQ(end.step, *end.best_step + 30);
    EXPECT_EQ(end.parameters, weights);
    EXPECT_EQ(last_.done, end.step);
    EXPECT_EQ(last_.total, end.step);
    EXPECT_EQ(found.back().step, end.step);
    const ProbeRecord* best = nullptr;
    for (const ProbeRecord& record : found) {
      EXPECT_EQ(record.best, !best || mean(record) < mean(*best)) << record.step;
      if (record.best) best = &record;
    }
    EXPECT_EQ(best->step, end.best_step);
    EXPECT_GT(mean(found.back()), mean(*best));
    Evaluator evaluator(layout_, weights, validation(), 16, 64);
    EXPECT_EQ(evaluator.losses(probes()), best->losses);
    EXPECT_EQ(train(name), weights);  // it is finished
    EXPECT_EQ(state(name).step, end.step);
  }
}

TEST_F(PatientTrainingRuns, ContinueToTheSameBits) {
  const std::vector<float> whole = train("whole");
  const auto best = static_cast<int>(*state("whole").best_step);
  ASSERT_GT(best, 20);
  // Each counts from where the one before stopped: before the best, at a look, after it, between
  // looks at worse ones.
  for (const int stop : {11, 9, best - 20, 1, 14}) {
    EXPECT_THROW(train("parts", stop), Interrupted);
    const TrainingState<float> here = state("parts");
    ASSERT_TRUE(here.best.has_value());
    EXPECT_LE(here.best->step, here.step);
  }
  EXPECT_EQ(state("parts").step, best + 15);
  EXPECT_EQ(state("parts").best->looks, 1);
  EXPECT_EQ(state("parts").best->parameters, whole);
  EXPECT_EQ(train("parts"), whole);
  for (const char* file : {"", ".log", ".probes"})
    EXPECT_EQ(read_file(folder_ / ("parts" + std::string(file))),
              read_file(folder_ / ("whole" + std::string(file))));
}

// Whoever computes the gradients, rank 0 decides.
TEST_F(PatientTrainingRuns, EndAtTheSameStepOnRanksDependOnThreads) {
  config_.shards = 2;
  const std::vector<float> alone = train("alone");
  on_thread_ranks(2, [&](Communicator& self) {
    if (self.rank() == 0) {
      EXPECT_EQ(train("ranks", -1, "f", {&self, "train"}), alone);
      return;
    }
    ASSERT_EQ(self.broadcast(""), "train");
    serve_training(self, [&]() -> TrainingSetup { return {layout_, config_}; });
  });
  EXPECT_EQ(read_file(folder_ / "ranks"), read_file(folder_ / "alone"));
}

TEST_F(PatientTrainingRuns, OfFewerStepsEndWithTheBestWeightsToo) {
  config_.patience = 1000;
  const std::vector<float> weights = train("a");
  const TrainingState<float> end = state("a");
  EXPECT_EQ(end.step, 300);
  ASSERT_TRUE(end.best_step.has_value());
  EXPECT_LT(*end.best_step, 250);
  Evaluator evaluator(layout_, weights, validation(), 16, 64);
  double lowest = 1e300;
  for (const ProbeRecord& record : records("a")) lowest = std::min(lowest, mean(record));
  EXPECT_EQ(mean({0, evaluator.losses(probes())}), lowest);
}

// Without probes there is nothing to go by.
TEST_F(PatientTrainingRuns, WithoutProbesAreTheUsualOnes) {
  probed_ = false;
  config_.steps = 20;
  const std::vector<float> patient = train("a");
  config_.patience = 0;
  EXPECT_EQ(train("b"), patient);
  EXPECT_EQ(read_file(folder_ / "a"), read_file(folder_ / "b"));
}

// When the text has long been known by heart, and the lowest loss is long past.
TEST_F(PatientTrainingRuns, ForgetWhatWasBestBeforeSorting) {
  config_.patience = 1000;
  train("unsorted");
  ASSERT_LT(*state("unsorted").best_step, 150);
  config_.sort_at = 0.5;
  train("sorted");
  const std::vector<ProbeRecord> found = records("sorted");
  ASSERT_EQ(found[14].step, 150);
  EXPECT_TRUE(found[14].best);  // the first one after it
  EXPECT_FALSE(found[13].best);
  EXPECT_GE(*state("sorted").best_step, 150);
}

TEST_F(TrainingRuns, WeightsAndMomentsAreSortedWhenHalfOfTheStepsAreDone) {
  EXPECT_THROW(train("unsorted", 15), Interrupted);
  config_.sort_at = 0.5;
  EXPECT_THROW(train("before", 14), Interrupted);
  EXPECT_THROW(train("sorted", 15), Interrupted);
  const auto state = [&](const char* name) {
    return load_checkpoint(folder_ / name, layout_, "f");
  };
  EXPECT_EQ(state("before").step, 14);
  TrainingState<float> expected = state("unsorted");
  const TrainingState<float> found = state("sorted");
  EXPECT_EQ(found.step, 15);
  EXPECT_NE(found.parameters, expected.parameters);
  const Importance importance =
      fisher_importance(layout_, expected.parameters, text_, config_, hash_text("importance", 1));
  for (std::vector<float>* values : {&expected.parameters, &expected.m, &expected.v})
    sort_by_importance(layout_, importance, *values);
  EXPECT_EQ(found.parameters, expected.parameters);
  EXPECT_EQ(found.m, expected.m);
  EXPECT_EQ(found.v, expected.v);
}

// Nor does the largest network notice afterwards, if moments have gone with their weights.
TEST_F(TrainingRuns, TheLargestNetworkAloneGoesOnAsIfNothingHadBeenSorted) {
  alone_ = true;
  const auto last_loss = [&](const std::string& name) {
    double loss = 0;
    read_jsonl(folder_ / (name + ".log"),
               [&](const JsonNode& node) { loss = node.json()["largest"]; });
    return loss;
  };
  const std::vector<float> plain = train("plain");
  config_.sort_at = 0.5;
  EXPECT_NE(train("sorted"), plain);
  // Sums in another order, over 15 steps.
  EXPECT_NEAR(last_loss("sorted"), last_loss("plain"), 1e-4);
}

TEST_F(TrainingRuns, ASortedTrainingContinuesToTheSameBitsOnAnyNumberOfThreads) {
  config_.sort_at = 0.5;
  std::vector<float> whole;
  tbb::task_arena(1).execute([&] { whole = train("whole"); });
  for (const int stop : {14, 1, 1}) EXPECT_THROW(train("parts", stop), Interrupted);
  EXPECT_EQ(train("parts"), whole);
  EXPECT_EQ(read_file(folder_ / "parts"), read_file(folder_ / "whole"));
  EXPECT_EQ(read_file(folder_ / "parts.log"), read_file(folder_ / "whole.log"));
}

// In int8, one network.
class Int8TrainingRuns : public TrainingRuns {
 protected:
  void SetUp() override {
    TrainingRuns::SetUp();
    config_.steps = 2 * kCalibrationInterval + 20;
    config_.random_subnetworks = 0;
    draw_batch(text_, 8, 16, 9, 0, tokens_, targets_);
  }

  Batch calibration() const { return {tokens_.data(), targets_.data(), 8, 16}; }

  std::vector<float> train(const std::string& name, int stop_after = -1, bool int8 = true) {
    TrainingRun run{layout_,
                    [&](std::int64_t) { return std::vector{layout_.largest()}; },
                    config_,
                    1,
                    text_,
                    folder_ / name,
                    folder_ / (name + ".log"),
                    "f"};
    if (int8) run.calibration = calibration();
    run.start = start_;
    StopAfter stop(stop_after);
    run.watch = stop.watch();
    return supernet::train(run);
  }

  // What the integer network costs, calibrated as usual.
  double int8_loss(const std::vector<float>& weights) const {
    std::vector<std::int32_t> tokens, targets;
    draw_batch(text_, 64, 16, 10, 0, tokens, targets);
    return integer_loss(calibrated(fold(layout_, weights.data(), layout_.largest()), calibration()),
                        {tokens.data(), targets.data(), 64, 16});
  }

  std::vector<std::int32_t> tokens_, targets_;
  std::vector<float> start_;
};

TEST_F(Int8TrainingRuns, AnInterruptedTrainingContinuesToTheSameBits) {
  const std::vector<float> whole = train("whole");
  // Within an interval between calibrations, at the end of one, and after that.
  for (const int stop : {7, kCalibrationInterval - 7, 3}) {
    EXPECT_THROW(train("parts", stop), Interrupted);
    const TrainingState<float> state =
        load_checkpoint(folder_ / "parts", layout_, "f", Arithmetic::int8);
    EXPECT_EQ(state.scales.size(), Sites<float>(layout_.largest().layers.size()).all().size());
  }
  EXPECT_EQ(train("parts"), whole);
  EXPECT_EQ(read_file(folder_ / "parts"), read_file(folder_ / "whole"));
  EXPECT_EQ(read_file(folder_ / "parts.log"), read_file(folder_ / "whole.log"));
}

TEST_F(Int8TrainingRuns, DoesNotDependOnThreads) {
  std::vector<float> one;
  tbb::task_arena(1).execute([&] { one = train("one"); });
  EXPECT_EQ(one, train("all"));
}

TEST_F(Int8TrainingRuns, LowersTheLossOfTheIntegerNetwork) {
  start_ = train("fp32", -1, false);
  config_.learning_rate /= 3;
  const std::vector<float> weights = train("int8");
  EXPECT_LT(int8_loss(weights), int8_loss(start_) - 1e-3);
}

TEST_F(Int8TrainingRuns, ACheckpointOfTheOtherArithmeticIsRefused) {
  const auto refusal = [&](const std::string& name, bool int8) -> std::string {
    try {
      train(name, -1, int8);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  EXPECT_THROW(train("a", 5), Interrupted);
  EXPECT_THROW(train("b", 5, false), Interrupted);
  EXPECT_EQ(refusal("a", false),
            (folder_ / "a").string() + ": was trained in int8, expected a training in fp32");
  EXPECT_EQ(refusal("b", true),
            (folder_ / "b").string() + ": was trained in fp32, expected a training in int8");
}

TEST_F(TrainingRuns, EvaluationDoesNotDependOnThreadsOrOnWhatElseIsEvaluated) {
  const std::vector<float> weights = train("a");
  const std::vector<Architecture> networks{space_.largest(), space_.smallest(),
                                           space_.extremes()[3]};
  Evaluator evaluator(layout_, weights, text_, 16);
  EXPECT_EQ(evaluator.sequences(), 249);  // (4000 - 1) / 16
  std::vector<double> one;
  tbb::task_arena(1).execute([&] { one = evaluator.losses(networks); });
  EXPECT_EQ(one, evaluator.losses(networks));
  for (std::size_t i = 0; i < networks.size(); ++i)
    EXPECT_EQ(evaluator.losses(std::span(networks).subspan(i, 1))[0], one[i]);
  EXPECT_LT(one[0], std::log(double{kRunVocabulary}));
}

TEST_F(TrainingRuns, FewerSequencesAreSpreadEvenly) {
  const std::vector<float> weights = train("a");
  const std::vector<Architecture> networks{space_.largest()};
  Evaluator all(layout_, weights, text_, 16);
  const std::vector<double> losses = all.sequence_losses(networks)[0];
  for (const int count : {100, 200}) {  // 100 are every second one of 200
    Evaluator few(layout_, weights, text_, 16, count);
    std::vector<double> expected;
    for (int i = 0; i < count; ++i)
      expected.push_back(losses[static_cast<std::size_t>(i * 249 / count)]);
    EXPECT_EQ(few.sequence_losses(networks)[0], expected);
  }
}

TEST_F(TrainingRuns, TooShortAValidationTextIsAnInputError) {
  const std::vector<float> weights = initial_parameters<float>(layout_, 1);
  EXPECT_THROW(Evaluator(layout_, weights, std::span(text_).first(16), 16), InputError);
  EXPECT_NO_THROW(Evaluator(layout_, weights, std::span(text_).first(17), 16));
}

}  // namespace
}  // namespace paretoformer::supernet
