#include "nas/core/pareto.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Up to `most` points on a small integer grid, so that ties and duplicates abound.
std::vector<Point> grid_points(Random& random, std::size_t objectives, int grid, int most) {
  std::vector<Point> points(random.below(static_cast<std::uint64_t>(most) + 1));
  for (Point& point : points)
    for (std::size_t i = 0; i < objectives; ++i)
      point.push_back(static_cast<double>(random.below(static_cast<std::uint64_t>(grid))));
  return points;
}

bool dominates_by_definition(const Point& a, const Point& b) {
  int worse = 0;
  int better = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worse += a[i] > b[i];
    better += a[i] < b[i];
  }
  return worse == 0 && better > 0;
}

// Peels one front after the other.
std::vector<std::vector<std::size_t>> sort_by_definition(const std::vector<Point>& points) {
  std::vector<std::vector<std::size_t>> fronts;
  std::vector<bool> done(points.size());
  for (std::size_t left = points.size(); left > 0; left -= fronts.back().size()) {
    fronts.emplace_back();
    for (std::size_t i = 0; i < points.size(); ++i) {
      bool dominated = done[i];
      for (std::size_t j = 0; j < points.size() && !dominated; ++j)
        dominated = !done[j] && dominates_by_definition(points[j], points[i]);
      if (!dominated) fronts.back().push_back(i);
    }
    for (std::size_t i : fronts.back()) done[i] = true;
  }
  return fronts;
}

// Counts the unit cells below the reference that some point dominates.
double hypervolume_by_counting(const std::vector<Point>& points, const Point& reference) {
  Point cell(reference.size(), 0.0);
  double cells = 0;
  while (true) {
    cells += std::any_of(points.begin(), points.end(), [&](const Point& point) {
      return std::equal(point.begin(), point.end(), cell.begin(), std::less_equal<>());
    });
    std::size_t digit = 0;
    while (digit < cell.size() && ++cell[digit] >= reference[digit]) cell[digit++] = 0;
    if (digit == cell.size()) return cells;
  }
}

TEST(Dominates, EqualPointsDoNotDominateOneAnother) {
  EXPECT_TRUE(dominates(Point{1, 2}, Point{1, 3}));
  EXPECT_FALSE(dominates(Point{1, 2}, Point{1, 2}));
  EXPECT_FALSE(dominates(Point{1, 2}, Point{2, 1}));
}

TEST(NonDominatedSort, AgreesWithTheDefinitionOnThousandsOfGrids) {
  Random random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t objectives = 1 + random.below(4);
    const std::vector<Point> points = grid_points(random, objectives, 5, 16);
    const auto expected = sort_by_definition(points);
    ASSERT_EQ(non_dominated_sort(points), expected);
    ASSERT_EQ(non_dominated(points), points.empty() ? std::vector<std::size_t>{} : expected[0]);
  }
}

TEST(CrowdingDistance, ByHand) {
  // Both ranges are 4; (1, 2) lies between 0 and 3, and between 1 and 4.
  EXPECT_EQ(crowding_distance({{0, 4}, {4, 0}, {1, 2}, {3, 1}}),
            (std::vector<double>{kInfinity, kInfinity, 3.0 / 4 + 3.0 / 4, 3.0 / 4 + 2.0 / 4}));
  EXPECT_EQ(crowding_distance({}), std::vector<double>{});
  EXPECT_EQ(crowding_distance({{1, 2}}), std::vector<double>{0});
}

TEST(CrowdingDistance, AnObjectiveThatDoesNotVaryAddsNothing) {
  EXPECT_EQ(crowding_distance({{7, 0}, {7, 1}, {7, 4}}),
            (std::vector<double>{kInfinity, 1, kInfinity}));
}

TEST(CrowdingDistance, IsNeverNegativeOrUndefined) {
  Random random(2);
  for (int i = 0; i < 1000; ++i)
    for (double distance : crowding_distance(grid_points(random, 3, 4, 12))) ASSERT_GE(distance, 0);
}

TEST(Hypervolume, AgreesWithCountingCellsOnThousandsOfGrids) {
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t objectives = 1 + random.below(6);
    const int grid = objectives < 4 ? 7 : objectives < 6 ? 5 : 4;
    const std::vector<Point> points = grid_points(random, objectives, grid, 12);
    // Points on or beyond the reference are among them and count for nothing.
    const Point reference(objectives, grid - 1);
    ASSERT_EQ(hypervolume(points, reference), hypervolume_by_counting(points, reference));
  }
}

TEST(Hypervolume, DoesNotDependOnTheOrderOfThePoints) {
  Random random(4);
  std::vector<Point> points;
  for (int i = 0; i < 60; ++i)
    points.push_back({random.uniform(), random.uniform(), random.uniform()});
  const double volume = hypervolume(points, {1, 1, 1});
  std::reverse(points.begin(), points.end());
  EXPECT_EQ(hypervolume(points, {1, 1, 1}), volume);
  EXPECT_GT(volume, 0.5);
  EXPECT_LT(volume, 1);
}

TEST(Hypervolume, RejectsPointsOfAnotherSize) {
  EXPECT_THROW(hypervolume({{1, 2, 3}}, {4, 4}), Error);
  EXPECT_THROW(hypervolume({}, {}), Error);
  EXPECT_EQ(hypervolume({}, {4, 4}), 0);
}

TEST(Pareto, RefusesWhatIsNotFinite) {
  for (const double wrong : {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity}) {
    const std::vector<Point> points{{1, 2}, {wrong, 1}, {2, 1}};
    EXPECT_THROW(non_dominated(points), Error);
    EXPECT_THROW(non_dominated_sort(points), Error);
    EXPECT_THROW(crowding_distance(points), Error);
    EXPECT_THROW(hypervolume(points, {3, 3}), Error);
    EXPECT_THROW(hypervolume({{1, 1}}, {3, wrong}), Error);
    EXPECT_THROW(hypervolume({{wrong}}, {3}), Error);
  }
}

TEST(Pareto, OfNoPointsAndOfEqualOnes) {
  EXPECT_TRUE(non_dominated({}).empty());
  EXPECT_TRUE(non_dominated_sort({}).empty());
  EXPECT_TRUE(crowding_distance({}).empty());
  EXPECT_EQ(crowding_distance({{2, 0}, {2, 0}, {2, 0}}), (std::vector<double>{0, 0, 0}));
}

TEST(HypervolumeShare, OfABoxWithoutAVolumeIsZero) {
  EXPECT_EQ(hypervolume_share({{1, 1}}, {2, 2}), 0.25);
  EXPECT_EQ(hypervolume_share({{1, 0}}, {2, 0}), 0);
  EXPECT_EQ(hypervolume_share({{0, 0, 0}}, {0, 0, 0}), 0);
  EXPECT_EQ(hypervolume_share({}, {1e-200, 1e-200}), 0);
  EXPECT_THROW(hypervolume_share({{1, 1}}, {1e200, 1e200}), Error);
}

}  // namespace
}  // namespace paretoformer::nas
