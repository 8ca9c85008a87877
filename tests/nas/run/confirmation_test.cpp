#include "nas/run/confirmation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include <cmath>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/tables.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/jsonl.hpp"
#include "support/statistics.hpp"
#include "tests/nas/tiny_run.hpp"
#include "tests/stop_after.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ConfirmationTest : public ::testing::Test {
 protected:
  FinalFront confirm(const Watch& watch = {}) {
    return confirm_front(run_.folder, run_.proxy, evaluator_.losses(), evaluator_.predictor(),
                         archive_, watch);
  }
  FinalFront load() {
    return load_final_front(run_.folder, run_.proxy, evaluator_.predictor(), archive_);
  }
  std::string text(const FinalFront& front) {
    return to_text(front_json(run_.folder, run_.proxy, archive_, front));
  }
  std::string records() { return read_file(run_.folder.confirmed()); }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  TinyRun run_{config_};
  CandidateEvaluator evaluator_{supernet_losses(run_.proxy), predictor_of(config_),
                                run_.proxy.context()};
  Archive archive_ = run_search(run_.folder, run_.proxy, evaluator_, {}).archive;
};

TEST_F(ConfirmationTest, EveryMemberIsSimulatedAndScoredOnTheWholeText) {
  const FinalFront front = confirm();
  EXPECT_TRUE(front.confirmed);
  EXPECT_EQ(front.unsimulated, "");
  EXPECT_EQ(front.members.size() + front.dropped.size(), archive_.front().size());
  supernet::Evaluator whole(run_.proxy.layout(), run_.proxy.weights(),
                            run_.proxy.corpus().validation, run_.proxy.context());
  EXPECT_GT(whole.sequences(), config_.validation_sequences);
  EXPECT_EQ(front.validation_tokens, whole.tokens());
  for (const FrontMember& member : front.members) {
    const Architecture& network = member.candidate.architecture;
    accel_sim::HardwareCost cost;
    for (const accel_sim::OperatorReport& call :
         simulate_network(network, config_.workload, config_.hardware))
      cost += call.report.cost;
    EXPECT_EQ(member.confirmed.latency, static_cast<double>(cost.latency.value()));
    EXPECT_EQ(member.confirmed.energy_pj, cost.energy.value());
    EXPECT_NEAR(member.confirmed.validation_loss, whole.losses(std::span(&network, 1))[0], 1e-12);
    EXPECT_EQ(member.confirmed.perplexity, std::exp(member.confirmed.validation_loss));
    // What integers add is measured on the sequences that score candidates.
    const auto int8_loss = [&](const supernet::Batch& text) {
      return integer_loss_of(run_.proxy.layout(), run_.proxy.weights())(
          network, calibration_sequences(run_.proxy).batch(), text);
    };
    EXPECT_NEAR(member.confirmed.validation_loss_int8,
                member.confirmed.validation_loss + int8_loss(run_.proxy.evaluator().batch()) -
                    member.candidate.objectives.validation_loss,
                1e-12);
    EXPECT_NE(member.confirmed.validation_loss_int8, member.confirmed.validation_loss);
    // It is a few thousandths; with the wrong loss subtracted this would be 0.01 and more: losses
    // of the two texts are 0.05 apart.
    EXPECT_NEAR(member.confirmed.validation_loss_int8, int8_loss(whole.batch()), 0.002);
    EXPECT_EQ(member.confirmed.parameters, member.candidate.objectives.parameters);
    EXPECT_EQ(member.candidate, *archive_.find(member.candidate.id));
  }
}

// Of losses that differ from sequence to sequence by a known error.
TEST_F(ConfirmationTest, TheErrorOfTheTextIsThatOfNeighboursOnIt) {
  const FinalFront front = confirm();
  ASSERT_GE(front.members.size(), 2u);
  FinalFront pair = front;
  pair.members.resize(2);
  const std::vector<Architecture> networks{pair.members[0].candidate.architecture,
                                           pair.members[1].candidate.architecture};
  const auto losses = run_.proxy.evaluator().sequence_losses(networks);
  std::vector<double> differences;
  for (std::size_t i = 0; i < losses[0].size(); ++i)
    differences.push_back(losses[0][i] - losses[1][i]);
  const double sequences = front.validation_tokens / static_cast<double>(run_.proxy.context());
  EXPECT_NEAR(text_error(run_.proxy, pair), standard_deviation(differences) / std::sqrt(sequences),
              1e-12);
  EXPECT_GT(text_error(run_.proxy, front), 0);
  pair.members.resize(1);
  EXPECT_EQ(text_error(run_.proxy, pair), 0);
}

