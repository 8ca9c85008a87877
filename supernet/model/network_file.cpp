#include "supernet/model/network_file.hpp"

#include <algorithm>

#include "supernet/model/safetensors.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::supernet {
namespace {

constexpr const char* kFormat = "paretoformer.network.1";
constexpr std::int64_t kLongestContext = 1 << 20;

ParameterLayout layout_of(const Architecture& network, int context, const std::string& where) {
  if (network.vocabulary == 0)
    throw InputError(where + ": /architecture: key \"vocabulary\" is missing");
  try {
    return {network, context};
  } catch (const InputError& error) {
    throw InputError(where + ": /architecture: " + error.what());
  }
}

ParameterLayout layout_of(const Safetensors& file) {
  if (file.meta("format") != kFormat)
    throw InputError(file.file + ": metadata \"format\" is \"" + file.meta("format") +
                     "\", expected \"" + kFormat + "\"");
  const std::string where = file.file + " (metadata)";
  const Json architecture = parse_json(file.meta("architecture"), where);
  const Json context = parse_json(file.meta("context"), where);
  const Architecture network =
      architecture_from_json(JsonNode(architecture, where, "/architecture"));
  const auto positions =
      static_cast<int>(JsonNode(context, where, "/context").integer(1, kLongestContext));
  return layout_of(network, positions, where);
}

}  // namespace

void save_network(const std::filesystem::path& path, const ParameterLayout& supernet,
                  const std::vector<float>& parameters, const Architecture& network,
                  std::map<std::string, std::string> metadata) {
  const ParameterLayout layout(network, supernet.context());
  const std::vector<float> weights = extract(supernet, parameters, layout);
  metadata["format"] = kFormat;
  metadata["architecture"] = to_json(network).dump();
  metadata["context"] = std::to_string(supernet.context());
  write_safetensors(path, named_tensors(layout, weights), metadata);
}

StandaloneNetwork load_network(const std::filesystem::path& path) {
  const Safetensors file = read_safetensors(path, [](const Safetensors& written) {
    std::vector<std::string> names;
    append_names(layout_of(written), "", names);
    return names;
  });
  StandaloneNetwork network{layout_of(file), {}, file.metadata};
  network.parameters = read_tensors(file, network.layout, "");
  return network;
}

}  // namespace paretoformer::supernet
