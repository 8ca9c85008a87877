#include "nas/report/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include "nas/report/axis.hpp"
#include "support/hash.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

// A picture's size, and in it the box of its axes.
struct Frame {
  double width = 760, height = 500;
  double left = 80, right = width - 24, top = 48, bottom = height - 64;
};
constexpr Frame kFrame;

const std::vector<std::string> kCurveColours{"#222",    "#c8442c", "#b98a2f", "#6a9a4b",
                                             "#5b7fa6", "#8a5aa0", "#c77f9e", "#888"};

using NumberFormat = fmt::format_string<double&>;

std::string number(double value, NumberFormat format = "{:.2f}") {
  return fmt::format(format, value);
}

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : printable(text))  // XML has no control characters
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return result;
}

// The end of an element: with its title, when it has one.
std::string closed(const std::string& element, const std::string& title = "") {
  return title.empty() ? "/>\n" : "><title>" + escaped(title) + "</title></" + element + ">\n";
}

// `kind` is a class, by which a page's style sheet finds an element.
std::string line(double x1, double y1, double x2, double y2, const std::string& colour,
                 const std::string& kind = "line") {
  constexpr const char* kLine =
      R"(<line class="{}" x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" stroke="{}")";
  return fmt::format(kLine, kind, x1, y1, x2, y2, colour) + closed("line");
}

std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& more = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escaped(text) + "</text>\n";
}

std::string x_axis(const Axis& x, const std::string& name, const Frame& frame,
                   NumberFormat format = "{:.3g}") {
  std::string svg;
  for (double value : x.ticks()) {
    svg += line(x.at(value), frame.top, x.at(value), frame.bottom, "#e4e4e4", "grid");
    svg += label(x.at(value), frame.bottom + 18, "middle", number(value, format));
  }
  svg += line(frame.left, frame.bottom, frame.right, frame.bottom, "#444", "axis");
  return svg + label((frame.left + frame.right) / 2, frame.bottom + 46, "middle", name);
}

std::string y_axis(const Axis& y, const std::string& name, const Frame& frame) {
  std::string svg;
  for (double value : y.ticks()) {
    svg += line(frame.left, y.at(value), frame.right, y.at(value), "#e4e4e4", "grid");
    svg += label(frame.left - 8, y.at(value) + 4, "end", number(value, "{:.4g}"));
  }
  svg += line(frame.left, frame.top, frame.left, frame.bottom, "#444", "axis");
  const double middle = (frame.top + frame.bottom) / 2;
  return svg +
         label(22, middle, "middle", name, " transform=\"rotate(-90 22 " + number(middle) + ")\"");
}

std::string dot(double x, double y, double radius, const std::string& style,
                const std::string& title) {
  return fmt::format(R"(<circle cx="{:.2f}" cy="{:.2f}" r="{:.1f}" {})", x, y, radius, style) +
         closed("circle", title);
}

std::string head(const std::string& title, const Frame& frame = kFrame) {
  constexpr const char* kHead =
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {:.0f} {:.0f}")"
      R"( font-family="sans-serif" font-size="12" fill="#222">)"
      R"(<rect class="paper" width="100%" height="100%" fill="white"/>)";
  return fmt::format(kHead, frame.width, frame.height) + "\n" +
         label(frame.left, 26, "start", title, " font-size=\"15\"");
}

std::string polyline(const std::string& points, const std::string& colour,
                     const std::string& kind = "curve-line") {
  return "<polyline class=\"" + kind + "\" points=\"" + points + "\" fill=\"none\" stroke=\"" +
         colour + "\" stroke-width=\"1.5\"/>\n";
}

// Names a curve or line, over the others if need be.
std::string key(std::size_t index, const std::string& name, const std::string& colour,
                const Frame& frame = kFrame) {
  return label(frame.right - 8, frame.top + 16 + 16 * static_cast<double>(index), "end", name,
               " class=\"key\" style=\"fill:" + colour +
                   ";paint-order:stroke;stroke:white;stroke-width:4px\"");
}

std::string rectangle(double x, double y, double width, double height, const std::string& colour,
                      const std::string& title) {
  return fmt::format(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}")", x,
                     y, width, height, colour) +
         closed("rect", title);
}

