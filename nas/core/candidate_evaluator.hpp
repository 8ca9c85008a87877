// What a candidate is judged by: losses, which are dear, and costs, which are next to free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nas/core/loss_source.hpp"
#include "nas/core/objectives.hpp"
#include "nas/core/predictors.hpp"

namespace paretoformer::nas {

class CandidateEvaluator {
 public:
  CandidateEvaluator(LossSource losses, Predictors predictors, int context);

  Objectives cost(const Architecture& network) const;
  // All objectives, in the order given; parallel inside. Throws Error for a loss that is not
  // finite.
  std::vector<Objectives> evaluate(std::span<const Architecture> networks);
  // The first part of evaluate(): sums of losses over `quarter()` sequences.
  std::vector<double> quarter_sums(std::span<const Architecture> networks);
  int quarter() const { return losses_.quarter; }
  // Machines among which what is asked for at a time is split up.
  std::size_t measurers() const { return losses_.measurers ? losses_.measurers() : 1; }
  // Whether networks that are scored in full get the loss in integers, too.
  bool scores_int8() const { return losses_.int8; }
  // The second part, when the first is known.
  std::vector<Objectives> complete(std::span<const Architecture> networks,
                                   std::span<const double> quarter_sums);

  // The text scored so far in fp32, in evaluations: sequences of all networks over those of one.
  double work() const;
  const LossSource& losses() const { return losses_; }
  const Predictors& predictors() const { return predictors_; }
  const latency_predictor::LatencyPredictor& predictor() const { return predictors_.base(); }

 private:
  std::vector<double> sums(std::span<const Architecture> networks, LossPart part);

  LossSource losses_;
  Predictors predictors_;
  int context_;
  std::int64_t sequences_ = 0;
};

}  // namespace paretoformer::nas
