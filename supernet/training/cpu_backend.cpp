#include "supernet/training/cpu_backend.hpp"

#include <algorithm>
#include <cmath>

#include "support/error.hpp"
#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::size_t kParameterBlock = 16384;

std::size_t blocks(std::size_t count) { return (count + kParameterBlock - 1) / kParameterBlock; }

}  // namespace

template <class T>
CpuBackend<T>::CpuBackend(const ParameterLayout& layout, const TrainingConfig& config,
                          TrainingState<T>& state, Arithmetic arithmetic)
    : layout_(layout),
      config_(config),
      state_(state),
      rounded_(arithmetic == Arithmetic::int8
                   ? std::make_unique<RoundedNetwork<T>>(layout, config.batch * config.context)
                   : nullptr),
      activations_(layout, config.batch, config.context, Activations<T>::Keep::all_layers),
      evaluation_(layout, state.parameters, config.context, config.products),
      gradient_(layout.size()) {
  const Batch batch{nullptr, nullptr, config.batch, config.context};
  const auto tasks = static_cast<std::size_t>(row_tasks(batch));
  vector_gradients_.resize(tasks * pass_layout().vector_size());
  task_losses_.resize(tasks);
  losses_.reserve(2 + static_cast<std::size_t>(config.random_subnetworks));
  if (config.distillation > 0)
    teacher_.resize(static_cast<std::size_t>(batch.rows()) *
                    static_cast<std::size_t>(layout.vocabulary()));
  partial_norms_.resize(blocks(layout.size()));
  list_weight_tasks(layout.largest(), layout.context(), weight_tasks_);
  state_.m.resize(layout.size());
  state_.v.resize(layout.size());
  upload();
}

template <class T>
void CpuBackend<T>::upload() {
  if (rounded_ && !state_.scales.empty()) rounded_->set_scales(state_.scales);
}

// Forward, loss and backward of network `index` for row tasks [first_task, last_task).
template <class T>
void CpuBackend<T>::run_row_tasks(const Pass<T>& pass, std::size_t index, bool first_part,
                                  int first_task, int last_task) {
  const int v = layout_.vocabulary();
  const int per_task = sequences_per_task(pass.batch);
  const T scale = T{1} / static_cast<T>(config_.tokens_per_network());
  const T soft = static_cast<T>(config_.distillation);
  parallel_tasks(static_cast<std::size_t>(last_task - first_task), [&](std::size_t i) {
    const int t = first_task + static_cast<int>(i);
    const auto task = static_cast<std::size_t>(t);
    const std::size_t vector_size = pass.layout.vector_size();
    T* vectors = vector_gradients_.data() + task * vector_size;
    if (first_part && index == 0) std::fill_n(vectors, vector_size, T{0});
    forward(pass, t);
    const int sequences = std::min(per_task, pass.batch.sequences - t * per_task);
    const int rows = sequences * pass.batch.length;
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(t) * per_task * pass.batch.length;
    T* logits = logits_of(pass, t);
    T* teacher = teacher_.empty() ? nullptr : teacher_.data() + first * v;
    const std::int32_t* targets = pass.batch.targets + first;
    task_losses_[task] = index > 0 && teacher
                             ? distillation(rows, v, logits, targets, teacher, soft, scale)
                             : cross_entropy(rows, v, logits, targets, scale, teacher);
    backward(pass, t, vectors);
  });
}

// The gradient of the embedding from row tasks [first_task, last_task) and, after the last of them,
// those of all other weights.
template <class T>
void CpuBackend<T>::run_weight_tasks(const Pass<T>& pass, bool replace, int first_task,
                                     int last_task) {
  const int v = layout_.vocabulary();
  const int panel = token_embedding_panel(v);
  const auto panels = static_cast<std::size_t>((v + panel - 1) / panel);
  const bool all = last_task == row_tasks(pass.batch);
  if (all) list_weight_tasks(pass.network, layout_.context(), weight_tasks_);
  parallel_tasks(panels + (all ? weight_tasks_.size() : 0), [&](std::size_t task) {
    if (task >= panels)
      return weight_gradient(pass, weight_tasks_[task - panels], replace, pass_gradient().data());
    const int row = static_cast<int>(task) * panel;
    token_embedding_gradient(pass, first_task, last_task, row, std::min(panel, v - row),
                             replace && first_task == 0, pass_gradient().data());
  });
}

