#include "supernet/training/training_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>

#include "supernet/model/safetensors.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/training/warm_start.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/jsonl.hpp"
#include "support/log.hpp"

namespace paretoformer::supernet {
namespace {

constexpr const char* kFormat = "paretoformer.supernet.1";
// Of the names of parameters and of Adam's two moments.
constexpr std::array kPrefixes{"", "adam.m.", "adam.v."};
// Of those of the best weights so far.
constexpr const char* kBestPrefix = "best.";
// The tensor of a training in int8.
constexpr const char* kScales = "int8.scales";
constexpr int kLogLines = 400;
constexpr int kProbesPerRun = 40;

template <class Number>
Number number_in(const Safetensors& file, const std::string& key) {
  const std::string& text = file.meta(key);
  Number number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || !(number >= 0))
    throw InputError(file.file + ": metadata \"" + key + "\" is \"" + text +
                     "\", expected a number");
  return number;
}

bool has_best(const Safetensors& file) { return file.metadata.contains("best.loss"); }

std::vector<float> read_scales(const Safetensors& file, const ParameterLayout& layout) {
  const std::size_t count = Sites<float>(layout.largest().layers.size()).all().size();
  const std::span<const float> scales = file.at(kScales, {static_cast<std::int64_t>(count)});
  for (const float scale : scales)
    if (!(scale > 0) || !std::isnormal(scale))
      throw InputError(file.file + ": tensor " + kScales + " holds " + std::to_string(scale) +
                       ": expected positive numbers");
  return {scales.begin(), scales.end()};
}

// Drops log lines written after the checkpoint that the run continues from.
void cut_log(const std::filesystem::path& path, std::int64_t step) {
  cut_jsonl(path, [step](const JsonNode& node) {
    return JsonObject(node).integer("step", 0, INT64_MAX) <= step;
  });
}

Json to_json(const TrainingRecord& record) {
  Json json{{"step", record.step}, {"largest", record.largest}};
  if (record.smallest) json["smallest"] = *record.smallest;
  if (record.random) json["random"] = *record.random;
  json["learning_rate"] = record.learning_rate;
  json["gradient_norm"] = record.gradient_norm;
  return json;
}

// `step` is the number of steps done.
TrainingRecord record_of(std::int64_t step, std::span<const double> losses, double learning_rate,
                         double gradient_norm) {
  TrainingRecord record;
  record.step = step;
  record.largest = losses[0];
  if (losses.size() > 1) record.smallest = losses[1];
  if (losses.size() > 2) {
    record.random = 0;
    for (double loss : losses.subspan(2))
      *record.random += loss / static_cast<double>(losses.size() - 2);
  }
  record.learning_rate = learning_rate;
  record.gradient_norm = gradient_norm;
  return record;
}

std::string note_of(const TrainingRecord& record) {
  if (!record.smallest) return fmt::format("loss {:.3f}", record.largest);
  return fmt::format("loss largest {:.3f} smallest {:.3f}", record.largest, *record.smallest);
}

// A loss that no training on its way down has. A uniform guess costs log(vocabulary) and new
// weights cost 0.25 more (Trainer, LossFalls); twice that is a network that is confident and wrong,
// which only weights thrown far off are. Rare tokens do cost as much, so the mean of a few says
// nothing.
bool exploded(double loss, const TrainingRun& run) {
  constexpr std::int64_t kEnoughTokens = 64;
  const double highest = 2 * std::log(static_cast<double>(run.layout.vocabulary())) + 2;
  return loss > highest && run.config.tokens_per_network() >= kEnoughTokens;
}

[[noreturn]] void fail_diverged(const TrainingRun& run, const std::string& what, std::int64_t step,
                                const std::string& where = "") {
  const bool kept = std::filesystem::exists(run.checkpoint);
  throw Error("training diverged: " + what + " at step " + std::to_string(step) + where + "; " +
              (kept ? "the last good checkpoint is kept in " + run.checkpoint.string()
                    : "there is no checkpoint yet") +
              "; a new run with a lower learning_rate or a longer warmup may do better");
}

void require_healthy(const TrainingRun& run, std::span<const double> losses,
                     const std::vector<Architecture>& networks, std::int64_t step) {
  for (std::size_t i = 0; i < losses.size(); ++i)
    if (!std::isfinite(losses[i]) || exploded(losses[i], run))
      fail_diverged(run, "the loss is " + fmt::format("{:.4g}", losses[i]), step,
                    " in sub-network " + describe(networks[i]));
}

void require_finite(const TrainingRun& run, const std::vector<float>& parameters,
                    std::int64_t step) {
  for (const float parameter : parameters)
    if (!std::isfinite(parameter)) fail_diverged(run, "a weight is not finite", step);
}

void require_finite(const TrainingRun& run, const Importance& importance, std::int64_t step) {
  for (const auto* layers : {&importance.heads, &importance.channels})
    for (const std::vector<double>& layer : *layers)
      for (const double value : layer)
        if (!std::isfinite(value)) fail_diverged(run, "a gradient is not finite", step);
}

Arithmetic arithmetic_of(const TrainingRun& run) {
  return run.calibration ? Arithmetic::int8 : Arithmetic::fp32;
}

// The scales that activations have in the integer network of today's weights.
std::vector<float> calibrated_scales(const TrainingRun& run, const std::vector<float>& parameters) {
  QuantizedNetwork network =
      calibrated(fold(run.layout, parameters.data(), run.layout.largest()), *run.calibration);
  std::vector<float> scales;
  for (const float* scale : network.scales.all()) scales.push_back(*scale);
  return scales;
}

// The steps of one call of train().
class Session {
 public:
  Session(const TrainingRun& run, TrainingState<float> start)
      : run_(run),
        trainer_(run.layout, run.config, std::move(start), arithmetic_of(run), run.ranks),
        log_(run.log) {
    if (run.probes) probe_.emplace(*run.probes, trainer_.losses(), run.config.context);
  }

