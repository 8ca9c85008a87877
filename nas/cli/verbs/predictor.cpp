// The verb predictor, and the verbs below it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "accel_sim/workload/words.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "latency_predictor/measurements.hpp"
#include "latency_predictor/predictor_check.hpp"
#include "latency_predictor/tables.hpp"
#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

struct PredictorOptions {
  std::filesystem::path file;  // of a predictor, or of measurements
  std::string space = "survey";
  int vocabulary = -1;  // -1: the space's
  std::string hardware = "gemmini_transformer";
  int length = 512;
  std::optional<int> batch;
  std::string mode = "prefill";
  std::string mask = "causal", biases = "on", nonlinear_inputs = "int8";  // kSupernetWorkload
  std::string device;               // its name, of measurements
  std::optional<double> clock_mhz;  // of cycles that were measured
  std::filesystem::path output;
  int networks = 200;  // to check with
  std::uint64_t seed = 1;
};

struct PredictorFitOptions {
  latency_predictor::FitOptions fit;
  std::string space = "survey";
  std::string hardware = "gemmini_transformer";  // the base
  int networks = 200;                            // held out
  bool curve = false;                            // errors against the number of samples
  std::filesystem::path output;
};

SearchSpace space_of(const PredictorOptions& options) {
  const SearchSpace space = SearchSpace::find(options.space);
  return options.vocabulary < 0 ? space : space.with_vocabulary(options.vocabulary);
}

accel_sim::Workload workload_of(const PredictorOptions& options) {
  return {options.length,
          accel_sim::kModeWords.value_of(options.mode, "--mode"),
          accel_sim::kMaskWords.value_of(options.mask, "--mask"),
          accel_sim::kBiasesWords.value_of(options.biases, "--biases"),
          accel_sim::kNonlinearInputsWords.value_of(options.nonlinear_inputs, "--nonlinear-inputs"),
          options.batch.value_or(1)};
}

// NaN is written as null.
Json to_json(const latency_predictor::PredictionErrors& e) {
  return Json{{"bias", e.bias},       {"mape", e.mape}, {"p95", e.p95},
              {"largest", e.largest}, {"tau", e.tau},   {"tau_within_depth", e.tau_within_depth}};
}

Json to_json(const latency_predictor::PredictorCheck& check) {
  return Json{{"networks", check.networks.size()},
              {"latency", to_json(check.latency)},
              {"energy", to_json(check.energy)},
              {"complaint", check.complaint()}};
}

std::string row(const char* quantity, const latency_predictor::PredictionErrors& e) {
  const auto order = [](double tau) {
    return std::isnan(tau) ? std::string("-") : fmt::format("{:.3f}", tau);
  };
  return fmt::format("{:<8} {:>+9.3f} {:>9.3f} {:>9.3f} {:>9.3f} {:>7} {:>18}\n", quantity,
                     100 * e.bias, 100 * e.mape, 100 * e.p95, 100 * e.largest, order(e.tau),
                     order(e.tau_within_depth));
}

std::string table(const latency_predictor::PredictorCheck& check) {
  return fmt::format("{:<8} {:>9} {:>9} {:>9} {:>9} {:>7} {:>18}\n", "", "bias/%", "mean/%",
                     "95 %/%", "max/%", "tau", "tau within depth") +
         row("latency", check.latency) + row("energy", check.energy) +
         fmt::format("{} networks, against simulations of the whole network\n",
                     check.networks.size());
}

// What has been priced and how good it is; the reason on standard error when it is not.
void answer(Json json, const latency_predictor::PredictorCheck& check, const std::string& text,
            const CommonOptions& common) {
  json["check"] = to_json(check);
  const std::string complaint = check.complaint();
  print(common.json ? to_text(json) : table(check) + (complaint.empty() ? text : ""));
  if (!complaint.empty()) throw Error("the predictor is not good enough: " + complaint);
}

void fit_predictor(const PredictorFitOptions& options, const CommonOptions& common) {
  latency_predictor::FitOptions fit_options = options.fit;
  fit_options.space = SearchSpace::find(options.space);
  fit_options.base = accel_sim::find_target(options.hardware);
  const latency_predictor::LearnedModel model = fit(fit_options, options.networks);
  model.save(options.output);
  const latency_predictor::HeldOutErrors& errors = model.content().held_out;
  Json json{{"samples", model.content().samples},
            {"networks", errors.networks},
            {"latency", {{"mape", errors.latency_mape}, {"p95", errors.latency_p95}}},
            {"energy", {{"mape", errors.energy_mape}, {"p95", errors.energy_p95}}},
            {"output", options.output.string()}};
  std::string text = fmt::format(
      "{} samples; {} networks at held-out lengths and hardware: latency off by {:.2f} % (95 %: "
      "{:.2f} %), energy by {:.2f} % (95 %: {:.2f} %)\n",
      model.content().samples, errors.networks, 100 * errors.latency_mape, 100 * errors.latency_p95,
      100 * errors.energy_mape, 100 * errors.energy_p95);
  if (options.curve) {
    std::vector<int> counts;
    for (const int count : {50, 100, 200, 300, 400, 500})
      if (count <= fit_options.samples) counts.push_back(count);
    const latency_predictor::FitReport report =
        compare_choices(fit_options, counts, options.networks);
    json["curve"] = report.json();
    text += report.text();
  }
  print(common.json ? to_text(json) : text + "Predictor: " + path_text(options.output) + "\n");
}

