#include "nas/report/html_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nas/run/confirmation.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/study.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kOpenData = "<script type=\"application/json\" id=\"data\">";

// The document in the page's data element.
Json data_of(const std::string& page) {
  const std::size_t begin = page.find(kOpenData) + std::string(kOpenData).size();
  return parse_json(page.substr(begin, page.find("</script>", begin) - begin), "page");
}

struct SearchedRun : TinyRun {
  explicit SearchedRun(const RunConfig& config)
      : TinyRun(config),
        predictor(predictor_of(config)),
        evaluator(supernet_losses(proxy), predictor, proxy.context()),
        archive(run_search(folder, proxy, evaluator, {}).archive) {}
  FinalFront confirm() {
    return confirm_front(folder, proxy, supernet_losses(proxy), predictor, archive, {});
  }
  Json data(const FinalFront& front) {
    return report_data(folder, proxy, predictor, archive, front);
  }

  latency_predictor::LatencyPredictor predictor;
  CandidateEvaluator evaluator;
  Archive archive;
};

class HtmlReportTest : public ::testing::Test {
 protected:
  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  SearchedRun run_{config_};
};

TEST_F(HtmlReportTest, HoldsEveryCandidateAndTheCostOfEveryOperatorOfAMember) {
  const FinalFront front = run_.confirm();
  const Json data = run_.data(front);
  ASSERT_EQ(data["candidates"].size(), run_.archive.size());
  EXPECT_EQ(data["candidates"][0][0], hex(run_.archive.candidates()[0].id));
  ASSERT_EQ(data["members"].size(), front.members.size());
  EXPECT_EQ(data["dropped"].size(), front.dropped.size());
  for (std::size_t i = 0; i < front.members.size(); ++i) {
    const FrontMember& member = front.members[i];
    EXPECT_EQ(data["members"][i]["id"], hex(member.candidate.id));
    double cycles = 0;
    for (const Json& op : data["members"][i]["operators"]) {
      EXPECT_LT(op[0].get<std::size_t>(), data["roles"].size());
      EXPECT_LT(op[1].get<int>(), member.candidate.architecture.depth());
      cycles += op[2].get<double>();
    }
    EXPECT_EQ(cycles, member.candidate.objectives.latency);
  }
  EXPECT_EQ(data["named"][0]["name"], "knee");
  EXPECT_EQ(data["hypervolume"].size(), 5u);
  EXPECT_EQ(data["training"]["points"].size(), 12u);
  EXPECT_EQ(data["convergence"]["names"].size() + 1,
            supernet::probe_networks(run_.proxy.space(), config_.seed).size());
}

TEST_F(HtmlReportTest, ShowsAStudyWhereThereIsOne) {
  const FinalFront front = run_.confirm();
  EXPECT_TRUE(run_.data(front)["study"].is_null());
  const auto step = [&](const char* name, double latency) {
    const Architecture largest = run_.proxy.space().largest();
    return StudyStep{name, "what", largest, 20, 20.5, latency, latency / 2, 1e6};
  };
  Study study{{step("a", 8000), step("b", 8000), step("c", 800), step("d", 400)}, {}, {}};
  for (const char* budget : {"+0.1", "+1", "+0.45 %", "+4.5 %"})
    study.choices.push_back({budget, 21, step("e", 300)});
  for (const char* name : {"evolution", "uniform"})
    study.rivals.push_back({name, {step("d", 400)}});
  write_file_atomic(run_.folder.study(), to_text(to_json(study)));
  const Json data = run_.data(front);
  ASSERT_EQ(data["study"]["tables"].size(), 2u);
  EXPECT_EQ(data["study"]["tables"][0]["rows"].size(), 9u);
  EXPECT_EQ(data["study"]["tables"][1]["rows"][1][0], "evolution");
  EXPECT_THAT(data["study"]["summary"][0].get<std::string>(), HasSubstr("Matmuls alone"));
  EXPECT_THAT(data["charts"]["study"].get<std::string>(), HasSubstr("<svg"));
  write_file_atomic(run_.folder.study(), R"({"machines": [], "choices": []})");
  try {
    run_.data(front);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("study.json: /machines: [] expected four machines"));
  }
}