  std::vector<float> train() {
    const std::int64_t first = step();
    while (step() < end()) {
      const std::vector<Architecture> networks = run_.networks(step());
      if (run_.calibration) calibrate();
      const std::span<const double> losses = compute(networks);
      // What is saved are weights whose losses have just been found good; those after this step
      // are judged by the next one.
      require_healthy(run_, losses, networks, step());
      if (run_.watch.stopping()) {
        save();
        throw Interrupted("training stopped after " + std::to_string(step()) + " of " +
                          std::to_string(end()) + " steps");
      }
      const std::chrono::duration<double> elapsed = Clock::now() - saved_;
      if (step() > first && elapsed.count() >= run_.config.checkpoint_seconds) save();
      const TrainingRecord record = apply(losses);
      if (sort_due()) sort();
      if (probe_) probe();
      tell(record);
    }
    require_finite(run_, trainer_.state().parameters, step());
    take_best();
    save();
    return trainer_.state().parameters;
  }

 private:
  using Clock = std::chrono::steady_clock;

  std::int64_t step() const { return trainer_.step(); }
  std::int64_t end() const { return trainer_.last_step(); }

  // A calibration is a function of the weights alone, so one that is due where a training continues
  // has been saved or finds the same scales again.
  void calibrate() {
    const TrainingState<float>& state = trainer_.state();
    require_finite(run_, state.parameters, step());
    if (state.scales.empty() || step() % kCalibrationInterval == 0)
      trainer_.set_scales(calibrated_scales(run_, state.parameters));
  }

  std::span<const double> compute(const std::vector<Architecture>& networks) {
    const int sequences = run_.config.sequences_per_step(networks.size());
    draw_batch(run_.text, sequences, run_.config.context, run_.seed, step(), tokens_, targets_);
    return trainer_.compute_gradients(
        {tokens_.data(), targets_.data(), sequences, run_.config.context,
         Dropout::of_step(run_.config.dropout, run_.seed, step())},
        networks);
  }

  TrainingRecord apply(std::span<const double> losses) {
    const double rate = learning_rate_at(run_.config, step(), trainer_.converged());
    const double norm = trainer_.apply_gradients();
    if (!std::isfinite(norm)) fail_diverged(run_, "the gradient is not finite", step());
    return record_of(step(), losses, rate, norm);
  }

  // Of the step just done, once it is known whether it was the last.
  void tell(const TrainingRecord& record) {
    if (due(std::max(1, run_.config.steps / kLogLines))) log_.append(to_json(record));
    run_.watch.report({"training", step(), end(), note_of(record)});
  }

  bool sort_due() const {
    const double at = run_.config.sort_at;
    return at > 0 && step() == std::max<std::int64_t>(1, std::llround(at * run_.config.steps));
  }

  // In the step that makes it due, so that what is saved after so many steps has been sorted and a
  // training that continues there does not sort again.
  void sort() {
    const std::vector<float>& parameters = trainer_.state().parameters;
    require_finite(run_, parameters, step());
    const Importance importance = fisher_importance(run_.layout, parameters, run_.text, run_.config,
                                                    hash_text("importance", run_.seed));
    require_finite(run_, importance, step());
    trainer_.reorder(
        [&](std::vector<float>& values) { sort_by_importance(run_.layout, importance, values); });
  }

  // Whether something is done now that is done every `interval` steps and at the end.
  bool due(int interval) const { return step() == end() || step() % interval == 0; }

  void probe() {
    const TrainingConfig& config = run_.config;
    const int interval = config.probe_interval > 0 ? config.probe_interval
                                                   : std::max(1, config.steps / kProbesPerRun);
    if (!due(interval)) return;
    std::vector<double> losses = probe_->losses();
    require_healthy(run_, losses, probe_->networks(), step());
    const double mean =
        std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
    const bool best = config.patience > 0 && trainer_.look(mean);
    const ProbeRecord& record = probe_->add(step(), std::move(losses), best);
    // Not while the rate still rises, nor where the training would end as late as without it.
    const bool warm = static_cast<double>(step()) >= config.warmup * config.steps;
    if (config.stop_when_converged && record.converged && warm && !trainer_.converged() &&
        training_steps(config, step()) < config.steps)
      trainer_.set_converged();
  }

