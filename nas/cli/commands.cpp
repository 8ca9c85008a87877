#include "nas/cli/commands.hpp"

#include <fmt/format.h>

#include <cmath>

#include "nas/cli/command_io.hpp"
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

namespace paretoformer::nas {

void validate_command(const RunOptions& options, const CommonOptions& common) {
  const RunConfig config = load_run_config(options.config, options.overrides);
  ProxyTask proxy(config, {});
  if (!config.supernet.empty())
    proxy.load_weights(config.supernet / "supernet.safetensors", config.training);
  const latency_predictor::LatencyPredictor predictor = predictor_in_place(config, proxy.space());
  const std::string told = require_telling(config, proxy.space(), predictor);
  require_feasible(config, proxy, predictor);
  const accel_sim::HardwareCost low = predictor.predict(proxy.space().smallest());
  const accel_sim::HardwareCost high = predictor.predict(proxy.space().largest());
  log(common, told);
  const auto unit = predictor.in_time() ? "latency_ns" : "cycles";
  const auto latency = [&](const accel_sim::HardwareCost& cost) {
    return predictor.in_time() ? Json(predictor.latency(cost)) : Json(cost.latency.value());
  };
  if (common.json)
    return print(to_text(Json{{"valid", true},
                              {"networks", proxy.space().count()},
                              {"training_tokens", proxy.corpus().train.size()},
                              {"validation_tokens", proxy.corpus().validation.size()},
                              {"vocabulary", proxy.corpus().tokenizer.vocabulary_size()},
                              {unit, {latency(low), latency(high)}},
                              {"energy_pj", {low.energy.value(), high.energy.value()}},
                              {"config_hash", hex(config_hash(config))},
                              {"config", to_json(config)}}));
  print(space_summary(proxy) +
        fmt::format("cost at length {}: {:.0f} to {:.0f} {}, {:.4g} to {:.4g} uJ\n",
                    config.workload.sequence_length, predictor.latency(low),
                    predictor.latency(high), predictor.in_time() ? "ns" : "cycles",
                    low.energy.value() * 1e-6, high.energy.value() * 1e-6) +
        "The configuration is valid.\n");
}

void evaluate_command(const std::filesystem::path& folder, const std::filesystem::path& file,
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
    json.update(Json{{objectives.latency_ns ? "latency_ns" : "cycles", objectives.latency()},
                     {"energy_pj", objectives.energy_pj},
                     {"edp", objectives.edp()},
                     {"parameters", objectives.parameters},
                     {"peak_memory_bytes", objectives.peak_memory_bytes},
                     {"macs", objectives.macs}});
    return print(to_text(json));
  }
  std::string units;
  if (const auto word = corpus.perplexity_per_word(objectives.validation_loss))
    units += fmt::format("perplexity per word {:.4f}\n", *word);
  if (const auto bits = corpus.bits_per_byte(objectives.validation_loss))
    units += fmt::format("bits per byte {:.6f}\n", *bits);
  const std::string latency = objectives.latency_ns
                                  ? fmt::format("latency {:.3f} ns", *objectives.latency_ns)
                                  : fmt::format("cycles {:.0f}", objectives.latency_cycles);
  print(
      fmt::format("{}\nperplexity {:.4f} (loss {:.6f})\n{}{}\nenergy {:.3f} uJ\nparameters {}\n"
                  "peak memory {} bytes\nMACs {}\n",
                  describe(network), objectives.perplexity, objectives.validation_loss, units,
                  latency, objectives.energy_pj * 1e-6, objectives.parameters,
                  objectives.peak_memory_bytes, objectives.macs));
}

void export_command(const std::filesystem::path& folder, const std::filesystem::path& target,
                    const CommonOptions& common) {
  const RunFolder run = RunFolder::read(folder);
  ProxyTask proxy(run.config(), run.cache());
  proxy.load_weights(run);
  const Archive archive = load_archive(run, proxy.space());
  if (archive.size() == 0)
    throw InputError(run.history().string() + ": the run has no evaluated networks yet");
  require_front(archive);
  const FinalFront front = load_final_front(run, proxy, predictor_of(run, proxy.space()), archive);
  const std::filesystem::path to = target.empty() ? run.exports() : target;
  const std::size_t count = export_front(run, proxy, archive, front, to);
  if (common.json) return print(to_text(Json{{"folder", to.string()}, {"networks", count}}));
  print(fmt::format("{} networks of the front: ", count) + path_text(to) + "\n");
}

}  // namespace paretoformer::nas
