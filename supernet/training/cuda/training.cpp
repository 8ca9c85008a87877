#include "supernet/training/cuda/training.hpp"

#include <algorithm>
#include <string>

#include "support/error.hpp"

namespace paretoformer::supernet::cuda {

DeviceTraining::DeviceTraining(const ParameterLayout& layout, const StepShape& shape,
                               const Limits& limits)
    : layout_(layout), shape_(shape), token_rows_(layout.vocabulary()) {
  allocate_arenas();
  evaluation_.emplace(stream_, layout, shape.batch, shape.context, limits);
  buffers_.emplace(fitting_buffers(layout, std::min(shape.batch, shape.sequences_per_network),
                                   shape.context, Buffers::Keep::all_layers, limits));
  reserve_text(static_cast<std::size_t>(shape.networks));
}

void DeviceTraining::allocate_arenas() {
  const std::size_t free = device().free_memory;
  try {
    for (DeviceArray<float>* arena : {&parameters_, &gradient_, &m_, &v_})
      *arena = DeviceArray<float>(layout_.size());
    matrices_ = DeviceArray<Bf16>(layout_.matrix_size());
    if (shape_.distillation > 0)
      teacher_ = DeviceArray<Bf16>(static_cast<std::size_t>(shape_.sequences_per_network) *
                                   static_cast<std::size_t>(shape_.context) *
                                   static_cast<std::size_t>(layout_.model_width()));
    partial_norms_ = DeviceArray<double>(kNormParts);
    norm_ = DeviceArray<NormOfGradient>(1);
    prepare_products(stream_);
  } catch (const OutOfDeviceMemory&) {
    constexpr std::size_t kBytes = 4 * sizeof(float) + sizeof(Bf16);  // per parameter
    throw InputError("the memory of the GPU does not hold a training of " +
                     std::to_string(layout_.size()) +
                     " parameters: " + std::to_string(layout_.size() * kBytes) + " bytes, " +
                     std::to_string(free) + " are free: expected less than " +
                     std::to_string(free / kBytes) + " parameters");
  }
}

Weights DeviceTraining::weights() const {
  return {matrices_.data(), parameters_.data() + layout_.matrix_size(), layout_.matrix_size()};
}

void DeviceTraining::upload(const std::vector<float>& parameters, const std::vector<float>& m,
                            const std::vector<float>& v) {
  copy_to_device(stream_, parameters_.data(), parameters.data(), layout_.size());
  copy_to_device(stream_, m_.data(), m.data(), layout_.size());
  copy_to_device(stream_, v_.data(), v.data(), layout_.size());
  round_values(stream_, layout_.matrix_size(), parameters_.data(), matrices_.data());
  stream_.synchronize();
}

void DeviceTraining::download(std::vector<float>& parameters, std::vector<float>& m,
                              std::vector<float>& v) {
  const auto copy = [&](std::vector<float>& to, const DeviceArray<float>& from) {
    to.resize(from.size());
    copy_to_host(stream_, to.data(), from.data(), from.size());
  };
  copy(parameters, parameters_);
  copy(m, m_);
  copy(v, v_);
  stream_.synchronize();
}

// For a step of so many networks: when this is made, unless a step has more than was said.
void DeviceTraining::reserve_text(std::size_t networks) {
  const std::size_t sequences = networks * static_cast<std::size_t>(shape_.sequences_per_network);
  if (sums_.size() >= sequences) return;
  text_ = {};
  sums_ = {};
  // A part has one start more than tokens, and a part is a sequence or more.
  text_ = DeviceArray<std::int32_t>(sequences * (5 * static_cast<std::size_t>(shape_.context) + 1));
  sums_ = DeviceArray<double>(sequences);
}

// All in one copy, before there is work that it would have to wait for.
void DeviceTraining::upload_text(const Batch& batch, std::size_t networks) {
  const auto rows = static_cast<std::size_t>(batch.rows());
  parts_.clear();
  for (std::size_t network = 0; network < networks; ++network)
    for (int first = 0; first < shape_.sequences_per_network; first += buffers_->sequences) {
      const int of_network = static_cast<int>(network) * shape_.sequences_per_network;
      parts_.push_back({network, first,
                        std::min(buffers_->sequences, shape_.sequences_per_network - first),
                        shape_.distillation > 0 ? first : of_network + first, 0, 0, 0});
    }
  rows_at_ = 2 * rows;
  tokens_at_ = 3 * rows;
  starts_at_ = 4 * rows;
  host_text_.resize(5 * rows + parts_.size());
  std::copy_n(batch.tokens, rows, host_text_.data());
  std::copy_n(batch.targets, rows, host_text_.data() + rows);
  std::size_t distinct = 0;
  std::size_t starts = 0;
  const std::size_t per_network = parts_.size() / networks;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    if (shape_.distillation > 0 && part.network > 0) {  // the same text again
      const Part& same = parts_[i % per_network];
      part.distinct = same.distinct;
      part.first_distinct = same.first_distinct;
      part.first_start = same.first_start;
      continue;
    }
    const std::size_t first =
        static_cast<std::size_t>(part.text) * static_cast<std::size_t>(batch.length);
    token_rows_.sort(batch.tokens + first, part.sequences * batch.length);
    part.distinct = token_rows_.tokens.size();
    part.first_distinct = distinct;
    part.first_start = starts;
    std::copy(token_rows_.rows.begin(), token_rows_.rows.end(),
              host_text_.data() + rows_at_ + first);
    std::copy(token_rows_.tokens.begin(), token_rows_.tokens.end(),
              host_text_.data() + tokens_at_ + distinct);
    std::copy(token_rows_.starts.begin(), token_rows_.starts.end(),
              host_text_.data() + starts_at_ + starts);
    distinct += token_rows_.tokens.size();
    starts += token_rows_.starts.size();
  }
  copy_to_device(stream_, text_.data(), host_text_.data(), host_text_.size());
}

