// What the verbs of the command line share: reading what they are given, printing their answer.
#pragma once

#include <filesystem>
#include <string>

#include "search_spaces/architecture.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer {

// A bare architecture, or a candidate or exported file that holds one. What it does not say of head
// width and vocabulary, `space` (if given) says. Throws InputError when the file holds neither.
Architecture architecture_argument(const std::filesystem::path& path, const SearchSpace* space);

// Writes to standard output at once. Throws Error when it cannot (a full disk, a closed pipe).
void print(const std::string& text);

}  // namespace paretoformer
