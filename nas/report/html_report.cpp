#include "nas/report/html_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <vector>

#include "nas/report/plot.hpp"
#include "nas/report/study_report.hpp"
#include "nas/run/provenance.hpp"
#include "nas_report/embedded_html.hpp"
#include "supernet/training/convergence.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/jsonl.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

// A curve of more points is thinned: a screen has no more.
constexpr std::size_t kCurvePoints = 300;

// Six digits are more than a reader sees, and half of the file's size.
double rounded(double value) { return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr); }

Json values_json(const Objectives& objectives, const std::vector<Objective>& known) {
  Json values = Json::array();
  for (Objective objective : known) values.push_back(rounded(value(objectives, objective)));
  return values;
}

// [id, generation, model width, [[heads, FFN width, bits per weight if they are not 8] of every
// layer], values]
Json candidate_json(const Candidate& candidate, const std::vector<Objective>& known) {
  Json layers = Json::array();
  for (const Layer& layer : candidate.architecture.layers) {
    Json& genes = layers.emplace_back();
    for (const Gene<Layer>& gene : kLayerGenes)
      if (!gene.says_nothing(gene.get(layer))) genes.push_back(gene.get(layer));
  }
  return Json::array({hex(candidate.id), candidate.generation, candidate.architecture.model_width,
                      layers, values_json(candidate.objectives, known)});
}

// [[role, layer, latency, picojoules]...], the role as an index into `roles`, which grows.
Json operators_json(const Architecture& network,
                    const latency_predictor::LatencyPredictor& predictor, Json& roles) {
  Json operators = Json::array();
  for (const latency_predictor::OperatorPrediction& p : predictor.breakdown(network)) {
    const auto known = std::find(roles.begin(), roles.end(), p.role);
    const auto role = known - roles.begin();
    if (known == roles.end()) roles.push_back(p.role);
    operators.push_back(Json::array(
        {role, p.layer, rounded(predictor.latency(p.cost)), rounded(p.cost.energy.value())}));
  }
  return operators;
}

Json front_data(const RunConfig& config, const FinalFront& front,
                const std::vector<Objective>& known, const Predictors& predictors) {
  Json data;
  data["roles"] = Json::array();
  const auto member_json = [&](const FrontMember& member) {
    const Architecture& network = member.candidate.architecture;
    Json json{{"id", hex(member.candidate.id)},
              {"confirmed", front.confirmed ? values_json(member.confirmed, known) : Json(nullptr)},
              {"perplexity_int8", member.confirmed.has_int8()
                                      ? Json(rounded(member.confirmed.perplexity_int8))
                                      : Json(nullptr)},
              {"operators", operators_json(network, predictors.of(network), data["roles"])}};
    if (!network.hardware.empty())
      json["hardware"] = config.hardware_space.describe(network.hardware);
    return json;
  };
  data["members"] = Json::array();
  for (const FrontMember& member : front.members) data["members"].push_back(member_json(member));
  data["dropped"] = Json::array();
  for (const DroppedMember& each : front.dropped) {
    Json json = member_json(each.member);
    if (each.limit)
      json["limit"] =
          name_of(each.limit->objective) + fmt::format(" above {:.6g}", each.limit->maximum);
    else
      json["dominated_by"] = hex(each.dominated_by);
    data["dropped"].push_back(json);
  }
  data["named"] = Json::array();
  if (const auto bend = knee(front))
    data["named"].push_back({{"name", "knee"},
                             {"text", "where the front bends most"},
                             {"id", hex(front.members[*bend].candidate.id)}});
  for (const BestWithin& best : best_within(front)) {
    if (!best.member) continue;
    const std::string bound = best.above_best ? fmt::format("+{:g}", *best.above_best)
                                              : fmt::format("{:.6g}", best.limit.maximum);
    data["named"].push_back({{"name", name_of(best.limit.objective) + " " + bound},
                             {"text", describe(best)},
                             {"id", hex(front.members[*best.member].candidate.id)}});
  }
  return data;
}

// What turns a perplexity into the units of its text; null for generated text.
Json text_data(const supernet::Corpus& corpus) {
  if (corpus.words == 0) return nullptr;
  return Json{{"tokens_per_word",
               static_cast<double>(corpus.validation.size()) / static_cast<double>(corpus.words)},
              {"bytes_per_token", corpus.bytes_per_token}};
}