TEST_F(HtmlReportTest, OfATextOfWordsHoldsWhatTurnsPerplexitiesIntoItsUnits) {
  EXPECT_TRUE(run_.data(predicted_front(run_.archive))["text"].is_null());
  TemporaryFolder words;
  SearchedRun run(tiny_config_of_words(words.path()));
  const Json text = run.data(predicted_front(run.archive))["text"];
  const supernet::Corpus& corpus = run.proxy.corpus();
  ASSERT_GT(corpus.words, 0);
  EXPECT_NEAR(std::pow(2, text["tokens_per_word"].get<double>()),
              *corpus.perplexity_per_word(std::log(2)), 1e-9);
  EXPECT_NEAR(1 / text["bytes_per_token"].get<double>(), *corpus.bits_per_byte(std::log(2)), 1e-12);
}

TEST_F(HtmlReportTest, NeedsNothingFromElsewhere) {
  std::string page = html_report(run_.data(run_.confirm()));
  // The name of SVG is an address that nobody visits.
  const std::string name = "http://www.w3.org/2000/svg";
  for (std::size_t at; (at = page.find(name)) != std::string::npos;) page.erase(at, name.size());
  for (const char* reference : {"http:", "https:", "src=", "<link", "@import", "url(", "fetch(",
                                "XMLHttpRequest", "import("})
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  EXPECT_THAT(page, HasSubstr("</html>"));
  for (const char* mark : {"/* report_template", "/* data */"})
    EXPECT_THAT(page, Not(HasSubstr(mark)));
}

TEST_F(HtmlReportTest, DataCannotEndItsElement) {
  Json data = run_.data(predicted_front(run_.archive));
  data["title"] = "</script><script>alert(1)</script><!-- & \"quoted\"";
  const std::string page = html_report(data);
  EXPECT_EQ(data_of(page), data);
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
}

TEST_F(HtmlReportTest, DependsOnTheRunAndNotOnWhereItIs) {
  RunConfig config = config_;
  config.run = box_ / "elsewhere";
  config.training.checkpoint_seconds = 1000;
  SearchedRun other(config);
  const std::string page = html_report(run_.data(run_.confirm()));
  EXPECT_TRUE(html_report(other.data(other.confirm())) == page);
  EXPECT_THAT(page, Not(HasSubstr(box_.path().string())));
}

TEST_F(HtmlReportTest, OfARunWithoutLogsAndWithoutAConfirmation) {
  for (const auto& log :
       {run_.folder.generations(), run_.folder.training_log(), run_.folder.convergence()})
    std::filesystem::remove(log);
  const Json data = run_.data(predicted_front(run_.archive));
  for (const char* chart : {"hypervolume", "training", "convergence"})
    EXPECT_TRUE(data["charts"][chart].is_null());
  EXPECT_TRUE(data["hypervolume"].empty());
  EXPECT_TRUE(data["training"]["points"].empty());
  EXPECT_TRUE(data["convergence"].is_null());
  EXPECT_TRUE(data["confirmation"].is_null());
  EXPECT_TRUE(data["members"][0]["confirmed"].is_null());
}

// As a log that was begun with fewer probe networks has it.
TEST_F(HtmlReportTest, AConvergenceLogWithTooFewLossesIsShownAsFarAsItGoes) {
  const auto line = [](int step, std::vector<double> losses) {
    return to_json(supernet::ProbeRecord{step, std::move(losses)}).dump() + "\n";
  };
  write_file_atomic(run_.folder.convergence(), line(10, {2, 3}) + line(20, {1, 2.5}));
  const Json data = run_.data(predicted_front(run_.archive));
  EXPECT_EQ(data["convergence"]["points"], Json::parse("[[10, 1.0], [20, 1.5]]"));
  const std::size_t names = data["convergence"]["names"].size();
  ASSERT_GT(names, 1u);
  const std::string chart = data["charts"]["convergence"];
  const auto count = [&](const std::string& text) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = chart.find(text, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(count("class=\"curve-line\" points=\""), names);
  EXPECT_EQ(count("class=\"curve-line\" points=\"\""), names - 1);
}

TEST_F(HtmlReportTest, LongLogsAreThinnedToMeans) {
  std::string log;
  for (int step = 1; step <= 601; ++step)
    log += Json{{"step", step}, {"largest", step % 3}, {"smallest", 2}}.dump() + "\n";
  write_file_atomic(run_.folder.training_log(), log + "{\"step\": 602, \"lar");  // being written
  const Json training = run_.data(predicted_front(run_.archive))["training"];
  EXPECT_EQ(training["mean_of"], 3);
  ASSERT_EQ(training["points"].size(), 201u);
  // Steps 1 to 3: losses 1, 2 and 0; names are largest, random (absent), smallest.
  EXPECT_EQ(training["points"][0], (Json{3, 1.0, nullptr, 2.0}));
  EXPECT_EQ(training["points"][200][0], 601);
}

}  // namespace
}  // namespace paretoformer::nas
