# paretoformer_embed_json(TARGET FOLDER): makes the *.json files of FOLDER part of TARGET, so that
# presets are found wherever the binary is installed. TARGET's own sources may then
# #include "TARGET/embedded_json.hpp" and walk paretoformer::TARGET_json, a table of EmbeddedFile.
function(paretoformer_embed_json target folder)
  cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.json)
  paretoformer_embed_files(${target} json ${files})
endfunction()

# paretoformer_embed_files(TARGET KIND FILE...): the same for any text files, as
# "TARGET/embedded_KIND.hpp" and paretoformer::TARGET_KIND.
function(paretoformer_embed_files target kind)
  set(entries "")
  foreach(file IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    cmake_path(GET file FILENAME name)
    cmake_path(GET file EXTENSION LAST_ONLY extension)
    if(extension STREQUAL ".json")
      cmake_path(GET file STEM LAST_ONLY name)
    endif()
    file(READ ${file} text)
    string(APPEND entries "    {\"${name}\", R\"embedded(${text})embedded\"},\n")
  endforeach()
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
  file(CONFIGURE OUTPUT ${generated}/${target}/embedded_${kind}.hpp @ONLY CONTENT
"// Generated from the ${kind} files of @target@ by cmake/embed.cmake.
#pragma once

#include \"support/embedded_file.hpp\"

namespace paretoformer {

inline constexpr EmbeddedFile @target@_${kind}[] = {
@entries@};

}  // namespace paretoformer
")
  target_include_directories(${target} PRIVATE ${generated})
endfunction()
