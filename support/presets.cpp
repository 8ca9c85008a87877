#include "support/presets.hpp"

#include <system_error>

#include "support/error.hpp"
#include "support/words.hpp"

namespace paretoformer {

std::vector<std::string> Presets::names() const { return names_in(texts_); }

std::optional<Document> Presets::preset(const std::string& name) const {
  const EmbeddedFile* found = find_row(texts_, name);
  if (!found) return std::nullopt;
  const std::string file = "preset " + name;
  return Document{parse_json(found->text, file), file};
}

Document Presets::find(const std::string& name_or_path) const {
  if (std::optional<Document> found = preset(name_or_path)) return std::move(*found);
  require_file(name_or_path, name_or_path);
  return {read_json(name_or_path), name_or_path};
}

void Presets::require_file(const std::filesystem::path& path,
                           const std::string& name_or_path) const {
  std::error_code ignored;  // as of a name that is too long for a file
  if (std::filesystem::exists(path, ignored)) return;
  std::string known;
  for (const auto& [name, text] : texts_) known.append(known.empty() ? "" : ", ").append(name);
  throw InputError(std::string(what_) + " \"" + name_or_path + "\" is neither a preset (" + known +
                   ") nor a file" + did_you_mean(name_or_path, names()));
}

}  // namespace paretoformer
