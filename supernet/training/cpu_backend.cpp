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
                          TrainingState<T>& state, Arithmetic arithmetic,
                          std::size_t activation_bytes)
    : layout_(layout),
      config_(config),
      state_(state),
      activation_bytes_(activation_bytes),
      rounded_(arithmetic == Arithmetic::int8
                   ? std::make_unique<RoundedNetwork<T>>(layout, config.batch * config.context)
                   : nullptr),
      packed_(pass_layout(), config.products),
      evaluation_(layout, state.parameters, config.context, config.products),
      gradient_(layout.size()),
      weight_tasks_(weight_tasks(layout)) {
  partial_norms_.resize(blocks(layout.size()));
  state_.m.resize(layout.size());
  state_.v.resize(layout.size());
  upload();
}

template <class T>
void CpuBackend<T>::upload() {
  if (rounded_ && !state_.scales.empty()) rounded_->set_scales(state_.scales);
}

// Memory for steps of so many networks.
template <class T>
void CpuBackend<T>::plan(std::size_t networks) {
  if (networks == planned_) return;
  using Memory = Activations<T>;
  const auto keep =
      config_.dropout > 0 ? Memory::Keep::all_layers_dropped : Memory::Keep::all_layers;
  const auto fit = [&](std::size_t count, int sequences, int most) {
    const std::size_t each = Memory::bytes(pass_layout(), sequences, config_.context, keep);
    const std::size_t at_a_time = std::max<std::size_t>(activation_bytes_ / (count * each), 1);
    return static_cast<int>(std::min(at_a_time, static_cast<std::size_t>(most)));
  };
  const int side_by_side = fit(1, 1, static_cast<int>(networks));
  const int fitting = fit(static_cast<std::size_t>(side_by_side), 1, config_.batch);
  const int parts = (config_.batch + fitting - 1) / fitting;
  sequences_ = (config_.batch + parts - 1) / parts;

  const auto count = static_cast<std::size_t>(side_by_side);
  cut_ = Cut(sequences_, config_.context);
  const auto row_blocks = static_cast<std::size_t>(cut_.row_blocks());
  activations_.clear();
  activations_.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    activations_.emplace_back(pass_layout(), sequences_, config_.context, keep);
  passes_.clear();
  passes_.reserve(count);
  packed_norms_.clear();
  for (std::size_t i = 0; i < count; ++i)
    packed_norms_.push_back(packed_memory(packed_bytes<T>(
        sequences_ * config_.context, pass_layout().model_width(), config_.products)));
  vector_gradients_.assign(count * row_blocks * pass_layout().vector_size(), T{0});
  block_losses_.assign(count * row_blocks, 0.0);
  if (config_.distillation > 0)
    teacher_.resize(static_cast<std::size_t>(sequences_ * config_.context) *
                    static_cast<std::size_t>(layout_.vocabulary()));
  losses_.reserve(networks);
  planned_ = networks;
}

template <class T>
std::span<const double> CpuBackend<T>::gradients(const Batch& batch,
                                                 std::span<const Architecture> networks) {
  if (networks.empty() || !(networks[0] == layout_.largest()))
    throw Error("the first network of a sandwich must be the largest");
  if (batch.sequences != config_.sequences_per_step(networks.size()) ||
      batch.length != config_.context)
    throw Error("the batch of a step is not what the trainer was made for");
  if (batch.dropout && (config_.dropout == 0 || rounded_))
    throw Error("the trainer was made for steps without dropout");
  if (rounded_) {
    if (networks.size() > 1) throw Error("a network is trained in int8 alone");
    rounded_->round(state_.parameters);
  }
  plan(networks.size());
  packed_.pack(rounded_ ? rounded_->weights() : state_.parameters.data());
  losses_.assign(networks.size(), 0.0);
  parallel_tasks(blocks(vector_gradients_.size()), [&](std::size_t block) {
    const std::size_t first = block * kParameterBlock;
    std::fill_n(vector_gradients_.data() + first,
                std::min(kParameterBlock, vector_gradients_.size() - first), T{0});
  });
  for (int i = 0; i < config_.accumulation; ++i)
    for (int s = 0; s < config_.batch; s += sequences_) {
      const std::ptrdiff_t row = std::ptrdiff_t{i * config_.batch + s} * batch.length;
      const Batch part{batch.tokens + row, batch.targets + row,
                       std::min(sequences_, config_.batch - s), batch.length,
                       batch.dropout.from_row(row)};
      // A teacher's probabilities are those of one part, and must be there before the others learn.
      const bool taught = !teacher_.empty() && networks.size() > 1;
      std::size_t first = 0;
      while (first < networks.size()) {
        const std::size_t left = networks.size() - first;
        const std::size_t count = taught && first == 0 ? 1 : std::min(left, activations_.size());
        add_gradients(first, i + s == 0, part, networks.subspan(first, count));
        first += count;
      }
    }
  for (double& loss : losses_) loss /= static_cast<double>(config_.tokens_per_network());
  reduce_vector_gradients();
  if (rounded_) rounded_->pull_back(state_.parameters, gradient_);
  return losses_;
}

