#include "accel_sim/engines/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::accel_sim {
namespace {

// In the order of Lane's enumerators.
constexpr std::array<const char*, 4> kLaneNames = {"host", "load", "execute", "store"};
// Thread identifiers order the rows in the viewer: 0 is the operators, then each lane's rows.
constexpr int kRowsPerLane = 100;

int thread_of(Lane lane, int row) { return (static_cast<int>(lane) + 1) * kRowsPerLane + row; }

std::string thread_name(int thread, const std::string& name) {
  return Json{{"name", "thread_name"},
              {"ph", "M"},
              {"pid", 0},
              {"tid", thread},
              {"args", {{"name", name}}}}
             .dump() +
         ",\n";
}

std::string complete_event(std::string_view name, std::int64_t begin, std::int64_t duration,
                           int thread, const std::string& arguments) {
  return fmt::format(R"({{"name":"{}","ph":"X","ts":{},"dur":{},"pid":0,"tid":{},"args":{}}})",
                     name, begin, duration, thread, arguments);
}

}  // namespace

int ChromeTrace::take_row(Lane lane, std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t>& taken = rows_taken_[static_cast<std::size_t>(lane)];
  const auto free = std::find_if(taken.begin(), taken.end(),
                                 [begin](std::int64_t until) { return until <= begin; });
  const int row = static_cast<int>(free - taken.begin());
  if (free == taken.end())
    taken.push_back(end);
  else
    *free = end;
  return row;
}

void ChromeTrace::add(const TransformerOperator& item, Cycles cycles, Trace spans) {
  const std::int64_t begin = now_.value();
  const Cycles all = cycles * item.repeat;
  now_ += all;
  std::string events = complete_event(item.role, begin, all.value(), 0,
                                      Json{{"operator", describe(item.op)},
                                           {"layer", item.layer},
                                           {"repeat", item.repeat},
                                           {"cycles", cycles.value()}}
                                          .dump());
  std::stable_sort(spans.begin(), spans.end(),
                   [](const TraceSpan& a, const TraceSpan& b) { return a.begin < b.begin; });
  const std::string arguments = Json{{"operator", item.role}}.dump();
  for (const TraceSpan& span : spans) {
    const int row = take_row(span.lane, begin + span.begin, begin + span.end);
    events += ",\n" + complete_event(span.name, begin + span.begin, span.end - span.begin,
                                     thread_of(span.lane, row), arguments);
  }
  events_.push_back(std::move(events));
}

void ChromeTrace::write(const std::filesystem::path& path, const Json& about) const {
  Json other{{"time_unit", "1 us in the viewer is 1 cycle"},
             {"cycles", now_.value()},
             {"repeats", "what happens inside an operator is drawn for its first repeat"}};
  if (about.is_object()) other.update(about);
  std::string head = "{\"otherData\":" + other.dump() + ",\n\"traceEvents\":[\n";
  head += R"({"name":"process_name","ph":"M","pid":0,"tid":0,"args":{"name":"accelerator"}},)"
          "\n";
  head += thread_name(0, "operators");
  for (std::size_t lane = 0; lane < kLaneNames.size(); ++lane)
    for (int row = 0; row < std::max(static_cast<int>(rows_taken_[lane].size()), 1); ++row)
      head += thread_name(thread_of(static_cast<Lane>(lane), row),
                          kLaneNames[lane] + (row > 0 ? " " + std::to_string(row + 1) : ""));
  if (events_.empty()) head.resize(head.size() - 2);  // no comma before the end
  std::vector<std::string_view> pieces{head};
  for (const std::string& events : events_) {
    if (pieces.size() > 1) pieces.push_back(",\n");
    pieces.push_back(events);
  }
  pieces.push_back("\n]}\n");
  write_file_atomic(path, pieces);
}

}  // namespace paretoformer::accel_sim