// Of a part of a bar: the curves' colours, but for their black.
const std::string& part_colour(std::size_t part) {
  return kCurveColours[1 + part % (kCurveColours.size() - 1)];
}

bool has_logarithm(double value) { return value > 0 && std::isfinite(value); }

// From light to dark over `count` steps.
std::string shade(std::size_t step, std::size_t count) {
  const double share = count < 2 ? 1 : static_cast<double>(step) / static_cast<double>(count - 1);
  return "hsl(" + number(45 + 195 * share, "{:.0f}") + ",70%," + number(55 - 20 * share, "{:.0f}") +
         "%)";
}

// The front over two objectives; for a page over any two.
class FrontChart {
 public:
  FrontChart(const Archive& archive, const FinalFront& front, bool for_page)
      : archive_(archive), front_(front), for_page_(for_page) {
    for (const Candidate& c : archive.candidates()) {
      shown_.push_back(&c.objectives);
      in_time_ = in_time_ || c.objectives.in_time;
      generations_ = std::max(generations_, c.generation + 1);
    }
    for (const FrontMember& member : front.members) shown_.push_back(&member.confirmed);
    for (const DroppedMember& each : front.dropped) shown_.push_back(&each.member.confirmed);
    for (Objective objective : objectives_) {
      Range range;
      for (const Objectives* own : shown_) range.add(value(*own, objective));
      xs_.emplace(objective, Axis(range, kFrame.left, kFrame.right));
      ys_.emplace(objective, Axis(range, kFrame.bottom, kFrame.top));
    }
  }

  std::string svg(const std::string& title) const {
    std::string svg = head(title) + axes();
    for (const Candidate& c : archive_.candidates())
      svg += network(c, c.objectives, 2,
                     "class=\"dot\" fill=\"#5b7fa6\" fill-opacity=\"" +
                         number(0.15 + 0.45 * (c.generation + 1) / generations_) + "\"");
    svg += staircases();
    for (const DroppedMember& each : front_.dropped)
      svg += network(each.member.candidate, each.member.confirmed, 4,
                     "class=\"dropped\" fill=\"white\" stroke=\"#888\"",
                     each.limit ? "  dropped: " + name_of(each.limit->objective)
                                : std::string("  dropped: dominated"));
    for (const FrontMember& member : front_.members)
      svg +=
          network(member.candidate, member.confirmed, 4, "class=\"member\" fill=\"#c8442c\"", "");
    return svg + (for_page_ ? "" : knee_ring()) + "</svg>\n";
  }

 private:
  const Axis& x(Objective objective) const { return xs_.at(objective); }
  const Axis& y(Objective objective) const { return ys_.at(objective); }
  // What a page shows for some axes alone.
  std::string shown_for(const std::string& choice, const std::string& svg) const {
    return for_page_ ? "<g data-for=\"" + choice + "\">\n" + svg + "</g>\n" : svg;
  }

  std::string axes() const {
    std::string svg;
    for (Objective objective : objectives_) {
      const std::string name = label_of(objective, in_time_);
      if (for_page_ || objective == right_)
        svg += shown_for("x " + name_of(objective), x_axis(x(objective), name, kFrame));
      if (for_page_ || objective == up_)
        svg += shown_for("y " + name_of(objective), y_axis(y(objective), name, kFrame));
    }
    return svg;
  }

  // A network where `own` are its values; `note` for a member of the front, which has a name.
  std::string network(const Candidate& candidate, const Objectives& own, double radius,
                      std::string style, const std::optional<std::string>& note = {}) const {
    const double across = value(own, right_), high = value(own, up_);
    std::string title;
    if (for_page_) {
      style += " data-id=\"" + hex(candidate.id) + "\" data-at=\"" + shares(own) + "\"";
      if (note) style += " data-seen=\"" + shares(candidate.objectives) + "\"";
    } else if (note) {
      title = describe(candidate.architecture) + "  " + name_of(up_) + " " +
              number(high, "{:.5g}") + "  " + name_of(right_) + " " + number(across, "{:.5g}") +
              *note;
    }
    return dot(x(right_).at(across), y(up_).at(high), radius, style, title);
  }

  std::string shares(const Objectives& own) const {
    std::string text;
    for (Objective objective : objectives_)
      text += std::to_string(std::lround(1e4 * x(objective).share(value(own, objective)))) + " ";
    return text;
  }

