// The verb predict.
#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "latency_predictor/file/predictor_file.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "latency_predictor/tables.hpp"
#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/priced_network.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/front_report.hpp"
#include "nas/report/simulation_report.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

struct PredictOptions {
  std::filesystem::path architecture;
  PricingOptions given;
  // A file of LatencyPredictor, which says hardware and workload, or of LearnedModel, which
  // takes them; empty: the simulator, as `simulate`.
  std::filesystem::path predictor;
  bool breakdown = false;
};

struct NetworkPrediction {
  accel_sim::HardwareCost cost;
  latency_predictor::TimeUnit unit = latency_predictor::TimeUnit::kCycles;  // of all latencies
  std::vector<latency_predictor::OperatorPrediction> operators;
  std::string model;
  std::uint64_t hardware_hash = 0;
  accel_sim::Workload workload;
  std::string on;    // hardware, or the predictor's file
  std::string note;  // on what this is; may be empty
  // Of the model against its simulator, when that is known; how far that is from a machine is not
  // known to it.
  std::optional<double> relative_uncertainty;
  bool extrapolates = false;
};

std::string text_of(const NetworkPrediction& prediction) {
  const bool in_time = prediction.unit == latency_predictor::TimeUnit::kFemtoseconds;
  std::string text = fmt::format("{:.{}f} {}, {:.3f} uJ",
                                 latency_in(prediction.unit, prediction.cost), in_time ? 3 : 0,
                                 in_time ? "ns" : "cycles", prediction.cost.energy.value() * 1e-6);
  if (prediction.relative_uncertainty)
    text += fmt::format(" (+- {:.2f} %)", 100 * *prediction.relative_uncertainty);
  if (prediction.extrapolates) text += ", extrapolated";
  text += ", " + prediction.model + " model on " + printable(prediction.on) + " at " +
          in_words(prediction.workload) + "\n";
  return prediction.note.empty() ? text : text + prediction.note + "\n";
}

// "cycles", or "latency_ns" of a device that was measured in time.
void put_latency(Json& json, const accel_sim::HardwareCost& cost,
                 latency_predictor::TimeUnit unit) {
  if (unit == latency_predictor::TimeUnit::kFemtoseconds)
    json["latency_ns"] = latency_in(unit, cost);
  else
    json["cycles"] = cost.latency.value();
}

Json json_of(const NetworkPrediction& prediction, bool breakdown) {
  Json json;
  put_latency(json, prediction.cost, prediction.unit);
  json.update({{"energy_pj", prediction.cost.energy.value()},
               {"relative_uncertainty",
                prediction.relative_uncertainty ? Json(*prediction.relative_uncertainty) : Json()},
               {"extrapolates", prediction.extrapolates},
               {"model", prediction.model},
               {"hardware_hash", hex(prediction.hardware_hash)}});
  json.update(workload_json(prediction.workload));
  json["note"] = prediction.note.empty() ? Json() : Json(prediction.note);
  if (!breakdown) return json;
  json["operators"] = Json::array();
  for (const latency_predictor::OperatorPrediction& p : prediction.operators) {
    Json each{
        {"role", p.role}, {"layer", p.layer}, {"repeat", p.repeat}, {"operator", describe(p.op)}};
    put_latency(each, p.cost, prediction.unit);
    each["energy_pj"] = p.cost.energy.value();
    json["operators"].push_back(std::move(each));
  }
  return json;
}

NetworkPrediction simulated(const PricedNetwork& network) {
  const WholeSimulation whole = simulate_whole(network, {});
  NetworkPrediction result;
  for (const accel_sim::OperatorReport& part : merged(whole.operators)) {
    result.operators.push_back(
        {part.item.role, part.item.layer, part.item.repeat, part.item.op, part.report.cost});
    result.cost += part.report.cost;
  }
  result.model = accel_sim::kSimulatorModel;
  result.hardware_hash = target_hash(network.hardware);
  result.workload = network.workload;
  result.on = network.hardware_name;
  result.note = note_on(network, result.cost, whole.why_cold);
  return result;
}

bool is_learned(const latency_predictor::PredictorFile& file) {
  return file.head().kind == latency_predictor::PredictorKind::kLearned;
}

NetworkPrediction predicted(const PricedNetwork& network,
                            const latency_predictor::PredictorFile& file) {
  std::optional<latency_predictor::LearnedModel> learned;
  if (is_learned(file)) learned = latency_predictor::LearnedModel::from(file);
  const latency_predictor::LatencyPredictor predictor =
      learned ? latency_predictor::LatencyPredictor(network.hardware, network.workload,
                                                    learned_table(*learned, network.hardware))
              : latency_predictor::LatencyPredictor::from(file);
  NetworkPrediction result;
  result.cost = predictor.predict(network.architecture);
  result.unit = predictor.table().time_unit();
  result.operators = predictor.breakdown(network.architecture);
  result.model = predictor.table().model();
  result.hardware_hash = predictor.table().hardware_hash();
  result.workload = predictor.workload();
  result.on = learned ? network.hardware_name : file.content().node().file();
  if (network.confirmed)
    result.note = "a prediction: what front.json confirms is a simulation of the whole network";
  result.relative_uncertainty = predictor.relative_uncertainty;
  if (!learned) return result;
  const latency_predictor::LearnedCost cost =
      learned->predict(network.architecture, network.workload, network.hardware);
  result.relative_uncertainty = cost.relative_uncertainty();
  result.extrapolates = cost.extrapolates;
  return result;
}

void predict(const PredictOptions& options, const CommonOptions& common) {
  std::optional<latency_predictor::PredictorFile> file;  // read once: it may be a pipe
  if (!options.predictor.empty()) file = latency_predictor::PredictorFile::read(options.predictor);
  if (file && options.given.any() && !is_learned(*file))
    throw InputError(options.predictor.string() +
                     ": says hardware and workload itself: expected none of --hardware, "
                     "--length, --batch, --mode, --mask, --biases and --nonlinear-inputs");
  const PricedNetwork network = priced_network(options.architecture, options.given);
  if (file && network.listed)
    throw InputError("--predictor: " + describe(network) +
                     ": predictors price architectures: expected one, or no predictor");
  const NetworkPrediction prediction = file ? predicted(network, *file) : simulated(network);
  if (common.json) return print(to_text(json_of(prediction, options.breakdown)));
  if (options.breakdown) print(breakdown_table(prediction.operators, prediction.unit));
  print(describe(network) + "\n" + text_of(prediction));
}

}  // namespace

void add_predict(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand("predict", "Cost of one architecture on an accelerator");
  PredictOptions& options = options_of(verb, common, predict);
  verb->option_defaults()->always_capture_default();
  verb->add_option("ARCHITECTURE", options.architecture,
                   "Architecture, exported JSON file, ONNX model or config.json of Hugging Face's")
      ->required();
  add_pricing(verb, options.given);
  verb->add_option("--predictor", options.predictor,
                   "Predictor file: of predictor build or import, which says all six, or of fit");
  verb->add_flag("--breakdown", options.breakdown, "Also print a line per operator");
  add_common(verb, common);
}

}  // namespace paretoformer::nas