// Those of versions that did not score in int8 are confirmed again.
TEST_F(ConfirmationTest, RecordsWithoutIntegersAreOfNoUse) {
  const std::string whole = text(confirm());
  const std::string log = records();
  fs::remove(run_.folder.confirmed());
  Json old = parse_json(log.substr(0, log.find('\n')), "line");
  old.erase("check");
  old.erase("validation_loss_int8");
  JsonlWriter(run_.folder.confirmed()).write(old);
  EXPECT_FALSE(load().confirmed);
  EXPECT_EQ(text(confirm()), whole);
}

// A search by the perplexity in integers scores both, and its front is that of the integers.
TEST_F(ConfirmationTest, ASearchMayGoByIntegers) {
  RunConfig config = tiny_config(box_ / "int8");
  config.objectives = {Objective::kPerplexityInt8, Objective::kEdp};
  EXPECT_TRUE(asks_for_int8(config));
  EXPECT_FALSE(asks_for_int8(config_));
  TinyRun run(config);
  CandidateEvaluator evaluator(supernet_losses(run.proxy, true), predictor_of(config),
                               run.proxy.context());
  const Archive archive = run_search(run.folder, run.proxy, evaluator, {}).archive;
  int scored = 0;
  for (const Candidate& each : archive.candidates()) {
    if (each.estimated) continue;
    ++scored;
    EXPECT_EQ(each.objectives.validation_loss_int8,
              integer_loss_of(run.proxy.layout(), run.proxy.weights())(
                  each.architecture, calibration_sequences(run.proxy).batch(),
                  run.proxy.evaluator().batch()));
    EXPECT_NE(each.objectives.validation_loss_int8, each.objectives.validation_loss);
  }
  EXPECT_GT(scored, 5);
  const FinalFront front = confirm_front(run.folder, run.proxy, evaluator.losses(),
                                         evaluator.predictor(), archive, Watch{});
  for (std::size_t i = 1; i < front.members.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const Objectives &a = front.members[i].confirmed, &b = front.members[j].confirmed;
      EXPECT_EQ(a.perplexity_int8<b.perplexity_int8, a.edp()> b.edp());
    }
  EXPECT_EQ(load_archive(run.folder, run.proxy.space()).candidates(), archive.candidates());
}

TEST_F(ConfirmationTest, DoesNotDependOnThreads) {
  tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  const std::string alone = text(confirm());
  const std::string log = records();
  fs::remove(run_.folder.confirmed());
  tbb::global_control four(tbb::global_control::max_allowed_parallelism, 4);
  EXPECT_EQ(text(confirm()), alone);
  EXPECT_EQ(records(), log);
}

TEST_F(ConfirmationTest, CutAnywhereItGrowsBackToTheSameBytes) {
  const std::string whole = text(confirm());
  const std::string log = records();
  EXPECT_EQ(text(load()), whole);
  const std::size_t second = log.find('\n') + 1;
  for (std::size_t cut : {std::size_t{0}, std::size_t{1}, second, second + 5, log.size() / 2,
                          log.size() - 1, log.size()}) {
    SCOPED_TRACE(cut);
    write_file_atomic(run_.folder.confirmed(), log.substr(0, cut));
    EXPECT_EQ(load().confirmed, cut == log.size());
    EXPECT_EQ(text(confirm()), whole);
    EXPECT_EQ(records(), log);
  }
  fs::remove(run_.folder.confirmed());
  EXPECT_FALSE(load().confirmed);
}

TEST_F(ConfirmationTest, WhatIsKnownIsNotDoneAgainAndOthersStayThere) {
  confirm();
  // Of a network that is no longer on the front, and a value by which a record is recognised.
  const std::string before = records();
  const Json first = parse_json(before.substr(0, before.find('\n')), "line");
  fs::remove(run_.folder.confirmed());
  JsonlWriter writer(run_.folder.confirmed());
  writer.write(
      parse_json(R"({"id":"0123456789abcdef","validation_loss":1.5,"validation_loss_int8":null,)"
                 R"("latency_cycles":5.0,"energy_pj":6.0})",
                 "line"));
  for (std::size_t begin = 0, end; (end = before.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    Json record = parse_json(before.substr(begin, end - begin), "line");
    record.erase("check");
    if (begin == 0) record["validation_loss"] = 0.125, record["validation_loss_int8"] = nullptr;
    writer.write(record);
  }
  const std::string log = records();
  std::vector<std::size_t> calls;
  const FinalFront front = confirm({.on_progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.total, archive_.front().size());
    calls.push_back(static_cast<std::size_t>(progress.done));
  }});
  EXPECT_EQ(calls, std::vector<std::size_t>{archive_.front().size()});
  EXPECT_EQ(records(), log);
  EXPECT_EQ(front.members[0].confirmed.validation_loss, 0.125);
  EXPECT_FALSE(front.members[0].confirmed.has_int8());
  EXPECT_EQ(hex(front.members[0].candidate.id), first["id"]);
}

