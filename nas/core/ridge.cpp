#include "nas/core/ridge.hpp"

#include <cmath>
#include <span>

namespace paretoformer::nas {
namespace {

// Weak, for features of about 1 and targets that vary by less: enough for a solution where there
// are fewer targets than features, and next to nothing beyond. The constant may be anything.
constexpr RidgePenalty kPenalty{.constant = 1e-9, .others = 0.01, .least_left = 1e-6};

LinearModel fit(const std::vector<std::vector<double>>& inputs,
                const std::vector<double>& targets) {
  const std::vector<std::span<const double>> rows(inputs.begin(), inputs.end());
  std::vector<std::span<const double>> singles;
  for (const double& target : targets) singles.emplace_back(&target, 1);
  return {rows, singles, kPenalty};
}

double root_mean_square(std::span<const double> values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

}  // namespace

double log_width(const SearchSpace& space, const Architecture& network) {
  const std::vector<int>& widths = space.model_widths();
  return std::log2(network.model_width) - std::log2(widths[widths.size() / 2]);
}

void append_log_sizes(const SearchSpace& space, const Layer& layer, std::vector<double>& features) {
  for (const GeneChoices<Layer>& each : space.layer_genes())
    features.push_back(std::log2(each.gene.get(layer)) - std::log2(each.middle()));
}

RidgeRegression::RidgeRegression(const std::vector<std::vector<double>>& inputs,
                                 const std::vector<double>& targets)
    : model_(fit(inputs, targets)), error_(root_mean_square(model_.left_out(0))) {}

double RidgeRegression::standard_deviation(const std::vector<double>& features) const {
  return error_ * std::sqrt(model_.leverage(features));
}

}  // namespace paretoformer::nas
