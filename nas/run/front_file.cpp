#include "nas/run/front_file.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "nas/run/provenance.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

void add_per_word_and_byte(Json& json, const supernet::Corpus& corpus, double loss) {
  if (const auto value = corpus.perplexity_per_word(loss)) json["perplexity_per_word"] = *value;
  if (const auto value = corpus.bits_per_byte(loss)) json["bits_per_byte"] = *value;
}

Json confirmed_json(const supernet::Corpus& corpus, const FinalFront& front,
                    const FrontMember& member) {
  if (!front.confirmed) return nullptr;
  const Objectives& own = member.confirmed;
  Json json{{"validation_loss", own.validation_loss}, {"perplexity", own.perplexity}};
  add_per_word_and_byte(json, corpus, own.validation_loss);
  if (own.has_int8()) {
    json["validation_loss_int8"] = own.validation_loss_int8;
    json["perplexity_int8"] = own.perplexity_int8;
  }
  if (front.unsimulated.empty()) {
    json["latency_cycles"] = own.latency;
    json["energy_pj"] = own.energy_pj;
    json["edp"] = own.edp();
  }
  return json;
}

namespace {

Json to_json(const RunConfig& config, const supernet::Corpus& corpus, const FinalFront& front,
             const FrontMember& member) {
  Json json = to_json(member.candidate);
  if (const auto& hardware = member.candidate.architecture.hardware; !hardware.empty())
    json["hardware_choice"] = config.hardware_space.values(hardware);
  if (front.confirmed) json["confirmed"] = confirmed_json(corpus, front, member);
  return json;
}

Json to_json(const RunConfig& config, const supernet::Corpus& corpus, const FinalFront& front,
             const DroppedMember& dropped) {
  Json json = to_json(config, corpus, front, dropped.member);
  json["reason"] = dropped.limit ? "limit" : "dominated";
  if (dropped.limit)
    json["limit"] = name_of(dropped.limit->objective);
  else
    json["dominated_by"] = hex(dropped.dominated_by);
  return json;
}

Json to_json(const FinalFront& front, const BestWithin& best) {
  Json json{{"limit", {{name_of(best.limit.objective), best.limit.maximum}}}};
  if (best.above_best) json["above_best"] = *best.above_best;
  json["lowest"] = name_of(best.minimised);
  json["id"] = best.member ? Json(hex(front.members[*best.member].candidate.id)) : Json(nullptr);
  return json;
}

Json to_json(const PredictionError& error) {
  return Json{{"mean", error.mean}, {"largest", error.largest}};
}

Json confirmation_json(const FinalFront& front, const Point& reference) {
  if (!front.confirmed) return nullptr;
  std::vector<Point> points;
  for (const FrontMember& member : front.members) {
    points.emplace_back();
    for (Objective objective : front.objectives)
      points.back().push_back(value(member.confirmed, objective));
  }
  Json json{{"validation_tokens", front.validation_tokens},
            {"simulated", front.unsimulated.empty()}};
  if (!front.unsimulated.empty()) json["not_simulated_because"] = front.unsimulated;
  json["hypervolume"] = hypervolume(points, reference);
  json["prediction_error"]["perplexity"] = to_json(prediction_error(front, Objective::kPerplexity));
  if (front.unsimulated.empty())
    for (Objective objective : {Objective::kLatency, Objective::kEnergy})
      json["prediction_error"][name_of(objective)] = to_json(prediction_error(front, objective));
  return json;
}

}  // namespace

Json front_json(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                const FinalFront& front) {
  Json json;
  json["format"] = "paretoformer.front.2";
  json["objectives"] = Json::array();
  for (Objective objective : archive.objectives()) json["objectives"].push_back(name_of(objective));
  json["limits"] = to_json(archive.limits());
  const bool soft = has_soft(archive.limits());
  if (soft) json["soft_limits"] = to_json(archive.limits(), true);
  json["front"] = Json::array();
  for (const FrontMember& member : front.members) {
    json["front"].push_back(to_json(run.config(), proxy.corpus(), front, member));
    if (soft)
      json["front"].back()["over_soft_limits"] = excess_json(member.confirmed, archive.limits());
  }
  json["dropped"] = Json::array();
  for (const DroppedMember& each : front.dropped)
    json["dropped"].push_back(to_json(run.config(), proxy.corpus(), front, each));
  const auto bend = knee(front);
  json["knee"] = bend ? Json(hex(front.members[*bend].candidate.id)) : Json(nullptr);
  json["best_within"] = Json::array();
  for (const BestWithin& best : best_within(front))
    json["best_within"].push_back(to_json(front, best));
  json["evaluations"] = archive.size();
  const Point reference = reference_point(archive);
  json["reference_point"] = reference;
  json["hypervolume"] = archive.hypervolume(reference);
  json["confirmation"] = confirmation_json(front, reference);
  json["provenance"] = provenance(run, proxy);
  return json;
}

ExportedFront export_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                           const FinalFront& front, const std::filesystem::path& folder,
                           const Exporter& exporter, const MemberChoice& choice) {
  const std::vector<std::size_t> members = chosen_members(front, choice);
  create_folder(folder);
  const supernet::Evaluator calibration = calibration_sequences(proxy);
  ExportedFront exported;
  for (const std::size_t index : members) {
    const FrontMember& member = front.members[index];
    const accel_sim::Target hardware = run.config().hardware_of(member.candidate.architecture);
    Json origin = provenance(run, proxy);
    origin["hardware_hash"] = hex(target_hash(hardware));
    const ExportedNetwork network{member.candidate,
                                  hardware,
                                  run.config().workload,
                                  origin,
                                  proxy.layout(),
                                  proxy.weights(),
                                  calibration.batch(),
                                  proxy.corpus().validation,
                                  proxy.corpus().tokenizer,
                                  to_json(run.config()),
                                  confirmed_json(proxy.corpus(), front, member)};
    try {
      export_network(folder / hex(member.candidate.id), network, exporter);
      ++exported.written;
    } catch (const InputError& error) {
      exported.refused.emplace_back(error.what());
    }
  }
  if (exported.written == 0) throw InputError(exported.refused.at(0));
  write_file_atomic(folder / "front.json", to_text(front_json(run, proxy, archive, front)));
  if (!proxy.corpus().tokenizer.model().empty())
    write_file_atomic(folder / "tokenizer.model", proxy.corpus().tokenizer.model());
  return exported;
}

}  // namespace paretoformer::nas
