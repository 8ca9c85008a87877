#include <fmt/format.h>

#include <string>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/trained_run.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/cluster/loss_worker.hpp"
#include "nas/cluster/work_folder.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/json.hpp"
#include "support/log.hpp"
#include "support/pause.hpp"

namespace paretoformer::nas {
namespace {

struct WorkerRequest {
  std::filesystem::path run_folder;
  WorkerOptions options{kLease, 0};
};

bool is_search_over(const std::string& phase) { return phase == "finished"; }

// Until there are weights; whether the search is not over yet.
bool wait_for_weights(const RunFolder& run, const WorkerOptions& options) {
  Pause pause;
  for (;;) {
    const std::string phase = phase_of(run);
    if (is_search_over(phase)) return false;
    if (phase == "trained" || phase == "search" || phase == "confirmation") return true;
    if (options.idle_seconds > 0 && pause.waited().count() > 1000 * options.idle_seconds)
      return false;
    if (pause.waited().count() == 0)
      log_notice(run.path().string() + ": is not trained yet; waiting");
    pause.wait();
  }
}

WorkDone work_for(const RunFolder& run, const WorkerOptions& options) {
  if (!wait_for_weights(run, options)) return {0, 0, !is_search_over(phase_of(run))};
  ProxyTask proxy(run.config(), run.cache());
  proxy.load_weights(run);
  const LossSource source = supernet_losses(proxy, asks_for_int8(run.config()));
  const LossIdentity identity = identity_of(source, loss_key(proxy), proxy.space().largest());
  log_notice(run.path().string() + ": ready for the search's candidates");
  return work_on_losses(source, identity, run.workers(), options,
                        [&] { return is_search_over(phase_of(run)); });
}

void work_and_print(const WorkerRequest& request, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(request.run_folder);
  const WorkDone done = work_for(run, request.options);
  const char* const why = done.idle ? "idle" : "over";
  if (common.json)
    return print(to_text(Json{{"run", run.path().string()},
                              {"tasks", done.tasks},
                              {"losses", done.losses},
                              {"ended", why}}));
  print(fmt::format("{}: {} losses measured in {} tasks\n",
                    done.idle ? "nothing to do" : "the search is over", done.losses, done.tasks));
}

}  // namespace

void add_worker(CLI::App& app, CommonOptions& common) {
  CLI::App* worker = app.add_subcommand(
      "worker", "Measure candidates of a search on another machine that sees its run folder");
  WorkerRequest& request = options_of(worker, common, work_and_print);
  worker->add_option("RUN", request.run_folder, "Run folder of the search")->required();
  worker
      ->add_option("--lease", request.options.lease_seconds,
                   "Seconds that the search waits for this worker when it hears nothing of it")
      ->check(CLI::Range(0.5, 86400.0))
      ->capture_default_str();
  worker
      ->add_option("--idle", request.options.idle_seconds,
                   "Seconds without work after which it ends (0: only with the search)")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  add_common(worker, common);
}

}  // namespace paretoformer::nas