void build_predictor(const PredictorOptions& options, const CommonOptions& common) {
  const SearchSpace space = space_of(options);
  const accel_sim::Target hardware = accel_sim::find_target(options.hardware);
  const accel_sim::Workload workload = workload_of(options);
  const Stopwatch stopwatch;
  const latency_predictor::LatencyPredictor plain(hardware, workload);
  plain.fill(space);
  log_notice(
      fmt::format("{} operators priced in {:.1f} s", plain.table().size(), stopwatch.seconds()));
  latency_predictor::LatencyPredictor predictor(
      hardware, workload, plain.table(),
      latency_predictor::simulate_in_place(space, workload, hardware, options.seed));
  const latency_predictor::PredictorCheck check =
      check_predictor(predictor, space, options.networks, options.seed);
  predictor.relative_uncertainty = check.latency.p95;
  // Not a file that says it is checked and is not.
  if (check.complaint().empty()) predictor.save(options.output.string());
  answer({{"operators", plain.table().size()},
          {"hardware_hash", hex(target_hash(hardware))},
          {"output", options.output.string()}},
         check, "Predictor: " + path_text(options.output) + "\n", common);
}

void check_predictor(const PredictorOptions& options, const CommonOptions& common) {
  const latency_predictor::LatencyPredictor predictor =
      latency_predictor::LatencyPredictor::load(options.file.string());
  answer({{"predictor", options.file.string()}},
         check_predictor(predictor, space_of(options), options.networks, options.seed), "", common);
}

void list_operators(const PredictorOptions& options, const CommonOptions& common) {
  const std::vector<accel_sim::Operator> operators =
      latency_predictor::operators_of(space_of(options), workload_of(options));
  if (!common.json) return print(latency_predictor::measurement_template(operators));
  Json json{{"operators", Json::array()}};
  for (const accel_sim::Operator& op : operators) json["operators"].push_back(describe(op));
  print(to_text(json));
}

void import_measurements(const PredictorOptions& options, const CommonOptions& common) {
  const accel_sim::Workload workload = workload_of(options);
  const latency_predictor::LookupTable table =
      latency_predictor::read_measurements(options.file, options.device, options.clock_mhz);
  std::size_t missing = 0;
  std::string first;
  for (const accel_sim::Operator& op :
       latency_predictor::operators_of(space_of(options), workload)) {
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
  const std::vector<std::pair<accel_sim::Operator, accel_sim::HardwareCost>> entries =
      table.entries();
  const bool energy = std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
    return entry.second.energy > accel_sim::Picojoules();
  });
  const latency_predictor::LatencyPredictor predictor(options.device, workload, table);
  predictor.save(options.output.string());
  if (common.json)
    return print(to_text(Json{{"operators", entries.size()},
                              {"latency_unit", predictor.in_time() ? "ns" : "cycles"},
                              {"energy", energy},
                              {"output", options.output.string()}}));
  print(fmt::format("{} operators of ", entries.size()) + options.device +
        (predictor.in_time() ? ", in nanoseconds" : ", in cycles") +
        (energy ? "" : "; no energy was measured") + "\nPredictor: " + path_text(options.output) +
        "\n");
}

// What the verbs below `predictor` share.
void add_predictor_space(CLI::App* verb, PredictorOptions& options) {
  verb->option_defaults()->always_capture_default();
  verb->add_option("--space", options.space, "Search space: preset or JSON file");
  verb->add_option("--vocabulary", options.vocabulary,
                   "Vocabulary of its networks (-1: the space's own)")
      ->check(CLI::Range(-1, 1 << 20));
}

