// Pareto order over vectors of objectives, all minimised: fronts, crowding and hypervolume.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace paretoformer::nas {

// One value per objective; all points of a call have the same number of them. What is not finite
// has no order and no volume: everything but dominates() throws Error for it.
using Point = std::vector<double>;

// Nowhere worse and somewhere better. Equal points do not dominate one another.
bool dominates(std::span<const double> a, std::span<const double> b);

// Indices of the points that no other point dominates, increasing; equal points are all kept.
std::vector<std::size_t> non_dominated(const std::vector<Point>& points);

// The fronts, best first; each lists indices into `points`, increasing. Sequential search of Zhang,
// Tian, Cheng, Jin 2015, "An Efficient Approach to Nondominated Sorting" (ENS-SS).
std::vector<std::vector<std::size_t>> non_dominated_sort(const std::vector<Point>& points);

// Per point of one front, the summed normalised gap between its neighbours in each objective (Deb
// et al. 2002, NSGA-II, Sec. III-B); infinite at the ends of an objective that varies. Among equal
// values the earlier point counts as the smaller.
std::vector<double> crowding_distance(const std::vector<Point>& front);

// Volume dominated by `points` and bounded by `reference`; points that are not below the reference
// in every objective add nothing. O(n log n) for two objectives and for three (a sweep over a
// staircase, as Fonseca, Paquete, Lopez-Ibanez 2006, "An improved dimension-sweep algorithm for the
// hypervolume indicator"), else the WFG recursion (While, Bradstreet, Barone 2012), whose
// time grows steeply with the number of objectives. Throws Error when the sizes differ, and when
// the volume is beyond the largest number.
double hypervolume(const std::vector<Point>& points, const Point& reference);

// The same as a share of the box from the origin to the reference; 0 when that has no volume.
double hypervolume_share(const std::vector<Point>& points, const Point& reference);

}  // namespace paretoformer::nas
