// What Gemmini's RTL with norm units computed: ../shared/data/gemmini_rtl/golden.csv beside the
// sources, whose columns and inputs the README.md there and facts/integer-arithmetic.md describe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace paretoformer::rtl_results {

inline std::filesystem::path file() {
  return std::filesystem::path(PARETOFORMER_SOURCE_DIR) / ".." / "shared" / "data" / "gemmini_rtl" /
         "golden.csv";
}

// A line of the table: its fields by the names of the columns.
struct Case {
  std::map<std::string, std::string> fields;

  const std::string& text(const std::string& column) const { return fields.at(column); }
  int number(const std::string& column) const {
    return text(column).empty() ? 0 : std::stoi(text(column));
  }
  float scale(const std::string& column) const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(std::stoul(text(column), nullptr, 16)));
  }
};

inline std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(line);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

inline std::vector<Case> read_cases(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  const std::vector<std::string> columns = split(line, ',');
  std::vector<Case> cases;
  while (std::getline(stream, line)) {
    const std::vector<std::string> values = split(line, ',');
    Case row;
    for (std::size_t i = 0; i < columns.size(); ++i) row.fields[columns[i]] = values.at(i);
    cases.push_back(row);
  }
  return cases;
}

// The numbers that the table's inputs are made of.
class Numbers {
 public:
  explicit Numbers(int number) : state_(static_cast<std::uint32_t>(number)) {}

  int next(int range) {
    state_ = state_ * 1664525 + 1013904223;
    return static_cast<int>((state_ >> 16) % static_cast<std::uint32_t>(2 * range + 1)) - range;
  }

  template <class T>
  std::vector<T> matrix(int rows, int columns, int range, int factor = 1) {
    std::vector<T> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
    for (T& value : values) value = static_cast<T>(next(range) * factor);
    return values;
  }

 private:
  std::uint32_t state_;
};

// Results as the table has them.
template <class T>
std::string hexadecimal(const std::vector<T>& values, int columns) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && i % static_cast<std::size_t>(columns) == 0) text += ' ';
    char digits[9];
    std::snprintf(digits, sizeof digits, sizeof(T) == 1 ? "%02x" : "%08x",
                  static_cast<unsigned>(static_cast<std::make_unsigned_t<T>>(values[i])));
    text += digits;
  }
  return text;
}

}  // namespace paretoformer::rtl_results
