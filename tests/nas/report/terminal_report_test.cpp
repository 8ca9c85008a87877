#include "nas/report/terminal_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) result.push_back(line);
  return result;
}

// Candidates of perplexities and latencies, of model widths 16, 32 ...
Archive archive_of(const std::vector<std::pair<double, double>>& all) {
  Archive archive({Objective::kPerplexity, Objective::kLatency}, {});
  for (const auto& [perplexity, latency] : all) {
    Candidate c;
    c.architecture = {16 * static_cast<int>(archive.size() + 1), 16, 0, {{1, 32}}};
    c.id = architecture_id(c.architecture);
    c.objectives.perplexity = perplexity;
    c.objectives.latency = latency;
    archive.add(c);
  }
  return archive;
}

// Perplexities 1 to 2 and cycles 10 to 20, both linear (less than a factor of five), with margins
// of 4 % of the range. Of 66 columns, counted from 0, x = 10 + 10 s lies at (0.04 + s) / 1.08 x 65:
// the ends at 2.4 and 62.6, 12 at 14.4; of 16 rows, from above, y = 1 + t at 15 - (0.04 + t) / 1.08
// x 15: 14.4 and 0.6, 1.1 at 13.1.
TEST(FrontChart, HasEveryNetworkAtItsPlace) {
  const Archive archive = archive_of({{2, 10}, {1.1, 12}, {1, 20}, {2, 20}});
  const std::vector<std::string> lines = split(front_chart(archive, predicted_front(archive)));
  ASSERT_EQ(lines.size(), 20u);
  for (const std::string& line : lines) EXPECT_LE(line.size(), 80u) << line;
  const auto at = [&](std::size_t row, std::size_t column) { return lines[1 + row][11 + column]; };
  EXPECT_EQ(at(1, 2), 'o');
  EXPECT_EQ(at(13, 14), '@');  // the knee
  EXPECT_EQ(at(14, 63), 'o');
  EXPECT_EQ(at(1, 63), '.');  // dominated
  std::string drawn;
  for (std::size_t row = 0; row < 16; ++row) drawn += lines[1 + row].substr(11);
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), ' '), 16 * 66 - 4);
  EXPECT_THAT(lines[0], HasSubstr("perplexity"));
  EXPECT_THAT(lines[19], HasSubstr("latency (cycles)"));
  // Ticks: 1 at the row of the perplexity 1; 10 and 20 below their columns, in the middle.
  EXPECT_THAT(lines[1 + 14], ::testing::StartsWith("        1 |"));
  EXPECT_EQ(lines[18].substr(11 + 2 - 1, 2), "10");
  EXPECT_EQ(lines[18].substr(11 + 63 - 1, 2), "20");
}

TEST(FrontChart, DrawsASinglePoint) {
  const Archive archive = archive_of({{2, 10}});
  const std::vector<std::string> lines = split(front_chart(archive, predicted_front(archive)));
  ASSERT_EQ(lines.size(), 20u);
  std::string drawn;
  for (std::size_t row = 0; row < 16; ++row) drawn += lines[1 + row].substr(11);
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), '@'), 1);
}

TEST(MemberChart, HasALinePerLayerAndSharesOfTheWhole) {
  const Json space = {{"head_width", 16},
                      {"depth", {1, 2}},
                      {"model_width", {32, 64}},
                      {"heads", {1, 2, 4}},
                      {"ffn_width", {64, 256}}};
  FrontMember member;
  member.candidate.architecture = {64, 16, 0, {{1, 64}, {4, 256}}};
  member.confirmed.perplexity = 7.5;
  member.confirmed.latency = 1000;
  const LatencyPredictor predictor(find_target("gemmini_transformer"),
                                   Workload{16, Mode::kPrefill});
  const std::vector<std::string> lines =
      split(member_chart(member, SearchSpace::from_json(JsonNode(space, "space")), predictor));
  ASSERT_GE(lines.size(), 4u);
  EXPECT_THAT(lines[0], HasSubstr("d=64 h=[1,4] f=[64,256]"));
  EXPECT_EQ(lines[1], "  perplexity 7.5000");
  EXPECT_EQ(lines[2], "  latency 1000 cycles");  // no perplexity in int8: it is not known
  // One head of four, 64 channels of 256 in 16 characters; then all.
  EXPECT_THAT(lines[lines.size() - 3], HasSubstr("#---     1 of 4"));
  EXPECT_THAT(lines[lines.size() - 3], HasSubstr("####------------    64 of 256"));
  EXPECT_THAT(lines[lines.size() - 2], HasSubstr("####     4 of 4"));
  EXPECT_THAT(lines[lines.size() - 2], HasSubstr("################   256 of 256"));
  EXPECT_THAT(lines.back(), HasSubstr("outside the layers"));
  double latency = 0, energy = 0;
  for (std::size_t i = lines.size() - 3; i < lines.size(); ++i) {
    const std::string shares = lines[i].substr(lines[i].size() - 21);
    latency += std::stod(shares);
    energy += std::stod(shares.substr(11));
  }
  EXPECT_NEAR(latency, 100, 0.16);  // three shares, each rounded to 0.1
  EXPECT_NEAR(energy, 100, 0.16);
}

}  // namespace
}  // namespace paretoformer::nas
