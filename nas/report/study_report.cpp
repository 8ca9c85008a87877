#include "nas/report/study_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
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

using Table = std::vector<std::vector<std::string>>;

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

Table table_of(const Study& study) {
  Table table{kHead};
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

// The perplexity that each way has at a product, and how many times less of it it needs within a
// perplexity.
Table rivals_of(const Study& study) {
  std::vector<std::string> head{"", "networks"};
  for (const double factor : kStudyEdpFactors) head.push_back(fmt::format("d / {:g}", factor));
  for (const StudyChoice& each : study.choices) head.push_back(each.budget);
  Table table{head};
  const double edp = study.machines.back().edp();
  for (const StudyRival& rival : study.rivals) {
    std::vector<std::string>& row = table.emplace_back();
    row = {rival.name, std::to_string(rival.networks.size())};
    for (const double times : kStudyEdpFactors) {
      const StudyStep* const best = best_at(rival, edp / times);
      row.push_back(best ? fmt::format("{:.3f}", best->counted()) : "-");
    }
    for (const StudyChoice& each : study.choices) {
      const StudyStep* const best = cheapest_within(rival, each.most);
      row.push_back(best ? factor(edp, best->edp()) : "-");
    }
  }
  return table;
}

// A line per way, with a cell for every choice: before, after, and how many times less EDP than d.
Table trained_of(const Study& study) {
  const StudyTrained& largest = study.trained.front();
  const double edp = largest.step.edp();
  std::vector<std::string> head{"trained on", "largest"};
  Table rows;
  for (std::size_t i = 1; i < study.trained.size(); ++i) {
    const StudyTrained& each = study.trained[i];
    const std::string name(each.way());
    const auto column =
        static_cast<std::size_t>(std::ranges::find(head, each.budget) - head.begin());
    if (column == head.size()) head.push_back(each.budget);
    auto row = std::ranges::find(rows, name, [](const auto& cells) { return cells[0]; });
    if (row == rows.end()) row = rows.insert(row, {name, ""});
    row->resize(column);
    row->push_back(fmt::format("{:.3f} to {:.3f}, {}", each.before, each.step.counted(),
                               factor(edp, each.step.edp())));
  }
  if (rows.empty()) rows.push_back({study.rivals.front().name, ""});
  rows[0][1] = fmt::format("{:.3f} to {:.3f}", largest.before, largest.step.counted());
  for (std::vector<std::string>& row : rows) row.resize(head.size());
  rows.insert(rows.begin(), head);
  return rows;
}

// How far above the largest network the search's choices are, all trained on.
std::string trained_summary(const Study& study) {
  const double largest = study.trained.front().step.counted();
  std::string text = fmt::format("Trained on for {} steps, {} is above the largest network by",
                                 study.trained_steps, study.rivals.front().name);
  bool first = true;
  for (const StudyTrained& each : study.trained) {
    if (each.rival != study.rivals.front().name) continue;
    text +=
        fmt::format("{} {:+.3f} at {:.1f}x ({})", first ? "" : ",", each.step.counted() - largest,
                    study.machines.front().edp() / each.step.edp(), each.budget);
    first = false;
  }
  return text + ".\n";
}

std::string margins(const Study& study) {
  std::string text;
  for (std::size_t i = 1; i < study.rivals.size(); ++i) {
    const StudyRival& rival = study.rivals[i];
    const StudyMargin found = margin(study.rivals[0], rival);
    if (found.networks == 0) continue;
    text += fmt::format(
        "{}: perplexity {:+.2f} % above that of {} at equal EDP ({:+.2f} to {:+.2f} %); of the {} "
        "networks of its front {} above, {} the same, {} below\n",
        rival.name, 100 * found.mean, study.rivals[0].name, 100 * found.least, 100 * found.most,
        found.networks, found.above, found.same, found.networks - found.above - found.same);
  }
  return text;
}

// Words to the left, numbers to the right.
std::string aligned(const Table& table, const std::vector<std::size_t>& words) {
  std::vector<std::size_t> widths(table.front().size());
  for (const auto& row : table)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : table) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += std::find(words.begin(), words.end(), i) != words.end()
                  ? fmt::format("{:<{}}  ", row[i], widths[i])
                  : fmt::format("{:>{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string markdown(const Table& table) {
  std::string text;
  for (std::size_t r = 0; r < table.size(); ++r) {
    text += "|";
    for (const std::string& cell : table[r]) text += " " + cell + " |";
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t i = 0; i < table[r].size(); ++i) text += "---|";
    text += "\n";
  }
  return text;
}

