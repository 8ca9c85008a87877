#include "nas/core/archive.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

// Perplexity and latency only; ids count up from 1.
Archive archive_of(const std::vector<Point>& points, std::vector<Limit> limits = {}) {
  Archive archive({Objective::kPerplexity, Objective::kLatency}, std::move(limits));
  for (const Point& point : points) {
    Candidate candidate;
    candidate.id = archive.size() + 1;
    candidate.objectives.perplexity = point[0];
    candidate.objectives.latency = point[1];
    archive.add(candidate);
  }
  return archive;
}

using Indices = std::vector<std::size_t>;

TEST(Archive, KeepsTheOrderAndFindsById) {
  const Archive archive = archive_of({{1, 2}, {2, 1}});
  EXPECT_EQ(archive.candidates()[1].id, 2u);
  EXPECT_EQ(archive.find(2), &archive.candidates()[1]);
  EXPECT_EQ(archive.find(3), nullptr);
  EXPECT_TRUE(archive.contains(1));
}

TEST(Archive, RejectsWhatItCannotRank) {
  EXPECT_THROW(Archive({}), Error);
  EXPECT_THROW(Archive({Objective::kEdp, Objective::kEdp}), Error);
  Archive archive = archive_of({{1, 2}});
  Candidate candidate = archive.candidates()[0];
  EXPECT_THROW(archive.add(candidate), Error);
  candidate.id = 9;
  candidate.objectives.perplexity = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(archive.add(candidate), Error);
  EXPECT_EQ(archive.size(), 1u);
}

TEST(ArchiveFront, IsSortedAndKeepsEqualPoints) {
  const Archive archive = archive_of({{5, 1}, {3, 3}, {4, 4}, {1, 5}, {3, 3}});
  EXPECT_EQ(archive.front(), (Indices{3, 1, 4, 0}));
  EXPECT_EQ(archive.front({0, 2}), (Indices{2, 0}));
  EXPECT_EQ(archive.hypervolume({6, 6}), 5 + 2 * 3 + 2 * 1);
}

TEST(ArchiveFront, HoldsFeasibleOnesOnly) {
  // The best perplexity is over the limit; what it dominates is not.
  const std::vector<Point> points{{1, 9}, {2, 9}, {3, 4}, {4, 5}};
  EXPECT_EQ(archive_of(points, {{Objective::kLatency, 5}}).front(), (Indices{2}));
  EXPECT_EQ(archive_of(points, {{Objective::kLatency, 3}}).front(), Indices{});
  EXPECT_EQ(archive_of(points, {{Objective::kLatency, 3}}).hypervolume({10, 10}), 0);
}

TEST(ArchiveStandings, FeasibleFirstThenLessViolation) {
  const Archive archive =
      archive_of({{1, 9}, {2, 8}, {3, 4}, {4, 5}, {0, 9}}, {{Objective::kLatency, 5}});
  const std::vector<Standing> standings = archive.standings({0, 1, 2, 3, 4});
  Indices ranks;
  for (const Standing& standing : standings) ranks.push_back(standing.rank);
  EXPECT_EQ(ranks, (Indices{3, 2, 0, 1, 3}));
  EXPECT_TRUE(better(standings[3], standings[1]));
  EXPECT_TRUE(better(Standing{1, 2}, Standing{1, 1}));
  EXPECT_FALSE(better(Standing{1, 1}, Standing{1, 1}));
}

// Of a rank per candidate only.
Indices ranks_of(const Archive& archive) {
  Indices all(archive.size()), ranks;
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (const Standing& standing : archive.standings(all)) ranks.push_back(standing.rank);
  return ranks;
}

