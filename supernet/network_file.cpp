#include "supernet/network_file.hpp"

#include <algorithm>

#include "supernet/safetensors.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

constexpr const char* kFormat = "paretoformer.network.1";
constexpr std::int64_t kLongestContext = 1 << 20;

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
  const Safetensors file = read_safetensors(path);
  if (file.meta("format") != kFormat)
    throw InputError(file.file + ": metadata \"format\" is \"" + file.meta("format") +
                     "\", expected \"" + kFormat + "\"");
  const std::string where = file.file + " (metadata)";
  const Json architecture = parse_json(file.meta("architecture"), where);
  const Json context = parse_json(file.meta("context"), where);
  StandaloneNetwork network{
      ParameterLayout(
          architecture_from_json(JsonNode(architecture, where, "/architecture")),
          static_cast<int>(JsonNode(context, where, "/context").integer(1, kLongestContext))),
      {},
      file.metadata};
  network.parameters = read_tensors(file, network.layout, "");
  return network;
}

}  // namespace paretoformer