  // A front of two objectives is a staircase: between two members nothing better is known.
  std::string staircase(Objective right, Objective up, bool confirmed) const {
    std::vector<std::pair<double, double>> members;
    for (const FrontMember& member : front_.members) {
      const Objectives& own = confirmed ? member.confirmed : member.candidate.objectives;
      members.emplace_back(x(right).at(value(own, right)), y(up).at(value(own, up)));
    }
    std::sort(members.begin(), members.end());
    std::string points;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) points += number(members[i].first) + "," + number(members[i - 1].second) + " ";
      points += number(members[i].first) + "," + number(members[i].second) + " ";
    }
    return shown_for(
        "x " + name_of(right) + " y " + name_of(up) + (confirmed ? " confirmed" : " seen"),
        polyline(points, "#c8442c", "stairs"));
  }
  std::string staircases() const {
    if (front_.objectives.size() != 2 || front_.members.empty()) return "";
    std::string svg = staircase(right_, up_, true);
    if (for_page_)
      svg += staircase(right_, up_, false) + staircase(up_, right_, true) +
             staircase(up_, right_, false);
    return svg;
  }

  std::string knee_ring() const {
    const auto bend = knee(front_);
    if (!bend) return "";
    const Objectives& own = front_.members[*bend].confirmed;
    const double across = x(right_).at(value(own, right_)), high = y(up_).at(value(own, up_));
    return dot(across, high, 8, "fill=\"none\" stroke=\"#222\"", "") +
           label(across - 10, high + 16, "end", "knee");
  }

  const Archive& archive_;
  const FinalFront& front_;
  bool for_page_;
  Objective up_ = archive_.objectives()[0], right_ = archive_.objectives()[1];
  std::vector<const Objectives*> shown_;
  int generations_ = 1;
  bool in_time_ = false;
  std::vector<Objective> objectives_ = archive_.known_objectives();
  std::map<Objective, Axis> xs_, ys_;
};

}  // namespace

std::string front_svg(const Archive& archive, const FinalFront& front, const std::string& title,
                      bool for_page) {
  return FrontChart(archive, front, for_page).svg(title);
}

std::string fidelity_svg(const std::vector<ComparedNetwork>& networks, const std::string& title) {
  Range range;
  std::set<std::size_t> depths;
  for (const ComparedNetwork& n : networks) {
    range.add(std::exp(n.slice_loss));
    range.add(std::exp(n.standalone_loss));
    depths.insert(n.architecture.layers.size());
  }
  const Axis x(range, kFrame.left, kFrame.right), y(range, kFrame.bottom, kFrame.top);
  const auto colour = [&](std::size_t depth) {
    const auto step = std::distance(depths.begin(), depths.find(depth));
    return "fill=\"" + shade(static_cast<std::size_t>(step), depths.size()) + "\"";
  };
  std::string svg = head(title);
  svg += x_axis(x, "perplexity, trained alone", kFrame) +
         y_axis(y, "perplexity, slice of the supernet", kFrame);
  svg += line(x.at(range.low), y.at(range.low), x.at(range.high), y.at(range.high), "#999");
  double legend = kFrame.bottom - 16;
  for (auto depth = depths.rbegin(); depth != depths.rend(); ++depth, legend -= 18) {
    svg += dot(kFrame.right - 80, legend - 4, 4, colour(*depth), "");
    svg += label(kFrame.right - 70, legend, "start",
                 std::to_string(*depth) + (*depth == 1 ? " layer" : " layers"));
  }
  for (const ComparedNetwork& n : networks)
    svg += dot(x.at(std::exp(n.standalone_loss)), y.at(std::exp(n.slice_loss)), 4,
               colour(n.architecture.layers.size()),
               describe(n.architecture) + "  slice " + number(std::exp(n.slice_loss), "{:.5g}") +
                   "  alone " + number(std::exp(n.standalone_loss), "{:.5g}"));
  return svg + "</svg>\n";
}

