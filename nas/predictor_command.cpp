// The verbs predict and predictor.
#include <chrono>
#include <cmath>

#include "latency_predictor/measurements.hpp"
#include "latency_predictor/predictor_check.hpp"
#include "nas/command_io.hpp"
#include "nas/commands.hpp"
#include "nas/report.hpp"
#include "support/error.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

Mode mode_of(const std::string& name) { return name == "decode" ? Mode::kDecode : Mode::kPrefill; }

SearchSpace space_of(const PredictorOptions& options) {
  const SearchSpace space = SearchSpace::find(options.space);
  return options.vocabulary < 0 ? space : space.with_vocabulary(options.vocabulary);
}

Json to_json(const PredictionErrors& e) {
  const auto number = [](double value) { return std::isnan(value) ? Json() : Json(value); };
  return Json{{"bias", e.bias},       {"mape", e.mape},
              {"p95", e.p95},         {"largest", e.largest},
              {"tau", number(e.tau)}, {"tau_within_depth", number(e.tau_within_depth)}};
}

Json to_json(const PredictorCheck& check) {
  return Json{{"networks", check.networks.size()},
              {"latency", to_json(check.latency)},
              {"energy", to_json(check.energy)},
              {"complaint", check.complaint()}};
}

std::string row(const char* quantity, const PredictionErrors& e) {
  return format("%-8s %+9.3f %9.3f %9.3f %9.3f %7.3f %18.3f\n", quantity, 100 * e.bias,
                100 * e.mape, 100 * e.p95, 100 * e.largest, e.tau, e.tau_within_depth);
}

std::string table(const PredictorCheck& check) {
  return format("%-8s %9s %9s %9s %9s %7s %18s\n", "", "bias/%", "mean/%", "95 %/%", "max/%", "tau",
                "tau within depth") +
         row("latency", check.latency) + row("energy", check.energy) +
         format("%zu networks, against simulations of the whole network\n", check.networks.size());
}

// What has been priced and how good it is; the reason on standard error when it is not.
void answer(Json json, const PredictorCheck& check, const std::string& text,
            const CommonOptions& common) {
  json["check"] = to_json(check);
  const std::string complaint = check.complaint();
  print(common.json ? to_text(json) : table(check) + (complaint.empty() ? text : ""));
  if (!complaint.empty()) throw Error("the predictor is not good enough: " + complaint);
}

}  // namespace

void predict_command(const PredictOptions& options, const CommonOptions& common) {
  const Architecture network = architecture_argument(options.architecture, nullptr);
  const LatencyPredictor predictor = options.predictor.empty()
                                         ? LatencyPredictor(find_hardware(options.hardware),
                                                            {options.length, mode_of(options.mode)})
                                         : LatencyPredictor::load(options.predictor);
  const HardwareCost cost = predictor.predict(network);
  const std::vector<OperatorPrediction> operators = predictor.breakdown(network);
  const Workload& workload = predictor.workload();
  const char* mode = workload.mode == Mode::kDecode ? "decode" : "prefill";
  const std::string where =
      options.predictor.empty() ? options.hardware : options.predictor.string();
  if (!common.json) {
    if (options.breakdown) print(breakdown_table(operators));
    return print(describe(network) +
                 format("\n%lld cycles, %.3f uJ on ", static_cast<long long>(cost.latency.value()),
                        cost.energy.value() * 1e-6) +
                 where +
                 format(" at length %d (%s, %s model)\n", workload.sequence_length, mode,
                        predictor.table().model().c_str()));
  }
  Json json{{"cycles", cost.latency.value()},
            {"energy_pj", cost.energy.value()},
            // Of the model against its simulator, when that has been measured; how far that is
            // from the machine is not known to it.
            {"relative_uncertainty",
             predictor.relative_uncertainty ? Json(*predictor.relative_uncertainty) : Json()},
            {"extrapolates", false},
            {"model", predictor.table().model()},
            {"hardware_hash", hex(predictor.table().hardware_hash())}};
  if (options.breakdown) {
    json["operators"] = Json::array();
    for (const OperatorPrediction& p : operators)
      json["operators"].push_back(Json{{"role", p.role},
                                       {"layer", p.layer},
                                       {"repeat", p.repeat},
                                       {"operator", describe(p.op)},
                                       {"cycles", p.cost.latency.value()},
                                       {"energy_pj", p.cost.energy.value()}});
  }
  print(to_text(json));
}

void predictor_build_command(const PredictorOptions& options, const CommonOptions& common) {
  using Clock = std::chrono::steady_clock;
  const auto threads = limit_threads(common);
  const SearchSpace space = space_of(options);
  const Hardware hardware = find_hardware(options.hardware);
  const Workload workload{options.length, mode_of(options.mode)};
  const Clock::time_point start = Clock::now();
  const LatencyPredictor plain(hardware, workload);
  plain.fill(space);
  const std::chrono::duration<double> filled = Clock::now() - start;
  log(common, format("%zu operators priced in %.1f s\n", plain.table().size(), filled.count()));
  LatencyPredictor predictor(hardware, workload, plain.table(),
                             simulate_in_place(space, workload, hardware, options.seed));
  const PredictorCheck check = check_predictor(predictor, space, options.networks, options.seed);
  predictor.relative_uncertainty = check.latency.p95;
  // Not a file that says it is checked and is not.
  if (check.complaint().empty()) predictor.save(options.output);
  answer({{"operators", plain.table().size()},
          {"hardware_hash", hex(hardware_hash(hardware))},
          {"output", options.output.string()}},
         check, "Predictor: " + options.output.string() + "\n", common);
}

void predictor_check_command(const PredictorOptions& options, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  const LatencyPredictor predictor = LatencyPredictor::load(options.file);
  answer({{"predictor", options.file.string()}},
         check_predictor(predictor, space_of(options), options.networks, options.seed), "", common);
}

void predictor_operators_command(const PredictorOptions& options, const CommonOptions& common) {
  const std::vector<Operator> operators =
      operators_of(space_of(options), {options.length, mode_of(options.mode)});
  if (!common.json) return print(measurement_template(operators));
  Json json{{"operators", Json::array()}};
  for (const Operator& op : operators) json["operators"].push_back(describe(op));
  print(to_text(json));
}

void predictor_import_command(const PredictorOptions& options, const CommonOptions& common) {
  const Workload workload{options.length, mode_of(options.mode)};
  const LookupTable table = read_measurements(options.file, options.device, options.clock_mhz);
  std::size_t missing = 0;
  std::string first;
  for (const Operator& op : operators_of(space_of(options), workload)) {
    try {
      table.cost(op);
    } catch (const Error&) {
      if (missing++ == 0) first = describe(op);
    }
  }
  if (missing > 0)
    throw InputError(options.file.string() + ": " + std::to_string(missing) +
                     " operators of the space \"" + options.space +
                     "\" have not been measured, the first being \"" + first + "\"");
  const std::size_t size = table.size();
  LatencyPredictor(options.device, workload, table).save(options.output);
  if (common.json)
    return print(to_text(Json{{"operators", size}, {"output", options.output.string()}}));
  print(format("%zu operators of ", size) + options.device +
        "\nPredictor: " + options.output.string() + "\n");
}

}  // namespace paretoformer
