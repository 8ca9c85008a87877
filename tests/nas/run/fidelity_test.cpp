#include "nas/run/fidelity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "nas/report/fidelity_report.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"
#include "tests/stop_after.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

std::set<std::uint64_t> ids(const std::vector<Architecture>& networks) {
  std::set<std::uint64_t> result;
  for (const Architecture& network : networks) result.insert(architecture_id(network));
  return result;
}

TEST(FidelitySample, DistinctAndEveryDepthWithEveryWidth) {
  for (const char* name : {"quickstart", "wikitext2"}) {
    const SearchSpace space = SearchSpace::find(name);
    const std::size_t cells = space.depths().size() * space.model_widths().size();
    const int count = 2 * static_cast<int>(cells);
    const std::vector<Architecture> sample = fidelity_sample(space, count, 1);
    ASSERT_EQ(sample.size(), 2 * cells);
    EXPECT_EQ(ids(sample).size(), 2 * cells);
    std::map<std::pair<std::size_t, int>, int> seen;
    std::set<std::size_t> depths;
    std::set<int> widths;
    for (std::size_t i = 0; i < sample.size(); ++i) {
      EXPECT_TRUE(space.contains(sample[i]));
      depths.insert(sample[i].layers.size());
      widths.insert(sample[i].model_width);
      ++seen[{sample[i].layers.size(), sample[i].model_width}];
      if (i + 1 == std::max(space.depths().size(), space.model_widths().size())) {
        EXPECT_EQ(depths.size(), space.depths().size());
        EXPECT_EQ(widths.size(), space.model_widths().size());
      }
      EXPECT_EQ(seen.size(), std::min(i + 1, cells));
    }
    for (const auto& [cell, times] : seen) EXPECT_EQ(times, 2);
  }
}

TEST(FidelitySample, ALongerOneBeginsWithAShorterOne) {
  const SearchSpace space = SearchSpace::find("quickstart");
  const std::vector<Architecture> longer = fidelity_sample(space, 60, 1);
  for (int count : {2, 7, 24, 59}) {
    const std::vector<Architecture> shorter = fidelity_sample(space, count, 1);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  }
  EXPECT_FALSE(fidelity_sample(space, 60, 2) == longer);
}

TEST(FidelitySample, AllOfASmallSpaceAndNoMore) {
  const Json json{{"head_width", 16},
                  {"depth", {1, 2}},
                  {"model_width", {16, 32, 48}},
                  {"heads", {1, 2}},
                  {"ffn_width", {32}}};
  const SearchSpace space = SearchSpace::from_json(JsonNode(json, "space"));
  ASSERT_EQ(space.count(), 18);
  EXPECT_EQ(ids(fidelity_sample(space, 18, 1)).size(), 18u);
  EXPECT_THROW(fidelity_sample(space, 19, 1), InputError);
}

std::vector<ComparedNetwork> compared(int count, const std::function<double(double)>& slice) {
  std::vector<ComparedNetwork> networks;
  for (const Architecture& network : fidelity_sample(SearchSpace::find("quickstart"), count, 1)) {
    const double loss = 3 + 0.01 * static_cast<double>(networks.size() * 7 % 24);
    networks.push_back({network, slice(loss), loss, parameter_count(network), 1});
  }
  return networks;
}

TEST(FidelityStatistics, ASupernetThatIsRight) {
  const FidelityStatistics s =
      fidelity_statistics(compared(24, [](double loss) { return loss + 0.5; }), 1);
  for (const Estimate& e : {s.slice.tau, s.slice.tau_within_depth, s.slice.tau_within_width,
                            s.slice.rho, s.slice.rho_within_depth, s.slice.rho_within_width}) {
    EXPECT_NEAR(e.value, 1, 1e-12);
    EXPECT_NEAR(e.low, 1, 1e-12);
  }
  EXPECT_EQ(s.slice.regret.high, 0);
  EXPECT_NEAR(s.gap.value, 0.5, 1e-12);
  EXPECT_NEAR(s.gap_deviation.high, 0, 1e-12);
  EXPECT_NEAR(s.advantage.value, 1 - s.parameters.tau.value, 1e-12);
  EXPECT_TRUE(std::isnan(s.flops.tau.value));  // all the same
}

