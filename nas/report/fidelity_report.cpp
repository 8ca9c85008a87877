#include "nas/report/fidelity_report.hpp"

#include <cmath>

#include "nas/run/provenance.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {
namespace {

// A difference of losses as a change of perplexity, in percent.
double percent(double nats) { return 100 * std::expm1(nats); }

Estimate percent(const Estimate& e) { return {percent(e.value), percent(e.low), percent(e.high)}; }

Json to_json(const Estimate& e) {
  const auto number = [](double value) { return std::isnan(value) ? Json() : Json(value); };
  return Json{{"value", number(e.value)}, {"low", number(e.low)}, {"high", number(e.high)}};
}

Json to_json(const RankAgreement& a) {
  return Json{{"tau", to_json(a.tau)},
              {"tau_within_depth", to_json(a.tau_within_depth)},
              {"tau_within_width", to_json(a.tau_within_width)},
              {"rho", to_json(a.rho)},
              {"rho_within_depth", to_json(a.rho_within_depth)},
              {"rho_within_width", to_json(a.rho_within_width)},
              {"top5_regret_nats", to_json(a.regret)},
              {"top5_regret_percent", to_json(percent(a.regret))}};
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
  return format("%.*f [%.*f, %.*f]", digits, e.value, digits, e.low, digits, e.high);
}

std::string row(const char* name, const RankAgreement& a) {
  std::string line = format("%-11s", name);
  for (const Estimate* e : {&a.tau, &a.tau_within_depth, &a.tau_within_width, &a.rho,
                            &a.rho_within_depth, &a.rho_within_width})
    line += format(" %-22s", text(*e).c_str());
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
  json["predictors"] = {{"slice", to_json(s.slice)},
                        {"parameters", to_json(s.parameters)},
                        {"flops", to_json(s.flops)}};
  json["tau_slice_minus_parameters"] = to_json(s.advantage);
  json["gap_nats"] = to_json(s.gap);
  json["gap_percent"] = to_json(percent(s.gap));
  json["gap_deviation_nats"] = to_json(s.gap_deviation);
  json["networks"] = Json::array();
  for (const ComparedNetwork& network : networks) json["networks"].push_back(to_json(network));
  json["provenance"] = provenance(run, proxy);
  return json;
}

std::string fidelity_table(const FidelityStatistics& s) {
  std::string table = format("%-11s %-22s %-22s %-22s %-22s %-22s %-22s %s\n", "ranked by", "tau",
                             "tau within depth", "tau within width", "rho", "rho within depth",
                             "rho within width", "top-5 regret/%");
  table += row("slice", s.slice) + row("parameters", s.parameters) + row("flops", s.flops);
  table += "tau of the slice less tau of the number of parameters: " + text(s.advantage) + "\n";
  table += "loss of the slice less that of the network trained alone: " + text(s.gap, 4) +
           " nats per token, standard deviation " + text(s.gap_deviation, 4) + "; perplexity " +
           text(percent(s.gap), 2) + " %\n";
  return table +
         "[95 % bootstrap intervals over the networks]; top-5 regret: perplexity, trained alone, "
         "of "
         "the best of the five ranked first above the best of all\n";
}

}  // namespace paretoformer::nas
