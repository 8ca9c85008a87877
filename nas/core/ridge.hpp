// Regression of losses on features of networks, and how far it can be trusted.
#pragma once

#include <vector>

#include "support/linear_model.hpp"

namespace paretoformer::nas {

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