Json confirmation_data(const FinalFront& front) {
  if (!front.confirmed) return nullptr;
  Json data{{"validation_tokens", front.validation_tokens},
            {"unsimulated", front.unsimulated},
            {"errors", Json::array()}};
  for (Objective objective : {Objective::kPerplexity, Objective::kLatency, Objective::kEnergy}) {
    if (!front.unsimulated.empty() && objective != Objective::kPerplexity) continue;
    const PredictionError error = prediction_error(front, objective);
    data["errors"].push_back(
        Json::array({name_of(objective), rounded(error.mean), rounded(error.largest)}));
  }
  return data;
}

std::vector<Json> read_lines(const std::filesystem::path& path) {
  std::vector<Json> result;
  read_jsonl(path, [&](const JsonNode& node) { result.push_back(node.json()); });
  return result;
}

Json number_at(const Json& line, const char* key) {
  return line.contains(key) && line[key].is_number() ? Json(rounded(line[key].get<double>()))
                                                     : Json(nullptr);
}

// [[evaluations, hypervolume]...]
Json hypervolume_data(const RunFolder& run) {
  Json points = Json::array();
  for (const Json& line : read_lines(run.generations()))
    points.push_back(Json::array({number_at(line, "evaluations"), number_at(line, "hypervolume")}));
  return points;
}

// Means over equal parts of the log: {"names", "mean_of": lines, "points": [[step, loss...]...]}.
Json training_data(const RunFolder& run) {
  static constexpr const char* kNames[] = {"largest", "random", "smallest"};
  const std::vector<Json> lines = read_lines(run.training_log());
  const std::size_t part =
      std::max<std::size_t>(1, (lines.size() + kCurvePoints - 1) / kCurvePoints);
  Json points = Json::array();
  for (std::size_t begin = 0; begin < lines.size(); begin += part) {
    const std::size_t end = std::min(begin + part, lines.size());
    Json point = Json::array({number_at(lines[end - 1], "step")});
    for (const char* name : kNames) {
      double sum = 0, count = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const Json loss = number_at(lines[i], name);
        if (loss.is_null()) continue;
        sum += loss.get<double>();
        ++count;
      }
      point.push_back(count > 0 ? Json(rounded(sum / count)) : Json(nullptr));
    }
    points.push_back(point);
  }
  return Json{{"names", kNames}, {"mean_of", part}, {"points", points}};
}

// The gaps of the probe networks to the largest, the same way.
Json convergence_data(const RunFolder& run, const ProxyTask& proxy) {
  const std::vector<supernet::ProbeRecord> records =
      supernet::read_probe_records(run.convergence());
  if (records.empty() || records[0].losses.size() < 2) return nullptr;
  Json data{{"names", Json::array()}, {"mean_of", 1}, {"points", Json::array()}};
  const std::vector<Architecture> networks =
      supernet::probe_networks(proxy.space(), run.config().seed);
  for (std::size_t i = 1; i < networks.size(); ++i)
    data["names"].push_back(describe(networks[i]) + (i == 1 ? " (smallest)" : ""));
  for (const supernet::ProbeRecord& record : records) {
    Json point = Json::array({record.step});
    for (std::size_t i = 1; i < record.losses.size(); ++i)
      point.push_back(rounded(record.losses[i] - record.losses[0]));
    data["points"].push_back(point);
  }
  return data;
}

// Of {"names", "points": [[x, a value or null per name]...]}; null without points.
Json curves_chart(const Json& data, const std::string& x_name, const std::string& y_name) {
  if (data.is_null() || data["points"].empty()) return nullptr;
  std::vector<Curve> curves;
  for (const Json& name : data["names"]) {
    Curve& curve = curves.emplace_back(Curve{name, {}});
    for (const Json& point : data["points"])
      // A line of the log may hold fewer values than there are names.
      if (curves.size() < point.size() && point[0].is_number() && point[curves.size()].is_number())
        curve.points.emplace_back(point[0], point[curves.size()]);
  }
  return curves_svg(curves, "", x_name, y_name, {440, 330, false});
}

