#include "nas/report/comparison_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "support/json.hpp"
#include "support/statistics.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kGoal = 0.99;
// A difference is called one below this probability of its being chance.
constexpr double kSignificance = 0.01;

// The first checkpoint at which the median reaches the goal; -1: none does.
std::int64_t evaluations_to_goal(const Comparison& comparison, std::size_t contestant) {
  for (std::size_t i = 0; i < comparison.checkpoints.size(); ++i)
    if (quartiles(comparison.hypervolumes(contestant, i)).median >= kGoal)
      return comparison.checkpoints[i];
  return -1;
}

// An eighth, a quarter and half of the budget, and all of it, as indices of checkpoints.
std::vector<std::size_t> shown_checkpoints(const Comparison& comparison) {
  const std::size_t count = comparison.checkpoints.size();
  std::vector<std::size_t> shown;
  for (std::size_t part : {8, 4, 2, 1}) {
    const std::size_t index = std::max<std::size_t>(1, count / part) - 1;
    if (shown.empty() || index > shown.back()) shown.push_back(index);
  }
  return shown;
}

double mean_work(const std::vector<Race>& races) {
  double sum = 0;
  for (const Race& race : races) sum += race.work;
  return sum / static_cast<double>(races.size());
}

}  // namespace

Json comparison_json(const Comparison& comparison) {
  Json json;
  json["objectives"] = Json::array();
  for (Objective objective : comparison.objectives)
    json["objectives"].push_back(name_of(objective));
  json["reference_point"] = comparison.reference;
  json["unit"] = comparison.true_hypervolume ? "share of the true front's hypervolume"
                                             : "share of the reference box";
  if (comparison.true_hypervolume) {
    json["true_hypervolume"] = *comparison.true_hypervolume;
    json["true_front"] = comparison.true_front;
  }
  json["evaluations"] = comparison.checkpoints;
  json["algorithms"] = Json::array();
  for (std::size_t i = 0; i < comparison.contestants.size(); ++i) {
    Json medians = Json::array(), lower = Json::array(), upper = Json::array(), p = Json::array();
    for (std::size_t at = 0; at < comparison.checkpoints.size(); ++at) {
      const std::vector<double> values = comparison.hypervolumes(i, at);
      const Quartiles q = quartiles(values);
      medians.push_back(q.median);
      lower.push_back(q.lower);
      upper.push_back(q.upper);
      p.push_back(mann_whitney_p(comparison.hypervolumes(0, at), values));
    }
    const Contestant& contestant = comparison.contestants[i];
    Json each{{"name", contestant.name},
              {"search", contestant.pruning ? Json() : to_json(contestant.config)},
              {"seeds", comparison.races[i].size()},
              {"median", medians},
              {"lower_quartile", lower},
              {"upper_quartile", upper},
              {"p_value", p},
              {"final", comparison.hypervolumes(i, comparison.checkpoints.size() - 1)},
              {"evaluations_used", Json::array()},
              {"text_scored", Json::array()}};
    for (const Race& race : comparison.races[i]) {
      each["evaluations_used"].push_back(race.evaluations);
      each["text_scored"].push_back(race.work);
    }
    if (comparison.true_hypervolume) {
      const std::int64_t needed = evaluations_to_goal(comparison, i);
      each["evaluations_to_99_percent"] = needed < 0 ? Json() : Json(needed);
    }
    json["algorithms"].push_back(std::move(each));
  }
  return json;
}

std::string comparison_table(const Comparison& comparison) {
  const bool known = comparison.true_hypervolume.has_value();
  const std::vector<std::size_t> shown = shown_checkpoints(comparison);
  std::size_t widest = std::string("evaluations").size();
  for (const Contestant& contestant : comparison.contestants)
    widest = std::max(widest, contestant.name.size());
  const auto name = [&](std::string text) { return text.append(widest - text.size(), ' '); };
  std::string table = name("evaluations");
  for (std::size_t at : shown) table += fmt::format(" {:22}", comparison.checkpoints[at]);
  table += known ? "    99 % at   text\n" : "   text\n";
  for (std::size_t i = 0; i < comparison.contestants.size(); ++i) {
    table += name(comparison.contestants[i].name);
    double p = 1, first = 0, own = 0;
    for (std::size_t at : shown) {
      const Quartiles q = quartiles(comparison.hypervolumes(i, at));
      const auto shown_value = [&](double v) { return known ? 100 * (1 - v) : 100 * v; };
      table += fmt::format(" {:>7.3f} [{:>5.3f}, {:>6.3f}]", shown_value(q.median),
                           shown_value(known ? q.upper : q.lower),
                           shown_value(known ? q.lower : q.upper));
      p = mann_whitney_p(comparison.hypervolumes(0, at), comparison.hypervolumes(i, at));
      first = quartiles(comparison.hypervolumes(0, at)).median;
      own = q.median;
    }
    const std::int64_t needed = known ? evaluations_to_goal(comparison, i) : -1;
    if (known) table += needed < 0 ? std::string("      never") : fmt::format(" {:10}", needed);
    table += fmt::format(" {:>6.0f}", mean_work(comparison.races[i]));
    if (i > 0) table += fmt::format("  p = {:.1e}", p);
    if (i > 0 && !(p >= kSignificance)) table += own < first ? " worse" : " better";
    table += "\n";
  }
  return table +
         (known ? "What is missing of the true front's hypervolume, in %: median and quartiles"
                : "Hypervolume in % of the reference box: median and quartiles") +
         fmt::format(
             " of {} seeds.\ntext: what was scored, in evaluations on all validation "
             "sequences; p: of a difference from the first line at the last column (Mann and "
             "Whitney)\n",
             comparison.races.front().size());
}

std::string loss_table(const std::vector<std::array<double, 2>>& losses) {
  std::string text;
  for (const auto& [quarter, all] : losses)
    text += fmt::format("{:.0f} {:.0f}\n", 1e5 * quarter, 1e5 * all);
  return text;
}

}  // namespace paretoformer::nas
