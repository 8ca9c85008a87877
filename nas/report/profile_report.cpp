#include "nas/report/profile_report.hpp"

#include <fmt/format.h>

#include "nas/report/plot.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

// A class of operators, or the whole.
struct Line {
  std::string name;
  accel_sim::WorkloadCount count;
  std::optional<accel_sim::SurveyEstimate> estimate;

  double non_ideal_intensity() const {
    return estimate->dram_bytes > 0
               ? static_cast<double>(count.flops) / static_cast<double>(estimate->dram_bytes)
               : 0;
  }
};

// The last one is the whole.
std::vector<Line> lines(const ProfileReport& report, std::size_t i) {
  std::vector<Line> lines;
  for (const auto& [operators, count] : report.profiles[i].rows) {
    lines.push_back({std::string(name_of(operators)), count, {}});
    if (!report.estimates.empty())
      lines.back().estimate = report.estimates[i][static_cast<std::size_t>(operators)];
  }
  lines.push_back({"total", report.profiles[i].total(), {}});
  if (!report.estimates.empty()) lines.back().estimate = total(report.estimates[i]);
  return lines;
}

Json to_json(const Line& line) {
  Json json{{"flops", line.count.flops},
            {"mops", line.count.mops},
            {"intensity", line.count.intensity()}};
  if (!line.estimate) return json;
  json["dram_bytes"] = line.estimate->dram_bytes;
  json["non_ideal_intensity"] = line.non_ideal_intensity();
  json["compute_cycles"] = line.estimate->compute.value();
  json["memory_cycles"] = line.estimate->memory.value();
  json["cycles"] = line.estimate->latency.value();
  return json;
}

double giga(std::int64_t count) { return 1e-9 * static_cast<double>(count); }

double mega(accel_sim::Cycles cycles) { return 1e-6 * static_cast<double>(cycles.value()); }

std::string length_text(const accel_sim::Profile& profile) {
  return profile.length ? std::to_string(*profile.length) : std::string();
}

// What a row shows of a count.
using Part = std::int64_t accel_sim::WorkloadCount::*;

StackedBar bar(const accel_sim::Profile& profile, Part part) {
  StackedBar bar;
  const accel_sim::WorkloadCount total = profile.total();
  bar.above = fmt::format("{:.4g}", giga(total.*part));
  bar.below = {length_text(profile)};
  bar.parts.resize(accel_sim::kOperatorClassNames.size());
  for (const accel_sim::Profile::Row& row : profile.rows)
    bar.parts[static_cast<std::size_t>(row.operators)] = static_cast<double>(row.count.*part);
  return bar;
}

}  // namespace

Json to_json(const ProfileReport& report) {
  Json list = Json::array();
  for (std::size_t i = 0; i < report.profiles.size(); ++i) {
    Json json;
    if (report.profiles[i].length) json["length"] = *report.profiles[i].length;
    json["operators"] = Json::array();
    for (const Line& line : lines(report, i)) {
      if (line.name == "total") {
        json["total"] = to_json(line);
        continue;
      }
      Json row{{"name", line.name}};
      row.update(to_json(line));
      json["operators"].push_back(std::move(row));
    }
    list.push_back(std::move(json));
  }
  return list;
}

std::string profile_table(const ProfileReport& report) {
  std::string table = report.title + "\n";
  for (std::size_t i = 0; i < report.profiles.size(); ++i) {
    const accel_sim::Profile& profile = report.profiles[i];
    const std::string name = profile.length ? "length " + length_text(profile) : "one image";
    table += fmt::format("{:<20} {:>12} {:>12} {:>12}", name, "GFLOPs", "GMOPs", "FLOPs/byte");
    if (!report.estimates.empty())
      table += fmt::format(" {:>12} {:>12} {:>12} {:>12} {:>8}", "with tiles", "compute/Mcyc",
                           "memory/Mcyc", "Mcycles", "share/%");
    table += "\n";
    const std::vector<Line> all = lines(report, i);
    for (const Line& line : all) {
      table += fmt::format("{:<20} {:>12.3f} {:>12.4f} {:>12.2f}", line.name,
                           giga(line.count.flops), giga(line.count.mops), line.count.intensity());
      if (line.estimate)
        table += fmt::format(
            " {:>12.2f} {:>12.3f} {:>12.3f} {:>12.3f} {:>8.1f}", line.non_ideal_intensity(),
            mega(line.estimate->compute), mega(line.estimate->memory), mega(line.estimate->latency),
            100 * mega(line.estimate->latency) / mega(all.back().estimate->latency));
      table += "\n";
    }
  }
  return table;
}

std::string profile_csv(const ProfileReport& report) {
  std::string csv = "length,operator,flops,mops,intensity";
  if (!report.estimates.empty())
    csv += ",dram_bytes,non_ideal_intensity,compute_cycles,memory_cycles,cycles";
  csv += "\n";
  for (std::size_t i = 0; i < report.profiles.size(); ++i)
    for (const Line& line : lines(report, i)) {
      csv +=
          length_text(report.profiles[i]) + "," + line.name +
          fmt::format(",{},{},{:.6g}", line.count.flops, line.count.mops, line.count.intensity());
      if (line.estimate)
        csv += fmt::format(",{},{:.6g},{},{},{}", line.estimate->dram_bytes,
                           line.non_ideal_intensity(), line.estimate->compute.value(),
                           line.estimate->memory.value(), line.estimate->latency.value());
      csv += "\n";
    }
  return csv;
}

std::string profile_svg(const ProfileReport& report) {
  std::vector<StackedBar> flops, mops;
  for (const accel_sim::Profile& profile : report.profiles) {
    flops.push_back(bar(profile, &accel_sim::WorkloadCount::flops));
    mops.push_back(bar(profile, &accel_sim::WorkloadCount::mops));
    mops.back().below.push_back(fmt::format("{:.4g}", profile.total().intensity()));
  }
  const std::vector<std::string> legend(accel_sim::kOperatorClassNames.begin(),
                                        accel_sim::kOperatorClassNames.end());
  return shares_svg({{"FLOPs: shares (GFLOPs above)", flops},
                     {"MOPs: shares (GMOPs above, FLOPs/byte below)", mops}},
                    legend, report.title);
}

}  // namespace paretoformer::nas
