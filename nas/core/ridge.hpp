// Regression of losses on features of networks, and how far it can be trusted.
#pragma once

#include <vector>

#include "search_spaces/search_space.hpp"
#include "support/linear_model.hpp"

namespace paretoformer::nas {

// Features: binary logarithms of sizes, less those of the middle choices. Of the model width; of
// the genes of a layer, which are appended in the order of the space's table.
double log_width(const SearchSpace& space, const Architecture& network);
void append_log_sizes(const SearchSpace& space, const Layer& layer, std::vector<double>& features);

class RidgeRegression {
 public:
  // `inputs` are as long as one another and begin with the constant 1; the other features are of
  // the order of 1. There is one at least, and a target for each. Throws Error for what is not
  // finite.
  RidgeRegression(const std::vector<std::vector<double>>& inputs,
                  const std::vector<double>& targets);

  double predict(const std::vector<double>& features) const { return model_.predict(features); }
  // Of the prediction, as far as more of the same kind of targets would reduce it.
  double standard_deviation(const std::vector<double>& features) const;
  // Root mean square of what fits to all targets but one are wrong by for that one.
  double leave_one_out_error() const { return error_; }

 private:
  LinearModel model_;
  double error_;
};

}  // namespace paretoformer::nas
