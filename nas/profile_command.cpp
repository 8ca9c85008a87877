// The verb `profile`.
#include "accel_sim/profile.hpp"
#include "nas/command_io.hpp"
#include "nas/commands.hpp"
#include "nas/profile_report.hpp"
#include "supernet/tokenizer.hpp"
#include "support/error.hpp"

namespace paretoformer {
namespace {

// The lengths of the survey's table per operator (Sec. 2.2).
const std::vector<int> kDefaultLengths = {128, 512, 4096};

std::vector<Profile> profiles(const Model& model, Mode mode, const ProfileOptions& options) {
  if (const auto* images = std::get_if<ConvolutionalNetwork>(&model.network))
    return {profile(*images, options.fused)};
  std::vector<Profile> list;
  for (int length : options.lengths.empty() ? kDefaultLengths : options.lengths)
    list.push_back(profile(std::get<Architecture>(model.network), length, mode, options.fused));
  return list;
}

}  // namespace

void profile_command(const ProfileOptions& options, const CommonOptions& common) {
  if (valid_utf8_prefix(options.model) < options.model.size())
    throw InputError("MODEL: is not valid UTF-8");
  const Model model = find_model(options.model);
  const bool text = std::holds_alternative<Architecture>(model.network);
  if (!text && !options.lengths.empty())
    throw InputError("--lengths: " + options.model + " is given images, not sequences");
  if (!text && options.decode)
    throw InputError("--decode, --prefill: " + options.model + " is given images, not sequences");
  const Mode mode =
      options.decode ? (*options.decode ? Mode::kDecode : Mode::kPrefill) : model.mode;

  ProfileReport report{options.model, profiles(model, mode, options)};
  if (text) report.title += mode == Mode::kDecode ? ", decoding whole sequences" : ", prefill";
  if (options.fused) report.title += ", fused";
  if (common.json) {
    Json json{{"model", options.model}};
    if (text) json["mode"] = mode == Mode::kDecode ? "decode" : "prefill";
    json["fused"] = options.fused;
    json["profiles"] = to_json(report);
    return print(to_text(json));
  }
  if (options.format == "csv") return print(profile_csv(report));
  if (options.format == "svg") return print(profile_svg(report));
  print(profile_table(report));
}

}  // namespace paretoformer
