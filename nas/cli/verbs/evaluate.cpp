
#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/front_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/model/network_file.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/quantization/smoothing.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct Request {
  std::filesystem::path run_folder, architecture, weights;
  bool int8 = false;
  std::string calibration = "mean_square";
  int norm_reads = supernet::kNormReads;
  std::optional<double> smoothing;
};

// Of the network in integers: its loss, and the loss with each kind of operator alone in integers.
struct Int8Loss {
  double loss;
  std::vector<supernet::OperatorLoss> alone;
};

struct Evaluated {
  Objectives objectives;
  std::optional<Int8Loss> int8;  // where it is asked for, and there is one in fp32
};

// In integers calibrated on the training text, scored on the sequences of `evaluator`.
Evaluated with_int8(const Objectives& objectives, const supernet::ParameterLayout& layout,
                    const std::vector<float>& parameters, const Architecture& network,
                    const supernet::Evaluator& evaluator, const ProxyTask& proxy,
                    const Request& request) {
  if (!request.int8 || !std::isfinite(objectives.perplexity)) return {objectives, {}};
  const supernet::Evaluator training = calibration_sequences(proxy);
  supernet::FoldedNetwork folded = supernet::fold(layout, parameters.data(), network);
  if (request.smoothing) folded = smoothed(folded, training.batch(), *request.smoothing);
  supernet::QuantizationConfig config;
  config.activations = supernet::kCalibrationWords.value_of(request.calibration, "--calibration");
  config.norm_reads = request.norm_reads;
  const supernet::QuantizedNetwork quantized =
      supernet::calibrated(folded, training.batch(), config);
  return {objectives, Int8Loss{supernet::integer_loss(quantized, evaluator.batch()),
                               supernet::operator_losses(folded, quantized, evaluator.batch())}};
}

// The slice of the run's supernet.
Evaluated evaluate_slice(const RunFolder& run, ProxyTask& proxy, const Architecture& network,
                         const Predictors& predictors, const Request& request) {
  std::string why;
  if (!proxy.designs().contains(network, &why))
    throw InputError(request.architecture.string() +
                     ": the network is not in the run's search space: " + why);
  proxy.load_weights(run);
  CandidateEvaluator evaluator(supernet_losses(proxy), predictors, proxy.context());
  return with_int8(evaluator.evaluate(std::span(&network, 1))[0], proxy.layout(), proxy.weights(),
                   network, proxy.evaluator(), proxy, request);
}

// The network in the file --weights.
Evaluated evaluate_alone(const RunFolder& run, const ProxyTask& proxy, const Architecture& network,
                         const Predictors& predictors, const Request& request) {
  const supernet::StandaloneNetwork alone = supernet::load_network(request.weights);
  if (without_hardware(alone.layout.largest()) != without_hardware(network))
    throw InputError(request.weights.string() + ": holds the weights of " +
                     describe(alone.layout.largest()) + ", expected " + describe(network));
  supernet::Evaluator own(proxy.losses(alone.layout, alone.parameters), proxy.corpus().validation,
                          proxy.context(), run.config().validation_sequences);
  const Objectives objectives = with_loss(cost_of(network, predictors.of(network), proxy.context()),
                                          own.losses(std::span(&network, 1))[0]);
  return with_int8(objectives, alone.layout, alone.parameters, network, own, proxy, request);
}

void add_int8(Json& json, const Int8Loss& int8) {
  json["perplexity_int8"] = std::exp(int8.loss);
  json["validation_loss_int8"] = int8.loss;
  Json& alone = json["perplexity_with_integer"];
  for (const auto& [kind, loss] : int8.alone)
    alone[supernet::kIntegerOperatorWords.word_of(kind)] = std::exp(loss);
}

std::string int8_text(const Int8Loss& int8, double fp32_loss) {
  const auto line = [&](std::string_view name, double loss) {
    return fmt::format("{} {:.4f} ({:+.2f} %)\n", name, std::exp(loss),
                       100 * std::expm1(loss - fp32_loss));
  };
  std::string text = line("perplexity in int8", int8.loss);
  for (const auto& [kind, loss] : int8.alone)
    text +=
        line(fmt::format("  with integer {} alone", supernet::kIntegerOperatorWords.word_of(kind)),
             loss);
  return text;
}

