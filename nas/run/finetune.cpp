#include "nas/run/finetune.hpp"

#include <algorithm>

#include "nas/export/network_export.hpp"
#include "nas/run/provenance.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

FinetuneLosses losses_of(const ProxyTask& proxy, const supernet::ParameterLayout& layout,
                         const std::vector<float>& weights) {
  const auto losses = proxy.losses(layout, weights);
  const auto loss = [&](int sequences) {
    supernet::Evaluator evaluator(losses, proxy.corpus().validation, proxy.context(), sequences);
    return evaluator.losses(std::span(&layout.largest(), 1))[0];
  };
  const supernet::Evaluator whole(layout, weights, proxy.corpus().validation, proxy.context());
  const std::optional<double> int8 = int8_loss(layout, weights, layout.largest(),
                                               calibration_sequences(proxy).batch(), whole.batch());
  return {loss(0), loss(proxy.validation_sequences()), int8};
}

Json to_json(const FinetuneLosses& losses) {
  return Json{{"validation_text", losses.whole},
              {"scoring_sequences", losses.scoring},
              {"validation_text_int8", losses.int8 ? Json(*losses.int8) : Json(nullptr)}};
}

constexpr double kLargestNumber = 1e300;

// The inverse.
FinetuneLosses losses_from_json(const JsonNode& node) {
  const JsonObject object(node);
  FinetuneLosses losses;
  losses.whole = object.number("validation_text", 0, kLargestNumber);
  losses.scoring = object.number("scoring_sequences", 0, kLargestNumber);
  if (!object.at("validation_text_int8").json().is_null())
    losses.int8 = object.number("validation_text_int8", 0, kLargestNumber);
  return losses;
}

// Of a finished training; throws InputError when it was another one.
FinetuneResult finished(const Finetuning& given) {
  const auto& [network, config, arithmetic, files, start] = given;
  const Json json = read_json(files.description());
  const JsonObject origin(
      JsonObject(JsonNode(json, files.description().string())).at("provenance"));
  const JsonObject tuned(origin.at("finetuned"));
  const bool int8 = arithmetic == supernet::Arithmetic::int8;
  if (tuned.integer("steps", 1, INT32_MAX) != config.steps ||
      tuned.number("learning_rate", 0, kLargestNumber) != config.learning_rate ||
      tuned.boolean("int8", false) != int8)
    throw InputError(files.description().string() +
                     ": was trained on otherwise; remove it, or give the same options");
  return {losses_from_json(tuned.at("loss_before")), losses_from_json(tuned.at("loss_after"))};
}

}  // namespace

const Candidate& find_member(const Archive& archive, const std::string& prefix,
                             const std::string& where) {
  std::vector<const Candidate*> found;
  std::vector<std::string> ids;
  for (const Candidate& candidate : archive.candidates()) {
    ids.push_back(hex(candidate.id));
    if (ids.back().starts_with(prefix)) found.push_back(&candidate);
  }
  if (found.size() == 1) return *found[0];
  if (found.empty())
    throw InputError(where + ": none of the ids of " + std::to_string(ids.size()) +
                     " candidates begins with \"" + prefix + "\"" + did_you_mean(prefix, ids));
  throw InputError(where + ": the ids of " + std::to_string(found.size()) +
                   " candidates begin with \"" + prefix + "\", e.g. " + hex(found[0]->id) +
                   " and " + hex(found[1]->id) + ": expected one");
}

supernet::TrainingConfig finetune_config(supernet::TrainingConfig run, int steps,
                                         double learning_rate, supernet::Arithmetic arithmetic) {
  run.steps = steps > 0 ? steps : std::max(1, run.steps / 4);
  run.learning_rate = learning_rate > 0 ? learning_rate : run.learning_rate / 3;
  run.random_subnetworks = 0;
  run.distillation = 0;
  run.sort_at = 0;
  run.probe_interval = 0;
  run.stop_when_converged = false;
  if (arithmetic == supernet::Arithmetic::int8) {
    run.dropout = 0;
    run.patience = 0;
  }
  return run;
}

FinetuneFiles::FinetuneFiles(const std::filesystem::path& weights)
    : stem(weights.parent_path() / weights.stem()) {
  if (weights.extension() != ".safetensors" || weights.stem().empty())
    throw InputError(weights.string() + ": expected a name that ends in .safetensors");
}

std::filesystem::path FinetuneFiles::with(const std::string& extension) const {
  std::filesystem::path path = stem;
  return path += extension;
}

FinetuneResult finetune(const RunFolder& run, const ProxyTask& proxy, const Finetuning& given,
                        const Watch& watch, const Exporter& format) {
  const auto& [member, config, arithmetic, files, start] = given;
  const supernet::ParameterLayout layout(member.architecture, proxy.context());
  const bool int8 = arithmetic == supernet::Arithmetic::int8;
  std::string text =
      proxy.fingerprint() + hex(member.id) + config.identity().dump() + (int8 ? "int8" : "");
  if (!start.empty()) text += hex(hash_bytes(start.data(), start.size() * sizeof(float)));
  const supernet::Evaluator calibration = calibration_sequences(proxy);
  supernet::TrainingRun alone{
      layout, [&](std::int64_t) { return std::vector{given.network.architecture}; }, config,
      // Other batches than those of the supernet.
      hash_text(hex(member.id), run.config().seed), proxy.corpus().train, files.checkpoint(),
      files.log(), hex(hash_text(text))};
  alone.start = start.empty() ? extract(proxy.layout(), proxy.weights(), layout) : start;
  if (int8) alone.calibration = calibration.batch();
  if (config.patience > 0)
    alone.probes =
        supernet::ProbePlan{{member.architecture}, proxy.corpus().validation, files.probes()};
  alone.watch = watch;
  FinetuneResult result;
  result.before = losses_of(proxy, layout, alone.start);
  const std::vector<float> weights = train(alone);
  result.after = losses_of(proxy, layout, weights);

  Candidate tuned = member;
  tuned.objectives = with_loss(tuned.objectives, result.after.scoring);
  const accel_sim::Target hardware = run.config().hardware_of(member.architecture);
  Json origin = provenance(run, proxy);
  origin["hardware_hash"] = hex(target_hash(hardware));
  origin["finetuned"] = Json{{"steps", config.steps},
                             {"learning_rate", config.learning_rate},
                             {"loss_before", to_json(result.before)},
                             {"loss_after", to_json(result.after)}};
  if (int8) origin["finetuned"]["int8"] = true;
  const RunConfig& of_run = run.config();
  const ExportedNetwork network{tuned,
                                hardware,
                                of_run.workload,
                                origin,
                                layout,
                                weights,
                                calibration.batch(),
                                proxy.corpus().validation,
                                proxy.corpus().tokenizer,
                                to_json(of_run)};
  export_network(files.stem, network);
  if (&format != &exporters().front())
    format.write(files.with(std::string(format.suffix)), network);
  return result;
}

FinetuneResult finetune_or_read(const RunFolder& run, const ProxyTask& proxy,
                                const Finetuning& given, const Watch& watch) {
  return std::filesystem::exists(given.files.description()) ? finished(given)
                                                            : finetune(run, proxy, given, watch);
}

}  // namespace paretoformer::nas