template <class T>
std::span<const double> CpuBackend<T>::gradients(const Batch& batch,
                                                 std::span<const Architecture> networks) {
  if (networks.empty() || !(networks[0] == layout_.largest()))
    throw Error("the first network of a sandwich must be the largest");
  if (batch.sequences != config_.sequences_per_step(networks.size()) ||
      batch.length != config_.context)
    throw Error("the batch of a step is not what the trainer was made for");
  if (rounded_) {
    if (networks.size() > 1) throw Error("a network is trained in int8 alone");
    rounded_->round(state_.parameters);
  }
  losses_.assign(networks.size(), 0.0);
  const bool shared = config_.distillation > 0;
  // Network after network on each part, as the teacher's probabilities are those of one part.
  for (int i = 0; i < config_.accumulation; ++i)
    for (std::size_t index = 0; index < networks.size(); ++index) {
      const int first = static_cast<int>(shared ? 0 : index) * config_.accumulation + i;
      Batch part{batch.tokens, batch.targets, config_.batch, batch.length};
      const std::ptrdiff_t rows = std::ptrdiff_t{first} * part.rows();
      part.tokens += rows;
      part.targets += rows;
      add_gradients(part, index, networks[index], i == 0);
    }
  for (double& loss : losses_) loss /= static_cast<double>(config_.tokens_per_network());
  reduce_vector_gradients();
  if (rounded_) rounded_->pull_back(state_.parameters, gradient_);
  return losses_;
}

// A network on one part of its batch; the first part of the first network replaces the gradients of
// the last step.
template <class T>
void CpuBackend<T>::add_gradients(const Batch& part, std::size_t index, const Architecture& network,
                                  bool first_part) {
  const Pass<T> pass{pass_layout(),
                     rounded_ ? rounded_->weights() : state_.parameters.data(),
                     network,
                     part,
                     activations_,
                     config_.products,
                     rounded_ ? &rounded_->rounding() : nullptr};
  const int tasks = row_tasks(part);
  const int at_a_time = logit_tasks(part, layout_.vocabulary());
  for (int first = 0; first < tasks; first += at_a_time) {
    const int last = std::min(first + at_a_time, tasks);
    run_row_tasks(pass, index, first_part, first, last);
    // The largest network covers every element, so nothing needs to be cleared.
    run_weight_tasks(pass, first_part && index == 0, first, last);
  }
  double loss = 0;
  for (double task_loss : task_losses_) loss += task_loss;
  losses_[index] += loss;
}

template <class T>
void CpuBackend<T>::reduce_vector_gradients() {
  const std::size_t vector_size = pass_layout().vector_size();
  T* target = pass_gradient().data() + pass_layout().matrix_size();
  std::copy_n(vector_gradients_.begin(), vector_size, target);
  for (std::size_t task = 1; task < task_losses_.size(); ++task) {
    const T* source = vector_gradients_.data() + task * vector_size;
    for (std::size_t i = 0; i < vector_size; ++i) target[i] += source[i];
  }
}

template <class T>
double CpuBackend<T>::apply(const AdamW& averaged, double clip_norm) {
  parallel_tasks(partial_norms_.size(), [&](std::size_t block) {
    const std::size_t first = block * kParameterBlock;
    partial_norms_[block] =
        sum_of_squares(std::min(kParameterBlock, layout_.size() - first), gradient_.data() + first);
  });
  double squares = 0;
  for (double part : partial_norms_) squares += part;
  const double norm = std::sqrt(squares) * averaged.gradient_scale;
  if (!std::isfinite(norm)) return norm;
  AdamW step = averaged;
  step.gradient_scale *= std::min(1.0, clip_norm / norm);
  const auto update = [&](std::size_t begin, std::size_t end, double decay) {
    parallel_tasks(blocks(end - begin), [&, decay](std::size_t block) {
      const std::size_t first = begin + block * kParameterBlock;
      AdamW here = step;
      here.weight_decay = decay;
      adamw(std::min(kParameterBlock, end - first), here, gradient_.data() + first,
            state_.parameters.data() + first, state_.m.data() + first, state_.v.data() + first);
    });
  };
  update(0, layout_.matrix_size(), step.weight_decay);
  update(layout_.matrix_size(), layout_.size(), 0);
  return norm;
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace paretoformer::supernet
