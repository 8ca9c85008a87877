// Tables of cycles measured on RTL, which lie beside the sources, and how far a prediction is off
// by groups of their rows.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace paretoformer::accel_sim {

inline std::filesystem::path measured_folder() {
  return std::filesystem::path(PARETOFORMER_SOURCE_DIR) / ".." / "shared" / "data" / "gemmini_rtl";
}

// A line of a table. An empty field says that there is no such thing.
class MeasuredRow {
 public:
  void set(const std::string& column, std::string value) { fields_[column] = std::move(value); }

  const std::string& text(const std::string& column) const {
    static const std::string nothing;
    const auto found = fields_.find(column);
    return found == fields_.end() ? nothing : found->second;
  }
  // 0 for an empty field.
  int number(const std::string& column) const {
    const std::string& value = text(column);
    return value.empty() ? 0 : std::stoi(value);
  }
  double cycles() const { return std::stod(text("cycles")); }
  bool notes(const std::string& part) const { return text("note").find(part) != std::string::npos; }

 private:
  std::map<std::string, std::string> fields_;
};

// Fields between commas; those in quotation marks may hold some.
inline std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else if (c != '\r')
      fields.back() += c;
  }
  return fields;
}

inline std::vector<MeasuredRow> measured_rows(const std::string& table) {
  std::ifstream file(measured_folder() / table);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("cannot read " + table);
  const std::vector<std::string> columns = csv_fields(line);
  std::vector<MeasuredRow> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = csv_fields(line);
    if (fields.size() != columns.size()) throw std::runtime_error(table + ": \"" + line + "\"");
    MeasuredRow& row = rows.emplace_back();
    for (std::size_t i = 0; i < fields.size(); ++i) row.set(columns[i], fields[i]);
  }
  return rows;
}

// Tests of those tables, which a checkout by itself has not.
class MeasuredOnSoc : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(measured_folder() / "soc_cycles.csv"))
      GTEST_SKIP() << "no measurements in " << measured_folder();
  }
};

// Percent that a group's mean and its worst row may be off; a worst row of 0: any.
struct ErrorBound {
  const char* group;
  double mean;
  double worst = 0;
};

// Relative errors by group, in the order in which the groups came up.
class ErrorTable {
 public:
  void add(const std::string& group, const std::string& row, double measured, double simulated) {
    const auto found = std::find_if(groups_.begin(), groups_.end(),
                                    [&](const Group& each) { return each.name == group; });
    Group& its = found == groups_.end() ? groups_.emplace_back(Group{group, {}}) : *found;
    its.errors.push_back({row, 100 * (simulated / measured - 1)});
  }

  // Prints the table, as one of docs/simulator.md. Every group must keep the bound of its name.
  void expect(std::span<const ErrorBound> bounds) const {
    std::printf("| group | rows | mean | bias | worst |\n|---|---|---|---|---|\n");
    for (const Group& group : groups_) {
      const Group::Error& worst = group.worst();
      std::printf("| %s | %zu | %.1f %% | %+.1f %% | %+.1f %%: %s |\n", group.name.c_str(),
                  group.errors.size(), group.mean(), group.bias(), worst.percent,
                  worst.row.c_str());
      const auto bound = std::find_if(bounds.begin(), bounds.end(),
                                      [&](const auto& each) { return each.group == group.name; });
      if (bound == bounds.end()) {
        ADD_FAILURE() << "no bound for " << group.name;
        continue;
      }
      EXPECT_LE(group.mean(), bound->mean) << group.name;
      if (bound->worst > 0) {
        EXPECT_LE(std::abs(worst.percent), bound->worst) << group.name << ": " << worst.row;
      }
    }
  }

 private:
  struct Group {
    struct Error {
      std::string row;
      double percent;
    };
    std::string name;
    std::vector<Error> errors;

    double bias() const {
      double sum = 0;
      for (const Error& error : errors) sum += error.percent;
      return sum / static_cast<double>(errors.size());
    }
    double mean() const {
      double sum = 0;
      for (const Error& error : errors) sum += std::abs(error.percent);
      return sum / static_cast<double>(errors.size());
    }
    const Error& worst() const {
      return *std::max_element(errors.begin(), errors.end(), [](const Error& a, const Error& b) {
        return std::abs(a.percent) < std::abs(b.percent);
      });
    }
  };
  std::vector<Group> groups_;
};

// Of pairs of which one was faster on RTL by more than 5 %, how many are named right.
class OrderCount {
 public:
  void add(const std::string& a, double measured_a, double simulated_a, const std::string& b,
           double measured_b, double simulated_b) {
    if (std::max(measured_a, measured_b) <= 1.05 * std::min(measured_a, measured_b)) return;
    ++pairs_;
    if ((measured_a < measured_b) == (simulated_a < simulated_b) && simulated_a != simulated_b) {
      ++right_;
      return;
    }
    char line[400];
    std::snprintf(line, sizeof line, "%s %.0f (%.0f), %s %.0f (%.0f)", a.c_str(), measured_a,
                  simulated_a, b.c_str(), measured_b, simulated_b);
    wrong_.emplace_back(line);
  }

  void print(const char* what) const {
    std::printf("%s: the faster one is named right in %d of %d pairs\n", what, right_, pairs_);
    if (!wrong_.empty()) std::printf("wrong: RTL (simulated)\n");
    for (const std::string& line : wrong_) std::printf("  %s\n", line.c_str());
  }
  int pairs() const { return pairs_; }
  int wrong() const { return pairs_ - right_; }

 private:
  int pairs_ = 0, right_ = 0;
  std::vector<std::string> wrong_;
};

}  // namespace paretoformer::accel_sim
