#include "nas/trained_run.hpp"

#include <cmath>
#include <memory>

#include "nas/command_io.hpp"
#include "nas/progress.hpp"
#include "nas/report.hpp"
#include "support/files.hpp"
#include "support/format.hpp"

namespace paretoformer {

TrainedRun::TrainedRun(const RunOptions& options, const CommonOptions& common)
    : folder(RunFolder::open(load_run_config(options.config, options.overrides), options.resume)) {
  require_feasible(folder.config(), proxy, evaluator.predictor());
  folder.keep();
  if (!proxy.corpus().tokenizer.model().empty())
    write_file_atomic(folder.tokenizer(), proxy.corpus().tokenizer.model());
  log(common, space_summary(proxy));
  std::unique_ptr<Progress> progress;
  proxy.train(
      folder,
      [&](const TrainingRecord& r) {
        // Not before: a run that is trained may be a finished search.
        if (!progress) {
          write_state(folder, "training", 0);
          progress = std::make_unique<Progress>("training", r.steps, r.step, common.quiet);
        }
        progress->update(
            r.step, format("loss largest %.3f smallest %.3f", r.largest, r.smallest.value_or(NAN)));
      },
      stopping);
  if (progress) write_state(folder, "trained", 0);
}

void write_state(const RunFolder& run, const char* phase, std::size_t evaluations) {
  write_file_atomic(run.state(), to_text(Json{{"phase", phase}, {"evaluations", evaluations}}));
}

}  // namespace paretoformer
