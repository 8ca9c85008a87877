# paretoformer_embed_json(TARGET): compiles every *.json of the current folder into TARGET, where
# namespace paretoformer::TARGET_presets offers embedded_json(name) and embedded_names().
function(paretoformer_embed_json target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.json)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
  set(entries "")
  foreach(file IN LISTS files)
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} text)
    string(APPEND entries "    {\"${name}\", R\"json(${text})json\"},\n")
  endforeach()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${target}_presets.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace paretoformer::@target@_presets {

static const std::vector<std::pair<std::string, std::string_view>>& files() {
  static const std::vector<std::pair<std::string, std::string_view>> all{
@entries@  };
  return all;
}

std::string_view embedded_json(std::string_view name) {
  for (const auto& [known, text] : files())
    if (known == name) return text;
  return {};
}

std::vector<std::string> embedded_names() {
  std::vector<std::string> names;
  for (const auto& file : files()) names.push_back(file.first);
  return names;
}

}  // namespace paretoformer::@target@_presets
]])
  target_sources(${target} PRIVATE ${source})
endfunction()
