#include "nas/command_io.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer {

Architecture architecture_argument(const std::filesystem::path& path, const SearchSpace* space) {
  Json json = read_json(path);
  const bool inside = json.is_object() && json.contains("architecture");
  Json& network = inside ? json["architecture"] : json;
  if (space && network.is_object()) {
    if (!network.contains("head_width")) network["head_width"] = space->head_width();
    if (!network.contains("vocabulary")) network["vocabulary"] = space->vocabulary();
  }
  return architecture_from_json(JsonNode(network, path.string(), inside ? "/architecture" : ""));
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw Error(std::string("cannot write to standard output: ") + std::strerror(errno));
}

}  // namespace paretoformer
