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

// What is known of a supernet before it is searched.
struct Measured {
  Objectives smallest, largest;  // networks
  Separation separation;
  std::vector<supernet::ProbeRecord> probes;
  std::string summary;
};

Measured measured(TrainedRun& trained) {
  const ProxyTask& proxy = trained.proxy;
  const std::vector<Architecture> networks{proxy.space().smallest(), proxy.space().largest()};
  const std::vector<Objectives> objectives = trained.evaluator.evaluate(networks);
  Measured result{objectives[0], objectives[1],
                  measure_separation(proxy, kSeparationNetworks, trained.folder.config().seed),
                  supernet::read_probe_records(trained.folder.convergence()), ""};
  result.summary = perplexity_summary(proxy, objectives[0].perplexity, objectives[1].perplexity) +
                   separation_summary(result.separation) + convergence_summary(result.probes);
  return result;
}

Json to_json(const Separation& s) {
  return Json{
      {"model_width", s.model_width},     {"networks", s.networks},           {"spread", s.spread},
      {"shared_change", s.shared_change}, {"subset_change", s.subset_change}, {"ratio", s.ratio()}};
}

Json perplexities(const ProxyTask& proxy, const Measured& known) {
  Json json{{"unigram", proxy.corpus().unigram_perplexity},
            {"smallest", known.smallest.perplexity},
            {"largest", known.largest.perplexity}};
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

  const Measured known = measured(trained);
  log_notice(known.summary);

  auto [found, front, json] = found_front(trained);
  const auto& [archive, end, last] = found;
  if (common.json) {
    json["run"] = run.path().string();
    json["perplexities"] = perplexities(proxy, known);
    json["separation"] = to_json(known.separation);
    json["ended"] = name_of(end);
    return print(to_text(json));
  }
  print("\n" + front_table(proxy.corpus(), front, known.largest, text_error(proxy, front),
                           given.all, run.config().hardware_space));
  print(known.summary);
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
  const RunFolder& run = trained.folder;
  const Measured known = measured(trained);
  if (common.json)
    return print(to_text(Json{
        {"run", run.path().string()},
        {"steps", known.probes.empty() ? run.config().training.steps : known.probes.back().step},
        {"perplexities", perplexities(trained.proxy, known)},
        {"separation", to_json(known.separation)},
        {"convergence", convergence_json(known.probes)}}));
  print(known.summary + "Supernet: " + path_text(run.supernet()) + "\n");
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
