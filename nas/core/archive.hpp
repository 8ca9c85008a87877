// Everything a search has evaluated, in order, and the Pareto order over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "nas/core/candidate.hpp"
#include "nas/core/objectives.hpp"
#include "nas/core/pareto.hpp"

namespace paretoformer::nas {

// Where a candidate stands among others: by rank, then by crowding. Feasibility comes first (the
// three rules of Deb 2000, "An efficient constraint handling method for genetic algorithms", Sec.
// 3, with Pareto dominance for the objective): those that keep all limits are ranked by dominance;
// behind them come those that break soft limits only, and last those that break hard ones, each
// with a smaller violation() before a larger, equal ones together.
struct Standing {
  std::size_t rank = 0;
  double crowding = 0;  // crowding_distance() within the rank: more is better
};

bool better(const Standing& a, const Standing& b);

// Unbounded: nothing evaluated is ever forgotten.
class Archive {
 public:
  // Throws Error unless the objectives are at least one and distinct.
  explicit Archive(std::vector<Objective> objectives, std::vector<Limit> limits = {});

  const std::vector<Objective>& objectives() const { return objectives_; }
  const std::vector<Limit>& limits() const { return limits_; }

  // Throws Error for an id that is there already, and for an objective that is not finite.
  void add(Candidate candidate);

  // In the order in which they were added.
  const std::vector<Candidate>& candidates() const { return candidates_; }
  std::size_t size() const { return candidates_.size(); }
  // Null when absent; valid until the next add().
  const Candidate* find(std::uint64_t id) const;
  bool contains(std::uint64_t id) const { return find(id) != nullptr; }

  // What all candidates have a value of: all objectives, but for the perplexity in int8 of a search
  // that did not score it, and the area of one that did not choose the hardware.
  std::vector<Objective> known_objectives() const;

  // The chosen objectives of a candidate.
  Point point(const Candidate& candidate) const;

  // Indices into candidates() of the feasible ones that no feasible one dominates, ordered by the
  // first objective, then the second and so on, then by age.
  std::vector<std::size_t> front() const;
  // The same among `members` only; at will, of those only that keep the soft limits as well.
  std::vector<std::size_t> front(const std::vector<std::size_t>& members,
                                 bool keep_soft_limits = false) const;
  // One standing per member, among `members` only.
  std::vector<Standing> standings(const std::vector<std::size_t>& members) const;

  // Hypervolume of the front in the chosen objectives.
  double hypervolume(const Point& reference) const;

 private:
  std::vector<Objective> objectives_;
  std::vector<Limit> limits_;
  std::vector<Candidate> candidates_;
  std::unordered_map<std::uint64_t, std::size_t> index_;
};

// Hypervolume is measured from 1.1 times the worst value of each objective in generation 0, which
// holds the corners of the space: fixed as soon as that is evaluated, and the same after a resume.
Point reference_point(const Archive& archive);

}  // namespace paretoformer::nas
