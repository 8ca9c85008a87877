#include "nas/run/comparison.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numeric>
#include <unordered_map>

#include "search_spaces/search_space.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

constexpr int kMostApart = 4096;
constexpr std::size_t kChunk = 64;  // networks enumerated between two looks at the watch

void check_stop(const ComparisonTask& task) {
  if (task.watch.stopping()) throw Interrupted("comparison stopped");
}

// The losses of all networks of the space, which then cost nothing.
struct Enumeration {
  std::vector<Architecture> networks;
  std::unordered_map<std::uint64_t, std::array<double, 3>> sums;  // by id, then part
};

Enumeration enumerate(const ComparisonTask& task) {
  Enumeration all;
  task.space.enumerate([&](const Architecture& network) {
    all.networks.push_back(network);
    return true;
  });
  for (std::size_t begin = 0; begin < all.networks.size(); begin += kChunk) {
    check_stop(task);
    const auto part =
        std::span(all.networks).subspan(begin, std::min(kChunk, all.networks.size() - begin));
    const std::vector<double> quarter = task.losses.sums(part, LossPart::kQuarter);
    const std::vector<double> rest = task.losses.sums(part, LossPart::kRest);
    const std::vector<double> int8 =
        task.losses.int8 ? task.losses.sums(part, LossPart::kInt8) : std::vector(part.size(), 0.0);
    for (std::size_t i = 0; i < part.size(); ++i)
      all.sums[architecture_id(part[i])] = {quarter[i], rest[i], int8[i]};
    task.watch.report({"all networks", static_cast<std::int64_t>(begin + part.size()),
                       static_cast<std::int64_t>(all.networks.size())});
  }
  return all;
}

LossSource losses_of(const Enumeration& all, const LossSource& source) {
  LossSource result = source;
  result.sums = [&all](std::span<const Architecture> networks, LossPart part) {
    std::vector<double> sums;
    for (const Architecture& network : networks)
      sums.push_back(all.sums.at(architecture_id(network))[static_cast<std::size_t>(part)]);
    return sums;
  };
  return result;
}

Archive archive_of(const ComparisonTask& task, CandidateEvaluator& evaluator,
                   std::span<const Architecture> networks) {
  Archive archive(task.objectives, task.limits);
  const std::vector<Objectives> objectives = evaluator.evaluate(networks);
  for (std::size_t i = 0; i < networks.size(); ++i)
    archive.add({architecture_id(networks[i]), networks[i], objectives[i]});
  return archive;
}

// Of the first so many of each archive.
double hypervolume_of_first(const std::vector<Archive>& archives, std::size_t count,
                            const Point& reference) {
  std::vector<Point> front;
  for (const Archive& archive : archives) {
    std::vector<std::size_t> members(std::min(count, archive.size()));
    std::iota(members.begin(), members.end(), std::size_t{0});
    for (std::size_t member : archive.front(members))
      front.push_back(archive.point(archive.candidates()[member]));
  }
  return hypervolume(front, reference);
}

// Of a box or a front without a volume nothing is found.
double share(double volume, double unit) { return unit > 0 ? volume / unit : 0; }

// What is smaller than a millionth is no difference: there are fronts whose members nearly
// coincide.
double rounded(double share) { return std::round(share * 1e6) * 1e-6; }

// What of each checkpoint's evaluations is found, in all archives together.
void measure(const std::vector<Archive>& archives, const Comparison& comparison, double unit,
             Race& race) {
  for (std::int64_t checkpoint : comparison.checkpoints)
    race.hypervolumes.push_back(rounded(
        share(hypervolume_of_first(archives, static_cast<std::size_t>(checkpoint) / archives.size(),
                                   comparison.reference),
              unit)));
}

Race run_pruning(const ComparisonTask& task, PruningWay way, const CandidateEvaluator& evaluator,
                 const Comparison& comparison, double unit) {
  Race race;
  std::vector<Archive> archives(1, Archive(task.objectives, task.limits));
  for (const PrunedLoss& each : task.prune(way)) {
    Objectives objectives = with_loss(evaluator.cost(each.architecture), each.loss);
    if (task.losses.int8 && each.loss_int8 == 0) continue;  // it cannot be quantised
    if (task.losses.int8) objectives = with_int8_loss(objectives, each.loss_int8);
    archives[0].add({architecture_id(each.architecture), each.architecture, objectives});
    ++race.work;
  }
  race.evaluations = archives[0].size();
  measure(archives, comparison, unit, race);
  return race;
}

Race run_race(const ComparisonTask& task, const LossSource& losses, const Contestant& contestant,
              std::uint64_t seed, const Comparison& comparison, double unit) {
  CandidateEvaluator evaluator(losses, task.predictors, task.context);
  SearchHooks hooks;
  hooks.watch = task.watch.part();
  const std::vector<SearchSpace> spaces = spaces_of(contestant, task.space);
  SearchConfig config = contestant.config;
  config.evaluations = std::max<std::int64_t>(1, config.evaluations / std::ssize(spaces));
  std::vector<Archive> archives;
  Race race;
  for (const SearchSpace& space : spaces) {
    archives.emplace_back(task.objectives, task.limits);
    search(space, config, seed, evaluator, archives.back(), hooks);
    race.evaluations += archives.back().size();
  }
  race.work = evaluator.work();
  measure(archives, comparison, unit, race);
  return race;
}

}  // namespace

