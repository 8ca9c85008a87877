#include "nas/core/candidate_evaluator.hpp"

#include <cmath>
#include <unordered_map>
#include <utility>

#include "support/error.hpp"

namespace paretoformer::nas {

CandidateEvaluator::CandidateEvaluator(LossSource losses, Predictors predictors, int context)
    : losses_(std::move(losses)), predictors_(std::move(predictors)), context_(context) {}

Objectives CandidateEvaluator::cost(const Architecture& network) const {
  return cost_of(network, predictors_.of(network), context_);
}

std::vector<double> CandidateEvaluator::sums(std::span<const Architecture> networks,
                                             LossPart part) {
  // Losses are of networks, whatever these run on: each is asked for once.
  std::vector<Architecture> distinct;
  std::unordered_map<std::uint64_t, std::size_t> place;
  for (const Architecture& network : networks) {
    Architecture alone = without_hardware(network);
    if (place.emplace(architecture_id(alone), distinct.size()).second)
      distinct.push_back(std::move(alone));
  }
  const std::vector<double> sums = losses_.sums(distinct, part);
  for (std::size_t i = 0; i < distinct.size(); ++i)
    if (!std::isfinite(sums[i]))
      throw Error("the validation loss of " + describe(distinct[i]) + " is not finite");
  if (part != LossPart::kInt8)
    sequences_ += static_cast<std::int64_t>(distinct.size()) * losses_.size(part);
  std::vector<double> result;
  for (const Architecture& network : networks)
    result.push_back(sums[place.at(architecture_id(without_hardware(network)))]);
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
