#include "nas/commands.hpp"

#include <cmath>

#include "nas/command_io.hpp"
#include "nas/plot.hpp"
#include "nas/progress.hpp"
#include "nas/report.hpp"
#include "nas/search.hpp"
#include "nas/trained_run.hpp"
#include "nas/training_report.hpp"
#include "supernet/network_file.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

constexpr int kSeparationNetworks = 20;

struct Extremes {
  Objectives smallest, largest;
};

Extremes evaluate_extremes(const ProxyTask& proxy, CandidateEvaluator& evaluator) {
  const std::vector<Architecture> networks{proxy.space().smallest(), proxy.space().largest()};
  const std::vector<Objectives> objectives = evaluator.evaluate(networks);
  return {objectives[0], objectives[1]};
}

Json to_json(const Separation& s) {
  return Json{
      {"model_width", s.model_width},     {"networks", s.networks},           {"spread", s.spread},
      {"shared_change", s.shared_change}, {"subset_change", s.subset_change}, {"ratio", s.ratio()}};
}

Json perplexities(const ProxyTask& proxy, const Extremes& extremes) {
  Json json{{"unigram", proxy.corpus().unigram_perplexity},
            {"smallest", extremes.smallest.perplexity},
            {"largest", extremes.largest.perplexity}};
  if (proxy.corpus().oracle_perplexity) json["source"] = *proxy.corpus().oracle_perplexity;
  return json;
}

void require_front(const Archive& archive) {
  if (!archive.front().empty()) return;
  std::string closest;
  for (const Limit& limit : archive.limits()) {
    if (limit.soft) continue;
    double best = INFINITY;
    for (const Candidate& candidate : archive.candidates())
      best = std::min(best, value(candidate.objectives, limit.objective));
    closest += (closest.empty() ? "" : ", ") + name_of(limit.objective) +
               format(" <= %.6g (the lowest found is %.6g)", limit.maximum, best);
  }
  throw Error("no network of " + std::to_string(archive.size()) +
              " evaluated meets all limits: " + closest);
}

}  // namespace

void search_command(const RunOptions& options, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  TrainedRun trained(options, common);
  auto& [run, proxy, losses, evaluator] = trained;

  const Extremes extremes = evaluate_extremes(proxy, evaluator);
  const Separation separation = measure_separation(proxy, kSeparationNetworks, run.config().seed);
  const std::string summary =
      perplexity_summary(proxy, extremes.smallest.perplexity, extremes.largest.perplexity) +
      separation_summary(separation) + convergence_summary(read_probe_records(run.convergence()));
  log(common, summary);

  const std::size_t known = load_archive(run, proxy.space()).size();
  write_state(run, "search", known);
  Progress progress("search", run.config().search.evaluations, static_cast<std::int64_t>(known),
                    common.quiet);
  GenerationRecord last;
  SearchHooks hooks;
  hooks.on_generation = [&](const GenerationRecord& record) { last = record; };
  hooks.on_evaluations = [&](std::size_t evaluations) {
    progress.update(static_cast<std::int64_t>(evaluations),
                    format("generation %d front %zu hypervolume %.4f", last.generation, last.front,
                           last.hypervolume));
  };
  hooks.stop = stopping;
  const Archive archive = run_search(run, proxy, evaluator, hooks);
  require_front(archive);

  Json json = front_json(run, proxy, archive);
  write_file_atomic(run.front(), to_text(json));
  write_file_atomic(run.plot(),
                    front_svg(archive, "Pareto front of " + proxy.space().name() + ", " +
                                           std::to_string(archive.size()) + " networks evaluated"));
  write_state(run, "finished", archive.size());
  if (common.json) {
    json["run"] = run.path().string();
    json["perplexities"] = perplexities(proxy, extremes);
    json["separation"] = to_json(separation);
    return print(to_text(json));
  }
  print("\n" + front_table(archive, extremes.largest));
  print(summary);
  print(
      format("%zu of %.4g networks evaluated, %zu on the front, hypervolume %.4f of the "
             "reference box (generation 0)\n",
             archive.size(), static_cast<double>(proxy.space().count()), archive.front().size(),
             last.hypervolume));
  print("Front: " + run.front().string() + "  picture: " + run.plot().string() +
        "\nTake the networks away: paretoformer export " + run.path().string() + "\n");
}

