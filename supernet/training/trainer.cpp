#include "supernet/training/trainer.hpp"

#include <cmath>
#include <utility>

#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

constexpr double kAdamEpsilon = 1e-8;

}  // namespace

template <class T>
Trainer<T>::Trainer(const ParameterLayout& layout, const TrainingConfig& config,
                    TrainingState<T> state, Arithmetic arithmetic, const TrainingRanks& ranks)
    : config_(config), arithmetic_(arithmetic), state_(std::move(state)) {
  state_.m.resize(layout.size());
  state_.v.resize(layout.size());
  backend_ = make_backend(layout, config_, state_, arithmetic, ranks);
}

template <class T>
std::span<const double> Trainer<T>::compute_gradients(const Batch& batch,
                                                      std::span<const Architecture> networks) {
  networks_ = networks.size();
  return backend_->gradients(batch, networks);
}

template <class T>
double Trainer<T>::apply_gradients() {
  AdamW step{};
  step.learning_rate = learning_rate_at(config_, state_.step, state_.converged);
  step.beta1 = config_.beta1;
  step.beta2 = config_.beta2;
  step.epsilon = kAdamEpsilon;
  step.weight_decay = config_.weight_decay;
  step.gradient_scale = 1 / static_cast<double>(networks_);
  const auto after = static_cast<double>(state_.step + 1);
  step.correction1 = 1 - std::pow(config_.beta1, after);
  step.correction2 = 1 - std::pow(config_.beta2, after);
  const double norm = backend_->apply(step, config_.clip_norm);
  if (!std::isfinite(norm)) return norm;
  ++state_.step;
  changed_ = true;
  return norm;
}

template <class T>
void Trainer<T>::set_scales(const std::vector<float>& scales) {
  if (arithmetic_ != Arithmetic::int8) throw Error("a training in fp32 has no scales");
  state_.scales = scales;
  backend_->upload();
}

template <class T>
void Trainer<T>::reorder(const std::function<void(std::vector<T>&)>& order) {
  state();
  for (std::vector<T>* values : {&state_.parameters, &state_.m, &state_.v}) order(*values);
  state_.best.reset();
  backend_->upload();
}

template <class T>
bool Trainer<T>::look(double validation_loss) {
  const bool better = !state_.best || validation_loss < state_.best->loss;
  if (better)
    state_.best = BestWeights<T>{state_.step, validation_loss, 0, state().parameters};
  else
    ++state_.best->looks;
  return better;
}

template <class T>
void Trainer<T>::take_best() {
  if (!state_.best) return;
  state();
  state_.parameters = std::move(state_.best->parameters);
  state_.best_step = state_.best->step;
  state_.best.reset();
  backend_->upload();
}

template <class T>
const TrainingState<T>& Trainer<T>::state() {
  if (std::exchange(changed_, false)) backend_->download();
  return state_;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace paretoformer::supernet