TEST(ArchiveStandings, SoftLimitsComeBetweenKeepingAllAndBreakingHardOnes) {
  // Latency at most 10, better 5. The best perplexities break limits.
  const Archive archive = archive_of({{9, 5}, {8, 6}, {1, 11}, {7, 8}, {9, 4}, {2, 8}, {1, 10}},
                                     {{Objective::kLatency, 10}, {Objective::kLatency, 5, true}});
  EXPECT_EQ(ranks_of(archive), (Indices{1, 2, 5, 3, 0, 3, 4}));
  // Candidates 3 and 5 share a rank, though one dominates the other: their violation is the same.
  EXPECT_EQ(archive.front(), (Indices{6, 5, 1, 4}));
  EXPECT_EQ(archive.front({0, 1, 2, 3, 5, 6}, true), (Indices{0}));
  EXPECT_EQ(archive.hypervolume({10, 12}), 9 * 2 + 8 * 2 + 2 * 2 + 1 * 2);
}

TEST(ArchiveStandings, HardViolationDecidesBeforeSoft) {
  const std::vector<Limit> limits{{Objective::kPerplexity, 2}, {Objective::kLatency, 2, true}};
  // Perplexity 1 and 2 times too high; the soft limit decides where that is the same.
  EXPECT_EQ(ranks_of(archive_of({{4, 9}, {4, 3}, {6, 1}, {4, 2}, {4, 9}}, limits)),
            (Indices{2, 1, 3, 0, 2}));
}

// Deb 2000, Sec. 3: a feasible solution is preferred to an infeasible one; of two feasible ones the
// one with the better objective; of two infeasible ones the one with the smaller violation. Here
// with soft limits as the lesser infeasibility, and ties everywhere.
TEST(ArchiveStandings, FollowsDebsRulesOnThousandsOfGrids) {
  Random random(2);
  for (int i = 0; i < 3000; ++i) {
    std::vector<Point> points(2 + random.below(14));
    for (Point& point : points)
      point = {1.0 + static_cast<double>(random.below(6)),
               1.0 + static_cast<double>(random.below(6))};
    const std::vector<Limit> limits{{Objective::kLatency, 4},
                                    {Objective::kLatency, 2, true},
                                    {Objective::kPerplexity, 5},
                                    {Objective::kPerplexity, 4, true}};
    const Archive archive = archive_of(points, limits);
    const Indices ranks = ranks_of(archive);
    const auto broken = [&](std::size_t j) {
      const double hard = std::max(0.0, points[j][1] / 4 - 1) + std::max(0.0, points[j][0] / 5 - 1);
      const double soft = std::max(0.0, points[j][1] / 2 - 1) + std::max(0.0, points[j][0] / 4 - 1);
      return std::pair(hard, soft);
    };
    for (std::size_t a = 0; a < points.size(); ++a)
      for (std::size_t b = 0; b < points.size(); ++b) {
        if (broken(a) < broken(b)) {
          ASSERT_LT(ranks[a], ranks[b]);
        } else if (broken(a) == broken(b) && broken(a) != std::pair(0.0, 0.0)) {
          ASSERT_EQ(ranks[a], ranks[b]);
        } else if (broken(a) == broken(b) && dominates(points[a], points[b])) {
          ASSERT_LT(ranks[a], ranks[b]);
        } else if (points[a] == points[b]) {
          ASSERT_EQ(ranks[a], ranks[b]);
        }
      }
  }
}

TEST(ArchiveStandings, RankZeroIsTheFrontWheneverThereIsOne) {
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    std::vector<Point> points(1 + random.below(15));
    for (Point& point : points)
      point = {static_cast<double>(random.below(6)), static_cast<double>(random.below(6))};
    const Archive archive = archive_of(points, {{Objective::kLatency, 3}});
    Indices all(points.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const std::vector<Standing> standings = archive.standings(all);
    Indices first;
    for (std::size_t j : all)
      if (standings[j].rank == 0) first.push_back(j);
    Indices front = archive.front();
    std::sort(front.begin(), front.end());
    if (!front.empty()) {
      ASSERT_EQ(first, front);
    }
    for (std::size_t a : all)
      for (std::size_t b : all)
        if (points[a][1] <= 3 && points[b][1] > 3) {
          ASSERT_LT(standings[a].rank, standings[b].rank);
        }
  }
}

}  // namespace
}  // namespace paretoformer::nas