GradientSums DeviceTraining::gradient_sums(const Part& part) const {
  const std::int32_t* const text = text_.data();
  return {gradient_.data(),
          part.network == 0 && part.first == 0,
          1.0F / static_cast<float>(shape_.sequences_per_network * shape_.context),
          {static_cast<int>(part.distinct), text + tokens_at_ + part.first_distinct,
           text + starts_at_ + part.first_start,
           text + rows_at_ + static_cast<std::size_t>(part.text * shape_.context)}};
}

Pass DeviceTraining::pass_of(const Part& part, const Batch& batch, const Architecture& network) {
  const std::ptrdiff_t row = std::ptrdiff_t{part.first} * batch.length;
  const std::ptrdiff_t text = std::ptrdiff_t{part.text} * batch.length;
  const int width = layout_.model_width();
  Teacher teacher;
  if (shape_.distillation > 0 && part.network > 0)
    teacher = {teacher_.data() + row * width, width, shape_.distillation};
  return {stream_,
          layout_,
          weights(),
          network,
          part.sequences,
          batch.length,
          text_.data() + text,
          text_.data() + batch.rows() + text,
          *buffers_,
          batch.dropout.of_network(part.network).from_row(row),
          teacher};
}

std::span<const double> DeviceTraining::gradients(const Batch& batch,
                                                  std::span<const Architecture> networks) {
  if (networks.empty() || !(networks[0] == layout_.largest()))
    throw Error("the first network of a sandwich must be the largest");
  const auto count = static_cast<int>(networks.size());
  const int texts = shape_.distillation > 0 ? 1 : count;
  if (batch.sequences != shape_.sequences_per_network * texts || batch.length != shape_.context)
    throw Error("the batch of a step is not what the training was made for");
  reserve_text(networks.size());
  upload_text(batch, networks.size());
  // The largest network's products write all matrices. What is summed over rows is added.
  fill_zero(stream_, gradient_.data() + layout_.matrix_size(), layout_.vector_size());
  fill_zero(stream_, gradient_.data() + layout_.position_embedding,
            static_cast<std::size_t>(layout_.context()) *
                static_cast<std::size_t>(layout_.model_width()));
  const auto per_network = static_cast<std::size_t>(shape_.sequences_per_network);
  for (const Part& part : parts_) {
    const Pass pass = pass_of(part, batch, networks[part.network]);
    losses_and_gradients(pass, gradient_sums(part));
    if (teacher_.size() > 0 && part.network == 0) {
      const auto width = static_cast<std::size_t>(layout_.model_width());
      copy_on_device(stream_,
                     teacher_.data() + static_cast<std::size_t>(part.first * batch.length) * width,
                     buffers_->norm, static_cast<std::size_t>(pass.rows()) * width);
    }
    sequence_sums(stream_, part.sequences, batch.length, buffers_->losses,
                  sums_.data() + part.network * per_network + static_cast<std::size_t>(part.first));
  }
  host_sums_.resize(networks.size() * per_network);
  copy_to_host(stream_, host_sums_.data(), sums_.data(), host_sums_.size());
  stream_.synchronize();
  losses_.assign(networks.size(), 0.0);
  for (std::size_t s = 0; s < host_sums_.size(); ++s) losses_[s / per_network] += host_sums_[s];
  for (double& loss : losses_)
    loss /= static_cast<double>(shape_.sequences_per_network) * shape_.context;
  return losses_;
}

double DeviceTraining::apply(const AdamW& step, double clip_norm) {
  gradient_norm(stream_, layout_.size(), gradient_.data(), step.gradient_scale, clip_norm,
                partial_norms_.data(), norm_.data());
  apply_adamw(stream_, step,
              {layout_.size(), layout_.matrix_size(), gradient_.data(), parameters_.data(),
               m_.data(), v_.data(), matrices_.data()},
              norm_.data());
  NormOfGradient norm{};
  copy_to_host(stream_, &norm, norm_.data(), 1);
  stream_.synchronize();
  return norm.norm;
}

std::vector<float> DeviceTraining::gradient() const {
  std::vector<float> gradient(layout_.size());
  copy_to_host(stream_, gradient.data(), gradient_.data(), gradient.size());
  stream_.synchronize();
  return gradient;
}

void DeviceTraining::set_gradient(std::span<const float> gradient) {
  copy_to_device(stream_, gradient_.data(), gradient.data(), gradient.size());
  stream_.synchronize();
}

std::vector<std::vector<double>> DeviceTraining::sequence_losses(
    std::span<const Architecture> networks, const Batch& batch) {
  return evaluation_->sequence_losses(weights(), networks, batch);
}

}  // namespace paretoformer::supernet::cuda
