#include "nas/core/predictors.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace paretoformer::nas {

using latency_predictor::LatencyPredictor;

struct Predictors::State {
  State(const LatencyPredictor& its_base, Make its_make)
      : base(its_base), make(std::move(its_make)) {}

  LatencyPredictor base;
  Make make;
  std::mutex mutex;
  std::map<std::vector<int>, LatencyPredictor> of_hardware;
};

Predictors::Predictors(const LatencyPredictor& only) : Predictors(only, nullptr) {}

Predictors::Predictors(const LatencyPredictor& base, Make make)
    : state_(std::make_shared<State>(base, std::move(make))) {}

const LatencyPredictor& Predictors::base() const { return state_->base; }

const LatencyPredictor& Predictors::of(const Architecture& network) const {
  if (network.hardware.empty() || !state_->make) return state_->base;
  const std::scoped_lock lock(state_->mutex);
  auto found = state_->of_hardware.find(network.hardware);
  if (found == state_->of_hardware.end())
    found = state_->of_hardware.emplace(network.hardware, state_->make(network.hardware)).first;
  return found->second;
}

}  // namespace paretoformer::nas
