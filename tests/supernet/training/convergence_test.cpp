#include "supernet/training/convergence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::supernet {
namespace {

SearchSpace space_of(const std::string& json) {
  const Json parsed = parse_json(json, "space.json");
  return SearchSpace::from_json(JsonNode(parsed, "space.json"));
}

// Records of the same gaps to the largest network, whose loss falls.
std::vector<ProbeRecord> records_of(const std::vector<std::vector<double>>& gaps) {
  std::vector<ProbeRecord> records;
  for (const std::vector<double>& of_step : gaps) {
    const double largest = 4.0 / static_cast<double>(records.size() + 1);
    ProbeRecord record{10 * static_cast<std::int64_t>(records.size() + 1), {largest}};
    for (double gap : of_step) record.losses.push_back(largest + gap);
    records.push_back(record);
    records.back().converged = recent_change(records).converged();
  }
  return records;
}

TEST(ProbeNetworks, AreTheExtremesAndFourSizesBetween) {
  const SearchSpace space = SearchSpace::find("quickstart");
  const std::vector<Architecture> networks = probe_networks(space, 1);
  ASSERT_EQ(networks.size(), 6u);
  EXPECT_EQ(networks[0], space.largest());
  EXPECT_EQ(networks[1], space.smallest());
  for (std::size_t i = 2; i < 6; ++i) {
    EXPECT_TRUE(space.contains(networks[i]));
    EXPECT_GT(parameter_count(networks[i]), parameter_count(networks[i == 2 ? 1 : i - 1]));
  }
  EXPECT_LT(parameter_count(networks[5]), parameter_count(networks[0]));
  EXPECT_EQ(networks, probe_networks(space, 1));
  EXPECT_NE(networks, probe_networks(space, 2));
}

TEST(ProbeNetworks, ASmallSpaceHasFewer) {
  EXPECT_EQ(probe_networks(space_of(R"({"depth": [1], "model_width": [64], "heads": [1],
                                        "ffn_width": [64]})"),
                           1)
                .size(),
            1u);
  EXPECT_EQ(probe_networks(space_of(R"({"depth": [1], "model_width": [64], "heads": [1],
                                        "ffn_width": [64, 128, 192, 256]})"),
                           1)
                .size(),
            4u);
}

TEST(Convergence, TakesThreeIntervalsWithoutChange) {
  const auto records = records_of({{0.5, 0.3}, {0.3, 0.2}, {0.3, 0.2}, {0.301, 0.2}, {0.3, 0.2}});
  std::vector<bool> verdicts;
  for (const ProbeRecord& record : records) verdicts.push_back(record.converged);
  EXPECT_THAT(verdicts, testing::ElementsAre(false, false, false, false, true));
  EXPECT_EQ(converged_since(records), 50);
  EXPECT_EQ(converged_since(std::span(records).first(4)), std::nullopt);
  const ProbeChange change = recent_change(records);
  EXPECT_NEAR(change.largest, 0.001, 1e-12);
  EXPECT_NEAR(change.gap, 0.3, 1e-12);
}

TEST(Convergence, OneGapThatMovesIsEnoughToDenyIt) {
  const std::vector<double> still{0.3, 0.2};
  EXPECT_TRUE(records_of({still, still, still, {0.3, 0.214}}).back().converged);
  EXPECT_FALSE(records_of({still, still, still, {0.3, 0.216}}).back().converged);
  // It is over as soon as it moves again.
  const auto records = records_of({still, still, still, still, {0.5, 0.2}});
  EXPECT_TRUE(records[3].converged);
  EXPECT_EQ(converged_since(records), std::nullopt);
}

TEST(Convergence, AnOrderThatChangesDeniesItUnlessItIsATie) {
  const std::vector<double> a{0.3, 0.200, 0.204}, b{0.3, 0.204, 0.200};
  EXPECT_FALSE(records_of({a, b, a, b}).back().converged);
  const std::vector<double> c{0.3, 0.200, 0.202}, d{0.3, 0.202, 0.200};
  EXPECT_TRUE(records_of({c, d, c, d}).back().converged);
}

// As in the beginning, when all networks are equally bad.
TEST(Convergence, NetworksThatAreEquallyGoodAreNotConverged) {
  EXPECT_FALSE(records_of({{0, 0}, {0, 0}, {0, 0}, {0, 0}}).back().converged);
  EXPECT_FALSE(records_of({{-0.1}, {-0.1}, {-0.1}, {-0.1}}).back().converged);
}

TEST(ProbeRecords, OfOneNetworkHaveNoGap) {
  const TemporaryFolder folder;
  std::string text;
  for (int step = 1; step < 6; ++step) text += to_json(ProbeRecord{step, {4.0}}).dump() + "\n";
  write_file_atomic(folder.path() / "log", text);
  const std::vector<ProbeRecord> records = read_probe_records(folder.path() / "log");
  ASSERT_EQ(records.size(), 5u);
  EXPECT_THAT(records[4].losses, testing::ElementsAre(4.0));
  EXPECT_FALSE(recent_change(records).converged());
  EXPECT_EQ(converged_since(records), std::nullopt);
}

TEST(ProbeRecords, RoundTripAndErrorsNameTheLine) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "log";
  EXPECT_TRUE(read_probe_records(file).empty());
  ProbeRecord record{7, {0.1, 0.2, 1.0 / 3}};
  std::string text = to_json(record).dump() + "\n";
  record.rank_agreement = 2.0 / 3;
  record.converged = true;
  record.best = true;
  text += to_json(record).dump() + "\n";
  write_file_atomic(file, text + "{\"step\": 8");  // a line that is being written
  const std::vector<ProbeRecord> records = read_probe_records(file);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].losses, record.losses);
  EXPECT_FALSE(records[0].rank_agreement.has_value());
  EXPECT_EQ(records[1].rank_agreement, 2.0 / 3);
  EXPECT_TRUE(records[1].converged);
  EXPECT_FALSE(records[0].best);
  EXPECT_TRUE(records[1].best);
  write_file_atomic(file, text + "{\"step\": 8, \"largest\": \"x\"}\n");
  try {
    read_probe_records(file);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("log:3: /largest: \"x\""));
  }
}

}  // namespace
}  // namespace paretoformer::supernet
