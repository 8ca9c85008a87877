#include "nas/run/fidelity.hpp"

#include <fmt/format.h>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/rank.hpp"
#include "nas/cli/trained_run.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/fidelity_report.hpp"
#include "nas/report/plot.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct FidelityArguments {
  RunArguments run;
  FidelityOptions alone;
};

TrainStandalone on_ranks(Communicator* ranks) {
  if (!ranks || ranks->size() == 1) return {};
  return [ranks](const StandaloneWork& work, const Watch& watch) {
    train_on_ranks(*ranks, work, watch);
  };
}

void train_alone(const FidelityArguments& given, const CommonOptions& common) {
  const FidelityOptions& fidelity = given.alone;
  const RunConfig config = given.run.config();
  fidelity_sample(config.space, fidelity.networks,
                  config.seed);  // refused before anything is written
  const TrainedRun trained(config, given.run.options.resume, false, common.ranks);
  const auto& [run, proxy, losses, evaluator] = trained;

  const Stopwatch stopwatch;
  const int count = fidelity.networks;
  const int steps_alone = fidelity.steps > 0 ? fidelity.steps : run.config().training.steps;
  const std::vector<ComparedNetwork> networks = long_work([&](const Watch& watch) {
    return compare_networks(trained.folder, trained.proxy, fidelity, watch, on_ranks(common.ranks));
  });
  const FidelityStatistics statistics = fidelity_statistics(networks, run.config().seed);
  const double seconds = stopwatch.seconds();

  Json json = fidelity_json(run, proxy, networks, steps_alone, statistics);
  write_file_atomic(run.fidelity(), to_text(json));
  write_file_atomic(
      run.fidelity_plot(),
      fidelity_svg(networks, std::to_string(count) + " networks of " + proxy.space().name() +
                                 ": slices of the supernet and trained alone"));
  if (common.json) {
    json["run"] = run.path().string();
    return print(to_text(json));
  }
  print(fidelity_table(proxy.corpus(), statistics));
  print(fmt::format(
      "{} networks, each trained alone for {} steps ({:.4g} million tokens), in {:.0f} s\n", count,
      steps_alone, 1e-6 * json["tokens"].get<double>(), seconds));
  print("Comparison: " + path_text(run.fidelity()) +
        "  picture: " + path_text(run.fidelity_plot()) + "\n");
}

}  // namespace

void add_fidelity(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "fidelity", "Train some networks alone: is the supernet's ranking to be trusted?");
  FidelityArguments& given = options_of(verb, common, train_alone);
  add_run(verb, given.run, common, "Use what is in the run folder, and continue");
  verb->add_option("--networks", given.alone.networks, "Networks to train alone")
      ->check(CLI::Range(2, 10000))
      ->capture_default_str();
  verb->add_option("--steps-alone", given.alone.steps,
                   "Training steps of each network (0: the supernet's)")
      ->check(CLI::Range(0, 100'000'000))
      ->capture_default_str();
}

}  // namespace paretoformer::nas