  void take_best() {
    if (!trainer_.state().best) return;
    const auto best = trainer_.state().best->step;
    const double loss = trainer_.state().best->loss;
    trainer_.take_best();
    log_info(
        fmt::format("{}: its weights are those after step {} of {}, whose validation loss was the "
                    "lowest: {:.4f}",
                    run_.checkpoint.string(), best, step(), loss));
  }

  void save() {
    save_checkpoint(run_.checkpoint, run_.layout, trainer_.state(), run_.fingerprint);
    log_debug(fmt::format("{}: saved after step {}", run_.checkpoint.string(), step()));
    saved_ = Clock::now();
  }

  const TrainingRun& run_;
  Trainer<float> trainer_;
  JsonlWriter log_;
  std::optional<ConvergenceProbe> probe_;
  Clock::time_point saved_ = Clock::now();
  std::vector<std::int32_t> tokens_, targets_;
};

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const ParameterLayout& layout,
                     const TrainingState<float>& state, const std::string& fingerprint) {
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& prefix, const std::vector<float>& values) {
    for (NamedTensor& tensor : named_tensors(layout, values, prefix))
      tensors.push_back(std::move(tensor));
  };
  add(kPrefixes[0], state.parameters);
  add(kPrefixes[1], state.m);
  add(kPrefixes[2], state.v);
  std::map<std::string, std::string> metadata{
      {"format", kFormat}, {"step", std::to_string(state.step)}, {"fingerprint", fingerprint}};
  if (!state.scales.empty())
    tensors.push_back({kScales, {static_cast<std::int64_t>(state.scales.size())}, state.scales});
  if (state.converged) metadata["converged"] = std::to_string(*state.converged);
  if (state.best) {
    add(kBestPrefix, state.best->parameters);
    metadata["best.step"] = std::to_string(state.best->step);
    metadata["best.loss"] = fmt::format("{}", state.best->loss);  // the shortest that is the same
    metadata["best.looks"] = std::to_string(state.best->looks);
  }
  if (state.best_step) metadata["best_step"] = std::to_string(*state.best_step);
  write_safetensors(path, tensors, metadata);
}

TrainingState<float> load_checkpoint(const std::filesystem::path& path,
                                     const ParameterLayout& layout, const std::string& fingerprint,
                                     Arithmetic arithmetic) {
  const Safetensors file = read_safetensors(path, [&layout](const Safetensors& written) {
    std::vector<std::string> names;
    for (const char* prefix : kPrefixes) append_names(layout, prefix, names);
    if (has_best(written)) append_names(layout, kBestPrefix, names);
    return names;
  });
  if (file.meta("format") != kFormat)
    throw InputError(file.file + ": metadata \"format\" is \"" + file.meta("format") +
                     "\", expected \"" + kFormat + "\"");
  const bool int8 = std::any_of(file.tensors.begin(), file.tensors.end(),
                                [](const NamedTensor& tensor) { return tensor.name == kScales; });
  if (int8 != (arithmetic == Arithmetic::int8))
    throw InputError(file.file + ": was trained " + (int8 ? "in int8" : "in fp32") +
                     ", expected a training " + (int8 ? "in fp32" : "in int8"));
  if (file.meta("fingerprint") != fingerprint)
    throw InputError(file.file +
                     ": was trained with another search space, text, tokeniser, seed or training "
                     "configuration");
  TrainingState<float> state;
  state.step = number_in<std::int64_t>(file, "step");
  if (file.metadata.contains("converged"))
    state.converged = number_in<std::int64_t>(file, "converged");
  if (has_best(file))
    state.best = {number_in<std::int64_t>(file, "best.step"), number_in<double>(file, "best.loss"),
                  number_in<int>(file, "best.looks"), read_tensors(file, layout, kBestPrefix)};
  if (file.metadata.contains("best_step"))
    state.best_step = number_in<std::int64_t>(file, "best_step");
  state.parameters = read_tensors(file, layout, kPrefixes[0]);
  state.m = read_tensors(file, layout, kPrefixes[1]);
  state.v = read_tensors(file, layout, kPrefixes[2]);
  if (int8) state.scales = read_scales(file, layout);
  return state;
}

std::vector<float> train(const TrainingRun& run) {
  TrainingState<float> start;
  if (std::filesystem::exists(run.checkpoint)) {
    start = load_checkpoint(run.checkpoint, run.layout, run.fingerprint, arithmetic_of(run));
    log_info(fmt::format("{}: trained for {} of {} steps already", run.checkpoint.string(),
                         start.step, last_step(run.config, start)));
  } else {
    start.parameters =
        run.start.empty() ? initial_parameters<float>(run.layout, run.seed) : run.start;
  }
  cut_log(run.log, start.step);
  if (run.probes) cut_log(run.probes->log, start.step);
  if (start.step >= last_step(run.config, start) && !start.best) return std::move(start.parameters);
  return Session(run, std::move(start)).train();
}

}  // namespace paretoformer::supernet
