#include "nas/run/proxy_task.hpp"

#include "supernet/model/trained_weights.hpp"
#include "supernet/training/warm_start.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/random.hpp"
#include "support/statistics.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::uint64_t kSeparationStream = 20;

// Of every second value from `first` on.
double mean_of_half(std::span<const double> values, std::size_t first) {
  double sum = 0;
  int count = 0;
  for (std::size_t i = first; i < values.size(); i += 2, ++count) sum += values[i];
  return sum / count;
}

}  // namespace

ProxyTask::ProxyTask(const RunConfig& config, const std::filesystem::path& cache)
    : training_(config.training),
      validation_sequences_(config.validation_sequences),
      corpus_(load_corpus(config.corpus, cache)),
      space_(config.space.with_vocabulary(corpus_.tokenizer.vocabulary_size())),
      designs_(space_.with_hardware(config.hardware_space.choices())),
      layout_(space_, context()),
      fingerprint_(hex(hash_text(hex(training_hash(config)) + hex(corpus_.hash)))) {
  require_tokens(corpus_, config.training.sequences_per_network(), context());
}

void ProxyTask::read_start(const RunFolder& run) {
  const auto& file = run.config().start;
  if (file.empty() || std::filesystem::exists(run.supernet())) return;
  if (hex(hash_text(read_file(file))) != run.config().start_hash)
    throw InputError(file.string() + ": has other content than when the run began: expected a " +
                     "file of hash " + run.config().start_hash);
  start_ = supernet::read_trained_weights(file, own_layout());
}

// Its heads and channels in the order of their importance, for a supernet.
std::vector<float> ProxyTask::sorted_start(std::uint64_t seed) const {
  const supernet::ParameterLayout own = own_layout();
  const supernet::Importance importance =
      fisher_importance(own, start_, corpus_.train, training_, hash_text("importance", seed));
  std::vector<float> sorted = start_;
  sort_by_importance(own, importance, sorted);
  return supernet_of(own, sorted, layout_);
}

void ProxyTask::train(const RunFolder& run, const Watch& watch,
                      const supernet::TrainingRanks& ranks) {
  forget_losses();
  const supernet::TrainingConfig& training = run.config().training;
  const std::uint64_t seed = run.config().seed;
  const SearchSpace space = space_.with_int8_weights();
  supernet::TrainingRun training_run{layout_,
                                     [&](std::int64_t step) {
                                       return supernet::sandwich(space, training.random_subnetworks,
                                                                 seed, step);
                                     },
                                     training,
                                     seed,
                                     corpus_.train,
                                     run.supernet(),
                                     run.training_log(),
                                     fingerprint_};
  if (!start_.empty()) training_run.start = sorted_start(seed);
  std::vector<Architecture> probes = supernet::probe_networks(space, seed);
  if (probes.size() > 1 || training.patience > 0)  // one network has no gap to anything
    training_run.probes =
        supernet::ProbePlan{std::move(probes), corpus_.validation, run.convergence()};
  training_run.ranks = ranks;
  training_run.watch = watch;
  weights_ = supernet::train(training_run);
}

void ProxyTask::load_weights(const std::filesystem::path& checkpoint,
                             const supernet::TrainingConfig& training) {
  if (!std::filesystem::exists(checkpoint))
    throw InputError(checkpoint.string() + ": there is no trained supernet");
  forget_losses();
  supernet::TrainingState<float> state = load_checkpoint(checkpoint, layout_, fingerprint_);
  const std::int64_t steps = last_step(training, state);
  if (state.step < steps)
    throw InputError(checkpoint.string() + ": is trained for " + std::to_string(state.step) +
                     " of " + std::to_string(steps) +
                     " steps only; let the training end, or continue it with --resume");
  weights_ = std::move(state.parameters);
}

void ProxyTask::use_weights(std::vector<float> weights) {
  if (weights.size() != layout_.size())
    throw InputError(std::to_string(weights.size()) + " weights: expected " +
                     std::to_string(layout_.size()) + ", is the text another one?");
  forget_losses();
  weights_ = std::move(weights);
}

std::shared_ptr<supernet::SequenceLosses> ProxyTask::losses() const {
  if (weights_.empty()) throw Error("the supernet has no weights yet");
  if (!losses_) losses_ = losses(layout_, weights_);
  return losses_;
}

supernet::Evaluator& ProxyTask::evaluator() {
  if (!evaluator_)
    evaluator_.emplace(losses(), corpus_.validation, context(), validation_sequences_);
  return *evaluator_;
}

Separation measure_separation(const ProxyTask& proxy, int networks, std::uint64_t seed) {
  const std::vector<int>& widths = proxy.space().model_widths();
  Separation result;
  result.model_width = widths[widths.size() / 2];
  result.networks = networks;
  Random random(seed, {kSeparationStream});
  std::vector<Architecture> sample;
  for (int i = 0; i < networks; ++i) {
    sample.push_back(proxy.space().sample(random));
    sample.back().model_width = result.model_width;
  }
  supernet::Evaluator both(proxy.losses(), proxy.corpus().validation, proxy.context(),
                           2 * proxy.validation_sequences());
  std::vector<double> losses;
  std::vector<double> changes;
  for (const std::vector<double>& sequences : both.sequence_losses(sample)) {
    losses.push_back(mean_of_half(sequences, 0));
    changes.push_back(mean_of_half(sequences, 1) - losses.back());
  }
  result.spread = standard_deviation(losses);
  result.shared_change = mean(changes);
  result.subset_change = standard_deviation(changes);
  return result;
}

}  // namespace paretoformer::nas
