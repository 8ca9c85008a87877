// Files that are part of the library, found by their name; or the user's own, by its path.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/embedded_file.hpp"
#include "support/json.hpp"

namespace paretoformer {

// A JSON file that was found.
struct Document {
  Json json;
  std::string file;  // for messages

  JsonNode node() const { return {json, file}; }
};

class Presets {
 public:
  // `what` one of them is, for messages ("hardware"), and their names and texts, which must outlive
  // this object: an embedded_json.hpp, see cmake/embed.cmake.
  constexpr Presets(std::string_view what, std::span<const EmbeddedFile> texts)
      : what_(what), texts_(texts) {}

  std::vector<std::string> names() const;
  // The preset of that name.
  std::optional<Document> preset(const std::string& name) const;
  // The preset of that name, else the file. Throws InputError, with the nearest name, when there is
  // neither.
  Document find(const std::string& name_or_path) const;
  // Throws what find() throws when there is no such file.
  void require_file(const std::filesystem::path& path, const std::string& name_or_path) const;

 private:
  std::string_view what_;
  std::span<const EmbeddedFile> texts_;
};

}  // namespace paretoformer
