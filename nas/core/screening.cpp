#include "nas/core/screening.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <utility>

#include "nas/core/candidate_evaluator.hpp"
#include "nas/core/pareto.hpp"

namespace paretoformer::nas {
namespace {

// Standard deviations by which a loss may be lower than it is thought to be. Without, the last few
// members of a front are found later; with more, everything is.
constexpr double kOptimism = 0.5;
// The share of a generation that nobody screens, against a surrogate that is blind to something.
constexpr double kUnscreened = 0.1;

// The perplexity of any loss that is expected is a number.
constexpr double kWorstLoss = 700;

// Weights of a layer's matrices, per column of the model.
double matrices_of(int head_width, double heads, double ffn_width) {
  return 4.0 * head_width * heads + 2.0 * ffn_width;
}

}  // namespace

LossSurrogate::LossSurrogate(const SearchSpace& space, const std::vector<Architecture>& known,
                             const std::vector<double>& losses)
    : space_(space), most_layers_(space.depths().back()) {
  Layer middle;
  for (const GeneChoices<Layer>& each : space.layer_genes()) each.gene.set(middle, each.middle());
  // Powers of logarithms, where the sizes themselves would do: their last bits are part of results.
  log_matrices_ = std::log2(0.5 * most_layers_ *
                            matrices_of(space.head_width(), std::exp2(std::log2(middle.heads)),
                                        std::exp2(std::log2(middle.ffn_width))));
  std::vector<std::vector<double>> inputs;
  for (const Architecture& network : known) inputs.push_back(features(network));
  regression_.emplace(inputs, losses);
}

std::vector<double> LossSurrogate::features(const Architecture& network) const {
  const double width = log_width(space_, network);
  const double depth = network.depth() - 0.5 * most_layers_;
  std::vector<double> x{1, width, width * width, depth, depth * depth, width * depth};
  const std::size_t genes = space_.layer_genes().size();
  std::vector<double> sums(genes);
  double matrices = 0;
  for (const Layer& layer : network.layers) {
    const std::size_t first = x.size();
    append_log_sizes(space_, layer, x);
    for (std::size_t i = 0; i < genes; ++i) {
      x.push_back(x[first + i] * x[first + i]);
      sums[i] += x[first + i];
    }
    matrices += matrices_of(network.head_width, layer.heads, layer.ffn_width);
  }
  x.insert(x.end(), 2 * genes * static_cast<std::size_t>(most_layers_ - network.depth()), 0.0);
  x.insert(x.end(), sums.begin(), sums.end());
  for (double sum : sums) x.push_back(sum * sum);
  for (std::size_t i = 0; i < genes; ++i)
    for (std::size_t j = i + 1; j < genes; ++j) x.push_back(sums[i] * sums[j]);
  for (double sum : sums) x.push_back(sum * width);
  for (double sum : sums) x.push_back(sum * depth);
  // Of all weights of the layers: losses follow it more than anything else (Kaplan et al. 2020).
  const double size = std::log2(matrices) - log_matrices_ + width;
  x.insert(x.end(), {size, size * size, size * width, size * depth});
  return x;
}

LossEstimate LossSurrogate::estimate(const Architecture& network) const {
  const std::vector<double> x = features(network);
  return {regression_->predict(x), regression_->standard_deviation(x)};
}

namespace {

// What is expected of the drawn networks, beside the front that they are to extend.
Archive expectations(const SearchState& state, const std::vector<Proposal>& drawn) {
  std::vector<std::size_t> earlier;
  std::vector<Architecture> networks;
  std::vector<double> losses;
  for (std::size_t i = 0; i < state.archive.size(); ++i) {
    const Candidate& candidate = state.archive.candidates()[i];
    if (candidate.generation >= state.generation) continue;
    earlier.push_back(i);
    networks.push_back(candidate.architecture);
    losses.push_back(searched_loss(candidate.objectives, state.archive.objectives()));
  }
  const LossSurrogate surrogate(state.space, networks, losses);
  Archive expected(state.archive.objectives(), state.archive.limits());
  for (const Proposal& proposal : drawn) {
    const LossEstimate estimate = surrogate.estimate(proposal.architecture);
    const double hopeful =
        std::clamp(estimate.loss - kOptimism * estimate.deviation, 0.0, kWorstLoss);
    // Of two perplexities, one is as good an estimate of the other.
    const Objectives objectives =
        with_int8_loss(with_loss(state.cost(proposal.architecture), hopeful), hopeful);
    expected.add({proposal.id, proposal.architecture, objectives, state.generation});
  }
  for (std::size_t member : state.archive.front(earlier))
    expected.add(state.archive.candidates()[member]);
  return expected;
}

// Adds networks to a front one by one, always the one that adds the most hypervolume. What a
// network adds only shrinks as others are added, so that only those at the top need to be measured
// again (Minoux 1978, lazy greedy).
class GreedyFront {
 public:
  GreedyFront(std::vector<Point> front, Point reference)
      : front_(std::move(front)),
        reference_(std::move(reference)),
        volume_(hypervolume(front_, reference_)) {}

