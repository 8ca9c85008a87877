#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/html_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

void write_report(const std::filesystem::path& folder, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(folder);
  const ProxyTask proxy(run.config(), run.cache());
  const Predictors predictors = predictors_of(run, proxy.space());
  const Archive archive = load_evaluated(run, proxy.designs());
  require_front(archive);
  const FinalFront front = load_final_front(run, proxy, predictors, archive);
  write_pictures(run, proxy, predictors, archive, front);
  if (common.json)
    return print(to_text(Json{{"report", run.report().string()},
                              {"picture", run.plot().string()},
                              {"confirmed", front.confirmed},
                              {"networks", front.members.size()}}));
  print("Report: " + path_text(run.report()) + "  picture: " + path_text(run.plot()) + "\n" +
        (front.confirmed ? "" : "The front is not confirmed yet: these are predictions.\n"));
}

}  // namespace

void add_report(CLI::App& app, CommonOptions& common) {
  CLI::App* report =
      app.add_subcommand("report", "Write the report of a run again, finished or not");
  report->add_option("RUN", options_of(report, common, write_report), "Run folder")->required();
  add_common(report, common);
}

}  // namespace paretoformer::nas
