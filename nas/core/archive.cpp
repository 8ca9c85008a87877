#include "nas/core/archive.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {

namespace {

constexpr double kReferenceMargin = 1.1;

}  // namespace

bool better(const Standing& a, const Standing& b) {
  return a.rank != b.rank ? a.rank < b.rank : a.crowding > b.crowding;
}

Archive::Archive(std::vector<Objective> objectives, std::vector<Limit> limits)
    : objectives_(std::move(objectives)), limits_(std::move(limits)) {
  if (objectives_.empty()) throw Error("a search needs at least one objective");
  for (auto objective = objectives_.begin(); objective != objectives_.end(); ++objective)
    if (std::find(objectives_.begin(), objective, *objective) != objective)
      throw Error("objective " + name_of(*objective) + " is given twice");
}

void Archive::add(Candidate candidate) {
  for (Objective objective : all_objectives())
    if (!std::isfinite(value(candidate.objectives, objective)))
      throw Error("candidate " + hex(candidate.id) + ": " + name_of(objective) + " is not finite");
  if (!index_.emplace(candidate.id, candidates_.size()).second)
    throw Error("candidate " + hex(candidate.id) + " was evaluated before");
  candidates_.push_back(std::move(candidate));
}

const Candidate* Archive::find(std::uint64_t id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &candidates_[found->second];
}

std::vector<Objective> Archive::known_objectives() const {
  std::vector<Objective> known = all_objectives();
  std::erase_if(known, [&](Objective objective) {
    return !std::all_of(candidates_.begin(), candidates_.end(), [&](const Candidate& candidate) {
      return candidate.objectives.has(objective);
    });
  });
  return known;
}

Point Archive::point(const Candidate& candidate) const {
  Point point;
  for (Objective objective : objectives_) point.push_back(value(candidate.objectives, objective));
  return point;
}

std::vector<std::size_t> Archive::front() const {
  std::vector<std::size_t> everything(size());
  std::iota(everything.begin(), everything.end(), std::size_t{0});
  return front(everything);
}

std::vector<std::size_t> Archive::front(const std::vector<std::size_t>& members,
                                        bool keep_soft_limits) const {
  std::vector<std::size_t> allowed;
  std::vector<Point> points;
  for (std::size_t member : members) {
    const Objectives& objectives = candidates_[member].objectives;
    if (!feasible(objectives, limits_)) continue;
    if (keep_soft_limits && violation(objectives, limits_).soft > 0) continue;
    allowed.push_back(member);
    points.push_back(point(candidates_[member]));
  }
  std::vector<std::pair<Point, std::size_t>> kept;
  for (std::size_t index : non_dominated(points)) kept.emplace_back(points[index], allowed[index]);
  std::sort(kept.begin(), kept.end());
  std::vector<std::size_t> result;
  for (const auto& [unused, member] : kept) result.push_back(member);
  return result;
}

std::vector<Standing> Archive::standings(const std::vector<std::size_t>& members) const {
  // Positions in `members`: those that keep all limits, and the others by violation.
  std::vector<std::size_t> allowed;
  std::vector<Point> points;
  std::map<Violation, std::vector<std::size_t>> violators;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Violation broken = violation(candidates_[members[i]].objectives, limits_);
    if (broken == Violation{}) {
      allowed.push_back(i);
      points.push_back(point(candidates_[members[i]]));
    } else {
      violators[broken].push_back(i);
    }
  }
  std::vector<std::vector<std::size_t>> ranks = non_dominated_sort(points);
  for (std::vector<std::size_t>& rank : ranks)
    for (std::size_t& index : rank) index = allowed[index];
  for (const auto& [unused, rank] : violators) ranks.push_back(rank);

  std::vector<Standing> result(members.size());
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    std::vector<Point> equals;
    for (std::size_t i : ranks[rank]) equals.push_back(point(candidates_[members[i]]));
    const std::vector<double> crowding = crowding_distance(equals);
    for (std::size_t i = 0; i < ranks[rank].size(); ++i)
      result[ranks[rank][i]] = {rank, crowding[i]};
  }
  return result;
}

double Archive::hypervolume(const Point& reference) const {
  std::vector<Point> points;
  for (std::size_t member : front()) points.push_back(point(candidates_[member]));
  return nas::hypervolume(points, reference);
}

Point reference_point(const Archive& archive) {
  Point reference(archive.objectives().size(), 0.0);
  for (const Candidate& candidate : archive.candidates()) {
    if (candidate.generation != 0) continue;
    const Point point = archive.point(candidate);
    for (std::size_t i = 0; i < point.size(); ++i)
      reference[i] = std::max(reference[i], kReferenceMargin * point[i]);
  }
  return reference;
}

}  // namespace paretoformer::nas
