#include "nas/cli/trained_run.hpp"

#include <cstdint>
#include <utility>

#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/rank.hpp"
#include "nas/cluster/shared_losses.hpp"
#include "nas/cluster/work_folder.hpp"
#include "nas/report/front_report.hpp"
#include "nas/report/html_report.hpp"
#include "nas/report/training_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

void write_convergence_plot(const RunFolder& run, const ProxyTask& proxy) {
  const std::vector<supernet::ProbeRecord> records =
      supernet::read_probe_records(run.convergence());
  if (!records.empty() && records[0].losses.size() > 1)
    write_file_atomic(
        run.convergence_plot(),
        convergence_svg(records, supernet::probe_networks(proxy.space(), run.config().seed)));
}

// Whoever opens the run again looks here for what was measured with its weights.
LossCache train(RunFolder& folder, ProxyTask& proxy, Communicator* ranks) {
  if (!folder.config().supernet.empty())
    proxy.load_weights(folder.supernet(), folder.config().training);
  proxy.read_start(folder);
  const Predictors predictors = predictors_of(folder, proxy.space());
  const std::string told = require_telling(folder.config(), proxy.space(), predictors.base());
  require_feasible(folder.config(), proxy, predictors);
  folder.keep();
  set_log_file(folder.log());
  resumes_from(folder.path() / "config.json");
  if (folder.config().predictor.empty()) predictors.base().save(folder.predictor().string());
  if (!proxy.corpus().tokenizer.model().empty())
    write_file_atomic(folder.tokenizer(), proxy.corpus().tokenizer.model());
  log_notice(space_summary(proxy) + told);
  if (!folder.config().supernet.empty()) return {folder.losses(), loss_key(proxy)};
  const Stopwatch stopwatch;
  std::int64_t steps = 0;  // done by this process
  {
    LongWork work;
    const Watch shown = work.watch();
    proxy.train(folder, shown.part([&](const Progress& progress) {
      // Not before: a run that is trained may be a finished search.
      if (++steps == 1) {
        write_state(folder, "training", 0);
        if (ranks && ranks->size() > 1 && folder.config().training.shards == 1)
          log_warning("rank 0 trains alone: training.shards is 1");
      }
      shown.report(progress);
    }),
                training_ranks(ranks, folder.config(), proxy));
    work.end();
  }
  write_convergence_plot(folder, proxy);
  if (steps == 0) return {folder.losses(), loss_key(proxy)};
  log_notice(speed_summary(folder.config().training, steps, stopwatch.seconds()));
  write_state(folder, "trained", 0);
  return {folder.losses(), loss_key(proxy)};
}

LossSource loss_source(const RunFolder& folder, ProxyTask& proxy, bool searches,
                       Communicator* ranks) {
  LossSource source = supernet_losses(proxy, asks_for_int8(folder.config()));
  if (ranks) source = losses_of_ranks(*ranks, folder.config(), proxy, source);
  if (!searches) return source;
  return shared(source, folder.workers(), [source, &proxy] {
    return identity_of(source, loss_key(proxy), proxy.space().largest());
  });
}

}  // namespace

TrainedRun::TrainedRun(const RunConfig& config, bool resume, bool searches, Communicator* ranks)
    : folder(RunFolder::open(config, resume, searches)),
      proxy(folder.config(), folder.cache()),
      losses(train(folder, proxy, ranks)),
      evaluator(cached(loss_source(folder, proxy, searches, ranks), losses),
                predictors_of(folder, proxy.space()), proxy.context()) {
  if (losses.read_only())
    log_warning(folder.losses().string() +
                ": cannot be written; other runs will not know the losses measured now");
}

FoundFront found_front(TrainedRun& trained) {
  const RunFolder& run = trained.folder;
  const ProxyTask& proxy = trained.proxy;
  CandidateEvaluator& evaluator = trained.evaluator;
  write_state(run, "search", load_archive(run, proxy.designs()).size());
  FinishedSearch found = long_work(
      [&](const Watch& watch) { return run_search(run, proxy, evaluator, {.watch = watch}); });
  const Archive& archive = found.archive;
  require_front(archive);
  write_state(run, "confirmation", archive.size());
  FinalFront front = long_work([&](const Watch& watch) {
    return confirm_front(run, proxy, evaluator.losses(), evaluator.predictors(), archive, watch);
  });
  Json json = front_json(run, proxy, archive, front);
  write_file_atomic(run.front(), to_text(json));
  write_pictures(run, proxy, evaluator.predictors(), archive, front);
  write_state(run, "finished", archive.size());
  WorkFolder(run.workers(), "search").clear();  // the workers go now
  if (front.members.empty())
    throw Error("no member of the front keeps all limits when it is confirmed; " +
                run.front().string() + " lists them");
  return {std::move(found), std::move(front), std::move(json)};
}

void write_state(const RunFolder& run, const char* phase, std::size_t evaluations) {
  write_file_atomic(run.state(), to_text(Json{{"phase", phase}, {"evaluations", evaluations}}));
}

std::string phase_of(const RunFolder& run) {
  try {
    const Json json = read_json(run.state());
    return JsonObject(JsonNode(json, run.state().string())).string("phase");
  } catch (const Error&) {
    return "";
  }
}

}  // namespace paretoformer::nas
