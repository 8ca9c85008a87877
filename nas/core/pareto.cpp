#include "nas/core/pareto.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <string>

#include "support/error.hpp"
#include "support/finite.hpp"

namespace paretoformer::nas {
namespace {

constexpr const char* kWhat = "an objective";

void require_finite(const std::vector<Point>& points) {
  for (const Point& point : points) paretoformer::require_finite(point, kWhat);
}

std::vector<std::size_t> indices(std::size_t size) {
  std::vector<std::size_t> result(size);
  std::iota(result.begin(), result.end(), std::size_t{0});
  return result;
}

// Lexicographic, then by index: whoever dominates a point comes before it.
std::vector<std::size_t> lexicographic_order(const std::vector<Point>& points) {
  std::vector<std::size_t> order = indices(points.size());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return points[a] < points[b]; });
  return order;
}

bool dominated_by_any(const std::vector<Point>& points, const std::vector<std::size_t>& front,
                      std::size_t candidate) {
  // The latest members are the closest, hence the likeliest to dominate.
  return std::any_of(front.rbegin(), front.rend(), [&](std::size_t member) {
    return dominates(points[member], points[candidate]);
  });
}

bool below(const Point& point, const Point& reference) {
  return std::equal(point.begin(), point.end(), reference.begin(), std::less<>());
}

// Copies without pointers, which sort several times as fast as vectors.
double hypervolume_2d(const std::vector<Point>& points, const Point& reference) {
  std::vector<std::array<double, 2>> order;
  order.reserve(points.size());
  for (const Point& point : points)
    if (below(point, reference)) order.push_back({point[0], point[1]});
  std::sort(order.begin(), order.end());
  double volume = 0;
  double ceiling = reference[1];
  for (const auto& [x, y] : order) {
    if (y >= ceiling) continue;
    volume += (reference[0] - x) * (ceiling - y);
    ceiling = y;
  }
  return volume;
}

// The area that (x, y) adds to a staircase: x to y of points none of which dominates another, below
// `right` and `top`. The point joins it, and what it dominates leaves it.
double extend(std::map<double, double>& staircase, double x, double y, double right, double top) {
  auto next = staircase.upper_bound(x);
  double ceiling = top;
  if (next != staircase.begin()) {
    const auto before = std::prev(next);
    if (before->second <= y) return 0;  // dominates it, or is equal
    ceiling = before->second;
    if (before->first == x) staircase.erase(before);
  }
  double area = 0;
  double left = x;
  for (; next != staircase.end() && next->second >= y; next = staircase.erase(next)) {
    area += (next->first - left) * (ceiling - y);
    left = next->first;
    ceiling = next->second;
  }
  area += ((next == staircase.end() ? right : next->first) - left) * (ceiling - y);
  staircase.emplace_hint(next, x, y);
  return area;
}

// A plane sweeps from the best third objective to the worst. What a point adds to the area
// dominated there is so up to the reference.
double hypervolume_3d(const std::vector<Point>& points, const Point& reference) {
  std::vector<std::array<double, 3>> order;
  order.reserve(points.size());
  for (const Point& point : points)
    if (below(point, reference)) order.push_back({point[2], point[0], point[1]});
  std::sort(order.begin(), order.end());
  double volume = 0;
  std::map<double, double> staircase;
  for (const auto& [z, x, y] : order)
    volume += extend(staircase, x, y, reference[0], reference[1]) * (reference[2] - z);
  return volume;
}

// At least two objectives. Going from the worst last objective to the best, each point adds what
// none of the later ones dominates. Since those are at least as good in that objective, the
// addition is a slab: its height times a volume in one objective less.
double hypervolume_wfg(const std::vector<Point>& all, const Point& reference) {
  if (reference.size() == 2) return hypervolume_2d(all, reference);
  if (reference.size() == 3) return hypervolume_3d(all, reference);
  std::vector<Point> points;
  for (std::size_t index : non_dominated(all))
    if (below(all[index], reference)) points.push_back(all[index]);
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::stable_sort(points.begin(), points.end(),
                   [](const Point& a, const Point& b) { return a.back() > b.back(); });

  const Point base(reference.begin(), reference.end() - 1);
  std::vector<Point> limited(points.size(), base);
  double volume = 0;
  for (std::size_t k = 0; k < points.size(); ++k) {
    double area = 1;
    for (std::size_t i = 0; i < base.size(); ++i) area *= base[i] - points[k][i];
    limited.pop_back();
    for (std::size_t later = 0; later < limited.size(); ++later)
      for (std::size_t i = 0; i < base.size(); ++i)
        limited[later][i] = std::max(points[k][i], points[k + 1 + later][i]);
    volume += (reference.back() - points[k].back()) * (area - hypervolume_wfg(limited, base));
  }
  return volume;
}

}  // namespace

bool dominates(std::span<const double> a, std::span<const double> b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

std::vector<std::size_t> non_dominated(const std::vector<Point>& points) {
  std::vector<std::size_t> front;
  require_finite(points);
  for (std::size_t candidate : lexicographic_order(points))
    if (!dominated_by_any(points, front, candidate)) front.push_back(candidate);
  std::sort(front.begin(), front.end());
  return front;
}

std::vector<std::vector<std::size_t>> non_dominated_sort(const std::vector<Point>& points) {
  require_finite(points);
  std::vector<std::vector<std::size_t>> fronts;
  for (std::size_t candidate : lexicographic_order(points)) {
    auto front = std::find_if(fronts.begin(), fronts.end(), [&](const auto& members) {
      return !dominated_by_any(points, members, candidate);
    });
    if (front == fronts.end()) front = fronts.emplace(fronts.end());
    front->push_back(candidate);
  }
  for (std::vector<std::size_t>& front : fronts) std::sort(front.begin(), front.end());
  return fronts;
}

std::vector<double> crowding_distance(const std::vector<Point>& front) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> distance(front.size(), 0.0);
  require_finite(front);
  const std::size_t objectives = front.empty() ? 0 : front.front().size();
  for (std::size_t objective = 0; objective < objectives; ++objective) {
    std::vector<std::size_t> order = indices(front.size());
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return front[a][objective] < front[b][objective];
    });
    const double range = front[order.back()][objective] - front[order.front()][objective];
    if (range == 0 || !std::isfinite(range)) continue;
    distance[order.front()] = kInfinity;
    distance[order.back()] = kInfinity;
    for (std::size_t i = 1; i + 1 < order.size(); ++i)
      distance[order[i]] +=
          (front[order[i + 1]][objective] - front[order[i - 1]][objective]) / range;
  }
  return distance;
}

double hypervolume(const std::vector<Point>& points, const Point& reference) {
  if (reference.empty()) throw Error("hypervolume: the reference point is empty");
  for (const Point& point : points)
    if (point.size() != reference.size())
      throw Error("hypervolume: a point has " + std::to_string(point.size()) +
                  " objectives, the reference " + std::to_string(reference.size()));
  require_finite(points);
  paretoformer::require_finite(reference, kWhat);
  double volume = 0;
  if (reference.size() > 1) {
    volume = hypervolume_wfg(points, reference);
  } else {
    double least = reference[0];
    for (const Point& point : points) least = std::min(least, point[0]);
    volume = reference[0] - least;
  }
  if (!std::isfinite(volume)) throw Error("hypervolume: beyond the largest number");
  return volume;
}

double hypervolume_share(const std::vector<Point>& points, const Point& reference) {
  const double volume = hypervolume(points, reference);
  const double box = std::accumulate(reference.begin(), reference.end(), 1.0, std::multiplies<>());
  return box > 0 ? volume / box : 0;
}

}  // namespace paretoformer::nas