std::vector<SearchSpace> spaces_of(const Contestant& contestant, const SearchSpace& designs) {
  const std::vector<std::vector<int>> all = designs.hardware();
  if (contestant.pruning && !all[0].empty())
    throw InputError("--algorithms " + contestant.name +
                     ": pruning is for one machine, and there is a choice (\"hardware_space\")");
  if (contestant.apart == 0) return {designs};
  const auto count = static_cast<std::size_t>(contestant.apart);
  if (all.size() < 2 || all.size() < count)
    throw InputError("--algorithms " + contestant.name + ": there are " +
                     std::to_string(all.size() < 2 ? 0 : all.size()) +
                     " combinations of hardware (\"hardware_space\") to search apart");
  std::vector<SearchSpace> spaces;
  for (std::size_t i = 0; i < count; ++i)
    spaces.push_back(designs.only_on(all[count == 1 ? 0 : i * (all.size() - 1) / (count - 1)]));
  return spaces;
}

Contestant contestant_from_text(const std::string& text, const SearchConfig& base) {
  const std::string where = "--algorithms " + text;
  if (const auto way = kPruningWords.find(text.substr(0, text.find(':')))) {
    if (text.find(':') != std::string::npos)
      throw InputError(where + ": pruning has no keys, expected \"" +
                       std::string(kPruningWords.word_of(*way)) + "\"");
    return {text, way, base};
  }
  Json json = to_json(base);
  int apart = 0;
  std::size_t begin = 0;
  for (bool first = true; begin <= text.size(); first = false) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equals = part.find('=');
    if (first) {
      json["algorithm"] = part;
    } else if (equals == std::string::npos) {
      throw InputError(where + ": \"" + part + "\" is not KEY=VALUE");
    } else if (part.starts_with("evaluations=") || part.starts_with("algorithm=")) {
      throw InputError(where + ": \"" + part +
                       "\" is not one of the keys in which they may differ");
    } else if (part.starts_with("apart=")) {
      const Json number = json_or_string(part.substr(equals + 1), where);
      apart = static_cast<int>(JsonNode(number, where, "/apart").integer(1, kMostApart));
    } else {
      json[part.substr(0, equals)] = json_or_string(part.substr(equals + 1), where);
    }
  }
  return {text, {}, search_config_from_json(JsonNode(json, where)), apart};
}

std::vector<double> Comparison::hypervolumes(std::size_t contestant, std::size_t checkpoint) const {
  std::vector<double> values;
  for (const Race& race : races[contestant]) values.push_back(race.hypervolumes[checkpoint]);
  return values;
}

Comparison compare(const ComparisonTask& task) {
  Comparison result;
  result.contestants = task.contestants;
  result.objectives = task.objectives;
  for (std::int64_t at = task.step; at < task.budget; at += task.step)
    result.checkpoints.push_back(at);
  result.checkpoints.push_back(task.budget);
  for (Contestant& contestant : result.contestants) {
    contestant.config.evaluations = task.budget;
    spaces_of(contestant, task.space);  // or refuses
  }

  CandidateEvaluator evaluator(task.losses, task.predictors, task.context);
  const Archive corners = archive_of(task, evaluator, task.space.extremes());
  result.reference = reference_point(corners);

  const bool enumerated = task.space.count_up_to(task.enumerable + 1) <= task.enumerable;
  Enumeration all;
  LossSource losses = task.losses;
  double unit =
      std::accumulate(result.reference.begin(), result.reference.end(), 1.0, std::multiplies<>());
  if (enumerated) {
    all = enumerate(task);
    losses = losses_of(all, task.losses);
    CandidateEvaluator known(losses, task.predictors, task.context);
    const Archive space = archive_of(task, known, all.networks);
    unit = space.hypervolume(result.reference);
    result.true_hypervolume = unit;
    result.true_front = space.front().size();
    for (const Architecture& network : all.networks) {
      const auto& [quarter, rest, int8] = all.sums.at(architecture_id(network));
      result.losses.push_back({quarter / losses.quarter, (quarter + rest) / losses.sequences});
    }
  }
  const auto seeds = static_cast<std::size_t>(task.seeds);
  result.races.assign(result.contestants.size(), std::vector<Race>(seeds));
  std::mutex progress;
  const std::size_t count = result.contestants.size() * seeds;
  std::int64_t done = 0;
  for (std::size_t i = 0; i < result.contestants.size(); ++i)
    if (const auto way = result.contestants[i].pruning)
      result.races[i].assign(seeds, run_pruning(task, *way, evaluator, result, unit));
  const auto race = [&](std::size_t index) {
    check_stop(task);
    const Contestant& contestant = result.contestants[index / seeds];
    if (!contestant.pruning)
      result.races[index / seeds][index % seeds] =
          run_race(task, losses, contestant, index % seeds + 1, result, unit);
    const std::scoped_lock lock(progress);
    task.watch.report({"searches", ++done, static_cast<std::int64_t>(count)});
  };
  // One after the other where evaluations use all threads themselves.
  if (enumerated) {
    parallel_tasks(count, race);
  } else {
    for (std::size_t i = 0; i < count; ++i) race(i);
  }
  return result;
}

}  // namespace paretoformer::nas
