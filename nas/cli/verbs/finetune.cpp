#include "nas/run/finetune.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/verbs.hpp"
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
  const auto threads = limit_threads(common);
  const Exporter& format = row_named(exporters(), options.format, "--format");
  const RunFolder run = RunFolder::read(options.run);
  ProxyTask proxy(run.config(), run.cache());
  const Archive archive = load_evaluated(run, proxy.space());
  const Candidate& member = find_member(archive, options.member, run.history().string());
  const FinetuneFiles files(options.output.empty()
                                ? run.finetuned() / (hex(member.id) + ".safetensors")
                                : options.output);
  require_place(files, options.resume);
  proxy.load_weights(run);
  const supernet::TrainingConfig config =
      finetune_config(run.config().training, options.steps, options.learning_rate);
  const std::filesystem::path folder = files.stem.parent_path();
  if (!folder.empty()) create_folder(folder);

  resumes_from(files.checkpoint());
  LongWork work;
  const FinetuneResult result =
      finetune(run, proxy, member, config, options.arithmetic(), files, work.watch(), format);
  work.end();
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

}  // namespace

void add_finetune(CLI::App& app, CommonOptions& common) {
  const auto owned = std::make_shared<FinetuneOptions>();
  FinetuneOptions& options = *owned;
  CLI::App* verb = app.add_subcommand("finetune", "Train one network of a run on, alone");
  verb->add_option("RUN", options.run, "Run folder")->required();
  verb->add_option("--id,--member", options.member, "ID of a network, or the beginning of one")
      ->required();
  verb->add_option("--steps", options.steps, "Training steps (default: a quarter of the run's)")
      ->check(CLI::Range(1, 100'000'000));
  verb->add_option("--learning-rate", options.learning_rate,
                   "Peak learning rate (default: a third of the run's)")
      ->check(CLI::Range(1e-9, 10.0))
      ->check(is_number());
  verb->add_option("--output", options.output,
                   "Weights to write (default: RUN/finetune/ID.safetensors)");
  verb->add_flag("--int8", options.int8,
                 "Train what its weights are as int8 numbers: quantisation-aware");
  verb->add_option("--format", options.format,
                   "Beside the weights, the network in this format of export")
      ->capture_default_str();
  verb->add_flag("--resume", options.resume,
                 "Continue an interrupted fine-tuning, with the same options");
  add_common(verb, common);
  verb->callback([owned, &common] { finetune_member(*owned, common); });
}

}  // namespace paretoformer::nas
