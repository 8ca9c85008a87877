#include "supernet/training/cuda_backend.hpp"

#include "supernet/training/cuda/attention.hpp"
#include "supernet/training/cuda/device.hpp"
#include "supernet/training/cuda/integer_evaluation.hpp"
#include "supernet/training/cuda/row_kernels.hpp"
#include "supernet/training/cuda/training.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kMostHeadWidth = 128;  // attention.hpp

void check(const ParameterLayout& layout) {
  if (const auto why = why_unavailable()) throw InputError("training.device: \"cuda\": " + *why);
  const auto at_most = [](const char* what, int value, int limit) {
    if (value > limit)
      throw InputError(std::string(what) + ": " + std::to_string(value) +
                       " on a GPU: expected at most " + std::to_string(limit));
  };
  at_most("model_width", layout.model_width(), kMostModelWidth);
  at_most("head_width", layout.head_width(), kMostHeadWidth);
}

void check_tied(const ParameterLayout& layout) {
  check(layout);
  if (layout.untied())
    throw InputError(
        "training.device: \"cuda\" has no output layers with weights of their own: expected "
        "\"cpu\"");
}

class CudaBackend : public TrainingBackend<float> {
 public:
  CudaBackend(const ParameterLayout& layout, const TrainingConfig& config,
              TrainingState<float>& state, const Limits& limits)
      : state_(state),
        training_(layout,
                  {config.batch, config.sequences_per_network(), config.context,
                   2 + config.random_subnetworks, static_cast<float>(config.distillation)},
                  limits) {
    state_.m.resize(layout.size());
    state_.v.resize(layout.size());
    upload();
  }

  void upload() override { training_.upload(state_.parameters, state_.m, state_.v); }
  void download() override { training_.download(state_.parameters, state_.m, state_.v); }
  std::span<const double> gradients(const Batch& batch,
                                    std::span<const Architecture> networks) override {
    return training_.gradients(batch, networks);
  }
  double apply(const AdamW& step, double clip_norm) override {
    return training_.apply(step, clip_norm);
  }
  std::span<const float> gradient() override {
    gradient_ = training_.gradient();
    return gradient_;
  }
  void set_gradient(std::span<const float> gradient) override { training_.set_gradient(gradient); }
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch) override {
    return training_.sequence_losses(networks, batch);
  }

 private:
  TrainingState<float>& state_;
  DeviceTraining training_;
  std::vector<float> gradient_;  // on the host, when it has been asked for
};

class CudaLosses : public SequenceLosses {
 public:
  CudaLosses(const ParameterLayout& layout, const std::vector<float>& parameters,
             const TrainingConfig& config, const Limits& limits)
      : losses_(layout, parameters, config.batch, config.context, limits) {}
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch) override {
    return losses_.sequence_losses(networks, batch);
  }

 private:
  DeviceLosses losses_;
};

}  // namespace

std::optional<std::string> why_unavailable() {
  std::string reason;
  if (device_available(&reason)) return std::nullopt;
  return reason;
}

std::shared_ptr<TrainingBackend<float>> make_backend(const ParameterLayout& layout,
                                                     const TrainingConfig& config,
                                                     TrainingState<float>& state,
                                                     const Limits& limits) {
  check_tied(layout);
  return std::make_shared<CudaBackend>(layout, config, state, limits);
}

std::shared_ptr<SequenceLosses> make_losses(const ParameterLayout& layout,
                                            const std::vector<float>& parameters,
                                            const TrainingConfig& config, const Limits& limits) {
  check_tied(layout);
  return std::make_shared<CudaLosses>(layout, parameters, config, limits);
}

IntegerLoss make_integer_loss(const ParameterLayout& layout, const std::vector<float>& parameters,
                              const TrainingConfig& config, const Limits& limits) {
  check(layout);
  const auto evaluation =
      std::make_shared<IntegerEvaluation>(layout, parameters, config.context, limits);
  return [evaluation](const Architecture& network, const Batch& calibration, const Batch& scored) {
    return evaluation->loss(network, calibration, scored);
  };
}

}  // namespace paretoformer::supernet::cuda
