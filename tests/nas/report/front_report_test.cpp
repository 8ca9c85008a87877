#include "nas/report/front_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/model/network_file.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ReportTest : public ::testing::Test {
 protected:
  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  TinyRun run_{config_};
  CandidateEvaluator evaluator_{supernet_losses(run_.proxy), predictor_of(config_),
                                run_.proxy.context()};
  Archive archive_ = run_search(run_.folder, run_.proxy, evaluator_, {}).archive;
};

TEST_F(ReportTest, FrontJsonReadsBackAndDoesNotSayWhereItWasMade) {
  const Json json = front_json(run_.folder, run_.proxy, archive_, predicted_front(archive_));
  EXPECT_EQ(json["format"], "paretoformer.front.2");
  EXPECT_EQ(json["evaluations"], archive_.size());
  EXPECT_EQ(json["hypervolume"], archive_.hypervolume(reference_point(archive_)));
  EXPECT_EQ(json["provenance"]["config_hash"], hex(config_hash(config_)));
  ASSERT_EQ(json["front"].size(), archive_.front().size());
  for (std::size_t i = 0; i < archive_.front().size(); ++i)
    EXPECT_EQ(candidate_from_json(JsonNode(json["front"][i], "front.json")),
              archive_.candidates()[archive_.front()[i]]);
  EXPECT_EQ(json["confirmation"], nullptr);
  EXPECT_TRUE(json["dropped"].empty());
  EXPECT_EQ(json.dump().find(box_ / ""), std::string::npos);
}

TEST_F(ReportTest, FrontJsonOfAConfirmedFront) {
  // The first member becomes worse than the second in everything; the others cost twice as much.
  std::vector<Objectives> confirmed;
  for (std::size_t index : archive_.front()) {
    confirmed.push_back(archive_.candidates()[index].objectives);
    confirmed.back().latency *= 2;
  }
  ASSERT_GE(confirmed.size(), 3u);
  confirmed[0].validation_loss = confirmed[1].validation_loss + 1;
  confirmed[0].perplexity = std::exp(confirmed[0].validation_loss);
  const FinalFront front = judge_front(archive_, confirmed);
  const Json json = front_json(run_.folder, run_.proxy, archive_, front);
  const std::vector<std::size_t> members = archive_.front();
  ASSERT_EQ(json["front"].size(), members.size() - 1);
  for (std::size_t i = 1; i < members.size(); ++i) {
    const Candidate& candidate = archive_.candidates()[members[i]];
    Json member = json["front"][i - 1];
    EXPECT_EQ(member["confirmed"]["edp"], 2 * candidate.objectives.edp());
    EXPECT_EQ(member["confirmed"]["perplexity"], candidate.objectives.perplexity);
    member.erase("confirmed");
    EXPECT_EQ(member, to_json(candidate));
  }
  ASSERT_EQ(json["dropped"].size(), 1u);
  EXPECT_EQ(json["dropped"][0]["id"], hex(archive_.candidates()[members[0]].id));
  EXPECT_EQ(json["dropped"][0]["reason"], "dominated");
  EXPECT_EQ(json["dropped"][0]["dominated_by"], hex(archive_.candidates()[members[1]].id));
  EXPECT_EQ(json["knee"], hex(front.members[*knee(front)].candidate.id));
  ASSERT_EQ(json["best_within"].size(), 2u);
  EXPECT_EQ(json["best_within"][0]["above_best"], 0.1);
  EXPECT_EQ(json["best_within"][0]["lowest"], "edp");
  EXPECT_DOUBLE_EQ(json["confirmation"]["prediction_error"]["latency"]["mean"], 0.5);
  EXPECT_EQ(json["confirmation"]["prediction_error"]["energy"]["largest"], 0);
  EXPECT_EQ(json["confirmation"]["simulated"], true);
}

TEST_F(ReportTest, EveryExporterWritesAFileOfItsName) {
  for (const Exporter& each : exporters()) {
    const fs::path folder = box_ / std::string(each.name);
    export_front(run_.folder, run_.proxy, archive_, predicted_front(archive_), folder, each);
    for (std::size_t index : archive_.front()) {
      const std::string id = hex(archive_.candidates()[index].id);
      const Json json = read_json(folder / (id + ".json"));
      EXPECT_EQ(json["weights"], id + std::string(each.suffix));
      const fs::path weights = folder / json["weights"].get<std::string>();
      EXPECT_FALSE(fs::is_empty(weights)) << weights;  // a file, or a folder
    }
  }
}

