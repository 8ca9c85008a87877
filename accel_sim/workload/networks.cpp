#include "accel_sim/workload/networks.hpp"

#include "accel_sim/workload/hugging_face.hpp"
#include "accel_sim/workload/onnx_network.hpp"
#include "accel_sim/workload/words.hpp"
#include "accel_sim_workload/embedded_json.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/presets.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr Presets kPresets("model", accel_sim_workload_json);

Model model_from_json(const Json& json, const std::string& file) {
  if (json.is_object() && json.contains("convolutions"))
    return {convolutional_network_from_json(JsonNode(json, file))};
  if (is_hugging_face(json)) return {listed(transformer_from_hugging_face(JsonNode(json, file)))};
  if (!json.is_object() || !json.contains("architecture"))
    return {architecture_from_json(JsonNode(json, file))};
  // Exported files hold more than the architecture, which is nobody's concern here.
  Model model{architecture_from_json(JsonNode(json["architecture"], file, "/architecture"))};
  if (json.contains("mode")) model.mode = kModeWords.read(JsonNode(json["mode"], file, "/mode"));
  return model;
}

}  // namespace

ListedNetwork listed(const Architecture& architecture) {
  ListedNetwork listed;
  listed.description = describe(architecture);
  listed.parameters = parameter_count(architecture);
  listed.operators = [architecture](const Workload& workload) {
    return transformer_operators(architecture, workload);
  };
  return listed;
}

std::vector<std::string> model_presets() { return kPresets.names(); }

Model find_model(const std::string& name_or_path) {
  if (const std::optional<Document> preset = kPresets.preset(name_or_path))
    return model_from_json(preset->json, preset->file);
  kPresets.require_file(name_or_path, name_or_path);
  const std::string bytes = read_file(name_or_path);  // once: it may be a pipe
  if (is_onnx(bytes, name_or_path)) return {listed(onnx_graph(bytes, name_or_path))};
  return model_from_json(parse_json(bytes, name_or_path), name_or_path);
}

}  // namespace paretoformer::accel_sim
