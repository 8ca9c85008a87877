#include "nas/report/study_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "nas/report/plot.hpp"

namespace paretoformer::nas {
namespace {

// What the survey says of a step (Sec. 3.4, where matmuls take 36 % less time, and 6.4).
std::string published(const std::string& step) {
  if (step == "b") return "matmuls 1.56x";
  if (step == "c") return "latency 39.6x, with b";
  if (step == "+0.1") return "1.4x, 1.6x, 2.24x";
  if (step == "+1") return "2.4x, 4.4x, 10.56x";
  return "";
}

struct Row {
  const StudyStep& step;
  const StudyStep& before;
  std::string published;
};

std::vector<Row> rows_of(const Study& study) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < study.machines.size(); ++i) {
    const StudyStep& step = study.machines[i];
    rows.push_back({step, study.machines[i == 0 ? 0 : i - 1], published(step.name)});
  }
  for (const StudyChoice& each : study.choices)
    rows.push_back({each.step, study.machines.back(), published(each.budget)});
  return rows;
}

std::string factor(double before, double after) { return fmt::format("{:.3g}x", before / after); }

std::vector<std::string> cells(const Row& row, const StudyStep& first) {
  const auto& [step, before, said] = row;
  std::vector<std::string> cells{
      step.name,
      step.change,
      fmt::format("{:.3f}", step.perplexity),
      step.perplexity_int8 > 0 ? fmt::format("{:.3f}", step.perplexity_int8) : "",
      fmt::format("{:.0f}", step.latency),
      fmt::format("{:.2f}", step.energy_pj * 1e-6)};
  if (&step == &first) {
    cells.insert(cells.end(), {"", "", "", ""});
  } else {
    cells.push_back(factor(before.latency, step.latency));
    cells.push_back(factor(before.energy_pj, step.energy_pj));
    cells.push_back(factor(before.edp(), step.edp()));
    cells.push_back(factor(first.edp(), step.edp()));
  }
  cells.push_back(said);
  return cells;
}

const std::vector<std::string> kHead{"",       "step",       "perplexity", "int8",
                                     "cycles", "energy/uJ",  "latency",    "energy",
                                     "EDP",    "EDP in all", "published"};

std::vector<std::vector<std::string>> table_of(const Study& study) {
  std::vector<std::vector<std::string>> table{kHead};
  for (const Row& row : rows_of(study)) table.push_back(cells(row, study.machines.front()));
  return table;
}

std::string summary(const Study& study) {
  const StudyStep& a = study.machines.front();
  const StudyStep& b = study.machines[1];
  const StudyStep& d = study.machines.back();
  const double latency = a.latency / d.latency;
  std::string text = fmt::format(
      "Matmuls alone, a to b: {} (published 1.56x). Latency, a to c: {} (published "
      "39.6x).\nAs the survey multiplies, latency a to d times EDP d to e:",
      factor(a.matmul_latency, b.matmul_latency), factor(a.latency, study.machines[2].latency));
  for (const StudyChoice& each : study.choices)
    text += fmt::format("{} {:.1f}x at {}", &each == &study.choices.front() ? "" : ",",
                        latency * d.edp() / each.step.edp(), each.budget);
  return text + " (published 88.7x at +0.1).\n";
}

}  // namespace

std::string study_table(const Study& study) {
  const std::vector<std::vector<std::string>> table = table_of(study);
  std::vector<std::size_t> widths(kHead.size());
  for (const auto& row : table)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : table) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool words = i < 2 || i + 1 == row.size();
      line += words ? fmt::format("{:<{}}  ", row[i], widths[i])
                    : fmt::format("{:>{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text +
         "latency, energy, EDP: how many times less than the step before, of e than d; int8: in "
         "the accelerator's integers, which limits count\n" +
         summary(study);
}

std::string study_markdown(const Study& study) {
  std::string text;
  const std::vector<std::vector<std::string>> table = table_of(study);
  for (std::size_t r = 0; r < table.size(); ++r) {
    text += "|";
    for (const std::string& cell : table[r]) text += " " + cell + " |";
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t i = 0; i < table[r].size(); ++i) text += "---|";
    text += "\n";
  }
  return text + "\n" + summary(study);
}

std::string study_svg(const Study& study, const std::string& title) {
  std::vector<WaterfallBar> bars;
  for (const StudyStep& each : study.machines)
    bars.push_back({{each.name}, each.edp(), bars.empty() ? 0 : bars.size() - 1});
  const std::size_t last = bars.size() - 1;
  for (const StudyChoice& each : study.choices)
    bars.push_back({{each.step.name, each.budget}, each.step.edp(), last});
  return waterfall_svg(bars, title, "energy-delay product (pJ x cycles)");
}

}  // namespace paretoformer::nas
