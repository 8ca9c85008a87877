#include "nas/report/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 500;
constexpr double kLeft = 80;
constexpr double kRight = 24;
constexpr double kTop = 48;
constexpr double kBottom = 64;

const std::vector<std::string> kCurveColours{"#222",    "#c8442c", "#b98a2f", "#6a9a4b",
                                             "#5b7fa6", "#8a5aa0", "#c77f9e", "#888"};

using NumberFormat = fmt::format_string<double&>;

std::string number(double value, NumberFormat format = "{:.2f}") {
  return fmt::format(format, value);
}

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : printable(text)) {  // XML has no control characters
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else
      result += c;
  }
  return result;
}

// One axis: values to positions between `from` and `to`, with ticks at round values.
class Axis {
 public:
  Axis(double low, double high, double from, double to, bool linear = false)
      : logarithmic_(!linear && low > 0 && high > 5 * low), from_(from), to_(to) {
    if (!std::isfinite(high - low)) low = 0, high = 1;  // nothing to show
    low_ = mapped(low);
    high_ = mapped(high);
    // Numbers this close are one.
    const double close = kClose * std::max(std::abs(low_), std::abs(high_));
    const double margin = high_ - low_ > close ? 0.04 * (high_ - low_) : std::max(0.5, close);
    low_ -= margin;
    high_ += margin;
  }

  double at(double value) const {
    return from_ + (mapped(value) - low_) / (high_ - low_) * (to_ - from_);
  }

  std::vector<double> ticks() const {
    std::vector<double> values;
    if (logarithmic_) {
      const bool crowded = high_ - low_ > 4;  // powers of ten alone then
      for (int power = static_cast<int>(std::floor(low_)); power <= high_; ++power)
        for (double digit : {1.0, 2.0, 5.0}) {
          if (crowded && digit > 1) break;
          const double value = digit * std::pow(10.0, power);
          if (mapped(value) >= low_ && mapped(value) <= high_) values.push_back(value);
        }
      return values;
    }
    const double raw = (high_ - low_) / 6;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    double step = 10 * power;
    for (double digit : {5.0, 2.0, 1.0})
      if (digit * power >= raw) step = digit * power;
    for (double value = std::ceil(low_ / step) * step; value <= high_ && values.size() < kMostTicks;
         value += step)
      values.push_back(value + 0.0);  // not -0
    return values;
  }

 private:
  static constexpr double kClose = 1e-9;
  static constexpr std::size_t kMostTicks = 20;

  double mapped(double value) const { return logarithmic_ ? std::log10(value) : value; }

  bool logarithmic_;
  double from_, to_;
  double low_ = 0, high_ = 1;
};

std::string line(double x1, double y1, double x2, double y2, const std::string& colour) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" stroke=\"" + colour + "\"/>\n";
}

std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& more = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escaped(text) + "</text>\n";
}

std::string axes(const Axis& x, const Axis& y, const std::string& x_name, const std::string& y_name,
                 NumberFormat x_format = "{:.3g}") {
  std::string svg;
  for (double value : x.ticks()) {
    svg += line(x.at(value), kTop, x.at(value), kHeight - kBottom, "#e4e4e4");
    svg += label(x.at(value), kHeight - kBottom + 18, "middle", number(value, x_format));
  }
  for (double value : y.ticks()) {
    svg += line(kLeft, y.at(value), kWidth - kRight, y.at(value), "#e4e4e4");
    svg += label(kLeft - 8, y.at(value) + 4, "end", number(value, "{:.4g}"));
  }
  svg += line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "#444");
  svg += line(kLeft, kTop, kLeft, kHeight - kBottom, "#444");
  svg += label((kLeft + kWidth - kRight) / 2, kHeight - 18, "middle", x_name);
  const double middle = (kTop + kHeight - kBottom) / 2;
  svg +=
      label(22, middle, "middle", y_name, " transform=\"rotate(-90 22 " + number(middle) + ")\"");
  return svg;
}

std::string dot(double x, double y, double radius, const std::string& style,
                const std::string& title) {
  return "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"" +
         number(radius, "{:.1f}") + "\" " + style + ">" +
         (title.empty() ? "" : "<title>" + escaped(title) + "</title>") + "</circle>\n";
}

