// One stand-alone network as a safetensors file: the exported slice of a supernet.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

struct StandaloneNetwork {
  ParameterLayout layout;  // its own: layout.largest() is the network
  std::vector<float> parameters;
  std::map<std::string, std::string> metadata;
};

// Writes the weights of `network`, cut from the supernet, under the tensor names of
// ParameterLayout; the metadata gets "format", "architecture" and "context" as well.
void save_network(const std::filesystem::path& path, const ParameterLayout& supernet,
                  const std::vector<float>& parameters, const Architecture& network,
                  std::map<std::string, std::string> metadata);

// Throws InputError naming the file when it is damaged or no exported network.
StandaloneNetwork load_network(const std::filesystem::path& path);

}  // namespace paretoformer::supernet
