// A text file that is part of the library: a row of what cmake/embed.cmake generates.
#pragma once

#include <string_view>

namespace paretoformer {

struct EmbeddedFile {
  std::string_view name;  // of JSON files without their extension
  std::string_view text;
};

}  // namespace paretoformer
