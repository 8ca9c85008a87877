// printf into a string: C++20's std::format is not in the compilers we support.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

namespace paretoformer {

template <class... Arguments>
std::string format(const char* pattern, Arguments... arguments) {
  const int length = std::snprintf(nullptr, 0, pattern, arguments...);
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  std::snprintf(text.data(), text.size(), pattern, arguments...);
  text.pop_back();
  return text;
}

}  // namespace paretoformer
