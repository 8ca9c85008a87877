#include "accel_sim/workload/networks.hpp"

#include <filesystem>

#include "accel_sim_workload/embedded_json.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

Model model_from_json(const Json& json, const std::string& file) {
  if (json.is_object() && json.contains("convolutions"))
    return {convolutional_network_from_json(JsonNode(json, file))};
  if (!json.is_object() || !json.contains("architecture"))
    return {architecture_from_json(JsonNode(json, file))};
  // Exported files hold more than the architecture, which is nobody's concern here.
  Model model{architecture_from_json(JsonNode(json["architecture"], file, "/architecture"))};
  if (json.contains("mode") &&
      JsonNode(json["mode"], file, "/mode").choice({"prefill", "decode"}) == "decode")
    model.mode = Mode::kDecode;
  return model;
}

}  // namespace

std::vector<std::string> model_presets() {
  std::vector<std::string> names;
  for (const auto& [name, text] : accel_sim_workload_json) names.emplace_back(name);
  return names;
}

Model find_model(const std::string& name_or_path) {
  for (const auto& [name, text] : accel_sim_workload_json) {
    if (name != name_or_path) continue;
    const std::string file = "preset " + name_or_path;
    return model_from_json(parse_json(text, file), file);
  }
  std::error_code ignored;
  if (std::filesystem::exists(name_or_path, ignored))
    return model_from_json(read_json(name_or_path), name_or_path);
  const std::vector<std::string> presets = model_presets();
  std::string known;
  for (const std::string& preset : presets) known += (known.empty() ? "" : ", ") + preset;
  throw InputError("model \"" + name_or_path + "\" is neither a preset (" + known + ") nor a file" +
                   did_you_mean(name_or_path, presets));
}

}  // namespace paretoformer::accel_sim