TEST_F(ConfirmationTest, StoppedWhenAskedAndContinued) {
  const std::string whole = text(confirm());
  fs::remove(run_.folder.confirmed());
  StopAfter at_once(1);
  EXPECT_THROW(confirm(at_once.watch()), Interrupted);
  EXPECT_EQ(records(), "");
  StopAfter later(2);
  if (archive_.front().size() > 8) {
    EXPECT_THROW(confirm(later.watch()), Interrupted);
    EXPECT_FALSE(load().confirmed);
  }
  EXPECT_EQ(text(confirm()), whole);
}

TEST_F(ConfirmationTest, OfAMeasuredDeviceOnlyTheAccuracyIsConfirmed) {
  const latency_predictor::LatencyPredictor& simulated = evaluator_.predictor();
  latency_predictor::LookupTable prices(latency_predictor::LatencyPredictor::device_hash("board"),
                                        "measured");
  for (const accel_sim::Operator& op :
       latency_predictor::operators_of(run_.proxy.space(), config_.workload))
    prices.insert(op, simulated.table().cost(op));
  const latency_predictor::LatencyPredictor measured("board", config_.workload, std::move(prices));
  const FinalFront front =
      confirm_front(run_.folder, run_.proxy, evaluator_.losses(), measured, archive_, {});
  EXPECT_THAT(front.unsimulated, HasSubstr("\"board\""));
  for (const FrontMember& member : front.members) {
    EXPECT_EQ(member.confirmed.energy_pj, member.candidate.objectives.energy_pj);
    EXPECT_NE(member.confirmed.perplexity, member.candidate.objectives.perplexity);
  }
  EXPECT_EQ(records().find("energy_pj"), std::string::npos);
  const Json json = parse_json(text(front), "front.json");
  EXPECT_EQ(json["confirmation"]["simulated"], false);
  EXPECT_FALSE(json["front"][0]["confirmed"].contains("energy_pj"));
  // Such records are of no use where networks can be simulated.
  EXPECT_FALSE(load().confirmed);
  EXPECT_EQ(confirm().unsimulated, "");
}

TEST_F(ConfirmationTest, ADamagedRecordIsRefusedNamingTheLine) {
  confirm();
  const std::string log = records();
  const std::size_t second = log.find('\n') + 1;
  const auto error = [&](const std::string& line) -> std::string {
    write_file_atomic(run_.folder.confirmed(), log.substr(0, second) + line + "\n");
    try {
      confirm();
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  EXPECT_THAT(error("{"), HasSubstr("confirmed.jsonl:2:"));
  EXPECT_THAT(error(R"({"id":"12","validation_loss":1})"),
              AllOf(HasSubstr("confirmed.jsonl:2: /id"), HasSubstr("16 lower-case")));
  EXPECT_THAT(error(R"({"id":"0123456789abcdef","validation_loss":1,"latency_cycles":2})"),
              HasSubstr("energy_pj"));
}

TEST(WhyUnsimulated, ANetworkBeyondTheAcceleratorsMemory) {
  const Json json{
      {"depth", {1}}, {"model_width", {1048576}}, {"heads", {1}}, {"ffn_width", {4096}}};
  const SearchSpace space = SearchSpace::from_json(JsonNode(json, "space"));
  const latency_predictor::LatencyPredictor predictor(accel_sim::find_target("gemmini_transformer"),
                                                      accel_sim::Workload{512});
  EXPECT_THAT(why_unsimulated(predictor, space),
              HasSubstr("does not fit the simulator's address space"));
  EXPECT_EQ(why_unsimulated(predictor, SearchSpace::find("survey")), "");
}

}  // namespace
}  // namespace paretoformer::nas
