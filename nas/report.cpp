#include "nas/report.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

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

void add_per_word_and_byte(Json& json, const Corpus& corpus, double loss) {
  if (const auto value = corpus.perplexity_per_word(loss)) json["perplexity_per_word"] = *value;
  if (const auto value = corpus.bits_per_byte(loss)) json["bits_per_byte"] = *value;
}

Json confirmed_json(const Corpus& corpus, const FinalFront& front, const FrontMember& member) {
  if (!front.confirmed) return nullptr;
  const Objectives& own = member.confirmed;
  Json json{{"validation_loss", own.validation_loss}, {"perplexity", own.perplexity}};
  add_per_word_and_byte(json, corpus, own.validation_loss);
  if (front.unsimulated.empty()) {
    json["latency_cycles"] = own.latency_cycles;
    json["energy_pj"] = own.energy_pj;
    json["edp"] = own.edp();
  }
  return json;
}

namespace {

Json to_json(const Corpus& corpus, const FinalFront& front, const FrontMember& member) {
  Json json = to_json(member.candidate);
  if (front.confirmed) json["confirmed"] = confirmed_json(corpus, front, member);
  return json;
}

Json to_json(const Corpus& corpus, const FinalFront& front, const DroppedMember& dropped) {
  Json json = to_json(corpus, front, dropped.member);
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
    json["front"].push_back(to_json(proxy.corpus(), front, member));
    if (soft)
      json["front"].back()["over_soft_limits"] = excess_json(member.confirmed, archive.limits());
  }
  json["dropped"] = Json::array();
  for (const DroppedMember& each : front.dropped)
    json["dropped"].push_back(to_json(proxy.corpus(), front, each));
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

namespace {

// " 123.45", or as much space as that takes.
std::string cell(std::optional<double> value, int width, int digits) {
  return value ? format(" %*.*f", width, digits, *value) : std::string(width + 1UL, ' ');
}

// Columns that only a text of words has.
std::string per_word_and_byte(const Corpus& corpus, double loss) {
  if (corpus.words == 0) return "";
  return cell(corpus.perplexity_per_word(loss), 9, 2) + cell(corpus.bits_per_byte(loss), 9, 4);
}

std::string row(const Corpus& corpus, const FrontMember& member, const Objectives& largest) {
  const Objectives& seen = member.candidate.objectives;
  const Objectives& own = member.confirmed;
  return format("%-16s %10.3f %8.3f%s %7.2f %11.0f %11.0f %10.2f %10.2f %7.2f %8.1f  %s\n",
                hex(member.candidate.id).c_str(), seen.perplexity, own.perplexity,
                per_word_and_byte(corpus, own.validation_loss).c_str(),
                100 * (seen.perplexity / largest.perplexity - 1), seen.latency(), own.latency(),
                seen.energy_pj * 1e-6, own.energy_pj * 1e-6, largest.edp() / seen.edp(),
                static_cast<double>(seen.parameters) * 1e-3,
                describe(member.candidate.architecture).c_str());
}

std::string reason(const DroppedMember& dropped) {
  if (!dropped.limit) return "dominated by " + hex(dropped.dominated_by);
  return name_of(dropped.limit->objective) +
         format(" is %.6g, its limit %.6g",
                value(dropped.member.confirmed, dropped.limit->objective), dropped.limit->maximum);
}

// The first few; all of them are in front.json.
std::string dropped_lines(const FinalFront& front) {
  constexpr std::size_t kShown = 8;
  const std::size_t shown = std::min(kShown, front.dropped.size());
  std::string text;
  for (std::size_t i = 0; i < shown; ++i)
    text += "dropped " + hex(front.dropped[i].member.candidate.id) + ": " +
            reason(front.dropped[i]) + "\n";
  if (shown < front.dropped.size())
    text += format("... and %zu more dropped\n", front.dropped.size() - shown);
  return text;
}

std::string confirmation_summary(const FinalFront& front) {
  if (!front.confirmed) return "the front is not confirmed yet\n";
  const auto error = [&](Objective objective) {
    const PredictionError e = prediction_error(front, objective);
    return format("%.3f %% on average, %.3f %% at most", 100 * e.mean, 100 * e.largest);
  };
  std::string text = format("%zu of %zu members confirmed", front.members.size(),
                            front.members.size() + front.dropped.size());
  text += front.unsimulated.empty()
              ? "; predicted against simulated: cycles off by " + error(Objective::kLatency) +
                    ", energy by " + error(Objective::kEnergy)
              : " on the validation text, not simulated: " + front.unsimulated;
  return text +
         format("; perplexity of the whole validation text (%d tokens) differs by ",
                front.validation_tokens) +
         error(Objective::kPerplexity) + "\n";
}

}  // namespace

std::string front_table(const Corpus& corpus, const FinalFront& front, const Objectives& largest) {
  std::string table = format("%-16s %10s %8s%s %7s %11s %11s %10s %10s %7s %8s  %s\n", "id",
                             "perplexity", "whole", corpus.words == 0 ? "" : "  per word bits/byte",
                             "+%", largest.latency_ns ? "ns" : "cycles", "simulated", "energy/uJ",
                             "simulated", "EDP x", "param/k", "network");
  std::vector<const FrontMember*> members;
  for (const FrontMember& member : front.members) members.push_back(&member);
  std::stable_sort(members.begin(), members.end(), [](const FrontMember* a, const FrontMember* b) {
    return a->confirmed.perplexity < b->confirmed.perplexity;
  });
  for (const FrontMember* member : members) table += row(corpus, *member, largest);
  table +=
      "whole: perplexity of the whole validation text; simulated: as one program, beside the "
      "predicted sum of operators\n"
      "+%: perplexity above the largest network's; EDP x: how many times better its "
      "energy-delay product is\n";
  if (corpus.words > 0)
    table +=
        "per word: the same per word of the text, each line's end being one; bits/byte: loss per "
        "byte of it\n";
  table += dropped_lines(front) + confirmation_summary(front);
  if (const auto bend = knee(front))
    table += "knee: " + hex(front.members[*bend].candidate.id) + "\n";
  for (const BestWithin& best : best_within(front))
    table += describe(best) + ": " +
             (best.member ? hex(front.members[*best.member].candidate.id) : "none") + "\n";
  return table;
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
  text += "\n";
  const Corpus& corpus = proxy.corpus();
  if (corpus.words == 0) return text;
  text += format("per word (%lld) and in bits per byte:", static_cast<long long>(corpus.words));
  const char* between = "";
  for (const auto& [name, perplexity] :
       {std::pair{"unigram model", corpus.unigram_perplexity},
        std::pair{"smallest network", smallest}, std::pair{"largest network", largest}}) {
    const double loss = std::log(perplexity);
    text += std::string(between) + " " + name;
    if (const auto word = corpus.perplexity_per_word(loss)) text += format(" %.2f", *word);
    text += format(" (%.4f)", corpus.bits_per_byte(loss).value());
    between = ",";
  }
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

std::string breakdown_table(const std::vector<OperatorPrediction>& operators, TimeUnit unit) {
  const bool in_time = unit == TimeUnit::kFemtoseconds;
  std::string table = format("%5s  %-24s %7s %-34s %14s %14s\n", "layer", "operator", "repeat",
                             "shape", in_time ? "ns" : "cycles", "energy/uJ");
  for (const OperatorPrediction& p : operators)
    table +=
        format("%5s  %-24s %7lld %-34s %14.*f %14.3f\n",
               p.layer < 0 ? "-" : std::to_string(p.layer).c_str(), std::string(p.role).c_str(),
               static_cast<long long>(p.repeat), describe(p.op).c_str(), in_time ? 3 : 0,
               latency_in(unit, p.cost), p.cost.energy.value() * 1e-6);
  return table;
}

void export_network(const std::filesystem::path& stem, const Candidate& candidate,
                    const RunConfig& run, const Json& provenance, const ParameterLayout& layout,
                    const std::vector<float>& parameters, const Json& confirmed) {
  const auto file = [&](const char* extension) {
    std::filesystem::path path = stem;
    return path += extension;
  };
  Json json = to_json(candidate);
  if (!confirmed.is_null()) json["confirmed"] = confirmed;
  json["hardware"] = to_json(run.hardware);
  json["provenance"] = provenance;
  json["weights"] = file(".safetensors").filename().string();
  write_file_atomic(file(".json"), to_text(json));
  save_network(file(".safetensors"), layout, parameters, candidate.architecture,
               {{"id", hex(candidate.id)},
                {"validation_loss", Json(candidate.objectives.validation_loss).dump()},
                {"provenance", provenance.dump()}});
}

std::size_t export_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                         const FinalFront& front, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": cannot create folder: " + error.message());
  for (const FrontMember& member : front.members)
    export_network(folder / hex(member.candidate.id), member.candidate, run.config(),
                   provenance(run, proxy), proxy.layout(), proxy.weights(),
                   confirmed_json(proxy.corpus(), front, member));
  write_file_atomic(folder / "front.json", to_text(front_json(run, proxy, archive, front)));
  if (!proxy.corpus().tokenizer.model().empty())
    write_file_atomic(folder / "tokenizer.model", proxy.corpus().tokenizer.model());
  return front.members.size();
}

}  // namespace paretoformer