// Some networks of the step, from the `first_network` on, side by side on one part of their
// batches, of which the first network's is given; the `first` part of the first network replaces
// the gradients of the last step.
template <class T>
void CpuBackend<T>::add_gradients(std::size_t first_network, bool first, const Batch& part,
                                  std::span<const Architecture> networks) {
  const bool shared = config_.distillation > 0;
  const std::ptrdiff_t rows_per_network =
      std::ptrdiff_t{config_.sequences_per_network()} * config_.context;
  const auto row_blocks = static_cast<std::size_t>(cut_.row_blocks());
  std::fill(block_losses_.begin(), block_losses_.end(), 0.0);
  passes_.clear();
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const std::size_t index = first_network + i;
    Batch own = part;
    own.dropout = part.dropout.of_network(index);
    if (!shared) {
      own.tokens += static_cast<std::ptrdiff_t>(index) * rows_per_network;
      own.targets += static_cast<std::ptrdiff_t>(index) * rows_per_network;
    }
    passes_.push_back(
        {{pass_layout(), rounded_ ? rounded_->weights() : state_.parameters.data(), networks[i],
          own, activations_[i], config_.products, rounded_ ? &rounded_->rounding() : nullptr,
          &packed_},
         cut_,
         T{1} / static_cast<T>(config_.tokens_per_network()),
         shared ? teacher_.data() : nullptr,
         static_cast<T>(config_.distillation),
         shared && index > 0,
         vector_gradients_.data() + i * row_blocks * pass_layout().vector_size(),
         block_losses_.data() + i * row_blocks,
         {packed_norms_[i].get(), part.rows(), networks[i].model_width, config_.products}});
  }
  // The largest network, whose tasks are the longest, is first.
  const auto chains = static_cast<std::size_t>(cut_.chains);
  parallel_tasks(networks.size() * chains, [&](std::size_t task) {
    run_chain(passes_[task / chains], static_cast<int>(task % chains));
  });
  parallel_tasks(networks.size(), [&](std::size_t i) { pack_norm(passes_[i]); });
  // It also covers every element, so nothing needs to be cleared.
  parallel_tasks(weight_tasks_.size(), [&](std::size_t task) {
    weight_gradient<T>(passes_, weight_tasks_[task], first && first_network == 0,
                       pass_gradient().data());
  });
  for (std::size_t i = 0; i < networks.size(); ++i)
    for (std::size_t block = 0; block < row_blocks; ++block)
      losses_[first_network + i] += passes_[i].losses[block];
}

template <class T>
void CpuBackend<T>::reduce_vector_gradients() {
  const std::size_t vector_size = pass_layout().vector_size();
  T* const target = pass_gradient().data() + pass_layout().matrix_size();
  parallel_tasks(blocks(vector_size), [&](std::size_t block) {
    const std::size_t first = block * kParameterBlock;
    const std::size_t last = std::min(first + kParameterBlock, vector_size);
    std::copy(vector_gradients_.begin() + static_cast<std::ptrdiff_t>(first),
              vector_gradients_.begin() + static_cast<std::ptrdiff_t>(last), target + first);
    for (std::size_t at = vector_size; at < vector_gradients_.size(); at += vector_size)
      for (std::size_t i = first; i < last; ++i) target[i] += vector_gradients_[at + i];
  });
}

template <class T>
void CpuBackend<T>::set_gradient(std::span<const T> gradient) {
  parallel_tasks(blocks(gradient_.size()), [&](std::size_t block) {
    const std::size_t first = block * kParameterBlock;
    std::copy_n(gradient.data() + first, std::min(kParameterBlock, gradient_.size() - first),
                gradient_.data() + first);
  });
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
