#include "nas/run/finetune.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nas/core/candidate_evaluator.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/model/network_file.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Archive archive_of(int count) {
  Archive archive({Objective::kPerplexity, Objective::kEdp});
  for (int i = 1; i <= count; ++i) {
    Candidate c;
    c.architecture = {16 * i, 16, 0, {{1, 32}}};
    c.id = architecture_id(c.architecture);
    c.objectives = {.validation_loss = 2,
                    .perplexity = std::exp(2),
                    .latency = 1e5 * i,
                    .energy_pj = 1e6,
                    .parameters = 100 * i};
    archive.add(c);
  }
  return archive;
}

std::string error(const Archive& archive, const std::string& prefix) {
  try {
    find_member(archive, prefix, "history");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(FindMember, ByItsIdOrAUniqueBeginningOfIt) {
  const Archive archive = archive_of(40);
  for (const Candidate& c : archive.candidates()) {
    const std::string id = hex(c.id);
    EXPECT_EQ(&find_member(archive, id, "history"), &c);
    EXPECT_EQ(&find_member(archive, id.substr(0, 8), "history"), &c);
  }
}

TEST(FindMember, UnknownAndAmbiguousIds) {
  const Archive archive = archive_of(40);  // of 16 first digits, so some are shared
  std::string id = hex(archive.candidates()[7].id);
  const std::string right = id;
  id[15] = id[15] == '0' ? '1' : '0';
  EXPECT_THAT(error(archive, id),
              AllOf(HasSubstr("history: none of the ids of 40 candidates begins with \"" + id),
                    HasSubstr("did you mean \"" + right + "\"?")));
  EXPECT_THAT(error(archive, "zzz"), HasSubstr("begins with \"zzz\""));
  EXPECT_THAT(error(archive, ""), HasSubstr("the ids of 40 candidates begin with \"\", e.g. "));
}

TEST(FinetuneConfig, DefaultsComeFromTheRun) {
  supernet::TrainingConfig run;
  run.steps = 401;
  run.learning_rate = 3e-3;
  run.batch = 5;
  run.stop_when_converged = true;
  run.sort_at = 0.5;
  run.dropout = 0.1;
  run.patience = 4;
  const supernet::TrainingConfig config = finetune_config(run, 0, 0);
  EXPECT_EQ(config.steps, 100);
  EXPECT_DOUBLE_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.batch, 5);
  EXPECT_EQ(config.random_subnetworks, 0);
  EXPECT_FALSE(config.stop_when_converged);
  EXPECT_EQ(config.sort_at, 0);
  EXPECT_EQ(config.dropout, 0.1);
  EXPECT_EQ(config.patience, 4);
  const supernet::TrainingConfig int8 = finetune_config(run, 0, 0, supernet::Arithmetic::int8);
  EXPECT_EQ(int8.dropout, 0);
  EXPECT_EQ(int8.patience, 0);
  EXPECT_EQ(finetune_config(run, 7, 1e-2).steps, 7);
  EXPECT_EQ(finetune_config(run, 7, 1e-2).learning_rate, 1e-2);
  run.steps = 3;
  EXPECT_EQ(finetune_config(run, 0, 0).steps, 1);
}

TEST(FinetuneFilesTest, StandBesideTheWeights) {
  const FinetuneFiles files("a/b.c.safetensors");
  EXPECT_EQ(files.weights(), "a/b.c.safetensors");
  EXPECT_EQ(files.description(), "a/b.c.json");
  EXPECT_EQ(files.checkpoint(), "a/b.c.checkpoint");
  for (const char* wrong : {"a/b.json", "a/b", ".safetensors"})
    EXPECT_THROW(FinetuneFiles{wrong}, InputError) << wrong;
}

Candidate member_of(TinyRun& run, const RunConfig& config) {
  CandidateEvaluator evaluator(supernet_losses(run.proxy), predictor_of(config),
                               run.proxy.context());
  Candidate member;
  member.architecture = run.proxy.space().at(100);
  member.id = architecture_id(member.architecture);
  member.objectives = evaluator.evaluate(std::span(&member.architecture, 1))[0];
  return member;
}

TEST(Finetune, StartsWhereTheSupernetEndedAndSaysWhatItSaves) {
  const TemporaryFolder box;
  const RunConfig config = tiny_config(box.path() / "run");
  TinyRun run(config);
  const Candidate member = member_of(run, config);
  const FinetuneFiles files(box.path() / "tuned.safetensors");
  supernet::TrainingConfig training = finetune_config(config.training, 60, 3e-3);
  const FinetuneResult result =
      finetune(run.folder, run.proxy, {member, training, supernet::Arithmetic::fp32, files}, {});
  EXPECT_NEAR(result.before.scoring, member.objectives.validation_loss, 1e-6);
  EXPECT_LT(result.after.whole, result.before.whole);
  for (const FinetuneLosses& losses : {result.before, result.after}) {
    EXPECT_NE(losses.int8.value(), losses.whole);
    EXPECT_NEAR(losses.int8.value(), losses.whole, 0.02);  // the bound of the whole product
  }
  const supernet::StandaloneNetwork alone = supernet::load_network(files.weights());
  EXPECT_EQ(alone.layout.largest(), member.architecture);
  supernet::Evaluator own(alone.layout, alone.parameters, run.proxy.corpus().validation,
                          run.proxy.context());
  EXPECT_EQ(own.losses(std::span(&member.architecture, 1))[0], result.after.whole);
  const Json json = read_json(files.description());
  EXPECT_EQ(json["objectives"]["validation_loss"], result.after.scoring);
  EXPECT_EQ(json["provenance"]["finetuned"]["steps"], 60);
  // Another training does not continue from this checkpoint.
  training.steps = 61;
  EXPECT_THROW(
      finetune(run.folder, run.proxy, {member, training, supernet::Arithmetic::fp32, files}, {}),
      InputError);
}

// Of the steps it is told to do, those up to the best are enough.
TEST(Finetune, WithPatienceEndsWithTheBestWeights) {
  const TemporaryFolder box;
  RunConfig config = tiny_config(box.path() / "run");
  config.training.patience = 2;
  config.training.dropout = 0.1;
  TinyRun run(config);
  const Candidate member = member_of(run, config);
  const FinetuneFiles files(box.path() / "tuned.safetensors");
  supernet::TrainingConfig training = finetune_config(config.training, 400, 0.1);
  training.probe_interval = 5;
  finetune(run.folder, run.proxy, {member, training, supernet::Arithmetic::fp32, files}, {});
  const auto records = supernet::read_probe_records(files.probes());
  ASSERT_FALSE(records.empty());
  EXPECT_LT(records.back().step, 400);
  const auto best =
      std::min_element(records.begin(), records.end(),
                       [](const auto& a, const auto& b) { return a.losses[0] < b.losses[0]; });
  EXPECT_EQ(records.back().step, best->step + 10);
  const supernet::StandaloneNetwork alone = supernet::load_network(files.weights());
  supernet::Evaluator own(alone.layout, alone.parameters, run.proxy.corpus().validation,
                          run.proxy.context(), 64);
  EXPECT_EQ(own.losses(std::span(&member.architecture, 1)), best->losses);
}

TEST(Finetune, InInt8WritesAnOrdinaryNetworkThatIsBetterInInt8) {
  const TemporaryFolder box;
  const RunConfig config = tiny_config(box.path() / "run");
  TinyRun run(config);
  const Candidate member = member_of(run, config);
  const FinetuneFiles files(box.path() / "tuned.safetensors");
  const supernet::TrainingConfig training = finetune_config(config.training, 60, 3e-3);
  const FinetuneResult result =
      finetune(run.folder, run.proxy, {member, training, supernet::Arithmetic::int8, files}, {});
  EXPECT_LT(result.after.int8.value(), result.before.int8.value());
  const supernet::StandaloneNetwork alone = supernet::load_network(files.weights());
  supernet::Evaluator own(alone.layout, alone.parameters, run.proxy.corpus().validation,
                          run.proxy.context());
  EXPECT_EQ(own.losses(std::span(&member.architecture, 1))[0], result.after.whole);
  EXPECT_EQ(int8_loss(alone.layout, alone.parameters, member.architecture,
                      calibration_sequences(run.proxy).batch(), own.batch()),
            result.after.int8);
  EXPECT_EQ(read_json(files.description())["provenance"]["finetuned"]["int8"], true);
  EXPECT_THROW(
      finetune(run.folder, run.proxy, {member, training, supernet::Arithmetic::fp32, files}, {}),
      InputError);
}

}  // namespace
}  // namespace paretoformer::nas
