#include "nas/cli/command_io.hpp"
#include "nas/cli/commands.hpp"
#include "nas/report/html_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/error.hpp"

namespace paretoformer::nas {

void report_command(const std::filesystem::path& folder, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(folder);
  const ProxyTask proxy(run.config(), run.cache());
  const latency_predictor::LatencyPredictor predictor = predictor_of(run, proxy.space());
  const Archive archive = load_archive(run, proxy.space());
  if (archive.size() == 0)
    throw InputError(run.history().string() + ": the run has no evaluated networks yet");
  require_front(archive);
  const FinalFront front = load_final_front(run, proxy, predictor, archive);
  write_pictures(run, proxy, predictor, archive, front);
  if (common.json)
    return print(to_text(Json{{"report", run.report().string()},
                              {"picture", run.plot().string()},
                              {"confirmed", front.confirmed},
                              {"networks", front.members.size()}}));
  print("Report: " + path_text(run.report()) + "  picture: " + path_text(run.plot()) + "\n" +
        (front.confirmed ? "" : "The front is not confirmed yet: these are predictions.\n"));
}

}  // namespace paretoformer::nas
