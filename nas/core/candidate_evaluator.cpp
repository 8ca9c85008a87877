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
                                             LossPart part) {
  std::vector<double> result = losses_.sums(networks, part);
  for (std::size_t i = 0; i < networks.size(); ++i)
    if (!std::isfinite(result[i]))
      throw Error("the validation loss of " + describe(networks[i]) + " is not finite");
  if (part != LossPart::kInt8)
    sequences_ += static_cast<std::int64_t>(networks.size()) * losses_.size(part);
  return result;
}

std::vector<double> CandidateEvaluator::quarter_sums(std::span<const Architecture> networks) {
  return sums(networks, LossPart::kQuarter);
}

std::vector<Objectives> CandidateEvaluator::complete(std::span<const Architecture> networks,
                                                     std::span<const double> quarter_sums) {
  const std::vector<double> rest = sums(networks, LossPart::kRest);
  std::vector<Objectives> results;
  for (std::size_t i = 0; i < networks.size(); ++i)
    results.push_back(
        with_loss(cost(networks[i]), (quarter_sums[i] + rest[i]) / losses_.sequences));
  if (!scores_int8()) return results;
  const std::vector<double> int8 = sums(networks, LossPart::kInt8);
  for (std::size_t i = 0; i < networks.size(); ++i)
    results[i] = with_int8_loss(results[i], int8[i] / losses_.sequences);
  return results;
}

std::vector<Objectives> CandidateEvaluator::evaluate(std::span<const Architecture> networks) {
  return complete(networks, quarter_sums(networks));
}

double CandidateEvaluator::work() const {
  return static_cast<double>(sequences_) / losses_.sequences;
}

}  // namespace paretoformer::nas