std::string answer_text(const Architecture& network, const Evaluated& evaluated,
                        const supernet::Corpus& corpus, bool json_wanted) {
  const Objectives& objectives = evaluated.objectives;
  if (json_wanted) {
    Json json{{"id", hex(architecture_id(network))},
              {"architecture", to_json(network)},
              {"perplexity", objectives.perplexity},
              {"validation_loss", objectives.validation_loss}};
    add_per_word_and_byte(json, corpus, objectives.validation_loss);
    const Json values = to_json(objectives);
    for (const auto& [key, number] : values.items())
      json[key == key_of(Objective::kLatency) ? "cycles" : key] = number;
    if (evaluated.int8) add_int8(json, *evaluated.int8);
    return to_text(json);
  }
  std::string text = describe(network) + fmt::format("\nloss {:.6f}\n", objectives.validation_loss);
  if (const auto word = corpus.perplexity_per_word(objectives.validation_loss))
    text += fmt::format("perplexity per word {:.4f}\n", *word);
  if (const auto bits = corpus.bits_per_byte(objectives.validation_loss))
    text += fmt::format("bits per byte {:.6f}\n", *bits);
  for (const Objective objective : all_objectives())
    if (objective != Objective::kPerplexityInt8 && objectives.has(objective))
      text += shown(objectives, objective) + "\n";
  if (evaluated.int8) text += int8_text(*evaluated.int8, objectives.validation_loss);
  return text;
}

void evaluate_network(const Request& request, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(request.run_folder);
  ProxyTask proxy(run.config(), run.cache());
  const Architecture network =
      proxy.designs().on_hardware(architecture_argument(request.architecture, &proxy.space()));
  const Predictors predictors = predictors_of(run, proxy.space());
  const bool slice = request.weights.empty();
  const Evaluated evaluated = slice ? evaluate_slice(run, proxy, network, predictors, request)
                                    : evaluate_alone(run, proxy, network, predictors, request);
  if (!std::isfinite(evaluated.objectives.perplexity))
    throw InputError(
        (slice ? run.supernet() : request.weights).string() +
        fmt::format(": the loss of these weights is {:.4g} nats per token, whose perplexity is "
                    "not a finite number",
                    evaluated.objectives.validation_loss));
  print(answer_text(network, evaluated, proxy.corpus(), common.json));
}

}  // namespace

void add_evaluate(CLI::App& app, CommonOptions& common) {
  CLI::App* evaluate =
      app.add_subcommand("evaluate", "Perplexity and cost of one architecture in a run");
  Request& given = options_of(evaluate, common, evaluate_network);
  evaluate->add_option("RUN", given.run_folder, "Run folder")->required();
  evaluate->add_option("ARCHITECTURE", given.architecture, "Architecture or exported JSON file")
      ->required();
  evaluate->add_option("--weights", given.weights,
                       "Exported weights instead of the supernet's slice");
  CLI::Option* int8 = evaluate->add_flag(
      "--int8", given.int8,
      "Also the perplexity in the accelerator's integers, and what each kind of operator costs");
  evaluate
      ->add_option("--calibration", given.calibration,
                   "How activations get their scales: min_max, percentile_99.9, percentile_99.99 "
                   "or mean_square")
      ->capture_default_str()
      ->needs(int8);
  evaluate
      ->add_option("--norm-reads", given.norm_reads,
                   "How often a LayerNorm's rows are read into the accumulator, for finer steps")
      ->capture_default_str()
      ->check(CLI::Range(1, 256))
      ->needs(int8);
  evaluate
      ->add_option("--smoothing", given.smoothing,
                   "SmoothQuant's alpha, between v and output projection and between q and k "
                   "(default: neither is smoothed)")
      ->check(CLI::Range(0.0, 1.0))
      ->check(is_number())
      ->needs(int8);
  add_common(evaluate, common);
}

}  // namespace paretoformer::nas
