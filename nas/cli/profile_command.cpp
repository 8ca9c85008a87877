// The verb `profile`.
#include "accel_sim/workload/profile.hpp"
#include "accel_sim/workload/words.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/commands.hpp"
#include "nas/report/profile_report.hpp"
#include "support/error.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

// The lengths of the survey's table per operator (Sec. 2.2).
const std::vector<int> kDefaultLengths = {128, 512, 4096};

ProfileReport report(const accel_sim::Model& model, accel_sim::Mode mode,
                     const ProfileOptions& options) {
  ProfileReport report;
  const auto add = [&](const auto& network, auto... how) {
    report.profiles.push_back(profile(network, how..., options.fused));
    if (options.hardware)
      report.estimates.push_back(survey_estimates(network, how..., options.fused,
                                                  accel_sim::find_hardware(*options.hardware)));
  };
  if (const auto* images = std::get_if<accel_sim::ConvolutionalNetwork>(&model.network)) {
    add(*images);
    return report;
  }
  for (int length : options.lengths.empty() ? kDefaultLengths : options.lengths)
    add(std::get<Architecture>(model.network), length, mode);
  return report;
}

}  // namespace

void profile_command(const ProfileOptions& options, const CommonOptions& common) {
  if (valid_utf8_prefix(options.model) < options.model.size())
    throw InputError("MODEL: is not valid UTF-8");
  if (options.hardware && valid_utf8_prefix(*options.hardware) < options.hardware->size())
    throw InputError("--hardware: is not valid UTF-8");
  const accel_sim::Model model = accel_sim::find_model(options.model);
  const bool text = std::holds_alternative<Architecture>(model.network);
  if (!text && !options.lengths.empty())
    throw InputError("--lengths: " + options.model + " is given images, not sequences");
  if (!text && options.decode)
    throw InputError("--decode, --prefill: " + options.model + " is given images, not sequences");
  const accel_sim::Mode mode =
      options.decode ? (*options.decode ? accel_sim::Mode::kDecode : accel_sim::Mode::kPrefill)
                     : model.mode;

  ProfileReport found = report(model, mode, options);
  found.title = path_text(options.model);
  if (text)
    found.title += mode == accel_sim::Mode::kDecode ? ", decoding whole sequences" : ", prefill";
  if (options.fused) found.title += ", fused";
  if (options.hardware) found.title += ", on " + path_text(*options.hardware);
  if (common.json) {
    Json json{{"model", options.model}};
    if (text) json["mode"] = accel_sim::kModeWords.word_of(mode);
    json["fused"] = options.fused;
    if (options.hardware) json["hardware"] = *options.hardware;
    json["profiles"] = to_json(found);
    return print(to_text(json));
  }
  if (options.format == "csv") return print(profile_csv(found));
  if (options.format == "svg") return print(profile_svg(found));
  print(profile_table(found));
}

}  // namespace paretoformer::nas
