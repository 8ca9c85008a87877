// The result of a search: its front, what fell off it when it was looked at more closely, and the
// members that stand out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nas/core/archive.hpp"

namespace paretoformer::nas {

struct FrontMember {
  Candidate candidate;   // with the objectives that the search saw
  Objectives confirmed;  // the same without a confirmation
};

struct DroppedMember {
  FrontMember member;
  std::optional<Limit> limit;      // the first one that it does not keep; otherwise it is
  std::uint64_t dominated_by = 0;  // dominated by this member
};

struct FinalFront {
  std::vector<Objective> objectives;
  std::vector<Limit> limits;
  bool confirmed = false;
  int validation_tokens = 0;         // on which the confirmed perplexity is
  std::string unsimulated;           // why confirmed costs are the predicted ones; empty: simulated
  std::vector<FrontMember> members;  // ordered as Archive::front(), by the confirmed objectives
  std::vector<DroppedMember> dropped;
};

// The archive's front as the search sees it, not confirmed.
FinalFront predicted_front(const Archive& archive);

// The archive's front judged again by `confirmed`, one of each member of archive.front() in that
// order. Members that break a limit then, or that another member dominates, are dropped. Networks
// that were not on the front are not looked at again.
FinalFront judge_front(const Archive& archive, const std::vector<Objectives>& confirmed);

// Throws Error naming the limits, and the lowest value found for each, when the archive's front is
// empty.
void require_front(const Archive& archive);

// Index of the member where the front bends most: the farthest from the line through its ends, on
// the side of the ideal point (Das 1999, "On characterizing the 'knee' of the Pareto curve based on
// Normal-Boundary Intersection", Structural Optimization 18). Every objective is taken as its
// logarithm and scaled to [0, 1] over the front, x = (log f - log f_min) / (log f_max - log f_min),
// so that the distance of a member is (1 - x_1 - x_2) / sqrt 2. With more than two objectives x_2
// is the mean of all but perplexity (or else the first objective): costs fall together, and Das's
// plane through the best member of each is then nearly, or not at all, determined. The first of
// equals; nothing when the front is empty.
std::optional<std::size_t> knee(const FinalFront& front);

// The members to show, by increasing confirmed perplexity, indices into front.members: of those
// whose loss is less than `least` above that of the one shown before only the knee, the ends and
// those of best_within(). Where these are more than `most`, `least` grows until they are not, or
// none but the named ones are left.
struct ShownMembers {
  std::vector<std::size_t> indices;
  double least;  // as it became
};
ShownMembers distinct_members(const FinalFront& front, double least, std::size_t most = SIZE_MAX);

// The member of a front to take within a bound.
struct BestWithin {
  Limit limit;
  // Of a bound that is a distance to the best value of the front; absent for a limit of the run.
  std::optional<double> above_best;
  Objective minimised = Objective::kPerplexity;  // what the member is the best in
  std::optional<std::size_t> member;             // nothing: no member keeps it
};

// For every limit of the run the member that keeps it with the lowest perplexity (for a limit on
// perplexity: the lowest first other objective), then the cheapest members with a perplexity of at
// most 0.1 and 1 above the front's best, distances at which the survey reports (Sec. 6.4). Without
// perplexity among the objectives, the first objective takes its place and there is no second part.
std::vector<BestWithin> best_within(const FinalFront& front);
// "edp, perplexity at most 8.12 (best + 0.1)"
std::string describe(const BestWithin& best);

// Which members of a front a person asks for: those that keep the limits, and of them
struct MemberChoice {
  std::string id;                 // the one whose ID begins so,
  bool knee = false;              // or the knee of the whole front,
  std::optional<Objective> best;  // or the lowest in this; all of them if none of the three is set
  std::vector<Limit> limits;      // on confirmed values

  bool is_all() const { return id.empty() && !knee && !best && limits.empty(); }
};
// Indices into front.members, in their order. Throws InputError when none is left, when an ID's
// beginning is that of several, and when an objective is not known of the front.
std::vector<std::size_t> chosen_members(const FinalFront& front, const MemberChoice& choice);

// How far predictions were off, over members and dropped ones: |predicted / simulated - 1|.
struct PredictionError {
  double mean = 0, largest = 0;
};
PredictionError prediction_error(const FinalFront& front, Objective objective);

}  // namespace paretoformer::nas