std::string head(const std::string& title) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth, "{:.0f}") +
         " " + number(kHeight, "{:.0f}") +
         "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
         label(kLeft, 26, "start", title, " font-size=\"15\"");
}

std::string polyline(const std::string& points, const std::string& colour) {
  return "<polyline points=\"" + points + "\" fill=\"none\" stroke=\"" + colour +
         "\" stroke-width=\"1.5\"/>\n";
}

std::string rectangle(double x, double y, double width, double height, const std::string& colour,
                      const std::string& title) {
  return "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) +
         "\" height=\"" + number(height) + "\" fill=\"" + colour + "\">" +
         (title.empty() ? "" : "<title>" + escaped(title) + "</title>") + "</rect>\n";
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

std::string member_dot(const FrontMember& member, const Axis& x, const Axis& y, Objective right,
                       Objective up, const std::string& style, const std::string& note = "") {
  const double across = value(member.confirmed, right), high = value(member.confirmed, up);
  return dot(x.at(across), y.at(high), 4, style,
             describe(member.candidate.architecture) + "  " + name_of(up) + " " +
                 number(high, "{:.5g}") + "  " + name_of(right) + " " + number(across, "{:.5g}") +
                 note);
}

// A front of two objectives is a staircase: between two members nothing better is known.
std::string staircase(std::vector<std::pair<double, double>> members, const Axis& x,
                      const Axis& y) {
  std::sort(members.begin(), members.end());
  std::string points;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [across, high] = members[i];
    if (i > 0) points += number(x.at(across)) + "," + number(y.at(members[i - 1].second)) + " ";
    points += number(x.at(across)) + "," + number(y.at(high)) + " ";
  }
  return polyline(points, "#c8442c");
}

std::string front_layer(const FinalFront& front, const Axis& x, const Axis& y) {
  const Objective up = front.objectives[0], right = front.objectives[1];
  std::string svg;
  if (front.objectives.size() == 2 && !front.members.empty()) {
    std::vector<std::pair<double, double>> members;
    for (const FrontMember& member : front.members)
      members.emplace_back(value(member.confirmed, right), value(member.confirmed, up));
    svg += staircase(std::move(members), x, y);
  }
  for (const DroppedMember& each : front.dropped)
    svg += member_dot(each.member, x, y, right, up, "fill=\"white\" stroke=\"#888\"",
                      each.limit ? "  dropped: " + name_of(each.limit->objective)
                                 : std::string("  dropped: dominated"));
  for (const FrontMember& member : front.members)
    svg += member_dot(member, x, y, right, up, "fill=\"#c8442c\"");
  if (const auto bend = knee(front)) {
    const Objectives& own = front.members[*bend].confirmed;
    const double across = x.at(value(own, right)), high = y.at(value(own, up));
    svg += dot(across, high, 8, "fill=\"none\" stroke=\"#222\"", "");
    svg += label(across - 10, high + 16, "end", "knee");
  }
  return svg;
}

}  // namespace

std::string unit_of(Objective objective, bool in_time) {
  switch (objective) {
    case Objective::kLatency:
      return in_time ? "latency (ns)" : "latency (cycles)";
    case Objective::kEnergy:
      return "energy (pJ)";
    case Objective::kEdp:
      return in_time ? "energy-delay product (pJ x ns)" : "energy-delay product (pJ x cycles)";
    case Objective::kPeakMemory:
      return "peak memory (bytes)";
    case Objective::kMacs:
      return "multiply-accumulates";
    default:
      return name_of(objective);
  }
}

std::string front_svg(const Archive& archive, const FinalFront& front, const std::string& title) {
  const Objective up = archive.objectives()[0];
  const Objective right = archive.objectives()[1];
  double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
  int generations = 1;
  bool in_time = false;
  const auto show = [&](const Objectives& own) {
    low_x = std::min(low_x, value(own, right));
    high_x = std::max(high_x, value(own, right));
    low_y = std::min(low_y, value(own, up));
    high_y = std::max(high_y, value(own, up));
  };
  for (const Candidate& c : archive.candidates()) {
    show(c.objectives);
    in_time = in_time || c.objectives.latency_ns;
    generations = std::max(generations, c.generation + 1);
  }
  for (const FrontMember& member : front.members) show(member.confirmed);
  for (const DroppedMember& each : front.dropped) show(each.member.confirmed);
  const Axis x(low_x, high_x, kLeft, kWidth - kRight);
  const Axis y(low_y, high_y, kHeight - kBottom, kTop);

  std::string svg = head(title);
  svg += axes(x, y, unit_of(right, in_time), unit_of(up, in_time));
  for (const Candidate& c : archive.candidates()) {
    const double age = static_cast<double>(c.generation + 1) / generations;
    svg += dot(x.at(value(c.objectives, right)), y.at(value(c.objectives, up)), 2,
               "fill=\"#5b7fa6\" fill-opacity=\"" + number(0.15 + 0.45 * age) + "\"", "");
  }
  return svg + front_layer(front, x, y) + "</svg>\n";
}

