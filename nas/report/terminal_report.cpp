#include "nas/report/terminal_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "nas/report/axis.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {
namespace {

constexpr int kColumns = 66, kRows = 16;

// Characters over two axes; what is marked later is on top.
class Canvas {
 public:
  Canvas(Range x, Range y) : x_(x, 0, kColumns - 1), y_(y, kRows - 1, 0) {}

  void mark(double x, double y, char with) {
    lines_[index(y_.at(y), kRows)][index(x_.at(x), kColumns)] = with;
  }

  // With the ticks of both axes, of which those are left out that have no room.
  std::string text(const std::string& x_name, const std::string& y_name) const {
    std::map<std::size_t, std::string> left;
    for (const double tick : y_.ticks())
      left.try_emplace(index(y_.at(tick), kRows), fmt::format("{:.4g}", tick));
    std::string text = fmt::format("{:>9} {}\n", "", y_name);
    for (std::size_t row = 0; row < kRows; ++row)
      text += fmt::format("{:>9} |", left.contains(row) ? left.at(row) : "") + lines_[row] + "\n";
    std::string below(kColumns + 12, ' ');
    std::size_t free = 0;
    for (const double tick : x_.ticks()) {
      const std::string name = fmt::format("{:.3g}", tick);
      const std::size_t at = 11 + index(x_.at(tick), kColumns);
      const std::size_t from = at - std::min(at, name.size() / 2);
      if (from < free || from + name.size() > below.size()) continue;
      below.replace(from, name.size(), name);
      free = from + name.size() + 1;
    }
    below.erase(below.find_last_not_of(' ') + 1);
    return text + fmt::format("{:>9} +{}\n", "", std::string(kColumns, '-')) + below + "\n" +
           fmt::format("{:>{}}\n", x_name, kColumns + 11);
  }

 private:
  static std::size_t index(double place, int size) {
    return static_cast<std::size_t>(std::clamp(std::lround(place), 0L, size - 1L));
  }

  Axis x_, y_;
  std::vector<std::string> lines_{kRows, std::string(kColumns, ' ')};
};

// "##--", so much of `most` in `width` characters, rounded up.
std::string bar(double value, double most, int width) {
  const int filled = std::clamp(static_cast<int>(std::ceil(value / most * width - 1e-9)), 0, width);
  return std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(width - filled), '-');
}

std::string gene_cell(const GeneChoices<Layer>& choices, const Layer& layer) {
  constexpr int kWidest = 16;
  const int most = choices.choices.back(), value = choices.gene.get(layer);
  return fmt::format("{} {:>5} of {:<5} ", bar(value, most, std::min(most, kWidest)), value, most);
}

std::string share_cells(double latency, double energy, const accel_sim::HardwareCost& total) {
  const auto share = [](double part, double whole) { return whole > 0 ? 100 * part / whole : 0; };
  return fmt::format("{:>8.1f} % {:>8.1f} %\n",
                     share(latency, static_cast<double>(total.latency.value())),
                     share(energy, total.energy.value()));
}

}  // namespace

std::string front_chart(const Archive& archive, const FinalFront& front) {
  const Objective up = front.objectives[0], right = front.objectives[1];
  Range x, y;
  const auto see = [&](const Objectives& own) {
    x.add(value(own, right));
    y.add(value(own, up));
  };
  for (const Candidate& each : archive.candidates()) see(each.objectives);
  for (const FrontMember& member : front.members) see(member.confirmed);
  Canvas canvas(x, y);
  const auto mark = [&](const Objectives& own, char with) {
    canvas.mark(value(own, right), value(own, up), with);
  };
  for (const Candidate& each : archive.candidates()) mark(each.objectives, '.');
  for (const FrontMember& member : front.members) mark(member.confirmed, 'o');
  if (const auto bend = knee(front)) mark(front.members[*bend].confirmed, '@');
  const bool in_time = !front.members.empty() && front.members[0].candidate.objectives.in_time;
  return canvas.text(label_of(right, in_time),
                     label_of(up, in_time) + "   . evaluated  o front  @ knee");
}

std::string member_chart(const FrontMember& member, const SearchSpace& space,
                         const Predictors& predictors, const accel_sim::HardwareSpace& hardware) {
  const Architecture& network = member.candidate.architecture;
  std::string text = hex(member.candidate.id) + "  " + describe(network) + "\n";
  if (!network.hardware.empty()) text += "  on " + hardware.describe(network.hardware) + "\n";
  for (const Objective objective : all_objectives())
    if (member.confirmed.has(objective)) text += "  " + shown(member.confirmed, objective) + "\n";
  struct Sum {
    double latency = 0, energy = 0;
  };
  std::map<int, Sum> of_layer;  // -1: outside
  accel_sim::HardwareCost total;
  for (const auto& each : predictors.of(network).breakdown(network)) {
    of_layer[each.layer].latency += static_cast<double>(each.cost.latency.value());
    of_layer[each.layer].energy += each.cost.energy.value();
    total += each.cost;
  }
  std::string head = "layer ";
  for (const GeneChoices<Layer>& each : space.layer_genes())
    head += fmt::format("{:<{}}", each.gene.key, gene_cell(each, network.layers[0]).size());
  text += head + fmt::format("{:>10} {:>10}\n", "latency", "energy");
  for (int layer = 0; layer < network.depth(); ++layer) {
    text += fmt::format("{:>5} ", layer + 1);
    for (const GeneChoices<Layer>& each : space.layer_genes())
      text += gene_cell(each, network.layers[static_cast<std::size_t>(layer)]);
    text += share_cells(of_layer[layer].latency, of_layer[layer].energy, total);
  }
  text += fmt::format("{:<{}}", "outside the layers", head.size()) +
          share_cells(of_layer[-1].latency, of_layer[-1].energy, total);
  return text;
}

}  // namespace paretoformer::nas