// Of study.json, where there is one: {"tables": [{"title", "rows"}...], "summary": [lines]}.
Json study_data(const Study& study) {
  Json data{{"tables", Json::array()}, {"summary", Json::array()}};
  for (const StudyTable& table : study_tables(study))
    data["tables"].push_back({{"title", table.title}, {"rows", table.rows}});
  std::istringstream lines(study_summary(study));
  for (std::string line; std::getline(lines, line);) data["summary"].push_back(line);
  return data;
}

void replace(std::string& page, const std::string& mark, std::string_view text) {
  const std::size_t at = page.find(mark);
  if (at == std::string::npos) throw Error("the page has no place for " + mark);
  page.replace(at, mark.size(), text);
}

}  // namespace

Json report_data(const RunFolder& run, const ProxyTask& proxy, const Predictors& predictors,
                 const Archive& archive, const FinalFront& front) {
  const SearchSpace& space = proxy.space();
  const latency_predictor::LatencyPredictor& predictor = predictors.base();
  Json data{{"title", space.name()},
            {"device", predictor.hardware() ? "" : predictor.device()},
            {"latency_unit", predictor.in_time() ? "ns" : "cycles"},
            {"networks_in_space", static_cast<double>(proxy.designs().count_up_to(INT64_MAX))},
            {"largest", {{"model_width", space.model_widths().back()}}},
            {"objectives", Json::array()},
            {"chosen", Json::array()}};
  for (const auto& [gene, choices] : space.layer_genes())
    data["largest"][std::string(gene.key)] = choices.back();
  const std::vector<Objective> known = archive.known_objectives();
  for (Objective objective : known)
    data["objectives"].push_back(
        {{"name", name_of(objective)}, {"label", label_of(objective, predictor.in_time())}});
  for (Objective objective : front.objectives) data["chosen"].push_back(name_of(objective));
  data["candidates"] = Json::array();
  for (const Candidate& candidate : archive.candidates())
    data["candidates"].push_back(candidate_json(candidate, known));
  data.update(front_data(run.config(), front, known, predictors));
  data["text"] = text_data(proxy.corpus());
  data["confirmation"] = confirmation_data(front);
  data["hypervolume"] = hypervolume_data(run);
  data["training"] = training_data(run);
  data["convergence"] = convergence_data(run, proxy);
  const Json hypervolume{{"names", {"hypervolume"}}, {"points", data["hypervolume"]}};
  const char* const steps = "training steps";
  data["charts"] = {
      {"front", front_svg(archive, front, "", true)},
      {"hypervolume", curves_chart(hypervolume, "networks evaluated", "share of the box")},
      {"training", curves_chart(data["training"], steps, "loss (nats per token)")},
      {"convergence", curves_chart(data["convergence"], steps, "loss above the largest's")}};
  data["study"] = data["charts"]["study"] = nullptr;
  if (std::filesystem::exists(run.study())) {
    const Json json = read_json(run.study());
    const Study study = study_from_json(JsonNode(json, run.study().string()));
    data["study"] = study_data(study);
    data["charts"]["study"] = study_svg(study, "");
  }
  data["config"] = to_json(run.config());
  data["config"].erase("run");  // this and the next differ between equal runs
  data["config"]["training"].erase("checkpoint_seconds");
  data["provenance"] = provenance(run, proxy);
  return data;
}

std::string html_report(const Json& data) {
  // In a script element "<" could begin its end, or a comment; in JSON it stands in strings only.
  std::string json = data.dump();
  for (std::size_t at = 0; (at = json.find('<', at)) != std::string::npos;)
    json.replace(at, 1, "\\u003c");
  std::string page(row_named(nas_report_html, "report_template.html", "the page").text);
  for (const std::string part : {"report_template.css", "report_template.js"})
    replace(page, "/* " + part + " */", row_named(nas_report_html, part, "the page").text);
  replace(page, "/* data */", json);
  return page;
}

void write_pictures(const RunFolder& run, const ProxyTask& proxy, const Predictors& predictors,
                    const Archive& archive, const FinalFront& front) {
  write_file_atomic(run.plot(),
                    front_svg(archive, front,
                              "Pareto front of " + proxy.space().name() + ", " +
                                  std::to_string(archive.size()) + " networks evaluated"));
  write_file_atomic(run.report(), html_report(report_data(run, proxy, predictors, archive, front)));
}

}  // namespace paretoformer::nas