std::string fidelity_svg(const std::vector<ComparedNetwork>& networks, const std::string& title) {
  double low = INFINITY, high = -INFINITY;
  std::set<std::size_t> depths;
  for (const ComparedNetwork& n : networks) {
    low = std::min({low, std::exp(n.slice_loss), std::exp(n.standalone_loss)});
    high = std::max({high, std::exp(n.slice_loss), std::exp(n.standalone_loss)});
    depths.insert(n.architecture.layers.size());
  }
  const Axis x(low, high, kLeft, kWidth - kRight);
  const Axis y(low, high, kHeight - kBottom, kTop);
  const auto colour = [&](std::size_t depth) {
    const auto step = std::distance(depths.begin(), depths.find(depth));
    return "fill=\"" + shade(static_cast<std::size_t>(step), depths.size()) + "\"";
  };
  std::string svg = head(title);
  svg += axes(x, y, "perplexity, trained alone", "perplexity, slice of the supernet");
  svg += line(x.at(low), y.at(low), x.at(high), y.at(high), "#999");
  double legend = kHeight - kBottom - 16;
  for (auto depth = depths.rbegin(); depth != depths.rend(); ++depth, legend -= 18) {
    svg += dot(kWidth - kRight - 80, legend - 4, 4, colour(*depth), "");
    svg += label(kWidth - kRight - 70, legend, "start",
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
  struct Band {
    std::vector<double> low, median, high;
  };
  std::vector<Band> bands;
  double low = INFINITY, high = -INFINITY;
  for (std::size_t i = 0; i < comparison.contestants.size(); ++i) {
    Band band;
    for (std::size_t at = 0; at < comparison.checkpoints.size(); ++at) {
      const Quartiles q = quartiles(comparison.hypervolumes(i, at));
      band.low.push_back(shown(q.lower));
      band.median.push_back(shown(q.median));
      band.high.push_back(shown(q.upper));
      low = std::min({low, band.low.back(), band.high.back()});
      high = std::max({high, band.low.back(), band.high.back()});
    }
    bands.push_back(std::move(band));
  }
  const Axis x(0, static_cast<double>(comparison.checkpoints.back()), kLeft, kWidth - kRight, true);
  const Axis y(low, high, kHeight - kBottom, kTop, !known);
  std::string svg =
      head(title) + axes(x, y, "networks evaluated",
                         known ? "missing hypervolume (%)" : "hypervolume (share)", "{:.7g}");
  const auto points = [&](const std::vector<double>& values, bool backwards) {
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t at = backwards ? values.size() - 1 - i : i;
      text += number(x.at(static_cast<double>(comparison.checkpoints[at]))) + "," +
              number(y.at(values[at])) + " ";
    }
    return text;
  };
  for (std::size_t i = 0; i < bands.size(); ++i) {
    const std::string& colour = kCurveColours[i % kCurveColours.size()];
    svg += "<polygon points=\"" + points(bands[i].low, false) + points(bands[i].high, true) +
           "\" fill=\"" + colour + "\" fill-opacity=\"0.12\"/>\n";
    svg += polyline(points(bands[i].median, false), colour);
    svg += label(kWidth - kRight - 8, kTop + 16 + 16 * static_cast<double>(i), "end",
                 comparison.contestants[i].name,
                 " style=\"fill:" + colour +
                     ";paint-order:stroke;stroke:white;stroke-width:4px\"");  // over the curves
  }
  return svg + "</svg>\n";
}

std::string curves_svg(const std::vector<Curve>& curves, const std::string& title,
                       const std::string& x_name, const std::string& y_name) {
  double low_x = INFINITY, high_x = -INFINITY, low_y = 0, high_y = 0;
  for (const Curve& curve : curves)
    for (const auto& [at, value] : curve.points) {
      if (!std::isfinite(at) || !std::isfinite(value)) continue;
      low_x = std::min(low_x, at);
      high_x = std::max(high_x, at);
      low_y = std::min(low_y, value);
      high_y = std::max(high_y, value);
    }
  const Axis x(low_x, high_x, kLeft, kWidth - kRight, true);
  const Axis y(low_y, high_y, kHeight - kBottom, kTop, true);
  std::string svg = head(title) + axes(x, y, x_name, y_name, "{:.7g}");
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const std::string& colour = kCurveColours[i % kCurveColours.size()];
    std::string points;
    for (const auto& [at, value] : curves[i].points)
      if (std::isfinite(at) && std::isfinite(value))
        points += number(x.at(at)) + "," + number(y.at(value)) + " ";
    svg += polyline(points, colour);
    svg += label(kWidth - kRight - 8, kTop + 16 + 16 * static_cast<double>(i), "end",
                 curves[i].name, " style=\"fill:" + colour + "\"");
  }
  return svg + "</svg>\n";
}

