// A cheap first opinion on networks that nobody has evaluated: costs are known exactly, and a
// surrogate of the loss is fitted to what is known so far.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "nas/core/algorithms.hpp"
#include "nas/core/ridge.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {

struct LossEstimate {
  double loss = 0;       // nats per token
  double deviation = 0;  // standard deviation of what the truth may be
};

// Ridge regression of the loss on the genome: logarithms of its sizes, per layer and summed, their
// squares and products; and of the number of weights.
class LossSurrogate {
 public:
  // Fits to `known` networks and their losses; there is at least one.
  LossSurrogate(const SearchSpace& space, const std::vector<Architecture>& known,
                const std::vector<double>& losses);

  LossEstimate estimate(const Architecture& network) const;
  double leave_one_out_error() const { return regression_->leave_one_out_error(); }

 private:
  std::vector<double> features(const Architecture& network) const;

  SearchSpace space_;
  int most_layers_;
  double log_matrices_;  // of the layers of a network of middle choices
  std::optional<RidgeRegression> regression_;
};

// Of `drawn` networks the `wanted` ones most likely to extend the front of earlier generations.
std::vector<Proposal> most_promising(const SearchState& state, std::vector<Proposal> drawn,
                                     std::size_t wanted);

}  // namespace paretoformer::nas
