#include "nas/core/search.hpp"

#include <fmt/format.h>

#include <cmath>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/trained_run.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/front_report.hpp"
#include "nas/report/training_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_search.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

constexpr int kSeparationNetworks = 20;

struct SearchOptions {
  RunArguments run;
  bool all = false;
};

struct Extremes {
  Objectives smallest, largest;
};

Extremes evaluate_extremes(const ProxyTask& proxy, CandidateEvaluator& evaluator) {
  const std::vector<Architecture> networks{proxy.space().smallest(), proxy.space().largest()};
  const std::vector<Objectives> objectives = evaluator.evaluate(networks);
  return {objectives[0], objectives[1]};
}

Json to_json(const Separation& s) {
  return Json{
      {"model_width", s.model_width},     {"networks", s.networks},           {"spread", s.spread},
      {"shared_change", s.shared_change}, {"subset_change", s.subset_change}, {"ratio", s.ratio()}};
}

Json perplexities(const ProxyTask& proxy, const Extremes& extremes) {
  Json json{{"unigram", proxy.corpus().unigram_perplexity},
            {"smallest", extremes.smallest.perplexity},
            {"largest", extremes.largest.perplexity}};
  if (proxy.corpus().oracle_perplexity) json["source"] = *proxy.corpus().oracle_perplexity;
  const Json per_token = json;
  for (const auto& [name, perplexity] : per_token.items()) {
    Json units;
    add_per_word_and_byte(units, proxy.corpus(), std::log(perplexity.get<double>()));
    for (const auto& [unit, value] : units.items()) json[unit][name] = value;
  }
  return json;
}

// In words; "" when the budget is spent.
std::string why_it_ended(SearchEnd end, const SearchConfig& config) {
  switch (end) {
    case SearchEnd::kBudget:
      break;
    case SearchEnd::kExhausted:
      return "stopped: every network of the space is evaluated\n";
    case SearchEnd::kStalled:
      return "stopped: the algorithm, " + config.algorithm + ", has no more networks to propose\n";
    case SearchEnd::kPlateau:
      return fmt::format("stopped: the hypervolume grew by less than {:g} % in {} generation{}\n",
                         100 * kLeastProgress, config.patience, config.patience == 1 ? "" : "s");
  }
  return "";
}

void search_and_print(const SearchOptions& given, const CommonOptions& common) {
  TrainedRun trained(given.run.config(), given.run.options.resume, true, common.ranks);
  auto& [run, proxy, losses, evaluator] = trained;

  const Extremes extremes = evaluate_extremes(proxy, evaluator);
  const Separation separation = measure_separation(proxy, kSeparationNetworks, run.config().seed);
  const std::string summary =
      perplexity_summary(proxy, extremes.smallest.perplexity, extremes.largest.perplexity) +
      separation_summary(separation) +
      convergence_summary(supernet::read_probe_records(run.convergence()));
  log_notice(summary);

  auto [found, front, json] = found_front(trained);
  const auto& [archive, end, last] = found;
  if (common.json) {
    json["run"] = run.path().string();
    json["perplexities"] = perplexities(proxy, extremes);
    json["separation"] = to_json(separation);
    json["ended"] = name_of(end);
    return print(to_text(json));
  }
  print("\n" + front_table(proxy.corpus(), front, extremes.largest, text_error(proxy, front),
                           given.all, run.config().hardware_space));
  print(summary);
  print(fmt::format("{} of {:.4g} networks evaluated, {} on the front, hypervolume {:.4f} of the "
                    "reference box (generation 0)\n",
                    archive.size(), static_cast<double>(proxy.designs().count_up_to(INT64_MAX)),
                    front.members.size(), last.hypervolume) +
        why_it_ended(end, run.config().search));
  print("Front: " + path_text(run.front()) + "  report: " + path_text(run.report()) +
        "\nLook at it: paretoformer show " + path_text(run.path()) +
        "  take networks away: paretoformer export " + path_text(run.path()) + " --knee\n");
}

void train_only(const RunArguments& given, const CommonOptions& common) {
  TrainedRun trained(given.config(), given.options.resume, false, common.ranks);
  auto& [run, proxy, losses, evaluator] = trained;
  const Extremes extremes = evaluate_extremes(proxy, evaluator);
  const Separation separation = measure_separation(proxy, kSeparationNetworks, run.config().seed);
  const std::vector<supernet::ProbeRecord> probes = supernet::read_probe_records(run.convergence());
  if (common.json)
    return print(
        to_text(Json{{"run", run.path().string()},
                     {"steps", probes.empty() ? run.config().training.steps : probes.back().step},
                     {"perplexities", perplexities(proxy, extremes)},
                     {"separation", to_json(separation)},
                     {"convergence", convergence_json(probes)}}));
  print(perplexity_summary(proxy, extremes.smallest.perplexity, extremes.largest.perplexity) +
        separation_summary(separation) + convergence_summary(probes) +
        "Supernet: " + path_text(run.supernet()) + "\n");
}

}  // namespace

void add_search(CLI::App& app, CommonOptions& common) {
  CLI::App* search = app.add_subcommand("search", "Train a supernet, search, write the front");
  SearchOptions& given = options_of(search, common, search_and_print);
  add_run(search, given.run, common, "Continue an interrupted run");
  search->add_option("--algorithm", given.run.algorithm, "evolution, nsga2, random, ...");
  search->add_option("--seed-architectures", given.run.seed_architectures,
                     "Networks to begin with: JSON file of one, of a list, or of a front");
  search->add_flag("--all", given.all, "Print every member of the front, not a screen of them");
  search->footer(
      "On several machines: mpirun -n N paretoformer search ..., in a build with MPI; or "
      "paretoformer worker RUN on any that see the run folder. docs/cluster.md says more.");
}

void add_train(CLI::App& app, CommonOptions& common) {
  CLI::App* train = app.add_subcommand("train", "Train the supernet only");
  RunArguments& given = options_of(train, common, train_only);
  add_run(train, given, common, "Continue an interrupted training");
  train->add_option("--from", given.start,
                    "Start from trained weights of the largest network: safetensors file of a "
                    "training, of export, or of a GPT-2");
}

}  // namespace paretoformer::nas
