#include "nas/report.hpp"

#include <algorithm>
#include <cmath>

#include "accel_sim/simulator.hpp"
#include "supernet/network_file.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"

namespace paretoformer {

Json provenance(const RunFolder& run, const ProxyTask& proxy) {
  return Json{{"seed", run.config().seed},
              {"config_hash", hex(config_hash(run.config()))},
              {"hardware_hash", hex(hardware_hash(run.config().hardware))},
              {"text_hash", hex(proxy.corpus().hash)},
              {"supernet", proxy.fingerprint()},
              {"cost_model", kSimulatorModel},
              {"mode", run.config().workload.mode == Mode::kDecode ? "decode" : "prefill"},
              {"sequence_length", run.config().workload.sequence_length}};
}

std::string space_summary(const ProxyTask& proxy) {
  const SearchSpace& space = proxy.space();
  const int context = proxy.context();
  return format(
      "search space \"%s\": %.4g networks, %.3g to %.3g million parameters; text: %.3g "
      "million training tokens, vocabulary %d\n",
      space.name().c_str(), static_cast<double>(space.count()),
      1e-6 * static_cast<double>(parameter_count(space.smallest(), context)),
      1e-6 * static_cast<double>(parameter_count(space.largest(), context)),
      1e-6 * static_cast<double>(proxy.corpus().train.size()),
      proxy.corpus().tokenizer.vocabulary_size());
}

Json front_json(const RunFolder& run, const ProxyTask& proxy, const Archive& archive) {
  Json json;
  json["format"] = "paretoformer.front.1";
  json["objectives"] = Json::array();
  for (Objective objective : archive.objectives()) json["objectives"].push_back(name_of(objective));
  json["limits"] = to_json(archive.limits());
  const bool soft = has_soft(archive.limits());
  if (soft) json["soft_limits"] = to_json(archive.limits(), true);
  json["front"] = Json::array();
  for (std::size_t index : archive.front()) {
    const Candidate& member = archive.candidates()[index];
    json["front"].push_back(to_json(member));
    if (soft)
      json["front"].back()["over_soft_limits"] = excess_json(member.objectives, archive.limits());
  }
  json["evaluations"] = archive.size();
  const Point reference = reference_point(archive);
  json["reference_point"] = reference;
  json["hypervolume"] = archive.hypervolume(reference);
  json["provenance"] = provenance(run, proxy);
  return json;
}

std::string front_table(const Archive& archive, const Objectives& largest) {
  std::string table = format("%-16s %10s %8s %12s %12s %8s %9s  %s\n", "id", "perplexity", "+%",
                             "cycles", "energy/uJ", "EDP x", "param/k", "network");
  std::vector<const Candidate*> members;
  for (std::size_t index : archive.front()) members.push_back(&archive.candidates()[index]);
  std::stable_sort(members.begin(), members.end(), [](const Candidate* a, const Candidate* b) {
    return a->objectives.perplexity < b->objectives.perplexity;
  });
  for (const Candidate* member : members) {
    const Objectives& o = member->objectives;
    table +=
        format("%-16s %10.3f %8.2f %12.0f %12.2f %8.2f %9.1f  %s\n", hex(member->id).c_str(),
               o.perplexity, 100 * (o.perplexity / largest.perplexity - 1), o.latency_cycles,
               o.energy_pj * 1e-6, largest.edp() / o.edp(),
               static_cast<double>(o.parameters) * 1e-3, describe(member->architecture).c_str());
  }
  return table +
         "+%: perplexity above the largest network's; EDP x: how many times better its "
         "energy-delay product is\n";
}

std::string perplexity_summary(const ProxyTask& proxy, double smallest, double largest) {
  std::string text = format(
      "perplexity of the validation text (%d tokens): unigram model %.2f, "
      "smallest network %.2f, largest network %.2f",
      static_cast<int>(proxy.corpus().validation.size()), proxy.corpus().unigram_perplexity,
      smallest, largest);
  if (proxy.corpus().oracle_perplexity)
    text += format(", the source itself %.2f (no model can beat it)",
                   *proxy.corpus().oracle_perplexity);
  return text + "\n";
}

std::string separation_summary(const Separation& s) {
  if (!std::isfinite(s.ratio()))
    return "separation: unknown; it takes two validation sequences, and networks that differ\n";
  return format(
      "separation: the losses of %d random networks of width %d spread by %.4f; another validation "
      "subset moves all by %+.4f and each by %.4f more or less: %.1f times (a search needs 5)\n",
      s.networks, s.model_width, s.spread, s.shared_change, s.subset_change, s.ratio());
}

std::string breakdown_table(const std::vector<OperatorPrediction>& operators) {
  std::string table = format("%5s  %-24s %7s %-34s %14s %14s\n", "layer", "operator", "repeat",
                             "shape", "cycles", "energy/uJ");
  for (const OperatorPrediction& p : operators)
    table +=
        format("%5s  %-24s %7lld %-34s %14lld %14.3f\n",
               p.layer < 0 ? "-" : std::to_string(p.layer).c_str(), std::string(p.role).c_str(),
               static_cast<long long>(p.repeat), describe(p.op).c_str(),
               static_cast<long long>(p.cost.latency.value()), p.cost.energy.value() * 1e-6);
  return table;
}

void export_network(const std::filesystem::path& stem, const Candidate& candidate,
                    const Json& provenance, const ParameterLayout& layout,
                    const std::vector<float>& parameters) {
  const auto file = [&](const char* extension) {
    std::filesystem::path path = stem;
    return path += extension;
  };
  Json json = to_json(candidate);
  json["provenance"] = provenance;
  json["weights"] = file(".safetensors").filename().string();
  write_file_atomic(file(".json"), to_text(json));
  save_network(file(".safetensors"), layout, parameters, candidate.architecture,
               {{"id", hex(candidate.id)},
                {"validation_loss", Json(candidate.objectives.validation_loss).dump()},
                {"provenance", provenance.dump()}});
}

std::size_t export_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                         const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": cannot create folder: " + error.message());
  const std::vector<std::size_t> front = archive.front();
  for (std::size_t index : front) {
    const Candidate& candidate = archive.candidates()[index];
    export_network(folder / hex(candidate.id), candidate, provenance(run, proxy), proxy.layout(),
                   proxy.weights());
  }
  write_file_atomic(folder / "front.json", to_text(front_json(run, proxy, archive)));
  if (!proxy.corpus().tokenizer.model().empty())
    write_file_atomic(folder / "tokenizer.model", proxy.corpus().tokenizer.model());
  return front.size();
}

}  // namespace paretoformer
