#include "nas/run/finetune.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/run/finetune_front.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_search.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

struct FinetuneOptions {
  std::filesystem::path run;
  std::string member;            // an id of the run's history, or the beginning of one
  int steps = 0;                 // 0: a quarter of the run's
  double learning_rate = 0;      // peak; 0: a third of the run's
  std::filesystem::path output;  // weights, *.safetensors; empty: RUN/finetune/ID.safetensors
  bool int8 = false;
  std::string format{exporters().front().name};
  bool resume = false;
  int front = 0;  // networks of every band; 0: one member alone
  int bands = 4;

  supernet::Arithmetic arithmetic() const {
    return int8 ? supernet::Arithmetic::int8 : supernet::Arithmetic::fp32;
  }
};

void require_place(const FinetuneFiles& files, bool resume) {
  const bool begun = std::filesystem::exists(files.checkpoint());
  if (resume && !begun)
    throw InputError(files.checkpoint().string() +
                     ": there is nothing to resume; start it without --resume");
  if (resume) return;
  for (const auto& file : {files.checkpoint(), files.weights(), files.description()})
    if (std::filesystem::exists(file))
      throw InputError(file.string() + ": is there already; " +
                       (begun ? "continue with --resume, or choose" : "choose") +
                       " another file with --output");
}

std::string row(const char* name, std::optional<double> before, std::optional<double> after) {
  if (!before || !after) return "";
  return fmt::format("{:<24} {:>10.4f} {:>10.4f} {:>+9.2f} %\n", name, *before, *after,
                     100 * (*after / *before - 1));
}

// How far the perplexity in int8 is above that in fp32.
std::string row_above(const FinetuneLosses& before, const FinetuneLosses& after) {
  if (!before.int8 || !after.int8) return "";
  const auto percent = [](const FinetuneLosses& losses) {
    return fmt::format("{:+.2f} %", 100 * std::expm1(*losses.int8 - losses.whole));
  };
  return fmt::format("{:<24} {:>10} {:>10}\n", "    above fp32", percent(before), percent(after));
}

std::optional<double> perplexity(const std::optional<double>& loss) {
  return loss ? std::optional(std::exp(*loss)) : std::nullopt;
}

Json to_json(double before, double after) {
  return Json{{"before", std::exp(before)}, {"after", std::exp(after)}};
}

void finetune_member(const FinetuneOptions& options, const CommonOptions& common) {
  const Exporter& format = row_named(exporters(), options.format, "--format");
  const RunFolder run = RunFolder::read(options.run);
  ProxyTask proxy(run.config(), run.cache());
  const Archive archive = load_evaluated(run, proxy.designs());
  const Candidate& member = find_member(archive, options.member, run.history().string());
  const FinetuneFiles files(options.output.empty()
                                ? run.finetuned() / (hex(member.id) + ".safetensors")
                                : options.output);
  require_place(files, options.resume);
  proxy.load_weights(run);
  const supernet::TrainingConfig config = finetune_config(
      run.config().training, options.steps, options.learning_rate, options.arithmetic());
  const std::filesystem::path folder = files.stem.parent_path();
  if (!folder.empty()) create_folder(folder);

  resumes_from(files.checkpoint());
  const FinetuneResult result = long_work([&](const Watch& watch) {
    return finetune(run, proxy, {member, config, options.arithmetic(), files}, watch, format);
  });
  const auto& [before, after] = result;
  const supernet::Corpus& corpus = proxy.corpus();
  if (common.json) {
    Json json{{"id", hex(member.id)},
              {"architecture", to_json(member.architecture)},
              {"steps", config.steps},
              {"learning_rate", config.learning_rate},
              {"int8", options.int8},
              {"perplexity_of_validation_text", to_json(before.whole, after.whole)},
              {"perplexity", to_json(before.scoring, after.scoring)},
              {"weights", files.weights().string()},
              {"description", files.description().string()}};
    if (before.int8 && after.int8)
      json["perplexity_of_validation_text_int8"] = to_json(*before.int8, *after.int8);
    for (const auto& [time, loss] :
         {std::pair{"before", before.whole}, std::pair{"after", after.whole}}) {
      Json units;
      add_per_word_and_byte(units, corpus, loss);
      for (const auto& [unit, value] : units.items()) json[unit][time] = value;
    }
    return print(to_text(json));
  }
  print(describe(member.architecture) + "  (" + hex(member.id) + ")\n" +
        fmt::format("{:<24} {:>10} {:>10} {:>11}\n", "perplexity", "before", "after", "change") +
        row("whole validation text", std::exp(before.whole), std::exp(after.whole)) +
        row("  per word", corpus.perplexity_per_word(before.whole),
            corpus.perplexity_per_word(after.whole)) +
        row("  bits per byte", corpus.bits_per_byte(before.whole),
            corpus.bits_per_byte(after.whole)) +
        row("  in int8", perplexity(before.int8), perplexity(after.int8)) +
        row_above(before, after) +
        row("scoring sequences", std::exp(before.scoring), std::exp(after.scoring)));
  if (options.int8 ? after.int8 >= before.int8 : after.whole >= before.whole)
    print("Training on did not help: the supernet's weights, which export writes, are better.\n");
  print("Weights: " + path_text(files.weights()) +
        "  architecture: " + path_text(files.description()) + "\n");
}

