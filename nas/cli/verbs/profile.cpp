// The verb `profile`.
#include "accel_sim/workload/profile.hpp"

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/words.hpp"
#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/profile_report.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct ProfileOptions {
  std::string model;         // preset or file
  std::vector<int> lengths;  // empty: 128, 512 and 4096
  std::optional<int> batch;
  std::optional<bool> decode;  // absent: as the model is used
  bool fused = false;
  std::string format = "table";         // or csv or svg
  std::optional<std::string> hardware;  // preset or file: latencies of the survey's model as well
};

// The lengths of the survey's table per operator (Sec. 2.2).
const std::vector<int> kDefaultLengths = {128, 512, 4096};

ProfileReport report(const accel_sim::Model& model, accel_sim::Mode mode,
                     const ProfileOptions& options) {
  ProfileReport report;
  std::optional<accel_sim::Target> hardware;
  if (options.hardware) hardware = accel_sim::find_target(*options.hardware);
  if (const auto* images = std::get_if<accel_sim::ConvolutionalNetwork>(&model.network)) {
    report.profiles.push_back(profile(*images, options.fused));
    if (hardware) report.estimates.push_back(survey_estimates(*images, options.fused, *hardware));
    return report;
  }
  const int batch = options.batch.value_or(1);
  const auto add = [&](const auto& network, int length) {
    report.profiles.push_back(profile(network, length, mode, options.fused, batch));
    if (hardware)
      report.estimates.push_back(
          survey_estimates(network, length, mode, options.fused, *hardware, batch));
  };
  const auto* listed = std::get_if<accel_sim::ListedNetwork>(&model.network);
  if (listed && !listed->has_length) {
    add(*listed, 1);
    return report;
  }
  for (int length : options.lengths.empty() ? kDefaultLengths : options.lengths) {
    if (!listed)
      add(std::get<Architecture>(model.network), length);
    else if (!options.lengths.empty() || listed->longest == 0 || length <= listed->longest)
      add(*listed, length);
  }
  return report;
}

// Trainable.
std::int64_t parameters_of(const accel_sim::Model& model) {
  if (const auto* listed = std::get_if<accel_sim::ListedNetwork>(&model.network))
    return listed->parameters;
  if (const auto* network = std::get_if<Architecture>(&model.network))
    return parameter_count(*network);
  return parameter_count(std::get<accel_sim::ConvolutionalNetwork>(model.network));
}

void profile_model(const ProfileOptions& options, const CommonOptions& common) {
  require_utf8(options.model, "MODEL");
  if (options.hardware) require_utf8(*options.hardware, "--hardware");
  const accel_sim::Model model = accel_sim::find_model(options.model);
  const bool text = !std::holds_alternative<accel_sim::ConvolutionalNetwork>(model.network);
  if (!text && !options.lengths.empty())
    throw InputError("--lengths: " + options.model + " is given images, not sequences");
  if (const auto* listed = std::get_if<accel_sim::ListedNetwork>(&model.network);
      listed && listed->is_graph) {
    if (!listed->has_length && !options.lengths.empty())
      throw InputError("--lengths: no size of the graph has that name");
    if (!listed->has_batch && options.batch)
      throw InputError("--batch: no size of the graph has that name");
    if (options.decode.value_or(false))
      throw InputError("--decode: all of a graph is computed: expected --prefill");
  }
  if (!text && options.batch)
    throw InputError("--batch: " + options.model + " is counted for one image");
  if (!text && options.decode)
    throw InputError("--decode, --prefill: " + options.model + " is given images, not sequences");
  const accel_sim::Mode mode =
      options.decode ? (*options.decode ? accel_sim::Mode::kDecode : accel_sim::Mode::kPrefill)
                     : model.mode;

  ProfileReport found = report(model, mode, options);
  found.title = path_text(options.model);
  if (text)
    found.title += mode == accel_sim::Mode::kDecode ? ", decoding whole sequences" : ", prefill";
  if (options.batch) found.title += ", batch " + std::to_string(*options.batch);
  if (options.fused) found.title += ", fused";
  const std::int64_t parameters = parameters_of(model);
  if (options.format == "table") found.title += ", " + std::to_string(parameters) + " parameters";
  if (options.hardware) found.title += ", on " + path_text(*options.hardware);
  if (common.json) {
    Json json{{"model", options.model}};
    if (text) json["mode"] = accel_sim::kModeWords.word_of(mode);
    if (text) json["batch"] = options.batch.value_or(1);
    json["parameters"] = parameters;
    json["fused"] = options.fused;
    if (options.hardware) json["hardware"] = *options.hardware;
    json["profiles"] = to_json(found);
    return print(to_text(json));
  }
  if (options.format == "csv") return print(profile_csv(found));
  if (options.format == "svg") return print(profile_svg(found));
  print(profile_table(found));
}

}  // namespace

void add_profile(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "profile", "FLOPs, memory operations and arithmetic intensity of a network");
  ProfileOptions& options = options_of(verb, common, profile_model);
  verb->add_option(
          "MODEL", options.model,
          "bert_base, bert_large, gpt2, resnet50, an architecture's JSON file, an ONNX model, or a "
          "config.json of Hugging Face's")
      ->required();
  verb->add_option("--lengths", options.lengths, "Sequence lengths (default: 128,512,4096)")
      ->delimiter(',')
      ->allow_extra_args(false)  // MODEL may follow
      ->check(CLI::Range(1, 1 << 20));
  add_batch(verb, options.batch);
  verb->add_flag_function(
      "--decode,!--prefill", [&options](std::int64_t count) { options.decode = count > 0; },
      "Generate the sequence token by token, or compute all of it at once (default: as it is "
      "used)");
  verb->add_flag("--fused", options.fused,
                 "Fuse normalisations and activations with the matmul before them");
  verb->add_option("--hardware", options.hardware,
                   "Preset or JSON file: also latencies, by the survey's model");
  CLI::Option* format = verb->add_option("--format", options.format, "table, csv or svg")
                            ->check(CLI::IsMember({"table", "csv", "svg"}))
                            ->capture_default_str();
  add_common(verb, common);
  format->excludes(verb->get_option("--json"));
}

}  // namespace paretoformer::nas