  void offer(std::size_t index, const Point& point) {
    const double gain = gain_of(point);
    if (gain > 0) queue_.push({gain, index, point});
  }

  // Indices in the order in which they were added, at most `wanted`.
  std::vector<std::size_t> take(std::size_t wanted) {
    std::vector<std::size_t> chosen;
    while (chosen.size() < wanted && !queue_.empty()) {
      Offer best = queue_.top();
      queue_.pop();
      best.gain = gain_of(best.point);
      if (!queue_.empty() && best < queue_.top()) {
        if (best.gain > 0) queue_.push(std::move(best));
        continue;
      }
      if (!(best.gain > 0)) break;
      chosen.push_back(best.index);
      front_.push_back(best.point);
      volume_ += best.gain;
    }
    return chosen;
  }

 private:
  struct Offer {
    double gain;
    std::size_t index;
    Point point;
    // Of equal gains the one offered first.
    bool operator<(const Offer& other) const {
      return gain != other.gain ? gain < other.gain : index > other.index;
    }
  };

  double gain_of(const Point& point) {
    front_.push_back(point);
    const double gain = hypervolume(front_, reference_) - volume_;
    front_.pop_back();
    return gain;
  }

  std::vector<Point> front_;
  Point reference_;
  double volume_;
  std::priority_queue<Offer> queue_;
};

}  // namespace

std::vector<Proposal> most_promising(const SearchState& state, std::vector<Proposal> drawn,
                                     std::size_t wanted) {
  if (drawn.size() <= wanted) return drawn;
  const Archive expected = expectations(state, drawn);
  const std::vector<Candidate>& candidates = expected.candidates();
  std::vector<Point> front;
  for (std::size_t i = drawn.size(); i < expected.size(); ++i)
    front.push_back(expected.point(candidates[i]));
  GreedyFront greedy(std::move(front), reference_point(state.archive));
  for (std::size_t i = 0; i < drawn.size(); ++i)
    if (violation(candidates[i].objectives, expected.limits()) == Violation{})
      greedy.offer(i, expected.point(candidates[i]));
  const auto unscreened = static_cast<std::size_t>(kUnscreened * static_cast<double>(wanted));
  std::vector<std::size_t> order = greedy.take(wanted - unscreened);

  // Then the first drawn, then the others by their standing.
  std::vector<bool> taken(drawn.size());
  for (std::size_t index : order) taken[index] = true;
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < drawn.size(); ++i)
    if (!taken[i]) others.push_back(i);
  std::vector<std::size_t> everything(expected.size());
  std::iota(everything.begin(), everything.end(), std::size_t{0});
  const std::vector<Standing> standings = expected.standings(everything);
  std::stable_sort(
      others.begin() + static_cast<std::ptrdiff_t>(unscreened), others.end(),
      [&](std::size_t x, std::size_t y) { return better(standings[x], standings[y]); });
  order.insert(order.end(), others.begin(), others.end());
  std::vector<Proposal> chosen;
  for (std::size_t i = 0; i < wanted; ++i) chosen.push_back(std::move(drawn[order[i]]));
  return chosen;
}

}  // namespace paretoformer::nas
