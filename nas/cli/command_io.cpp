#include "nas/cli/command_io.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "support/error.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {

Architecture architecture_argument(const std::filesystem::path& path, const SearchSpace* space) {
  return architecture_in(read_json(path), path.string(), space);
}

Architecture architecture_in(Json json, const std::string& file, const SearchSpace* space) {
  const bool inside = json.is_object() && json.contains("architecture");
  Json& network = inside ? json["architecture"] : json;
  if (space && network.is_object()) {
    if (!network.contains("head_width")) network["head_width"] = space->head_width();
    if (!network.contains("vocabulary")) network["vocabulary"] = space->vocabulary();
  }
  return architecture_from_json(JsonNode(network, file, inside ? "/architecture" : ""));
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
    const bool inside = list[i].is_object() && list[i].contains("architecture");
    const Json& network = inside ? list[i]["architecture"] : list[i];
    // For its errors, which are to name this file.
    architecture_from_json(JsonNode(network, path.string(),
                                    (found.is_array() ? where + "/" + std::to_string(i) : where) +
                                        (inside ? "/architecture" : "")));
    architectures.push_back(network);
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
