#include "nas/core/final_front.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/statistics.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kPerplexityBudgets[] = {0.1, 1};

Point point_of(const FinalFront& front, const FrontMember& member) {
  Point point;
  for (Objective objective : front.objectives) point.push_back(value(member.confirmed, objective));
  return point;
}

// What the others are weighed against: the first perplexity that is searched for, if any.
Objective main_objective(const FinalFront& front) {
  const auto& all = front.objectives;
  const auto found = std::find_if(all.begin(), all.end(), is_perplexity);
  return found != all.end() ? *found : all.front();
}

Objective first_other(const FinalFront& front, Objective than) {
  for (Objective objective : front.objectives)
    if (objective != than) return objective;
  return than;
}

std::optional<std::size_t> lowest(const FinalFront& front, Objective objective,
                                  const Limit& limit) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < front.members.size(); ++i) {
    const Objectives& own = front.members[i].confirmed;
    if (value(own, limit.objective) > limit.maximum) continue;
    if (!best || value(own, objective) < value(front.members[*best].confirmed, objective)) best = i;
  }
  return best;
}

DroppedMember dropped(const FinalFront& front, FrontMember member) {
  DroppedMember result{std::move(member), {}, 0};
  for (const Limit& limit : front.limits)
    if (!feasible(result.member.confirmed, {limit})) {
      result.limit = limit;
      return result;
    }
  const Point point = point_of(front, result.member);
  for (const FrontMember& other : front.members)
    if (dominates(point_of(front, other), point)) {
      result.dominated_by = other.candidate.id;
      break;
    }
  return result;
}

}  // namespace

FinalFront predicted_front(const Archive& archive) {
  FinalFront result;
  result.objectives = archive.objectives();
  result.limits = archive.limits();
  for (std::size_t index : archive.front()) {
    const Candidate& candidate = archive.candidates()[index];
    result.members.push_back({candidate, candidate.objectives});
  }
  return result;
}

FinalFront judge_front(const Archive& archive, const std::vector<Objectives>& confirmed) {
  FinalFront result = predicted_front(archive);
  if (confirmed.size() != result.members.size())
    throw Error("confirmed objectives of " + std::to_string(confirmed.size()) + " networks: " +
                "expected those of the front, " + std::to_string(result.members.size()));
  const std::vector<FrontMember> predicted = std::exchange(result.members, {});
  result.confirmed = true;
  Archive judged(archive.objectives(), archive.limits());
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    Candidate candidate = predicted[i].candidate;
    candidate.objectives = confirmed[i];
    judged.add(std::move(candidate));
  }
  std::vector<bool> kept(predicted.size());
  for (std::size_t index : judged.front()) {
    kept[index] = true;
    result.members.push_back({predicted[index].candidate, confirmed[index]});
  }
  for (std::size_t i = 0; i < predicted.size(); ++i)
    if (!kept[i]) result.dropped.push_back(dropped(result, {predicted[i].candidate, confirmed[i]}));
  return result;
}

void require_front(const Archive& archive) {
  if (!archive.front().empty()) return;
  std::string closest;
  for (const Limit& limit : archive.limits()) {
    if (limit.soft) continue;
    double best = INFINITY;
    for (const Candidate& candidate : archive.candidates())
      best = std::min(best, value(candidate.objectives, limit.objective));
    closest += (closest.empty() ? "" : ", ") + name_of(limit.objective) +
               fmt::format(" <= {:.6g} (the lowest found is {:.6g})", limit.maximum, best);
  }
  throw Error("no network of " + std::to_string(archive.size()) +
              " evaluated meets all limits: " + closest);
}

std::optional<std::size_t> knee(const FinalFront& front) {
  std::vector<double> sums(front.members.size());
  const double others = std::max(1.0, static_cast<double>(front.objectives.size()) - 1);
  for (Objective objective : front.objectives) {
    const double weight = objective == main_objective(front) ? 1 : 1 / others;
    std::vector<double> logs;
    for (const FrontMember& member : front.members)
      logs.push_back(value(member.confirmed, objective));
    if (logs.empty()) return {};
    // A cost may be 0, which has no logarithm.
    if (*std::min_element(logs.begin(), logs.end()) > 0)
      for (double& value : logs) value = std::log(value);
    const auto [low, high] = std::minmax_element(logs.begin(), logs.end());
    if (!(*high > *low)) continue;  // says nothing of one member against another
    for (std::size_t i = 0; i < logs.size(); ++i)
      sums[i] += weight * (logs[i] - *low) / (*high - *low);
  }
  const auto least = std::min_element(sums.begin(), sums.end());
  if (least == sums.end()) return {};
  return static_cast<std::size_t>(least - sums.begin());
}

