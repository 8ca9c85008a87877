// The folder that is the whole state of a run: kill the process anywhere, and what is in it is
// enough to continue to the same result.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "nas/run/config.hpp"
#include "support/unfinished.hpp"

namespace paretoformer::nas {

class RunFolder {
 public:
  // Opens config.run for writing and locks it against other processes. An existing run is continued
  // only with `resume`, and only when its configuration is the same, but for two things. A search
  // that has begun may end later than it was to, and its configuration is rewritten then; before,
  // it may be any. And who does not search (`searches`) may want any, which leaves the run's as it
  // is. A new folder is removed again unless keep() is called. Throws InputError (also when there
  // is nothing to resume).
  static RunFolder open(const RunConfig& config, bool resume, bool searches = true);
  // Makes a new folder a run, by writing the resolved config.json: to be called when text and
  // limits have been checked, so that a run that cannot begin is not in the way of the next one.
  void keep();
  // The run in `folder`, for reading. Throws InputError when there is none.
  static RunFolder read(const std::filesystem::path& folder);

  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  const RunConfig& config() const { return config_; }
  const std::filesystem::path& path() const { return path_; }

  // The weights, and losses measured with them, may be another run's.
  std::filesystem::path supernet() const { return weights() / "supernet.safetensors"; }
  std::filesystem::path losses() const { return weights() / "losses.cache"; }
  std::filesystem::path tokenizer() const { return path_ / "tokenizer.model"; }
  std::filesystem::path cache() const { return path_ / "cache"; }
  std::filesystem::path training_log() const { return path_ / "training.jsonl"; }
  std::filesystem::path convergence() const { return path_ / "convergence.jsonl"; }
  std::filesystem::path convergence_plot() const { return path_ / "convergence.svg"; }
  std::filesystem::path predictor() const { return path_ / "predictor.json"; }
  // Of the hardware of a hardware space, a file for each that was met.
  std::filesystem::path predictors() const { return path_ / "predictors"; }
  std::filesystem::path history() const { return path_ / "history.jsonl"; }
  std::filesystem::path generations() const { return path_ / "generations.jsonl"; }
  std::filesystem::path confirmed() const { return path_ / "confirmed.jsonl"; }
  std::filesystem::path front() const { return path_ / "front.json"; }
  std::filesystem::path plot() const { return path_ / "front.svg"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  std::filesystem::path log() const { return path_ / "run.log"; }
  std::filesystem::path state() const { return path_ / "state.json"; }
  // Networks trained alone, and what the comparison with them says.
  std::filesystem::path standalone() const { return path_ / "fidelity"; }
  std::filesystem::path fidelity() const { return path_ / "fidelity.json"; }
  std::filesystem::path fidelity_plot() const { return path_ / "fidelity.svg"; }
  std::filesystem::path comparison() const { return path_ / "compare.json"; }
  std::filesystem::path loss_table() const { return path_ / "losses.txt"; }
  std::filesystem::path comparison_plot() const { return path_ / "compare.svg"; }
  std::filesystem::path study() const { return path_ / "study.json"; }
  std::filesystem::path study_plot() const { return path_ / "study.svg"; }
  std::filesystem::path study_text() const { return path_ / "study.md"; }
  std::filesystem::path study_seeds() const { return path_ / "study_seeds.json"; }
  std::filesystem::path study_seeds_text() const { return path_ / "study_seeds.md"; }
  std::filesystem::path finetuned() const { return path_ / "finetune"; }
  std::filesystem::path finetuned_front() const { return path_ / "finetune.json"; }
  // What the search and its workers share out, while there are any (nas/cluster/work_folder.hpp).
  std::filesystem::path workers() const { return path_ / "workers"; }
  std::filesystem::path exports() const { return path_ / "export"; }

 private:
  void allow_search(const SearchConfig& wanted);
  void remove_unfinished() const;
  const std::filesystem::path& weights() const {
    return config_.supernet.empty() ? path_ : config_.supernet;
  }
  RunFolder(std::filesystem::path path, RunConfig config, int lock)
      : config_(std::move(config)), path_(std::move(path)), lock_(lock) {}

  RunConfig config_;
  std::filesystem::path path_;
  int lock_ = -1;        // file descriptor, released by the kernel if the process dies
  bool is_new_ = false;  // keep() has not been called
  std::unique_ptr<Unfinished> created_;  // is_new_, and the folder was not there before
};

}  // namespace paretoformer::nas