std::string band_table(const FrontFinetuning& found, std::size_t band, Objective objective) {
  const int index = static_cast<int>(band);
  std::string text = fmt::format("{} up to {:.4g}\n", name_of(objective), found.bands[band].most);
  text += fmt::format("  {:<16}  {:>12}  {:>9}  {:>9}  {:>9}  {:>9}  {}\n", "network",
                      name_of(objective), "before", "after", "change", "int8", "");
  for (const TrainedOn& each : found.networks) {
    if (each.band != index) continue;
    text += fmt::format(
        "  {:<16}  {:>12.4g}  {:>9.4f}  {:>9.4f}  {:>+7.2f} %  {:>9}  {}{}\n", hex(each.network.id),
        value(each.network.objectives, objective), std::exp(each.before.whole),
        std::exp(each.after.whole), 100 * std::expm1(each.after.whole - each.before.whole),
        each.after.int8 ? fmt::format("{:.4f}", std::exp(*each.after.int8)) : "",
        describe(each.network.architecture), &each == &found.pick(index, true) ? "  <- pick" : "");
  }
  return text;
}

// In how many bands another network is the best once trained on, and what the first choice loses.
std::string picks(const FrontFinetuning& found) {
  int others = 0;
  double most = 0;
  for (int band = 0; band < static_cast<int>(found.bands.size()); ++band) {
    const TrainedOn& first = found.pick(band, false);
    const TrainedOn& last = found.pick(band, true);
    others += &first != &last;
    most = std::max(most, std::expm1(first.after.whole - last.after.whole));
  }
  return fmt::format(
      "The best before is not the best after in {} of {} bands; trained on, it is {:.2f} % in "
      "perplexity behind at most.\n",
      others, found.bands.size(), 100 * most);
}

void finetune_bands(const FinetuneOptions& options, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(options.run);
  ProxyTask proxy(run.config(), run.cache());
  const Archive archive = load_evaluated(run, proxy.designs());
  require_front(archive);
  const Objective objective = band_objective(archive);
  proxy.load_weights(run);
  const supernet::TrainingConfig config = finetune_config(
      run.config().training, options.steps, options.learning_rate, options.arithmetic());
  resumes_from(run.finetuned());
  const FrontFinetuning found = long_work([&](const Watch& watch) {
    return finetune_front(run, proxy, archive, config, options.arithmetic(), options.bands,
                          options.front, options.resume, watch);
  });
  Json json = to_json(found, objective);
  json["steps"] = config.steps;
  json["learning_rate"] = config.learning_rate;
  json["int8"] = options.int8;
  write_file_atomic(run.finetuned_front(), to_text(json));
  if (common.json) return print(to_text(json));
  std::string text;
  for (std::size_t band = 0; band < found.bands.size(); ++band)
    text += band_table(found, band, objective);
  const auto shown = [](const Estimate& e) {
    return fmt::format("{:.3f} [{:.3f}, {:.3f}]", e.value, e.low, e.high);
  };
  print(
      text + "before, after, int8: perplexity of the whole validation text; <- pick: the best of " +
      "its band once trained on\nKendall tau of the orders before and after: " + shown(found.tau) +
      ", within one band " + shown(found.tau_within) + "\n" + picks(found) + "Weights: " +
      path_text(run.finetuned()) + "  table: " + path_text(run.finetuned_front()) + "\n");
}

void finetune_networks(const FinetuneOptions& options, const CommonOptions& common) {
  if (options.front > 0) return finetune_bands(options, common);
  if (options.member.empty()) throw CLI::RequiredError("--id or --front");
  finetune_member(options, common);
}

}  // namespace

void add_finetune(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand("finetune", "Train networks of a run on, each alone");
  FinetuneOptions& options = options_of(verb, common, finetune_networks);
  verb->add_option("RUN", options.run, "Run folder")->required();
  CLI::Option* id =
      verb->add_option("--id,--member", options.member, "ID of a network, or the beginning of one");
  verb->add_option("--steps", options.steps, "Training steps (default: a quarter of the run's)")
      ->check(CLI::Range(1, 100'000'000));
  verb->add_option("--learning-rate", options.learning_rate,
                   "Peak learning rate (default: a third of the run's)")
      ->check(CLI::Range(1e-9, 10.0))
      ->check(is_number());
  CLI::Option* output = verb->add_option("--output", options.output,
                                         "Weights to write (default: RUN/finetune/ID.safetensors)");
  verb->add_flag("--int8", options.int8,
                 "Train what its weights are as int8 numbers: quantisation-aware");
  CLI::Option* format = verb->add_option("--format", options.format,
                                         "Beside the weights, the network in this format of export")
                            ->capture_default_str();
  CLI::Option* front = verb->add_option(
      "--front", options.front,
      "Instead of one: of several bands of cost so many networks each, the best by their slices, "
      "which are ranked again");
  front->check(CLI::Range(1, 1000))->excludes(id)->excludes(output)->excludes(format);
  verb->add_option("--bands", options.bands, "Bands of cost, for --front")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->needs(front);
  verb->add_flag("--resume", options.resume,
                 "Continue an interrupted fine-tuning, with the same options");
  add_common(verb, common);
}

}  // namespace paretoformer::nas
