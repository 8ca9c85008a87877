#include "nas/cli/command_io.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "support/error.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {

namespace {

// The architecture that a candidate or an exported file holds, or else what is an architecture
// itself.
JsonNode network_of(const Json& json, const std::string& file, const std::string& path = "") {
  if (!json.is_object() || !json.contains("architecture")) return {json, file, path};
  return {json["architecture"], file, path + "/architecture"};
}

}  // namespace

Architecture architecture_argument(const std::filesystem::path& path, const SearchSpace* space) {
  return architecture_in(read_json(path), path.string(), space);
}

Architecture architecture_in(const Json& json, const std::string& file, const SearchSpace* space) {
  const JsonNode given = network_of(json, file);
  Json network = given.json();
  if (space && network.is_object()) {
    if (!network.contains("head_width")) network["head_width"] = space->head_width();
    if (!network.contains("vocabulary")) network["vocabulary"] = space->vocabulary();
  }
  return architecture_from_json(JsonNode(network, file, given.path()));
}

Json architectures_in(const std::filesystem::path& path) {
  const Json json = read_json(path);
  const bool is_front = json.is_object() && json.contains("front");
  const Json& found = is_front ? json["front"] : json;
  const Json list = found.is_array() ? found : Json::array({found});
  const std::string where = is_front ? "/front" : "";
  if (list.empty()) throw InputError(path.string() + ": holds no architectures");
  Json architectures = Json::array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonNode network = network_of(list[i], path.string(),
                                        found.is_array() ? where + "/" + std::to_string(i) : where);
    architecture_from_json(network);  // for its errors, which are to name this file
    architectures.push_back(network.json());
  }
  return architectures;
}

void require_utf8(std::string_view text, const std::string& option) {
  if (valid_utf8_prefix(text) < text.size()) throw InputError(option + ": is not valid UTF-8");
}

std::vector<int> numbers_in(std::string_view text, int largest) {
  std::vector<int> numbers;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data();;) {
    int number = 0;
    const auto [after, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 1 || number > largest) return {};
    numbers.push_back(number);
    if (after == end) return numbers;
    if (*after != ',') return {};
    at = after + 1;
  }
}

void print(const std::string& text) {
  const std::string safe = printable_lines(text);
  if (std::fwrite(safe.data(), 1, safe.size(), stdout) != safe.size() || std::fflush(stdout) != 0)
    throw Error(std::string("cannot write to standard output: ") + std::strerror(errno));
}

std::string path_text(const std::filesystem::path& path) { return printable(path.string()); }

std::unique_ptr<tbb::global_control> limit_threads(const CommonOptions& common) {
  if (common.threads == 0) return nullptr;
  return std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                               static_cast<std::size_t>(common.threads));
}

}  // namespace paretoformer::nas
