#include <filesystem>
#include <string>
#include <vector>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/trained_run.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/html_report.hpp"
#include "nas/report/study_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/finetune.hpp"
#include "nas/run/provenance.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/model/trained_weights.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct StudyArguments {
  RunArguments run;
  std::vector<std::filesystem::path> others;
  std::filesystem::path largest;
  bool train_on = false;
  int steps = 0;  // 0: a quarter of the run's
  int seeds = 1;

  StudyOptions options(const ProxyTask& proxy) const {
    StudyOptions result;
    if (!largest.empty())
      result.alone = supernet::read_trained_weights(
          largest, supernet::ParameterLayout(proxy.space().largest(), proxy.context()));
    if (train_on) result.train_on = finetune_config(proxy.training(), steps, 0);
    return result;
  }
};

void study_and_print(const RunFolder& run, ProxyTask& proxy, CandidateEvaluator& evaluator,
                     const Archive& archive, const FinalFront& front, const StudyArguments& given,
                     const CommonOptions& common) {
  const StudyOptions options = given.options(proxy);
  const Study study = long_work([&](const Watch& watch) {
    return make_study(run, proxy, evaluator, archive, front, options, watch);
  });
  Json json = to_json(study);
  json["provenance"] = provenance(run, proxy);
  write_file_atomic(run.study(), to_text(json));
  write_file_atomic(run.study_text(), study_markdown(study));
  write_file_atomic(run.study_plot(),
                    study_svg(study, "From naive to co-designed: " + proxy.space().name()));
  write_pictures(run, proxy, evaluator.predictor(), archive, front);
  if (given.seeds > 1) return;  // what all come to is printed
  if (common.json) return print(to_text(json));
  print(study_table(study) + "Study: " + path_text(run.study()) + "  picture: " +
        path_text(run.study_plot()) + "  table: " + path_text(run.study_text()) + "\n");
}

void require_one_machine(const RunConfig& config, const std::string& where) {
  if (!config.hardware_space.empty())
    throw InputError(where + ": has a hardware_space: a study is of one machine, expected a run " +
                     "without");
}

// Of a search that is finished; its folder may be another's.
void study_run(const StudyArguments& given, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(given.run.options.config);
  require_one_machine(run.config(), given.run.options.config);
  ProxyTask proxy(run.config(), run.cache());
  proxy.load_weights(run);
  LossCache losses(run.losses(), loss_key(proxy));
  CandidateEvaluator evaluator(cached(supernet_losses(proxy, asks_for_int8(run.config())), losses),
                               predictor_of(run, proxy.space()), proxy.context());
  const Archive archive = load_evaluated(run, proxy.space());
  require_front(archive);
  study_and_print(run, proxy, evaluator, archive,
                  load_final_front(run, proxy, evaluator.predictor(), archive), given, common);
}

// Of runs that were studied.
void print_together(const std::vector<std::filesystem::path>& runs, const CommonOptions& common) {
  std::vector<SeedStudy> studies;
  for (const std::filesystem::path& each : runs) studies.push_back(read_seed_study(each));
  const StudySeeds seeds = together(studies);
  const RunFolder run = RunFolder::read(runs.front());
  const std::string json = to_text(to_json(seeds));
  write_file_atomic(run.study_seeds(), json);
  write_file_atomic(run.study_seeds_text(), study_seeds_markdown(seeds));
  if (common.json) return print(json);
  print(study_seeds_table(seeds) + "Studies: " + path_text(run.study_seeds()) +
        "  table: " + path_text(run.study_seeds_text()) + "\n");
}

void search_and_study(const RunOptions& options, const StudyArguments& given,
                      const CommonOptions& common) {
  const RunConfig config = load_run_config(options.config, options.overrides);
  require_one_machine(config, options.config);
  TrainedRun trained(config, options.resume, true, common.ranks);
  const FoundFront found = found_front(trained);
  study_and_print(trained.folder, trained.proxy, trained.evaluator, found.search.archive,
                  found.front, given, common);
}

// One after the other from the configuration's seed on, each in a folder of its own.
void study_seeds(const RunOptions& options, const StudyArguments& given,
                 const CommonOptions& common) {
  const RunConfig config = load_run_config(options.config, options.overrides);
  std::vector<std::filesystem::path> runs;
  for (int i = 0; i < given.seeds; ++i) {
    const std::string seed = std::to_string(config.seed + static_cast<std::uint64_t>(i));
    runs.push_back(config.run / ("seed" + seed));
    RunOptions own = options;
    own.overrides.push_back("seed=" + seed);
    own.overrides.push_back("run=" + Json(runs.back().string()).dump());
    own.resume = options.resume && std::filesystem::exists(runs.back() / "config.json");
    search_and_study(own, given, common);
  }
  print_together(runs, common);
}

void study(const StudyArguments& given, const CommonOptions& common) {
  if (!given.others.empty()) {
    std::vector<std::filesystem::path> runs{given.run.options.config};
    runs.insert(runs.end(), given.others.begin(), given.others.end());
    return print_together(runs, common);
  }
  const RunOptions options = given.run.resolved();
  if (given.seeds > 1) return study_seeds(options, given, common);
  if (!options.resume && options.overrides.empty() && std::filesystem::is_directory(options.config))
    return study_run(given, common);
  search_and_study(options, given, common);
}

}  // namespace

void add_study(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "study",
      "What every step is worth, from a naive implementation to a run's best networks, and the "
      "search against simpler ways");
  StudyArguments& given = options_of(verb, common, study);
  add_run(verb, given.run, common,
          "Continue an interrupted search, or finish one, before its study");
  CLI::Option* const others = verb->add_option(
      "OTHERS", given.others,
      "Folders of runs with other seeds: what their studies and that of CONFIG, a run "
      "folder too, come to together");
  verb->add_option("--largest", given.largest,
                   "Trained weights of the largest network, which is pruned with these as well: "
                   "safetensors file of a training, of export, or of a GPT-2");
  CLI::Option* const train_on = verb->add_flag(
      "--train-on", given.train_on,
      "Train the largest network, the choices and, of the simpler ways, the network nearest to "
      "each in EDP on, in RUN/finetune; those that are there are not trained again");
  verb->add_option("--steps", given.steps, "Of training on (default: a quarter of the run's)")
      ->check(CLI::PositiveNumber)
      ->needs(train_on);
  verb->add_option(
          "--seeds", given.seeds,
          "Search and study with so many seeds, in RUN/seed1 ..., and print what they come "
          "to together")
      ->check(CLI::Range(1, 1000));
  for (const char* other : {"--seeds", "--set", "--run", "--resume", "--largest", "--train-on"})
    others->excludes(other);
  verb->footer(
      "A folder of a finished search is studied as it is; otherwise the search comes first. With "
      "OTHERS all are read as they were studied before.");
}

}  // namespace paretoformer::nas
