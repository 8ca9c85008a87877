// Numbers in messages between processes of one kind of machine: as they lie in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "support/error.hpp"

namespace paretoformer {

template <class T>
void append_bytes(std::string& bytes, const T* values, std::size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

// Removes them from the front of a message. Throws Error where it is too short.
template <class T>
void take_bytes(std::string_view& bytes, T* values, std::size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() / sizeof(T) < count) throw Error("a message is too short");
  if (count > 0) std::memcpy(values, bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

// A text among other content.
inline void append_text(std::string& bytes, std::string_view text) {
  const std::uint64_t size = text.size();
  append_bytes(bytes, &size, 1);
  bytes += text;
}
inline std::string_view take_text(std::string_view& bytes) {
  std::uint64_t size = 0;
  take_bytes(bytes, &size, 1);
  if (bytes.size() < size) throw Error("a message is too short");
  const std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return text;
}

}  // namespace paretoformer
