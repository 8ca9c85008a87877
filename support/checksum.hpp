// The last line of a text file: the hash of the text before it.
#pragma once

#include <string>
#include <string_view>

namespace paretoformer {

// What stands around the hash: the text from `before` on is its line.
struct Checksum {
  std::string_view before, after;

  // The text and its checksum.
  std::string added_to(const std::string& text) const;
  // Throws InputError naming the file when its text does not end in its checksum.
  void require(const std::string& text, const std::string& file) const;
};

}  // namespace paretoformer
