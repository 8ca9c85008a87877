// Results as pictures, in SVG.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/core/final_front.hpp"
#include "nas/run/comparison.hpp"
#include "nas/run/fidelity.hpp"

namespace paretoformer::nas {

// All candidates as the search saw them, and the front as confirmed, over two objectives. The
// second chosen objective to the right (logarithmic when it spans more than a factor of five), the
// first upwards; older candidates lighter; dropped members are rings. Hovering over a member names
// its network; the knee has a ring of its own.
//
// For a page whose script picks the axes, networks have an id (data-id) and, per objective in the
// order of archive.known_objectives(), how far along the axis they lie, in ten-thousandths
// (data-at, and for members as seen data-seen). Groups are to be shown for what their data-for
// names: an axis
// ("x latency"), or the staircase over two ("x latency y perplexity confirmed").
std::string front_svg(const Archive& archive, const FinalFront& front, const std::string& title,
                      bool for_page = false);

// Perplexity of every network's slice of the supernet (upwards) over that of the network trained
// alone, on the same scale, with the line where they are equal; one colour per depth. Hovering over
// a point names its network.
std::string fidelity_svg(const std::vector<ComparedNetwork>& networks, const std::string& title);

// Medians and quartiles over evaluations: what is missing of the true front's hypervolume on a
// logarithmic scale where that is known, else the hypervolume as a share of the reference box.
std::string comparison_svg(const Comparison& comparison, const std::string& title);

struct Curve {
  std::string name;  // in the legend
  std::vector<std::pair<double, double>> points;
};
struct CurvesStyle {
  double width = 760, height = 500;
  bool with_origin = true;  // of y
};
// Curves over linear axes. There is a point at least; all are finite.
std::string curves_svg(const std::vector<Curve>& curves, const std::string& title,
                       const std::string& x_name, const std::string& y_name,
                       const CurvesStyle& style = {});

struct StackedBar {
  std::string above;
  std::vector<std::string> below;  // lines
  std::vector<double> parts;       // from below; not negative
};
struct StackedPanel {
  std::string name;
  std::vector<StackedBar> bars;
};
// Panels side by side, every bar of the same height: shares, not amounts. `legend` names the parts;
// those that are zero in all bars are left out.
std::string shares_svg(const std::vector<StackedPanel>& panels,
                       const std::vector<std::string>& legend, const std::string& title);

struct WaterfallBar {
  std::vector<std::string> below;  // lines
  double value;                    // positive
  std::size_t from;                // the bar at whose value it begins; of the first its own
};
// Bars over a logarithmic axis, with the factor between the two ends above each but the first,
// which stands on the axis. There are two at least.
std::string waterfall_svg(const std::vector<WaterfallBar>& bars, const std::string& title,
                          const std::string& y_name);

// How many of the values lie where, over a logarithmic axis. The marks are values with a name,
// drawn as lines. What is not positive and finite is left out.
std::string histogram_svg(const std::vector<double>& values,
                          const std::vector<std::pair<std::string, double>>& marks,
                          const std::string& title, const std::string& x_name);

}  // namespace paretoformer::nas
