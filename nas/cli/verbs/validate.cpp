#include <fmt/format.h>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/front_report.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

void validate(const RunArguments& given, const CommonOptions& common) {
  const RunConfig config = given.config();
  ProxyTask proxy(config, {});
  if (!config.supernet.empty())
    proxy.load_weights(config.supernet / "supernet.safetensors", config.training);
  const Predictors predictors = predictors_in_place(config, proxy.space());
  const latency_predictor::LatencyPredictor& predictor = predictors.base();
  const std::string told = require_telling(config, proxy.space(), predictor);
  require_feasible(config, proxy, predictors);
  const accel_sim::HardwareCost low = predictor.predict(proxy.space().smallest());
  const accel_sim::HardwareCost high = predictor.predict(proxy.space().largest());
  log_notice(told);
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

}  // namespace

void add_validate(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand("validate", "Check a configuration and its text");
  add_run(verb, options_of(verb, common, validate), common);
}

}  // namespace paretoformer::nas
