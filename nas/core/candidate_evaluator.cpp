#include "nas/core/candidate_evaluator.hpp"

#include <cmath>
#include <utility>

#include "support/error.hpp"

namespace paretoformer::nas {

CandidateEvaluator::CandidateEvaluator(LossSource losses,
                                       latency_predictor::LatencyPredictor predictor, int context)
    : losses_(std::move(losses)), predictor_(std::move(predictor)), context_(context) {}

Objectives CandidateEvaluator::cost(const Architecture& network) const {
  return cost_of(network, predictor_, context_);
}

std::vector<double> CandidateEvaluator::sums(std::span<const Architecture> networks,
                                             supernet::Subset subset) {
  std::vector<double> result = losses_.sums(networks, subset);
  for (std::size_t i = 0; i < networks.size(); ++i)
    if (!std::isfinite(result[i]))
      throw Error("the validation loss of " + describe(networks[i]) + " is not finite");
  sequences_ += static_cast<std::int64_t>(networks.size()) * losses_.size(subset);
  return result;
}

std::vector<double> CandidateEvaluator::quarter_sums(std::span<const Architecture> networks) {
  return sums(networks, supernet::Subset::kQuarter);
}

std::vector<Objectives> CandidateEvaluator::complete(std::span<const Architecture> networks,
                                                     std::span<const double> quarter_sums) {
  const std::vector<double> rest = sums(networks, supernet::Subset::kRest);
  std::vector<Objectives> results;
  for (std::size_t i = 0; i < networks.size(); ++i)
    results.push_back(
        with_loss(cost(networks[i]), (quarter_sums[i] + rest[i]) / losses_.sequences));
  return results;
}

std::vector<Objectives> CandidateEvaluator::evaluate(std::span<const Architecture> networks) {
  return complete(networks, quarter_sums(networks));
}

double CandidateEvaluator::work() const {
  return static_cast<double>(sequences_) / losses_.sequences;
}

}  // namespace paretoformer::nas
