#include "nas/screening.hpp"

#include <algorithm>
#include <cmath>

#include "nas/candidate_evaluator.hpp"

namespace paretoformer {
namespace {

// Standard deviations by which a loss may be lower than it is thought to be. Without, the last few
// members of a front are found later; with more, everything is.
constexpr double kOptimism = 0.5;

double logarithm(int size) { return std::log2(static_cast<double>(size)); }
// Of the choice in the middle of a list.
double middle(const std::vector<int>& choices) { return logarithm(choices[choices.size() / 2]); }

}  // namespace

LossSurrogate::LossSurrogate(const SearchSpace& space, const std::vector<Architecture>& known,
                             const std::vector<double>& losses)
    : log_width_(middle(space.model_widths())),
      log_heads_(middle(space.heads())),
      log_ffn_(middle(space.ffn_widths())),
      most_layers_(space.depths().back()) {
  std::vector<std::vector<double>> inputs;
  for (const Architecture& network : known) inputs.push_back(features(network));
  regression_.emplace(inputs, losses);
}

std::vector<double> LossSurrogate::features(const Architecture& network) const {
  const double width = logarithm(network.model_width) - log_width_;
  const double depth = network.depth() - 0.5 * most_layers_;
  std::vector<double> x{1, width, width * width, depth, depth * depth, width * depth};
  double heads = 0, ffn = 0;  // sums over the layers
  for (int i = 0; i < most_layers_; ++i) {
    double h = 0, f = 0;
    if (i < network.depth()) {
      const Layer& layer = network.layers[static_cast<std::size_t>(i)];
      h = logarithm(layer.heads) - log_heads_;
      f = logarithm(layer.ffn_width) - log_ffn_;
    }
    x.insert(x.end(), {h, f, h * h, f * f});
    heads += h;
    ffn += f;
  }
  x.insert(x.end(), {heads, ffn, heads * heads, ffn * ffn, heads * ffn, heads * width, ffn * width,
                     heads * depth, ffn * depth});
  return x;
}

LossEstimate LossSurrogate::estimate(const Architecture& network) const {
  const std::vector<double> x = features(network);
  return {regression_->predict(x), regression_->standard_deviation(x)};
}

std::vector<Proposal> most_promising(const SearchState& state, std::vector<Proposal> drawn,
                                     std::size_t wanted) {
  if (drawn.size() <= wanted) return drawn;
  std::vector<std::size_t> earlier;
  std::vector<Architecture> networks;
  std::vector<double> losses;
  for (std::size_t i = 0; i < state.archive.size(); ++i) {
    const Candidate& candidate = state.archive.candidates()[i];
    if (candidate.generation >= state.generation) continue;
    earlier.push_back(i);
    networks.push_back(candidate.architecture);
    losses.push_back(candidate.objectives.validation_loss);
  }
  const LossSurrogate surrogate(state.space, networks, losses);

  // The front, and among it the drawn ones as if they had been evaluated.
  Archive expected(state.archive.objectives(), state.archive.limits());
  for (std::size_t member : state.archive.front(earlier))
    expected.add(state.archive.candidates()[member]);
  const std::size_t front = expected.size();
  for (const Proposal& proposal : drawn) {
    const LossEstimate estimate = surrogate.estimate(proposal.architecture);
    const double hopeful = std::max(0.0, estimate.loss - kOptimism * estimate.deviation);
    expected.add({proposal.id, proposal.architecture,
                  with_loss(state.cost(proposal.architecture), hopeful), state.generation});
  }
  std::vector<std::size_t> everything(expected.size());
  for (std::size_t i = 0; i < everything.size(); ++i) everything[i] = i;
  const std::vector<Standing> standings = expected.standings(everything);
  std::vector<std::size_t> order;
  for (std::size_t i = front; i < everything.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return better(standings[a], standings[b]);
  });
  std::vector<Proposal> chosen;
  for (std::size_t i = 0; i < wanted; ++i) chosen.push_back(std::move(drawn[order[i] - front]));
  return chosen;
}

}  // namespace paretoformer
