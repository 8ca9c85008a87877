// Files as their formats' descriptions have them, byte for byte.
#pragma once

#include <initializer_list>
#include <string>

namespace paretoformer::nas {

inline std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

}  // namespace paretoformer::nas