TEST_F(ReportTest, ExportedNetworksScoreWhatTheirSliceScored) {
  const fs::path folder = box_ / "out/export";
  EXPECT_EQ(
      export_front(run_.folder, run_.proxy, archive_, predicted_front(archive_), folder).written,
      archive_.front().size());
  for (std::size_t index : archive_.front()) {
    const Candidate& candidate = archive_.candidates()[index];
    const supernet::StandaloneNetwork alone =
        supernet::load_network(folder / (hex(candidate.id) + ".safetensors"));
    EXPECT_EQ(alone.layout.largest(), candidate.architecture);
    supernet::Evaluator own(alone.layout, alone.parameters, run_.proxy.corpus().validation,
                            run_.proxy.context(), config_.validation_sequences);
    EXPECT_EQ(own.losses(std::span(&candidate.architecture, 1))[0],
              candidate.objectives.validation_loss);
    const Json json = read_json(folder / (hex(candidate.id) + ".json"));
    EXPECT_EQ(json["objectives"], to_json(candidate.objectives));
    EXPECT_EQ(json["weights"], hex(candidate.id) + ".safetensors");
  }
  EXPECT_FALSE(fs::exists(folder / "tokenizer.model"));  // bytes need none
}

TEST_F(ReportTest, TheTableHasALinePerMemberBestPerplexityFirst) {
  const Objectives largest = evaluator_.evaluate(std::vector{run_.proxy.space().largest()})[0];
  const std::string table =
      front_table(run_.proxy.corpus(), predicted_front(archive_), largest, 0, true);
  std::size_t previous = 0;
  // The front is ordered by perplexity, its first objective.
  for (std::size_t index : archive_.front()) {
    const std::size_t at = table.find(hex(archive_.candidates()[index].id));
    ASSERT_NE(at, std::string::npos);
    EXPECT_GT(at, previous);
    previous = at;
  }
  // The head, the legend of two, that it is not confirmed, the knee and two best members.
  EXPECT_EQ(static_cast<std::size_t>(std::count(table.begin(), table.end(), '\n')),
            archive_.front().size() + 7);
}

TEST_F(ReportTest, TheTableIsAScreen) {
  const FinalFront front = predicted_front(archive_);
  ASSERT_GT(front.members.size(), kScreenRows);
  const std::string table = front_table(run_.proxy.corpus(), front, {});
  EXPECT_LE(std::count(table.begin(), table.end(), '\n'), 24);
  EXPECT_THAT(table, HasSubstr("more between them"));
  for (const std::size_t shown : distinct_members(front, 0, kScreenRows).indices)
    EXPECT_THAT(table, HasSubstr(hex(front.members[shown].candidate.id)));
}

// Of a text of words, which the run's own is not.
TEST_F(ReportTest, ATextOfWordsHasLossesPerWordAndByte) {
  std::vector<Objectives> confirmed;
  for (std::size_t index : archive_.front()) {
    confirmed.push_back(archive_.candidates()[index].objectives);
    confirmed.back().validation_loss = std::log(4.0);
  }
  const FinalFront front = judge_front(archive_, confirmed);
  supernet::Corpus corpus;
  corpus.validation.resize(40);
  corpus.words = 20;
  corpus.bytes = 80;
  corpus.bytes_per_token = 2;
  const Json json = confirmed_json(corpus, front, front.members[0]);
  EXPECT_NEAR(json["perplexity_per_word"].get<double>(), 16, 1e-9);
  EXPECT_NEAR(json["bits_per_byte"].get<double>(), 1, 1e-12);
  const std::string table = front_table(corpus, front, confirmed[0]);
  EXPECT_THAT(table, HasSubstr("perplexity     int8  per word bits/byte      +% "));
  EXPECT_THAT(table, HasSubstr("     16.00    1.0000 "));

  const Json own = confirmed_json(run_.proxy.corpus(), front, front.members[0]);
  EXPECT_FALSE(own.contains("perplexity_per_word"));
  EXPECT_FALSE(own.contains("bits_per_byte"));
  EXPECT_THAT(front_table(run_.proxy.corpus(), front, confirmed[0]),
              ::testing::Not(HasSubstr("per word")));
}

TEST(SeparationSummary, SaysSoWhenItCannotBeMeasured) {
  EXPECT_THAT(separation_summary({32, 20, 0.5, -0.3, 0.1}), HasSubstr("5.0 times"));
  EXPECT_THAT(separation_summary({32, 20, 0.5, -0.3, std::nan("")}), HasSubstr("unknown"));
  EXPECT_THAT(separation_summary({32, 20, 0, 0, 0}), HasSubstr("unknown"));
}

TEST_F(ReportTest, TheBreakdownHasALinePerOperator) {
  const auto operators = evaluator_.predictor().breakdown(run_.proxy.space().largest());
  const std::string table = breakdown_table(operators, latency_predictor::TimeUnit::kCycles);
  EXPECT_EQ(static_cast<std::size_t>(std::count(table.begin(), table.end(), '\n')),
            operators.size() + 1);
  for (const latency_predictor::OperatorPrediction& p : operators)
    EXPECT_THAT(table, HasSubstr(describe(p.op)));
}

}  // namespace
}  // namespace paretoformer::nas
