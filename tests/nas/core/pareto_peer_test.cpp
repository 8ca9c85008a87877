// The Pareto order against pagmo2's (Debian's 2.18), on thousands of random sets.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <pagmo/utils/hypervolume.hpp>
#include <pagmo/utils/multi_objective.hpp>
#include <utility>

#include "nas/core/pareto.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

// Every set of five has one of these.
enum class Kind { kUniform, kGrid, kDuplicates, kEqualColumn, kPlane };

// Between 0 and 1. On a grid few values come often, so that ties and equal points abound; in a
// plane none dominates another.
std::vector<Point> random_points(Random& random, std::size_t objectives, std::size_t count,
                                 Kind kind) {
  std::vector<Point> points(count, Point(objectives));
  const std::uint64_t grid = 2 + random.below(6);
  for (std::size_t i = 0; i < count; ++i) {
    Point& point = points[i];
    for (double& value : point)
      value = kind == Kind::kGrid
                  ? static_cast<double>(random.below(grid)) / static_cast<double>(grid)
                  : random.uniform();
    if (kind == Kind::kDuplicates && i > 0 && random.chance(0.5)) point = points[random.below(i)];
    if (kind == Kind::kEqualColumn) point[points.size() % objectives] = 0.5;
    if (kind == Kind::kPlane) {
      double sum = 0;
      for (double value : point) sum += value;
      for (double& value : point) value /= sum;
    }
  }
  return points;
}

// Most sets are small, every hundredth is as large as an archive of a search.
std::size_t random_count(Random& random, int i) {
  return i % 100 == 99 ? 100 + random.below(401) : 1 + random.below(30);
}

TEST(ParetoPeer, TheSameFronts) {
  Random random(1);
  for (int i = 0; i < 6000; ++i) {
    const std::size_t objectives = 1 + random.below(4);
    const auto points =
        random_points(random, objectives, random_count(random, i), static_cast<Kind>(i % 5));
    if (points.size() < 2) continue;  // pagmo wants two
    // Neither library lets equal points dominate one another. pagmo lists members as it finds them.
    auto expected = std::get<0>(pagmo::fast_non_dominated_sorting(points));
    for (auto& front : expected) std::sort(front.begin(), front.end());
    const auto fronts = non_dominated_sort(points);
    ASSERT_EQ(fronts.size(), expected.size());
    for (std::size_t rank = 0; rank < fronts.size(); ++rank)
      ASSERT_TRUE(std::equal(fronts[rank].begin(), fronts[rank].end(), expected[rank].begin(),
                             expected[rank].end()))
          << "rank " << rank << " of set " << i;
    ASSERT_EQ(non_dominated(points), fronts[0]);
  }
}

void expect_near_or_infinite(double value, double expected) {
  if (std::isinf(expected))
    ASSERT_EQ(value, expected);
  else
    ASSERT_NEAR(value, expected, 1e-12);
}

// Where no two points are equal in any objective, the definition leaves nothing open.
TEST(ParetoPeer, TheSameCrowdingWithoutTies) {
  Random random(2);
  for (int i = 0; i < 3000; ++i) {
    const auto points = random_points(random, 2 + random.below(3), 1 + random_count(random, i),
                                      i % 2 == 0 ? Kind::kUniform : Kind::kPlane);
    const std::vector<double> expected = pagmo::crowding_distance(points);
    const std::vector<double> distances = crowding_distance(points);
    for (std::size_t k = 0; k < points.size(); ++k)
      expect_near_or_infinite(distances[k], expected[k]);
  }
}

// Of equal points it says nothing about which comes first: pagmo leaves it to an unstable sort. On
// a front of two objectives, where values tie only in equal points, what they have together is the
// same. (With more objectives, ties of unequal points are open too; where an objective does not
// vary, pagmo divides 0 by 0 and has infinite ends, here it adds nothing.)
TEST(ParetoPeer, TheSameCrowdingOfEqualPointsTogether) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const auto cloud = random_points(random, 2, 2 + random.below(40),
                                     i % 2 == 0 ? Kind::kDuplicates : Kind::kGrid);
    std::vector<Point> front;
    for (std::size_t index : non_dominated(cloud)) front.push_back(cloud[index]);
    if (std::equal(front.begin() + 1, front.end(), front.begin())) continue;  // nothing varies
    const std::vector<double> expected = pagmo::crowding_distance(front);
    const std::vector<double> distances = crowding_distance(front);
    std::map<Point, std::pair<double, double>> sums;
    for (std::size_t k = 0; k < front.size(); ++k) {
      sums[front[k]].first += distances[k];
      sums[front[k]].second += expected[k];
    }
    for (const auto& [unused, sum] : sums) expect_near_or_infinite(sum.first, sum.second);
  }
}

// pagmo refuses points beyond the reference, and the reference itself; the others may lie on its
// faces. Here all of these add nothing.
TEST(ParetoPeer, TheSameHypervolume) {
  Random random(4);
  for (int i = 0; i < 6000; ++i) {
    const std::size_t objectives = 2 + random.below(3);
    // Four objectives take pagmo's WFG long.
    const std::size_t count =
        objectives < 4 ? random_count(random, i) : 1 + random.below(i % 100 == 99 ? 100 : 30);
    const auto points = random_points(random, objectives, count, static_cast<Kind>(i % 5));
    // At values of the grid, of the equal column, or beyond everything.
    const Point reference(objectives, i % 3 == 0 ? 0.5 : i % 3 == 1 ? 0.75 : 1.1);
    std::vector<Point> within;
    for (const Point& point : points)
      if (point != reference &&
          std::equal(point.begin(), point.end(), reference.begin(), std::less_equal<>()))
        within.push_back(point);
    const double expected = within.empty() ? 0 : pagmo::hypervolume(within).compute(reference);
    ASSERT_NEAR(hypervolume(points, reference), expected, 1e-13)
        << points.size() << " points of set " << i;
  }
}

}  // namespace
}  // namespace paretoformer::nas
