#include "nas/report/fidelity_report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "nas/run/provenance.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

// A difference of losses as a change of perplexity, in percent.
double percent(double nats) { return 100 * std::expm1(nats); }

Estimate percent(const Estimate& e) { return {percent(e.value), percent(e.low), percent(e.high)}; }

double tokens_per_word(const supernet::Corpus& corpus) {
  return static_cast<double>(corpus.validation.size()) / static_cast<double>(corpus.words);
}

// A difference of losses as a change of the perplexity per word, in percent.
Estimate percent_per_word(const Estimate& e, const supernet::Corpus& corpus) {
  const double tokens = tokens_per_word(corpus);
  return percent({tokens * e.value, tokens * e.low, tokens * e.high});
}

Estimate bits_per_byte(const Estimate& e, const supernet::Corpus& corpus) {
  const double bits = 1 / (std::numbers::ln2 * corpus.bytes_per_token);
  return {bits * e.value, bits * e.low, bits * e.high};
}

Json to_json(const Estimate& e) {
  return Json{{"value", e.value}, {"low", e.low}, {"high", e.high}};  // NaN is written as null
}

// A difference of losses per token, and in the other units of a text of words.
void put_difference(Json& json, const std::string& name, const Estimate& e,
                    const supernet::Corpus& corpus) {
  json[name + "_nats"] = to_json(e);
  json[name + "_percent"] = to_json(percent(e));
  if (corpus.words == 0) return;
  json[name + "_percent_per_word"] = to_json(percent_per_word(e, corpus));
  json[name + "_bits_per_byte"] = to_json(bits_per_byte(e, corpus));
}

Json to_json(const RankAgreement& a, const supernet::Corpus& corpus) {
  Json json{{"tau", to_json(a.tau)},
            {"tau_within_depth", to_json(a.tau_within_depth)},
            {"tau_within_width", to_json(a.tau_within_width)},
            {"rho", to_json(a.rho)},
            {"rho_within_depth", to_json(a.rho_within_depth)},
            {"rho_within_width", to_json(a.rho_within_width)}};
  put_difference(json, "top5_regret", a.regret, corpus);
  return json;
}

Json to_json(const ComparedNetwork& n) {
  return Json{{"id", hex(architecture_id(n.architecture))},
              {"architecture", to_json(n.architecture)},
              {"slice_loss", n.slice_loss},
              {"standalone_loss", n.standalone_loss},
              {"parameters", n.parameters},
              {"flops_per_token", n.flops}};
}

std::string text(const Estimate& e, int digits = 3) {
  if (std::isnan(e.value)) return "-";
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", e.value, digits, e.low, digits, e.high, digits);
}

std::string row(const char* name, const RankAgreement& a) {
  std::string line = fmt::format("{:<11}", name);
  for (const Estimate* e : {&a.tau, &a.tau_within_depth, &a.tau_within_width, &a.rho,
                            &a.rho_within_depth, &a.rho_within_width})
    line += fmt::format(" {:<22}", text(*e));
  return line + " " + text(percent(a.regret), 2) + "\n";
}

}  // namespace

Json fidelity_json(const RunFolder& run, const ProxyTask& proxy,
                   const std::vector<ComparedNetwork>& networks, int steps,
                   const FidelityStatistics& s) {
  Json json;
  json["format"] = "paretoformer.fidelity.1";
  json["steps"] = steps;
  json["tokens"] = steps * run.config().training.tokens_per_network();
  const supernet::TrainingConfig& training = run.config().training;
  const auto per_step = 2 + static_cast<std::size_t>(training.random_subnetworks);
  json["supernet"] = {{"steps", training.steps},
                      {"tokens", std::int64_t{training.steps} * training.context *
                                     training.sequences_per_step(per_step)}};
  json["resamples"] = kResamples;
  const supernet::Corpus& corpus = proxy.corpus();
  json["predictors"] = {{"slice", to_json(s.slice, corpus)},
                        {"parameters", to_json(s.parameters, corpus)},
                        {"flops", to_json(s.flops, corpus)}};
  json["tau_slice_minus_parameters"] = to_json(s.advantage);
  put_difference(json, "gap", s.gap, corpus);
  json["gap_deviation_nats"] = to_json(s.gap_deviation);
  json["networks"] = Json::array();
  for (const ComparedNetwork& network : networks) json["networks"].push_back(to_json(network));
  json["provenance"] = provenance(run, proxy);
  return json;
}

std::string fidelity_table(const supernet::Corpus& corpus, const FidelityStatistics& s) {
  std::string table = fmt::format("{:<11} {:<22} {:<22} {:<22} {:<22} {:<22} {:<22} {}\n",
                                  "ranked by", "tau", "tau within depth", "tau within width", "rho",
                                  "rho within depth", "rho within width", "top-5 regret/%");
  table += row("slice", s.slice) + row("parameters", s.parameters) + row("flops", s.flops);
  table += "tau of the slice less tau of the number of parameters: " + text(s.advantage) + "\n";
  table += "loss of the slice less that of the network trained alone: " + text(s.gap, 4) +
           " nats per token, standard deviation " + text(s.gap_deviation, 4) + "; perplexity " +
           text(percent(s.gap), 2) + " %";
  if (corpus.words > 0)
    table += ", per word " + text(percent_per_word(s.gap, corpus), 2) + " %; bits per byte " +
             text(bits_per_byte(s.gap, corpus), 4);
  table +=
      "\n[95 % bootstrap intervals over the networks]; top-5 regret: perplexity, trained alone, of "
      "the best of the five ranked first above the best of all\n";
  if (corpus.words > 0)
    table += fmt::format(
        "top-5 regret is per token, of which a word has {:.4g}: x nats per token are {:.4g} x nats "
        "per word and {:.4g} x bits per byte\n",
        tokens_per_word(corpus), tokens_per_word(corpus),
        1 / (std::numbers::ln2 * corpus.bytes_per_token));
  return table;
}

}  // namespace paretoformer::nas
