
#include <fmt/format.h>

#include <cmath>
#include <memory>

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
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

void evaluate_network(const std::filesystem::path& folder, const std::filesystem::path& file,
                      const std::filesystem::path& weights, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  const RunFolder run = RunFolder::read(folder);
  ProxyTask proxy(run.config(), run.cache());
  const Architecture network = architecture_argument(file, &proxy.space());
  Objectives objectives;
  const latency_predictor::LatencyPredictor predictor = predictor_of(run, proxy.space());
  if (weights.empty()) {
    std::string why;
    if (!proxy.space().contains(network, &why))
      throw InputError(file.string() + ": the network is not in the run's search space: " + why);
    proxy.load_weights(run);
    CandidateEvaluator evaluator(supernet_losses(proxy), predictor, proxy.context());
    objectives = evaluator.evaluate(std::span(&network, 1))[0];
  } else {
    const supernet::StandaloneNetwork alone = supernet::load_network(weights);
    if (!(alone.layout.largest() == network))
      throw InputError(weights.string() + ": holds the weights of " +
                       describe(alone.layout.largest()) + ", expected " + describe(network));
    supernet::Evaluator own(alone.layout, alone.parameters, proxy.corpus().validation,
                            proxy.context(), run.config().validation_sequences, proxy.products());
    objectives = with_loss(cost_of(network, predictor, proxy.context()),
                           own.losses(std::span(&network, 1))[0]);
  }
  if (!std::isfinite(objectives.perplexity))
    throw InputError(
        (weights.empty() ? run.supernet() : weights).string() +
        fmt::format(": the loss of these weights is {:.4g} nats per token, whose perplexity is "
                    "not a finite number",
                    objectives.validation_loss));
  const supernet::Corpus& corpus = proxy.corpus();
  if (common.json) {
    Json json{{"id", hex(architecture_id(network))},
              {"architecture", to_json(network)},
              {"perplexity", objectives.perplexity},
              {"validation_loss", objectives.validation_loss}};
    add_per_word_and_byte(json, corpus, objectives.validation_loss);
    const Json values = to_json(objectives);
    for (const auto& [key, number] : values.items())
      json[key == key_of(Objective::kLatency) ? "cycles" : key] = number;
    return print(to_text(json));
  }
  std::string text = describe(network) + fmt::format("\nloss {:.6f}\n", objectives.validation_loss);
  if (const auto word = corpus.perplexity_per_word(objectives.validation_loss))
    text += fmt::format("perplexity per word {:.4f}\n", *word);
  if (const auto bits = corpus.bits_per_byte(objectives.validation_loss))
    text += fmt::format("bits per byte {:.6f}\n", *bits);
  for (const Objective objective : all_objectives()) text += shown(objectives, objective) + "\n";
  print(text);
}

}  // namespace

void add_evaluate(CLI::App& app, CommonOptions& common) {
  struct Given {
    std::string run_folder, architecture, weights;
  };
  const auto given = std::make_shared<Given>();
  CLI::App* evaluate =
      app.add_subcommand("evaluate", "Perplexity and cost of one architecture in a run");
  evaluate->add_option("RUN", given->run_folder, "Run folder")->required();
  evaluate->add_option("ARCHITECTURE", given->architecture, "Architecture or exported JSON file")
      ->required();
  evaluate->add_option("--weights", given->weights,
                       "Exported weights instead of the supernet's slice");
  add_common(evaluate, common);
  evaluate->callback([given, &common] {
    evaluate_network(given->run_folder, given->architecture, given->weights, common);
  });
}

}  // namespace paretoformer::nas