template <typename Number>
std::string with_interval(const std::optional<Estimate>& found, const Number& number) {
  if (!found) return "-";
  return number(found->value) + " [" + number(found->low) + ", " + number(found->high) + "]";
}
std::string times_interval(const Estimate& found) {
  return with_interval(found, [](double value) {
    return value < 100 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
  });
}
std::string percent_interval(const std::optional<Estimate>& found) {
  return with_interval(found, [](double share) {
    return std::abs(share) < 1 ? fmt::format("{:+.2f}", 100 * share)
                               : fmt::format("{:+.0f}", 100 * share);
  });
}

// What was chosen; rivals as slices; rivals trained on, if there are any.
std::vector<Table> seeds_of(const StudySeeds& seeds) {
  std::vector<Table> tables(2);
  const bool trained = !seeds.trained.empty();
  tables[0] = {{"searched network", "EDP in all, x", "by the search, x", "published"}};
  if (trained) tables[0][0].push_back("trained on: perplexity above the largest");
  for (const StudySeeds::Choice& each : seeds.choices) {
    tables[0].push_back({each.budget, times_interval(each.in_all), times_interval(each.search),
                         published(each.budget)});
    if (trained)
      tables[0].back().push_back(
          with_interval(each.trained, [](double more) { return fmt::format("{:+.3f}", more); }));
  }
  tables[1] = {{"above " + seeds.search + ", %"}};
  for (const double factor : kStudyEdpFactors)
    tables[1][0].push_back(fmt::format("d / {:g}", factor));
  for (const StudySeeds::Rival& each : seeds.rivals) {
    tables[1].push_back({each.name});
    for (const auto& above : each.above) tables[1].back().push_back(percent_interval(above));
  }
  if (!trained) return tables;
  tables.push_back({{"trained on, %"}});
  for (const StudySeeds::Choice& each : seeds.choices) tables[2][0].push_back(each.budget);
  tables[2][0].push_back("mean of these");
  for (const StudySeeds::Trained& each : seeds.trained) {
    tables[2].push_back({each.rival});
    for (const auto& above : each.above) tables[2].back().push_back(percent_interval(above));
    tables[2].back().push_back(percent_interval(each.mean));
  }
  return tables;
}

template <typename Format>
std::string seeds_text(const StudySeeds& seeds, const Format& format) {
  std::string text = fmt::format("Means and 95 % intervals of {} seeds ({}).\n", seeds.seeds.size(),
                                 fmt::join(seeds.seeds, ", "));
  for (const auto& table : seeds_of(seeds)) text += "\n" + format(table);
  text += "\nd / 2: perplexity at half the EDP of d or less, as slices";
  if (!seeds.trained.empty())
    text += fmt::format(
        "; trained on: of the network nearest in EDP to each choice, above the line "
        "through the networks of {} at its own EDP",
        seeds.search);
  return text + "\n";
}

// `format` is given a table, its columns of words, and a note that only a terminal shows.
template <typename Format>
std::string study_text(const Study& study, const Format& format) {
  std::string text =
      format(table_of(study), {0, 1, kHead.size() - 1},
             "latency, energy, EDP: how many times less than the step before, of e than d; int8: "
             "in the accelerator's integers, which limits count\n") +
      summary(study);
  if (study.rivals.size() < 2) return text;
  text += "\n" +
          format(rivals_of(study), {0},
                 "d / 2: the lowest perplexity at half the EDP of d or less; +0.1: how many times "
                 "less EDP than d within that perplexity\n") +
          margins(study);
  if (study.trained.empty()) return text;
  return text + "\n" + format(trained_of(study), {0}, "") + trained_summary(study);
}

}  // namespace

std::vector<StudyTable> study_tables(const Study& study) {
  std::vector<StudyTable> tables{{"step by step", table_of(study)}};
  if (study.rivals.size() > 1)
    tables.push_back(
        {"perplexity at an energy-delay product, and how many times less of it within "
         "a perplexity",
         rivals_of(study)});
  if (!study.trained.empty())
    tables.push_back(
        {"perplexity before and after training on, and how many times less "
         "energy-delay product than the largest network",
         trained_of(study)});
  return tables;
}

std::string study_summary(const Study& study) {
  return summary(study) + margins(study) + (study.trained.empty() ? "" : trained_summary(study));
}

std::string study_table(const Study& study) {
  return study_text(study, [](const Table& table, const std::vector<std::size_t>& words,
                              const char* note) { return aligned(table, words) + note; });
}

std::string study_markdown(const Study& study) {
  return study_text(study, [](const Table& table, const std::vector<std::size_t>&, const char*) {
    return markdown(table) + "\n";
  });
}

std::string study_seeds_table(const StudySeeds& seeds) {
  return seeds_text(seeds, [](const auto& table) { return aligned(table, {0}); });
}

std::string study_seeds_markdown(const StudySeeds& seeds) { return seeds_text(seeds, markdown); }

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