void add_predictor_workload(CLI::App* verb, PredictorOptions& options) {
  verb->add_option("--length", options.length, "Sequence length")->check(CLI::Range(1, 1 << 20));
  add_batch(verb, options.batch);
  verb->add_option("--mode", options.mode, "prefill or decode")
      ->check(CLI::IsMember(accel_sim::kModeWords.all()));
  verb->add_option("--mask", options.mask, "none, or causal")
      ->check(CLI::IsMember(accel_sim::kMaskWords.all()));
  verb->add_option("--biases", options.biases, "on: projections and FFN add a row of int32")
      ->check(CLI::IsMember(accel_sim::kBiasesWords.all()));
  verb->add_option("--nonlinear-inputs", options.nonlinear_inputs,
                   "int8 or sums: what LayerNorm and GELU read")
      ->check(CLI::IsMember(accel_sim::kNonlinearInputsWords.all()));
}

void add_predictor_check(CLI::App* verb, PredictorOptions& options) {
  verb->add_option("--networks", options.networks, "Networks to check with")
      ->check(CLI::Range(2, 1'000'000));
  verb->add_option("--seed", options.seed, "Seed of the random networks");
}

void add_fit(CLI::App* predictor, CommonOptions& common) {
  CLI::App* verb =
      predictor->add_subcommand("fit", "Learn a model over lengths and hardware from samples");
  PredictorFitOptions& options = options_of(verb, common, fit_predictor);
  latency_predictor::FitOptions& fit = options.fit;
  verb->option_defaults()->always_capture_default();
  verb->add_option("--space", options.space, "Search space: preset or JSON file");
  verb->add_option("--hardware", options.hardware,
                   "Hardware that gives all other parameters: preset or JSON file");
  verb->add_option("--shortest", fit.shortest, "Smallest sequence length");
  verb->add_option("--longest", fit.longest, "Largest sequence length");
  verb->add_option("--array-size", fit.array_size, "Array sizes to combine")->delimiter(',');
  verb->add_option("--scratchpad-kib", fit.scratchpad_kib, "Scratchpad sizes to combine")
      ->delimiter(',');
  verb->add_option("--accumulator-kib", fit.accumulator_kib, "Accumulator sizes to combine")
      ->delimiter(',');
  verb->add_option("--bus-bytes-per-cycle", fit.bus_bytes_per_cycle, "Bus widths to combine")
      ->delimiter(',');
  verb->add_option("--samples", fit.samples, "Operators to simulate")
      ->check(CLI::Range(1, latency_predictor::kMostSamples));
  verb->add_option("--networks", options.networks, "Held-out networks to measure errors on")
      ->check(CLI::Range(2, 100000));
  verb->add_option("--seed", fit.seed, "Seed of all random choices");
  verb->add_flag("--curve", options.curve, "Also print errors against the number of samples");
  verb->add_option("--output", options.output, "File to write")->required();
  add_common(verb, common);
}

}  // namespace

void add_predictor(CLI::App& app, CommonOptions& common) {
  CLI::App* predictor = app.add_subcommand("predictor", "Make and check latency predictors");
  predictor->require_subcommand(1);
  CLI::App* build = predictor->add_subcommand(
      "build", "Price a space's operators on simulated hardware, check, write a predictor");
  PredictorOptions& built = options_of(build, common, build_predictor);
  add_predictor_space(build, built);
  build->add_option("--hardware", built.hardware, "Preset or JSON file");
  add_predictor_workload(build, built);
  add_predictor_check(build, built);
  build->add_option("--output", built.output, "File to write")->required();
  add_common(build, common);

  CLI::App* check = predictor->add_subcommand("check", "Compare with whole-network simulations");
  PredictorOptions& checked = options_of(check, common, check_predictor);
  check->add_option("PREDICTOR", checked.file, "Predictor file")->required();
  add_predictor_space(check, checked);
  add_predictor_check(check, checked);
  add_common(check, common);

  CLI::App* list = predictor->add_subcommand("operators", "A space's operators, as CSV to fill in");
  PredictorOptions& listed = options_of(list, common, list_operators);
  add_predictor_space(list, listed);
  add_predictor_workload(list, listed);
  add_common(list, common);

  CLI::App* measured = predictor->add_subcommand("import", "Make a predictor of measurements");
  PredictorOptions& imported = options_of(measured, common, import_measurements);
  measured->add_option("CSV", imported.file, "CSV file of operators with latency and energy")
      ->required();
  measured->add_option("--device", imported.device, "Name of the device")->required();
  add_predictor_space(measured, imported);
  add_predictor_workload(measured, imported);
  measured
      ->add_option("--clock-mhz", imported.clock_mhz,
                   "Clock rate that turns the column latency_cycles into time")
      ->check(CLI::Range(1e-3, 1e6))
      ->check(is_number());
  measured->add_option("--output", imported.output, "File to write")->required();
  add_common(measured, common);
  add_fit(predictor, common);
}

}  // namespace paretoformer::nas
