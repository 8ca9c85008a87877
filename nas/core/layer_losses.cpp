#include "nas/core/layer_losses.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

constexpr const char* kFormat = "paretoformer.layer_losses.1";
constexpr double kLargestLoss = 1e15;  // sums of some are exact if they are whole numbers
constexpr std::size_t kNoRow = std::numeric_limits<std::size_t>::max();

std::vector<LossGrid::Axis> layer_axes(const SearchSpace& space) {
  std::vector<int> places(static_cast<std::size_t>(space.depths().back()));
  std::iota(places.begin(), places.end(), 0);
  std::vector<LossGrid::Axis> axes{{"layer", places}, {"model_width", space.model_widths()}};
  for (const auto& [gene, choices] : space.layer_genes())
    axes.push_back({std::string(gene.key), choices});
  return axes;
}

std::string listed(const std::vector<int>& choices) {
  std::string text;
  for (const int choice : choices) text += (text.empty() ? "" : ", ") + std::to_string(choice);
  return text;
}

}  // namespace

LossGrid::LossGrid(std::vector<Axis> axes) : axes_(std::move(axes)) {
  std::size_t size = 1;
  for (const Axis& axis : axes_) size *= axis.choices.size();
  losses_.resize(size);
}

std::size_t LossGrid::index_of(std::span<const int> values) const {
  std::size_t index = 0;
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    const std::vector<int>& choices = axes_[i].choices;
    const auto found = std::lower_bound(choices.begin(), choices.end(), values[i]);
    index = index * choices.size() + static_cast<std::size_t>(found - choices.begin());
  }
  return index;
}

double& LossGrid::at(std::span<const int> values) { return losses_[index_of(values)]; }
double LossGrid::at(std::span<const int> values) const { return losses_[index_of(values)]; }

std::string LossGrid::describe(std::size_t index) const {
  std::string text;
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    const int value = axis->choices[index % axis->choices.size()];
    text = axis->key + " " + std::to_string(value) + (text.empty() ? "" : ", ") + text;
    index /= axis->choices.size();
  }
  return text;
}

void LossGrid::read_row(const JsonNode& row, std::size_t number, std::vector<std::size_t>& row_of) {
  const JsonObject object(row);
  const double loss = object.at("loss").number(-kLargestLoss, kLargestLoss);
  std::vector<std::size_t> members{0};
  for (const auto& [key, choices] : axes_) {
    std::size_t first = 0, last = choices.size();
    if (object.has(key)) {
      const JsonNode node = object.at(key);
      const auto named = node.integer(0, std::numeric_limits<int>::max());
      const auto found = std::find(choices.begin(), choices.end(), named);
      if (found == choices.end())
        node.fail("is no choice of the search space: expected one of " + listed(choices));
      first = static_cast<std::size_t>(found - choices.begin());
      last = first + 1;
    }
    std::vector<std::size_t> with_axis;
    for (const std::size_t member : members)
      for (std::size_t choice = first; choice < last; ++choice)
        with_axis.push_back(member * choices.size() + choice);
    members = std::move(with_axis);
  }
  object.finish();
  for (const std::size_t member : members) {
    if (row_of[member] != kNoRow)
      row.fail("is of " + describe(member) + " as row " + std::to_string(row_of[member]) +
               " is: expected one row for each");
    row_of[member] = number;
    losses_[member] = loss;
  }
}

void LossGrid::read(const JsonNode& rows) {
  std::vector<std::size_t> row_of(losses_.size(), kNoRow);
  const std::vector<JsonNode> list = rows.elements();
  for (std::size_t i = 0; i < list.size(); ++i) read_row(list[i], i, row_of);
  const auto missing = std::find(row_of.begin(), row_of.end(), kNoRow);
  if (missing == row_of.end()) return;
  const Json count = list.size();
  JsonNode(count, rows.file(), rows.path())
      .fail("rows, of which none is of " +
            describe(static_cast<std::size_t>(missing - row_of.begin())) +
            ": expected one for every choice");
}

Json LossGrid::to_json() const {
  Json rows = Json::array();
  for (std::size_t i = 0; i < losses_.size(); ++i) {
    Json row;
    std::size_t rest = i, combinations = losses_.size();
    for (const auto& [key, choices] : axes_) {
      combinations /= choices.size();
      row[key] = choices[rest / combinations];
      rest %= combinations;
    }
    row["loss"] = losses_[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

LayerLosses::LayerLosses(const SearchSpace& space)
    : layers_(layer_axes(space)),
      networks_({{"depth", space.depths()}, {"model_width", space.model_widths()}}) {
  for (const auto& each : space.layer_genes()) genes_.push_back(each.gene);
}

LayerLosses::LayerLosses(const SearchSpace& space, const LayerTerm& loss) : LayerLosses(space) {
  for (const int width : space.model_widths())
    for (int index = 0; index < space.depths().back(); ++index)
      for (const Layer& layer : layer_choices(space))
        layers_.at(place(width, index, layer)) = loss(width, index, layer);
}

LayerLosses LayerLosses::from_json(const JsonNode& node, const SearchSpace& space) {
  const JsonObject object(node);
  object.choice("format", {kFormat}, kFormat);
  LayerLosses losses(space);
  losses.layers_.read(object.at("layers"));
  if (object.has("networks")) losses.networks_.read(object.at("networks"));
  object.finish();
  return losses;
}

Json LayerLosses::to_json() const {
  return {{"format", kFormat}, {"layers", layers_.to_json()}, {"networks", networks_.to_json()}};
}

std::vector<int> LayerLosses::place(int model_width, int index, const Layer& layer) const {
  std::vector<int> values{index, model_width};
  for (const Gene<Layer>& gene : genes_) values.push_back(gene.get(layer));
  return values;
}

double LayerLosses::layer(int model_width, int index, const Layer& layer) const {
  return layers_.at(place(model_width, index, layer));
}

double LayerLosses::frame(int depth, int model_width) const {
  return networks_.at(std::vector<int>{depth, model_width});
}

LayerLosses minus_parameters(const SearchSpace& space) {
  return LayerLosses(space, layer_shares(space.smallest(), [](const Architecture& network) {
                       return -static_cast<double>(parameter_count(network));
                     }));
}

}  // namespace paretoformer::nas
