#include <fmt/format.h>

#include <optional>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/trained_run.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/comparison_report.hpp"
#include "nas/report/plot.hpp"
#include "nas/run/comparison.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct CompareOptions {
  RunArguments run;
  std::vector<std::string> algorithms;  // contestant_from_text(); empty: all
  int seeds = 10;
  std::int64_t enumerable = 32768;  // spaces of so many networks at most are enumerated
};

// Algorithms, and ways of pruning, which are for one machine.
std::vector<std::string> all_contestants(const RunConfig& config) {
  std::vector<std::string> names = algorithm_names();
  if (config.hardware_space.empty())
    for (std::string& way : kPruningWords.all()) names.push_back(std::move(way));
  return names;
}

void compare_algorithms(const CompareOptions& options, const CommonOptions& common) {
  const RunConfig config = options.run.config();
  const SearchSpace designs = config.space.with_hardware(config.hardware_space.choices());
  std::vector<Contestant> contestants;  // refused before anything is written
  for (const std::string& text :
       options.algorithms.empty() ? all_contestants(config) : options.algorithms) {
    contestants.push_back(contestant_from_text(text, config.search));
    spaces_of(contestants.back(), designs);
  }
  TrainedRun trained(config, options.run.options.resume, false, common.ranks);
  auto& [run, proxy, losses, evaluator] = trained;

  const Stopwatch stopwatch;
  const std::size_t known = losses.size();
  LongWork work;
  std::optional<Pruner> pruner;             // made when there is something to prune
  const auto prune = [&](PruningWay way) {  // clang lets no part of a structured binding in here
    if (!pruner) pruner.emplace(trained.proxy, std::vector<float>());
    return pruned_fronts(*pruner, {&way, 1}, trained.evaluator.predictor(), PrunedScore::kSearch,
                         work.watch())[0]
        .networks;
  };
  ComparisonTask task{.space = proxy.designs(),
                      .objectives = config.objectives,
                      .limits = config.limits,
                      .contestants = contestants,
                      .seeds = options.seeds,
                      .step = config.search.population,
                      .budget = config.search.evaluations,
                      .losses = evaluator.losses(),
                      .predictors = evaluator.predictors(),
                      .context = proxy.context(),
                      .prune = prune,
                      .enumerable = options.enumerable};
  const auto races = static_cast<std::int64_t>(contestants.size()) * task.seeds;
  task.watch = work.watch();
  const Comparison comparison = compare(task);
  work.end();
  const double seconds = stopwatch.seconds();

  Json json = comparison_json(comparison);
  write_file_atomic(run.comparison(), to_text(json));
  write_file_atomic(run.comparison_plot(),
                    comparison_svg(comparison, "Search algorithms on " + proxy.space().name() +
                                                   ", medians and quartiles of " +
                                                   std::to_string(task.seeds) + " seeds"));
  if (comparison.true_hypervolume)
    write_file_atomic(run.loss_table(), loss_table(comparison.losses));
  if (common.json) {
    json["run"] = run.path().string();
    json["losses"] = {{"measured_now", losses.size() - known}, {"known_before", known}};
    return print(to_text(json));
  }
  if (comparison.true_hypervolume)
    print(fmt::format("all {} networks of the space evaluated: {} on the true front\n",
                      proxy.designs().count(), comparison.true_front));
  print(comparison_table(comparison));
  print(fmt::format("{} searches in {:.1f} s; losses measured now: {}, known before: {}\n", races,
                    seconds, losses.size() - known, known));
  print("Comparison: " + path_text(run.comparison()) +
        "  picture: " + path_text(run.comparison_plot()) + "\n");
}

}  // namespace

void add_compare(CLI::App& app, CommonOptions& common) {
  CLI::App* verb =
      app.add_subcommand("compare", "Search with several algorithms and seeds: which is better?");
  CompareOptions& options = options_of(verb, common, compare_algorithms);
  add_run(verb, options.run, common, "Use what is in the run folder, and continue");
  verb->add_option("--algorithms", options.algorithms,
                   "Algorithms, with keys of \"search\": evolution:screening=1,random "
                   "(NAME[:KEY=VALUE]...); with a hardware_space, "
                   "evolution:apart=4 searches on 4 fixed ones, each with a quarter of the budget; "
                   "magnitude, fisher, fisher_tuned: the largest network pruned. Default: all")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb->add_option("--seeds", options.seeds, "Searches per algorithm")->check(CLI::Range(1, 10000));
  verb->add_option("--enumerate", options.enumerable,
                   "Evaluate all networks of spaces up to this size, for the true front")
      ->check(CLI::Range(0, 100'000'000));
}

}  // namespace paretoformer::nas