std::string comparison_svg(const Comparison& comparison, const std::string& title) {
  const bool known = comparison.true_hypervolume.has_value();
  // The whole front found is shown at the bottom of the scale.
  constexpr double kLeastGap = 1e-3;  // in %
  const auto shown = [&](double hypervolume) {
    return known ? std::max(kLeastGap, 100 * (1 - hypervolume)) : hypervolume;
  };
  std::vector<std::vector<Quartiles>> bands(comparison.contestants.size());
  Range range;
  for (std::size_t i = 0; i < bands.size(); ++i)
    for (std::size_t at = 0; at < comparison.checkpoints.size(); ++at) {
      bands[i].push_back(quartiles(comparison.hypervolumes(i, at)));
      range.add(shown(bands[i].back().lower));
      range.add(shown(bands[i].back().upper));
    }
  const Axis x({0, static_cast<double>(comparison.checkpoints.back())}, kFrame.left, kFrame.right,
               true);
  const Axis y(range, kFrame.bottom, kFrame.top, !known);
  std::string svg = head(title) + x_axis(x, "networks evaluated", kFrame, "{:.7g}") +
                    y_axis(y, known ? "missing hypervolume (%)" : "hypervolume (share)", kFrame);
  const auto points = [&](const std::vector<Quartiles>& band, double Quartiles::*part,
                          bool backwards = false) {
    std::string text;
    for (std::size_t i = 0; i < band.size(); ++i) {
      const std::size_t at = backwards ? band.size() - 1 - i : i;
      text += number(x.at(static_cast<double>(comparison.checkpoints[at]))) + "," +
              number(y.at(shown(band[at].*part))) + " ";
    }
    return text;
  };
  for (std::size_t i = 0; i < bands.size(); ++i) {
    const std::string& colour = kCurveColours[i % kCurveColours.size()];
    svg += "<polygon points=\"" + points(bands[i], &Quartiles::lower) +
           points(bands[i], &Quartiles::upper, true) + "\" fill=\"" + colour +
           "\" fill-opacity=\"0.12\"/>\n";
    svg += polyline(points(bands[i], &Quartiles::median), colour);
    svg += key(i, comparison.contestants[i].name, colour);
  }
  return svg + "</svg>\n";
}

std::string curves_svg(const std::vector<Curve>& curves, const std::string& title,
                       const std::string& x_name, const std::string& y_name,
                       const CurvesStyle& style) {
  const Frame frame{style.width, style.height};
  Range across, high;
  if (style.with_origin) high.add(0);
  for (const Curve& curve : curves)
    for (const auto& [at, value] : curve.points)
      if (std::isfinite(at) && std::isfinite(value)) across.add(at), high.add(value);
  const Axis x(across, frame.left, frame.right, true), y(high, frame.bottom, frame.top, true);
  std::string svg =
      head(title, frame) + x_axis(x, x_name, frame, "{:.7g}") + y_axis(y, y_name, frame);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const std::string& colour = kCurveColours[i % kCurveColours.size()];
    std::string points;
    for (const auto& [at, value] : curves[i].points)
      if (std::isfinite(at) && std::isfinite(value))
        points += number(x.at(at)) + "," + number(y.at(value)) + " ";
    svg += polyline(points, colour);
    svg += key(i, curves[i].name, colour, frame);
  }
  return svg + "</svg>\n";
}

std::string shares_svg(const std::vector<StackedPanel>& panels,
                       const std::vector<std::string>& legend, const std::string& title) {
  constexpr double kFoot = kFrame.bottom - 40;
  constexpr double kHead = kFrame.top + 40;
  const double panel = (kFrame.right - kFrame.left) / static_cast<double>(panels.size());
  std::vector<double> sums(legend.size());
  std::string svg = head(title);
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const double left = kFrame.left + panel * static_cast<double>(p);
    svg += label(left, kFrame.top + 14, "start", panels[p].name, " font-weight=\"bold\"");
    const double slot = 0.94 * panel / static_cast<double>(panels[p].bars.size());
    for (std::size_t b = 0; b < panels[p].bars.size(); ++b) {
      const StackedBar& bar = panels[p].bars[b];
      const double x = left + slot * static_cast<double>(b), middle = x + slot / 2;
      const double whole = std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
      double y = kFoot;
      for (std::size_t i = 0; i < bar.parts.size(); ++i) {
        if (!(bar.parts[i] > 0)) continue;
        const double height = bar.parts[i] / whole * (kFoot - kHead);
        sums[i] += height;
        y -= height;
        svg += rectangle(x + 0.12 * slot, y, 0.76 * slot, height, part_colour(i),
                         legend[i] + number(100 * bar.parts[i] / whole, " {:.1f} %"));
      }
      svg += label(middle, kHead - 6, "middle", bar.above);
      for (std::size_t i = 0; i < bar.below.size(); ++i)
        svg += label(middle, kFoot + 16 + 16 * static_cast<double>(i), "middle", bar.below[i]);
    }
  }
  double at = kFrame.left;
  for (std::size_t i = 0; i < legend.size(); ++i) {
    if (!(sums[i] > 0)) continue;
    svg += rectangle(at, kFrame.height - 46, 10, 10, part_colour(i), "");
    svg += label(at + 15, kFrame.height - 37, "start", legend[i]);
    at += 40 + 6.5 * static_cast<double>(legend[i].size());
  }
  return svg + "</svg>\n";
}

