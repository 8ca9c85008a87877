// What prices networks: one predictor, or one for every hardware that networks run on.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::nas {

// Copies share their predictors.
class Predictors {
 public:
  // By Architecture::hardware, which is not empty.
  using Make = std::function<latency_predictor::LatencyPredictor(const std::vector<int>& hardware)>;

  // For all networks.
  // NOLINTNEXTLINE(google-explicit-constructor): whoever has one predictor need not say more.
  Predictors(const latency_predictor::LatencyPredictor& only);
  // For those that say what they run on, a predictor that is made when the first of them is priced.
  Predictors(const latency_predictor::LatencyPredictor& base, Make make);

  const latency_predictor::LatencyPredictor& base() const;
  // From several threads, too. Throws what `make` throws.
  const latency_predictor::LatencyPredictor& of(const Architecture& network) const;

 private:
  struct State;

  std::shared_ptr<State> state_;
};

}  // namespace paretoformer::nas
