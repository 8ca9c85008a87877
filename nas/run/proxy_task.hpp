// The accuracy side of a run: its text, its supernet, and losses of candidates.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nas/run/run_folder.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/model/evaluation.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/text/corpus.hpp"
#include "supernet/training/training_run.hpp"

namespace paretoformer::nas {

// Text, search space with the tokeniser's vocabulary, and weights, once there are any.
class ProxyTask {
 public:
  // Loads the text; the tokeniser is kept in `cache` (empty: not kept). Throws InputError, also
  // when the text is too short.
  ProxyTask(const RunConfig& config, const std::filesystem::path& cache);

  const supernet::Corpus& corpus() const { return corpus_; }
  const SearchSpace& space() const { return space_; }
  // What the search draws from: the networks of the space, each on any hardware that it may choose.
  const SearchSpace& designs() const { return designs_; }
  const supernet::ParameterLayout& layout() const { return layout_; }
  int context() const { return training_.context; }
  // What the weights are made from: space, text, tokeniser, training and seed.
  const std::string& fingerprint() const { return fingerprint_; }

  // Reads what the training of the run is to start from, where there is such a file and the
  // training has not begun. Throws InputError where the file does not fit.
  void read_start(const RunFolder& run);
  // Trains, or continues, to the end. Throws what the training run throws.
  void train(const RunFolder& run, const Watch& watch, const supernet::TrainingRanks& ranks = {});
  // Weights of a finished training, by default the run's own. Throws InputError when there are
  // none, or of another training.
  void load_weights(const std::filesystem::path& checkpoint,
                    const supernet::TrainingConfig& training);
  void load_weights(const RunFolder& run) { load_weights(run.supernet(), run.config().training); }
  // Weights that a training of this task has made elsewhere. Throws InputError for another number.
  void use_weights(std::vector<float> weights);
  const std::vector<float>& weights() const { return weights_; }

  // Where networks with other weights, or with the supernet's, are evaluated: on the training's
  // device. Layout and weights must outlive it. The second needs weights.
  std::shared_ptr<supernet::SequenceLosses> losses(const supernet::ParameterLayout& layout,
                                                   const std::vector<float>& weights) const {
    return make_losses(layout, weights, training_);
  }
  std::shared_ptr<supernet::SequenceLosses> losses() const;
  // Evaluates on the validation text. Needs weights.
  supernet::Evaluator& evaluator();
  // At most so many sequences score a candidate; 0: all.
  int validation_sequences() const { return validation_sequences_; }
  const supernet::TrainingConfig& training() const { return training_; }

 private:
  supernet::ParameterLayout own_layout() const { return {layout_.largest(), context()}; }
  std::vector<float> sorted_start(std::uint64_t seed) const;
  void forget_losses() {
    evaluator_.reset();
    losses_.reset();
  }

  supernet::TrainingConfig training_;
  int validation_sequences_;
  supernet::Corpus corpus_;
  SearchSpace space_;
  SearchSpace designs_;
  supernet::ParameterLayout layout_;
  std::string fingerprint_;
  std::vector<float> start_;  // of the largest network alone; empty: random
  std::vector<float> weights_;
  mutable std::shared_ptr<supernet::SequenceLosses> losses_;  // made when first asked for
  std::optional<supernet::Evaluator> evaluator_;
};

// Whether the proxy task tells networks of one model width apart: a search is worth nothing where
// it does not.
struct Separation {
  int model_width = 0;
  int networks = 0;
  double spread = 0;  // standard deviation of their losses on the validation sequences
  // Another subset of the text moves all losses together, which changes no ranking, and each a
  // little on its own, which does:
  double shared_change = 0;  // mean of the changes
  double subset_change = 0;  // their standard deviation
  double ratio() const { return spread / subset_change; }
};

// `networks` random ones of the middle model width. The other subset is as many sequences from
// between those that score candidates; where there are not enough, two halves are compared. Needs
// weights and two sequences (otherwise the changes are NaN).
Separation measure_separation(const ProxyTask& proxy, int networks, std::uint64_t seed);

}  // namespace paretoformer::nas
