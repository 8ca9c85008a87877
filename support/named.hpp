// Tables whose rows have a `name`: algorithms, exporters. One that a program asks for by it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/words.hpp"

namespace paretoformer {

template <typename Table>
std::vector<std::string> names_in(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

// Throws InputError when there is none: "WHAT: "x" is not known: expected one of ...".
template <typename Table>
const auto& row_named(const Table& table, std::string_view name, std::string_view what) {
  for (const auto& row : table)
    if (row.name == name) return row;
  throw InputError(std::string(what) + ": \"" + std::string(name) + "\" " +
                   not_among(name, names_in(table)));
}

}  // namespace paretoformer
