#include "nas/pareto.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "support/error.hpp"

namespace paretoformer {
namespace {

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

double hypervolume_2d(std::vector<Point> points, const Point& reference) {
  std::sort(points.begin(), points.end());
  double volume = 0;
  double ceiling = reference[1];
  for (const Point& point : points) {
    if (point[1] >= ceiling) continue;
    volume += (reference[0] - point[0]) * (ceiling - point[1]);
    ceiling = point[1];
  }
  return volume;
}

// All points are below the reference. Going from the worst last objective to the best, each point
// adds what none of the later ones dominates. Since those are at least as good in that objective,
// the addition is a slab: its height times a volume in one objective less.
double hypervolume_wfg(const std::vector<Point>& all, const Point& reference) {
  if (reference.size() == 2) return hypervolume_2d(all, reference);
  std::vector<Point> points;
  for (std::size_t index : non_dominated(all)) points.push_back(all[index]);
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::stable_sort(points.begin(), points.end(),
                   [](const Point& a, const Point& b) { return a.back() > b.back(); });

  const Point base(reference.begin(), reference.end() - 1);
  double volume = 0;
  for (std::size_t k = 0; k < points.size(); ++k) {
    double area = 1;
    for (std::size_t i = 0; i < base.size(); ++i) area *= base[i] - points[k][i];
    std::vector<Point> limited;
    for (std::size_t later = k + 1; later < points.size(); ++later) {
      limited.emplace_back(base.size());
      for (std::size_t i = 0; i < base.size(); ++i)
        limited.back()[i] = std::max(points[k][i], points[later][i]);
    }
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
  for (std::size_t candidate : lexicographic_order(points))
    if (!dominated_by_any(points, front, candidate)) front.push_back(candidate);
  std::sort(front.begin(), front.end());
  return front;
}

std::vector<std::vector<std::size_t>> non_dominated_sort(const std::vector<Point>& points) {
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
  const std::size_t objectives = front.empty() ? 0 : front.front().size();
  for (std::size_t objective = 0; objective < objectives; ++objective) {
    std::vector<std::size_t> order = indices(front.size());
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return front[a][objective] < front[b][objective];
    });
    const double range = front[order.back()][objective] - front[order.front()][objective];
    if (range == 0) continue;
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
  std::vector<Point> below;
  for (const Point& point : points) {
    if (point.size() != reference.size())
      throw Error("hypervolume: a point has " + std::to_string(point.size()) +
                  " objectives, the reference " + std::to_string(reference.size()));
    if (std::equal(point.begin(), point.end(), reference.begin(), std::less<>()))
      below.push_back(point);
  }
  if (below.empty()) return 0;
  if (reference.size() == 1)
    return reference[0] - (*std::min_element(below.begin(), below.end()))[0];
  return hypervolume_wfg(below, reference);
}

}  // namespace paretoformer