TEST(FidelityStatistics, ASupernetThatIsWrong) {
  const FidelityStatistics s =
      fidelity_statistics(compared(24, [](double loss) { return 7 - loss; }), 1);
  EXPECT_NEAR(s.slice.tau.value, -1, 1e-12);
  EXPECT_NEAR(s.slice.rho_within_width.value, -1, 1e-12);
  EXPECT_NEAR(s.slice.regret.value, 0.19, 1e-12);  // 24 losses, 0.01 apart: the five worst
}

TEST(FidelityStatistics, LargerNetworksCountAsPredictedBetter) {
  std::vector<ComparedNetwork> networks = compared(12, [](double loss) { return loss; });
  for (std::size_t i = 0; i < networks.size(); ++i) {
    networks[i].standalone_loss = 5 - 0.1 * static_cast<double>(i);
    networks[i].parameters = 1000 + static_cast<std::int64_t>(i);
    networks[i].flops = 1e6 / static_cast<double>(i + 1);
  }
  const FidelityStatistics s = fidelity_statistics(networks, 1);
  EXPECT_NEAR(s.parameters.tau.value, 1, 1e-12);
  EXPECT_NEAR(s.flops.tau.value, -1, 1e-12);
}

TEST(FidelityReport, OfATextOfWordsIsAlsoPerWordAndByte) {
  TemporaryFolder folder;
  const auto networks = compared(24, [](double loss) { return loss + 0.5; });
  const FidelityStatistics s = fidelity_statistics(networks, 1);
  const TinyRun run(tiny_config_of_words(folder.path()));
  const supernet::Corpus& corpus = run.proxy.corpus();  // of bytes
  const double word = static_cast<double>(corpus.bytes) / static_cast<double>(corpus.words);
  const Json json = fidelity_json(run.folder, run.proxy, networks, 1, s);
  EXPECT_NEAR(json["gap_percent"]["value"].get<double>(), 100 * std::expm1(0.5), 1e-9);
  EXPECT_NEAR(json["gap_percent_per_word"]["value"].get<double>(), 100 * std::expm1(0.5 * word),
              1e-6);
  EXPECT_NEAR(json["gap_bits_per_byte"]["high"].get<double>(), 0.5 / std::log(2), 1e-9);
  const Json& worst = json["predictors"]["flops"];
  EXPECT_NEAR(worst["top5_regret_percent_per_word"]["high"].get<double>(),
              100 * std::expm1(word * worst["top5_regret_nats"]["high"].get<double>()), 1e-6);
  EXPECT_THAT(
      fidelity_table(corpus, s),
      AllOf(HasSubstr(" %, per word "), HasSubstr("; bits per byte 0.7213 [0.7213, 0.7213]"),
            HasSubstr("x nats per word and 1.443 x bits per byte")));

  TemporaryFolder other;
  const TinyRun generated(tiny_config(other / "run"));
  const std::string text = fidelity_json(generated.folder, generated.proxy, networks, 1, s).dump();
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("per_word"), HasSubstr("per_byte"))));
  EXPECT_THAT(fidelity_table(generated.proxy.corpus(), s),
              Not(AnyOf(HasSubstr("per word"), HasSubstr("per byte"))));
}

class CompareNetworks : public ::testing::Test {
 protected:
  RunConfig config() { return tiny_config(folder_ / "run"); }
  static void expect_same(const std::vector<ComparedNetwork>& a,
                          const std::vector<ComparedNetwork>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].architecture, b[i].architecture);
      EXPECT_EQ(a[i].slice_loss, b[i].slice_loss);
      EXPECT_EQ(a[i].standalone_loss, b[i].standalone_loss);
    }
  }

  TemporaryFolder folder_;
};