std::string waterfall_svg(const std::vector<WaterfallBar>& bars, const std::string& title,
                          const std::string& y_name) {
  Range range;
  for (const WaterfallBar& each : bars) range.add(each.value);
  const Axis y(range, kFrame.bottom, kFrame.top);
  const double slot = (kFrame.right - kFrame.left) / static_cast<double>(bars.size());
  std::string svg = head(title) + y_axis(y, y_name, kFrame) +
                    line(kFrame.left, kFrame.bottom, kFrame.right, kFrame.bottom, "#444", "axis");
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double middle = kFrame.left + slot * (static_cast<double>(i) + 0.5);
    const double before = i == 0 ? kFrame.bottom : y.at(bars[bars[i].from].value);
    const double now = y.at(bars[i].value), top = std::min(before, now);
    svg += rectangle(middle - 0.36 * slot, top, 0.72 * slot, std::abs(now - before),
                     i == 0 ? kCurveColours.back() : part_colour(bars[i].from),
                     number(bars[i].value, "{:.4g}"));
    if (i > 0)
      svg += label(middle, top - 6, "middle",
                   number(bars[bars[i].from].value / bars[i].value, "{:.3g}x"));
    for (std::size_t l = 0; l < bars[i].below.size(); ++l)
      svg += label(middle, kFrame.bottom + 16 + 14 * static_cast<double>(l), "middle",
                   bars[i].below[l]);
  }
  return svg + "</svg>\n";
}

std::string histogram_svg(const std::vector<double>& values,
                          const std::vector<std::pair<std::string, double>>& marks,
                          const std::string& title, const std::string& x_name) {
  Range range;
  for (const double value : values)
    if (has_logarithm(value)) range.add(value);
  if (!(range.low <= range.high)) range = {1, 1};  // nothing to show
  const double low = range.low, high = range.high;
  constexpr std::size_t kBins = 60;
  const double width = std::max(std::log(high / low), 1e-9) / kBins;
  std::array<double, kBins> counts{};
  for (const double value : values)
    if (has_logarithm(value))
      ++counts[std::min(static_cast<std::size_t>(std::log(value / low) / width), kBins - 1)];

  for (const auto& [name, value] : marks)
    if (has_logarithm(value)) range.add(value);
  const Axis x(range, kFrame.left, kFrame.right);
  const Axis y({0, *std::max_element(counts.begin(), counts.end())}, kFrame.bottom, kFrame.top,
               true);
  std::string svg = head(title) + x_axis(x, x_name, kFrame) + y_axis(y, "samples", kFrame);
  for (std::size_t i = 0; i < kBins; ++i) {
    const double from = x.at(low * std::exp(width * static_cast<double>(i)));
    const double to = x.at(low * std::exp(width * static_cast<double>(i + 1)));
    svg += rectangle(from, y.at(counts[i]), to - from, y.at(0) - y.at(counts[i]), "#5b7fa6", "");
  }
  for (std::size_t i = 0; i < marks.size(); ++i) {
    const std::string& colour = part_colour(i);
    if (!has_logarithm(marks[i].second)) continue;
    const double at = x.at(marks[i].second);
    svg += line(at, kFrame.top, at, kFrame.bottom, colour);
    svg += key(i, marks[i].first + " " + number(marks[i].second, "{:.4g}"), colour);
  }
  return svg + "</svg>\n";
}

}  // namespace paretoformer::nas
