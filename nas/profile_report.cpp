#include "nas/profile_report.hpp"

#include "nas/plot.hpp"
#include "support/format.hpp"

namespace paretoformer {
namespace {

Json to_json(const WorkloadCount& count) {
  return Json{{"flops", count.flops}, {"mops", count.mops}, {"intensity", count.intensity()}};
}

double giga(std::int64_t count) { return 1e-9 * static_cast<double>(count); }

std::string length_text(const Profile& profile) {
  return profile.length ? std::to_string(*profile.length) : std::string();
}

// What a row shows of a count.
using Part = std::int64_t WorkloadCount::*;

StackedBar bar(const Profile& profile, Part part) {
  StackedBar bar;
  const WorkloadCount total = profile.total();
  bar.above = format("%.4g", giga(total.*part));
  bar.below = {length_text(profile)};
  bar.parts.resize(kOperatorClassNames.size());
  for (const Profile::Row& row : profile.rows)
    bar.parts[static_cast<std::size_t>(row.operators)] = static_cast<double>(row.count.*part);
  return bar;
}

}  // namespace

Json to_json(const ProfileReport& report) {
  Json list = Json::array();
  for (const Profile& profile : report.profiles) {
    Json json;
    if (profile.length) json["length"] = *profile.length;
    json["operators"] = Json::array();
    for (const auto& [operators, count] : profile.rows) {
      Json row{{"name", name_of(operators)}};
      row.update(to_json(count));
      json["operators"].push_back(std::move(row));
    }
    json["total"] = to_json(profile.total());
    list.push_back(std::move(json));
  }
  return list;
}

std::string profile_table(const ProfileReport& report) {
  std::string table = report.title + "\n";
  for (const Profile& profile : report.profiles) {
    const std::string name = profile.length ? "length " + length_text(profile) : "one image";
    table += format("%-20s %12s %12s %12s\n", name.c_str(), "GFLOPs", "GMOPs", "FLOPs/byte");
    const auto line = [&](std::string_view operators, const WorkloadCount& count) {
      table += format("%-20s %12.3f %12.4f %12.2f\n", std::string(operators).c_str(),
                      giga(count.flops), giga(count.mops), count.intensity());
    };
    for (const auto& [operators, count] : profile.rows) line(name_of(operators), count);
    line("total", profile.total());
  }
  return table;
}

std::string profile_csv(const ProfileReport& report) {
  std::string csv = "length,operator,flops,mops,intensity\n";
  for (const Profile& profile : report.profiles) {
    const auto line = [&](std::string_view operators, const WorkloadCount& count) {
      csv += length_text(profile) + "," + std::string(operators) +
             format(",%lld,%lld,%.6g\n", static_cast<long long>(count.flops),
                    static_cast<long long>(count.mops), count.intensity());
    };
    for (const auto& [operators, count] : profile.rows) line(name_of(operators), count);
    line("total", profile.total());
  }
  return csv;
}

std::string profile_svg(const ProfileReport& report) {
  std::vector<StackedBar> flops, mops;
  for (const Profile& profile : report.profiles) {
    flops.push_back(bar(profile, &WorkloadCount::flops));
    mops.push_back(bar(profile, &WorkloadCount::mops));
    mops.back().below.push_back(format("%.4g", profile.total().intensity()));
  }
  const std::vector<std::string> legend(kOperatorClassNames.begin(), kOperatorClassNames.end());
  return shares_svg({{"FLOPs: shares (GFLOPs above)", flops},
                     {"MOPs: shares (GMOPs above, FLOPs/byte below)", mops}},
                    legend, report.title);
}

}  // namespace paretoformer