TEST_F(CompareNetworks, OneNetworkIsItsOwnSupernet) {
  RunConfig one = config();
  const Json json{{"head_width", 16},
                  {"depth", {2}},
                  {"model_width", {32}},
                  {"heads", {2}},
                  {"ffn_width", {64}}};
  one.space = SearchSpace::from_json(JsonNode(json, "space"));
  // As good as none, but the two networks of the sandwich, which are one, then share a batch.
  one.training.distillation = 1e-9;
  one.training.random_subnetworks = 0;
  TinyRun run(one);
  const ComparedNetwork network = compare_networks(run.folder, run.proxy, {1, 0}, {}).at(0);
  // Not the same bits: the sandwich averages two equal gradients, summed in another order.
  EXPECT_NEAR(network.slice_loss, network.standalone_loss, 1e-4);
  EXPECT_LT(network.slice_loss, std::log(256.0));
  EXPECT_EQ(network.parameters, parameter_count(run.proxy.space().largest(), 32));
  // Two per multiplication with a weight, and the rest is not nothing: per layer q, k, v, output,
  // up and down; the language-model head.
  const double products = 2.0 * (2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 256);
  EXPECT_GT(network.flops, products);
  EXPECT_LT(network.flops, 1.5 * products);
}

TEST_F(CompareNetworks, StoppedAnywhereItContinuesToTheSame) {
  TinyRun run(config());
  const std::vector<ComparedNetwork> whole = compare_networks(run.folder, run.proxy, {4, 0}, {});
  fs::remove_all(run.folder.standalone());
  std::int64_t last_steps = 0;
  for (int stops = 0;; ++stops) {
    ASSERT_LT(stops, 40);
    StopAfter stop(7);  // one thread below: no race
    const Watch watch = stop.watch([&](const Progress& progress) {
      last_steps = progress.done;
      EXPECT_EQ(progress.total, 4 * 12);
      EXPECT_EQ(progress.note, "steps, " + std::to_string(progress.done / 12) + " of 4 networks");
    });
    const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
    try {
      expect_same(compare_networks(run.folder, run.proxy, {4, 0}, watch), whole);
      EXPECT_GT(stops, 3);
      break;
    } catch (const Interrupted& error) {
      EXPECT_THAT(error.what(), HasSubstr("of 4 networks trained"));
    }
  }
  EXPECT_EQ(last_steps, 4 * 12);
}

TEST_F(CompareNetworks, MoreNetworksTrainOnlyTheNewOnes) {
  TinyRun run(config());
  const std::vector<ComparedNetwork> few = compare_networks(run.folder, run.proxy, {3, 0}, {});
  std::int64_t trained = 0;
  const Watch watch{.on_progress = [&](const Progress&) { ++trained; }};
  std::vector<ComparedNetwork> more = compare_networks(run.folder, run.proxy, {5, 0}, watch);
  EXPECT_EQ(trained, 2 * 12);
  more.resize(3);
  expect_same(more, few);
}

TEST_F(CompareNetworks, MoreStepsAloneAreOtherNetworks) {
  TinyRun run(config());
  const std::vector<ComparedNetwork> few = compare_networks(run.folder, run.proxy, {2, 0}, {});
  std::int64_t trained = 0;
  const Watch watch{.on_progress = [&](const Progress&) { ++trained; }};
  const std::vector<ComparedNetwork> longer =
      compare_networks(run.folder, run.proxy, {2, 30}, watch);
  EXPECT_EQ(trained, 2 * 30);
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(longer[i].slice_loss, few[i].slice_loss);
    EXPECT_NE(longer[i].standalone_loss, few[i].standalone_loss);
  }
  expect_same(compare_networks(run.folder, run.proxy, {2, 0}, {}), few);
}

TEST_F(CompareNetworks, WhatWasTrainedFromSomethingElseIsRefused) {
  TinyRun run(config());
  compare_networks(run.folder, run.proxy, {2, 0}, {});
  const std::vector<Architecture> sample =
      fidelity_sample(run.proxy.space(), 2, run.folder.config().seed);
  const auto file = [&](std::size_t i) {
    return run.folder.standalone() / (hex(architecture_id(sample[i])) + ".safetensors");
  };
  fs::copy_file(file(0), file(1), fs::copy_options::overwrite_existing);
  try {
    compare_networks(run.folder, run.proxy, {2, 0}, {});
    FAIL() << "no InputError";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(file(1).string() + ": is not this network"));
  }
  fs::remove(file(1));
  EXPECT_EQ(compare_networks(run.folder, run.proxy, {2, 0}, {}).size(), 2u);
}

}  // namespace
}  // namespace paretoformer::nas