std::vector<BestWithin> best_within(const FinalFront& front) {
  const Objective main = main_objective(front);
  std::vector<BestWithin> result;
  for (const Limit& limit : front.limits) {
    const Objective minimised = limit.objective == main ? first_other(front, main) : main;
    result.push_back({limit, {}, minimised, lowest(front, minimised, limit)});
  }
  if (!is_perplexity(main) || front.members.empty()) return result;
  double best = INFINITY;
  for (const FrontMember& member : front.members)
    best = std::min(best, value(member.confirmed, main));
  const Objective cost = first_other(front, main);
  for (const double budget : kPerplexityBudgets) {
    const Limit limit{main, best + budget};
    result.push_back({limit, budget, cost, lowest(front, cost, limit)});
  }
  return result;
}

std::string describe(const BestWithin& best) {
  std::string text = "lowest " + name_of(best.minimised) + " with " +
                     name_of(best.limit.objective) + fmt::format(" <= {:.6g}", best.limit.maximum);
  if (best.above_best) text += fmt::format(" (best + {:g})", *best.above_best);
  return text;
}

namespace {

// The ends, the knee and those of best_within(); `order` is by perplexity.
std::set<std::size_t> named_members(const FinalFront& front,
                                    const std::vector<std::size_t>& order) {
  std::set<std::size_t> named;
  if (!order.empty()) named = {order.front(), order.back()};
  if (const auto bend = knee(front)) named.insert(*bend);
  for (const BestWithin& best : best_within(front))
    if (best.member) named.insert(*best.member);
  return named;
}

}  // namespace

ShownMembers distinct_members(const FinalFront& front, double least, std::size_t most) {
  constexpr double kFirstLeast = 1e-4, kGrowth = 1.25;  // nats, and that finely to `most`
  std::vector<std::size_t> order(front.members.size());
  std::iota(order.begin(), order.end(), 0);
  const auto loss = [&](std::size_t i) { return front.members[i].confirmed.validation_loss; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return front.members[a].confirmed.perplexity < front.members[b].confirmed.perplexity;
  });
  const std::set<std::size_t> named = named_members(front, order);
  for (;; least = std::max(kFirstLeast, kGrowth * least)) {
    std::vector<std::size_t> shown;
    for (const std::size_t i : order)
      if (named.contains(i) || loss(i) - loss(shown.back()) >= least) shown.push_back(i);
    if (shown.size() <= std::max(most, named.size())) return {shown, least};
  }
}

namespace {

void require_known(const FinalFront& front, Objective objective) {
  for (const FrontMember& member : front.members)
    if (!(value(member.confirmed, objective) > 0))
      throw InputError(name_of(objective) + ": is not known of member " + hex(member.candidate.id) +
                       " of the front");
}

}  // namespace

std::vector<std::size_t> chosen_members(const FinalFront& front, const MemberChoice& choice) {
  for (const Limit& limit : choice.limits) require_known(front, limit.objective);
  if (choice.best) require_known(front, *choice.best);
  const auto own = [&](std::size_t i) -> const Objectives& { return front.members[i].confirmed; };
  const std::optional<std::size_t> bend = knee(front);
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < front.members.size(); ++i)
    if (feasible(own(i), choice.limits) && (!choice.knee || bend == i) &&
        hex(front.members[i].candidate.id).starts_with(choice.id))
      chosen.push_back(i);
  if (!choice.id.empty() && chosen.size() != 1)
    throw InputError(
        fmt::format("\"{}\" is that of {} members of the front: expected the "
                    "beginning of one ID",
                    choice.id, chosen.size()));
  if (chosen.empty())
    throw InputError(
        fmt::format("none of the front's {} members keeps the limits", front.members.size()));
  if (choice.best)
    chosen = {*std::min_element(chosen.begin(), chosen.end(), [&](std::size_t a, std::size_t b) {
      return value(own(a), *choice.best) < value(own(b), *choice.best);
    })};
  return chosen;
}

PredictionError prediction_error(const FinalFront& front, Objective objective) {
  PredictionError error;
  double count = 0;
  const auto add = [&](const FrontMember& member) {
    const double relative = relative_error(value(member.candidate.objectives, objective),
                                           value(member.confirmed, objective));
    error.mean += relative;
    error.largest = std::max(error.largest, relative);
    ++count;
  };
  for (const FrontMember& member : front.members) add(member);
  for (const DroppedMember& each : front.dropped) add(each.member);
  if (count > 0) error.mean /= count;
  return error;
}

}  // namespace paretoformer::nas
