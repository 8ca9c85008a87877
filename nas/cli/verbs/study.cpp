#include <memory>
#include <string>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/study_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/provenance.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

void study_run(const std::string& folder, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  const RunFolder run = RunFolder::read(folder);
  ProxyTask proxy(run.config(), run.cache());
  proxy.load_weights(run);
  const latency_predictor::LatencyPredictor predictor = predictor_of(run, proxy.space());
  const Archive archive = load_evaluated(run, proxy.space());
  require_front(archive);
  const Study study =
      make_study(run, proxy, predictor, archive, load_final_front(run, proxy, predictor, archive));
  Json json = to_json(study);
  json["provenance"] = provenance(run, proxy);
  const std::string title = "From naive to co-designed: " + proxy.space().name();
  const auto file = [&](const char* name) { return run.path() / name; };
  write_file_atomic(file("study.json"), to_text(json));
  write_file_atomic(file("study.md"), study_markdown(study));
  write_file_atomic(file("study.svg"), study_svg(study, title));
  if (common.json) return print(to_text(json));
  print(study_table(study) + "Study: " + path_text(file("study.json")) + "  picture: " +
        path_text(file("study.svg")) + "  table: " + path_text(file("study.md")) + "\n");
}

}  // namespace

void add_study(CLI::App& app, CommonOptions& common) {
  const auto folder = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand(
      "study", "What every step is worth, from a naive implementation to a run's best networks");
  verb->add_option("RUN", *folder, "Run folder of a finished search")->required();
  add_common(verb, common);
  verb->callback([folder, &common] { study_run(*folder, common); });
}

}  // namespace paretoformer::nas