void train_command(const RunOptions& options, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  TrainedRun trained(options, common);
  auto& [run, proxy, losses, evaluator] = trained;
  const Extremes extremes = evaluate_extremes(proxy, evaluator);
  const Separation separation = measure_separation(proxy, kSeparationNetworks, run.config().seed);
  const std::vector<ProbeRecord> probes = read_probe_records(run.convergence());
  if (common.json)
    return print(
        to_text(Json{{"run", run.path().string()},
                     {"steps", probes.empty() ? run.config().training.steps : probes.back().step},
                     {"perplexities", perplexities(proxy, extremes)},
                     {"separation", to_json(separation)},
                     {"convergence", convergence_json(probes)}}));
  print(perplexity_summary(proxy, extremes.smallest.perplexity, extremes.largest.perplexity) +
        separation_summary(separation) + convergence_summary(probes) +
        "Supernet: " + run.supernet().string() + "\n");
}

void validate_command(const RunOptions& options, const CommonOptions& common) {
  const RunConfig config = load_run_config(options.config, options.overrides);
  const ProxyTask proxy(config, {});
  const LatencyPredictor predictor = predictor_of(config);
  require_feasible(config, proxy, predictor);
  const HardwareCost low = predictor.predict(proxy.space().smallest());
  const HardwareCost high = predictor.predict(proxy.space().largest());
  if (common.json)
    return print(to_text(Json{{"valid", true},
                              {"networks", proxy.space().count()},
                              {"training_tokens", proxy.corpus().train.size()},
                              {"validation_tokens", proxy.corpus().validation.size()},
                              {"vocabulary", proxy.corpus().tokenizer.vocabulary_size()},
                              {"cycles", {low.latency.value(), high.latency.value()}},
                              {"energy_pj", {low.energy.value(), high.energy.value()}},
                              {"config_hash", hex(config_hash(config))},
                              {"config", to_json(config)}}));
  print(space_summary(proxy) +
        format("cost at length %d: %lld to %lld cycles, %.4g to %.4g uJ\n",
               config.workload.sequence_length, static_cast<long long>(low.latency.value()),
               static_cast<long long>(high.latency.value()), low.energy.value() * 1e-6,
               high.energy.value() * 1e-6) +
        "The configuration is valid.\n");
}

void evaluate_command(const std::filesystem::path& folder, const std::filesystem::path& file,
                      const std::filesystem::path& weights, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  const RunFolder run = RunFolder::read(folder);
  ProxyTask proxy(run.config(), run.cache());
  const Architecture network = architecture_argument(file, &proxy.space());
  Objectives objectives;
  const LatencyPredictor predictor = predictor_of(run.config());
  if (weights.empty()) {
    std::string why;
    if (!proxy.space().contains(network, &why))
      throw InputError(file.string() + ": the network is not in the run's search space: " + why);
    proxy.load_weights(run);
    CandidateEvaluator evaluator(supernet_losses(proxy), predictor, proxy.context());
    objectives = evaluator.evaluate(std::span(&network, 1))[0];
  } else {
    const StandaloneNetwork alone = load_network(weights);
    if (!(alone.layout.largest() == network))
      throw InputError(weights.string() + ": holds the weights of " +
                       describe(alone.layout.largest()) + ", expected " + describe(network));
    Evaluator own(alone.layout, alone.parameters, proxy.corpus().validation, proxy.context(),
                  run.config().validation_sequences, proxy.products());
    objectives = with_loss(cost_of(network, predictor, proxy.context()),
                           own.losses(std::span(&network, 1))[0]);
  }
  if (common.json)
    return print(to_text(Json{{"id", hex(architecture_id(network))},
                              {"architecture", to_json(network)},
                              {"perplexity", objectives.perplexity},
                              {"validation_loss", objectives.validation_loss},
                              {"cycles", objectives.latency_cycles},
                              {"energy_pj", objectives.energy_pj},
                              {"edp", objectives.edp()},
                              {"parameters", objectives.parameters},
                              {"peak_memory_bytes", objectives.peak_memory_bytes},
                              {"macs", objectives.macs}}));
  print(
      format("%s\nperplexity %.4f (loss %.6f)\ncycles %.0f\nenergy %.3f uJ\nparameters %lld\n"
             "peak memory %lld bytes\nMACs %lld\n",
             describe(network).c_str(), objectives.perplexity, objectives.validation_loss,
             objectives.latency_cycles, objectives.energy_pj * 1e-6,
             static_cast<long long>(objectives.parameters),
             static_cast<long long>(objectives.peak_memory_bytes),
             static_cast<long long>(objectives.macs)));
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
  const std::filesystem::path to = target.empty() ? run.exports() : target;
  const std::size_t count = export_front(run, proxy, archive, to);
  if (common.json) return print(to_text(Json{{"folder", to.string()}, {"networks", count}}));
  print(format("%zu networks of the front: ", count) + to.string() + "\n");
}

}  // namespace paretoformer
