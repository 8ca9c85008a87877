#include "supernet/training_run.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "supernet/safetensors.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/format.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

constexpr const char* kFormat = "paretoformer.supernet.1";
constexpr int kLogLines = 400;

std::int64_t parse_step(const std::string& text, const std::string& file) {
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc{} || end != text.data() + text.size() || step < 0)
    throw InputError(file + ": metadata \"step\" is \"" + text + "\", expected a number");
  return step;
}

// Drops log lines written after the checkpoint that the run continues from.
void cut_log(const std::filesystem::path& path, std::int64_t step) {
  if (!std::filesystem::exists(path)) return;
  std::string kept;
  const std::vector<std::string> lines = LineLog(path).lines();
  for (const std::string& line : lines) {
    const Json record = parse_json(line, path.string());
    if (JsonObject(JsonNode(record, path.string())).integer("step", 0, INT64_MAX) > step) break;
    kept += line + "\n";
  }
  write_file_atomic(path, kept);
}

Json to_json(const TrainingRecord& record) {
  Json json{{"step", record.step}, {"largest", record.largest}};
  if (record.smallest) json["smallest"] = *record.smallest;
  if (record.random) json["random"] = *record.random;
  json["learning_rate"] = record.learning_rate;
  json["gradient_norm"] = record.gradient_norm;
  return json;
}

TrainingRecord record_of(const TrainingRun& run, std::int64_t step, std::span<const double> losses,
                         double gradient_norm) {
  TrainingRecord record;
  record.step = step + 1;
  record.steps = run.config.steps;
  record.largest = losses[0];
  if (losses.size() > 1) record.smallest = losses[1];
  if (losses.size() > 2) {
    record.random = 0;
    for (double loss : losses.subspan(2))
      *record.random += loss / static_cast<double>(losses.size() - 2);
  }
  record.learning_rate = learning_rate_at(run.config, step);
  record.gradient_norm = gradient_norm;
  return record;
}

// A loss that no training on its way down has. A uniform guess costs log(vocabulary) and new
// weights cost 0.25 more (Trainer, LossFalls); twice that is a network that is confident and wrong,
// which only weights thrown far off are. Rare tokens do cost as much, so the mean of a few says
// nothing.
bool exploded(double loss, const TrainingRun& run) {
  constexpr std::int64_t kEnoughTokens = 64;
  const double highest = 2 * std::log(static_cast<double>(run.layout.vocabulary())) + 2;
  return loss > highest && run.config.tokens_per_step() >= kEnoughTokens;
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
      fail_diverged(run, "the loss is " + format("%.4g", losses[i]), step,
                    " in sub-network " + describe(networks[i]));
}

void require_finite(const TrainingRun& run, const std::vector<float>& parameters,
                    std::int64_t step) {
  for (const float parameter : parameters)
    if (!std::isfinite(parameter)) fail_diverged(run, "a weight is not finite", step);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const ParameterLayout& layout,
                     const TrainingState<float>& state, const std::string& fingerprint) {
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& prefix, const std::vector<float>& values) {
    for (NamedTensor& tensor : named_tensors(layout, values, prefix))
      tensors.push_back(std::move(tensor));
  };
  add("", state.parameters);
  add("adam.m.", state.m);
  add("adam.v.", state.v);
  write_safetensors(
      path, tensors,
      {{"format", kFormat}, {"step", std::to_string(state.step)}, {"fingerprint", fingerprint}});
}

TrainingState<float> load_checkpoint(const std::filesystem::path& path,
                                     const ParameterLayout& layout,
                                     const std::string& fingerprint) {
  const Safetensors file = read_safetensors(path);
  if (file.meta("format") != kFormat)
    throw InputError(file.file + ": metadata \"format\" is \"" + file.meta("format") +
                     "\", expected \"" + kFormat + "\"");
  if (file.meta("fingerprint") != fingerprint)
    throw InputError(file.file +
                     ": was trained with another search space, text, tokeniser, seed or training "
                     "configuration");
  TrainingState<float> state;
  state.step = parse_step(file.meta("step"), file.file);
  state.parameters = read_tensors(file, layout, "");
  state.m = read_tensors(file, layout, "adam.m.");
  state.v = read_tensors(file, layout, "adam.v.");
  return state;
}

std::vector<float> train(const TrainingRun& run) {
  using Clock = std::chrono::steady_clock;
  const TrainingConfig& config = run.config;
  TrainingState<float> start;
  if (std::filesystem::exists(run.checkpoint))
    start = load_checkpoint(run.checkpoint, run.layout, run.fingerprint);
  else
    start.parameters =
        run.start.empty() ? initial_parameters<float>(run.layout, run.seed) : run.start;
  cut_log(run.log, start.step);
  const std::int64_t first = start.step;
  if (first >= config.steps) return std::move(start.parameters);

  LineLog log(run.log);
  Trainer<float> trainer(run.layout, config, std::move(start));
  const int sequences = config.sequences_per_step();
  const int log_interval = std::max(1, config.steps / kLogLines);
  Clock::time_point saved = Clock::now();
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
  const auto save = [&] {
    save_checkpoint(run.checkpoint, run.layout, trainer.state(), run.fingerprint);
    saved = Clock::now();
  };
  for (std::int64_t step = first; step < config.steps; ++step) {
    draw_batch(run.text, sequences, config.context, run.seed, step, tokens, targets);
    const std::vector<Architecture> networks = run.networks(step);
    const std::span<const double> losses = trainer.compute_gradients(
        {tokens.data(), targets.data(), sequences, config.context}, networks);
    // What is saved are weights whose losses have just been found good; those after this step are
    // judged by the next one.
    require_healthy(run, losses, networks, step);
    if (run.stop && run.stop()) {
      save();
      throw Interrupted("training stopped after " + std::to_string(step) + " of " +
                        std::to_string(config.steps) + " steps");
    }
    const std::chrono::duration<double> elapsed = Clock::now() - saved;
    if (step > first && elapsed.count() >= config.checkpoint_seconds) save();
    const double norm = trainer.apply_gradients();
    if (!std::isfinite(norm)) fail_diverged(run, "the gradient is not finite", step);
    const TrainingRecord record = record_of(run, step, losses, norm);
    const bool last = step + 1 == config.steps;
    if (last || (step + 1) % log_interval == 0) log.append(to_json(record).dump() + "\n");
    if (run.on_step) run.on_step(record);
  }
  require_finite(run, trainer.state().parameters, config.steps);
  save();
  return trainer.state().parameters;
}

}  // namespace paretoformer