std::string shares_svg(const std::vector<StackedPanel>& panels,
                       const std::vector<std::string>& legend, const std::string& title) {
  constexpr double kFoot = kHeight - kBottom - 40;
  constexpr double kHead = kTop + 40;
  const double panel = (kWidth - kLeft - kRight) / static_cast<double>(panels.size());
  std::vector<double> sums(legend.size());
  std::string svg = head(title);
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const double left = kLeft + panel * static_cast<double>(p);
    svg += label(left, kTop + 14, "start", panels[p].name, " font-weight=\"bold\"");
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
  double at = kLeft;
  for (std::size_t i = 0; i < legend.size(); ++i) {
    if (!(sums[i] > 0)) continue;
    svg += rectangle(at, kHeight - 46, 10, 10, part_colour(i), "");
    svg += label(at + 15, kHeight - 37, "start", legend[i]);
    at += 40 + 6.5 * static_cast<double>(legend[i].size());
  }
  return svg + "</svg>\n";
}

std::string histogram_svg(const std::vector<double>& values,
                          const std::vector<std::pair<std::string, double>>& marks,
                          const std::string& title, const std::string& x_name) {
  double low = INFINITY, high = 0;
  for (const double value : values) {
    if (!has_logarithm(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(low <= high)) low = high = 1;  // nothing to show
  constexpr std::size_t kBins = 60;
  const double width = std::max(std::log(high / low), 1e-9) / kBins;
  std::array<double, kBins> counts{};
  for (const double value : values)
    if (has_logarithm(value))
      ++counts[std::min(static_cast<std::size_t>(std::log(value / low) / width), kBins - 1)];

  double left = low, right = high;
  for (const auto& [name, value] : marks) {
    if (!has_logarithm(value)) continue;
    left = std::min(left, value);
    right = std::max(right, value);
  }
  const Axis x(left, right, kLeft, kWidth - kRight);
  const Axis y(0, *std::max_element(counts.begin(), counts.end()), kHeight - kBottom, kTop, true);
  std::string svg = head(title) + axes(x, y, x_name, "samples");
  for (std::size_t i = 0; i < kBins; ++i) {
    const double from = x.at(low * std::exp(width * static_cast<double>(i)));
    const double to = x.at(low * std::exp(width * static_cast<double>(i + 1)));
    svg += "<rect x=\"" + number(from) + "\" y=\"" + number(y.at(counts[i])) + "\" width=\"" +
           number(to - from) + "\" height=\"" + number(y.at(0) - y.at(counts[i])) +
           "\" fill=\"#5b7fa6\"/>\n";
  }
  for (std::size_t i = 0; i < marks.size(); ++i) {
    const std::string& colour = kCurveColours[1 + i % (kCurveColours.size() - 1)];
    if (!has_logarithm(marks[i].second)) continue;
    const double at = x.at(marks[i].second);
    svg += line(at, kTop, at, kHeight - kBottom, colour);
    svg += label(kWidth - kRight - 8, kTop + 16 + 16 * static_cast<double>(i), "end",
                 marks[i].first + " " + number(marks[i].second, "{:.4g}"),
                 " style=\"fill:" + colour + "\"");
  }
  return svg + "</svg>\n";
}

}  // namespace paretoformer::nas
