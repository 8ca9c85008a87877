#include "supernet/training/backend.hpp"

#include <type_traits>

#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/training/cpu_backend.hpp"
#include "supernet/training/sharded_backend.hpp"
#include "support/error.hpp"

#ifdef PARETOFORMER_CUDA
#include "supernet/training/cuda_backend.hpp"
#endif

namespace paretoformer::supernet {

std::optional<std::string> why_no_cuda() {
#ifdef PARETOFORMER_CUDA
  return cuda::why_unavailable();
#else
  return "this build was made without -DPARETOFORMER_CUDA=ON";
#endif
}

Device chosen_device(const TrainingConfig& config) {
  if (config.device != Device::automatic) return config.device;
  return config.products == Products::bf16 && !why_no_cuda() ? Device::cuda : Device::cpu;
}

template <class T>
std::shared_ptr<TrainingBackend<T>> make_backend(const ParameterLayout& layout,
                                                 const TrainingConfig& config,
                                                 TrainingState<T>& state, Arithmetic arithmetic,
                                                 const TrainingRanks& ranks) {
  if (config.shards > 1) return make_sharded_backend(layout, config, state, arithmetic, ranks);
  const bool on_gpu = std::is_same_v<T, float> && chosen_device(config) == Device::cuda;
  if (on_gpu && arithmetic == Arithmetic::fp32) {
#ifdef PARETOFORMER_CUDA
    if constexpr (std::is_same_v<T, float>) return cuda::make_backend(layout, config, state);
#else
    throw InputError("training.device: \"cuda\": " + *why_no_cuda());
#endif
  }
  if (on_gpu && config.device == Device::cuda)
    throw InputError("training.device: \"cuda\" cannot train in int8: expected \"cpu\"");
  return std::make_shared<CpuBackend<T>>(layout, config, state, arithmetic);
}

template std::shared_ptr<TrainingBackend<float>> make_backend(const ParameterLayout&,
                                                              const TrainingConfig&,
                                                              TrainingState<float>&, Arithmetic,
                                                              const TrainingRanks&);
template std::shared_ptr<TrainingBackend<double>> make_backend(const ParameterLayout&,
                                                               const TrainingConfig&,
                                                               TrainingState<double>&, Arithmetic,
                                                               const TrainingRanks&);

IntegerLoss integer_loss_of(const ParameterLayout& layout, const std::vector<float>& parameters) {
  return [&](const Architecture& network, const Batch& calibration, const Batch& scored) {
    return integer_loss(calibrated(fold(layout, parameters.data(), network), calibration), scored);
  };
}

IntegerLoss make_integer_loss(const ParameterLayout& layout, const std::vector<float>& parameters,
                              const TrainingConfig& config) {
  if (chosen_device(config) == Device::cuda) {
#ifdef PARETOFORMER_CUDA
    return cuda::make_integer_loss(layout, parameters, config);
#else
    throw InputError("training.device: \"cuda\": " + *why_no_cuda());
#endif
  }
  return integer_loss_of(layout, parameters);
}

std::shared_ptr<SequenceLosses> make_losses(const ParameterLayout& layout,
                                            const std::vector<float>& parameters,
                                            const TrainingConfig& config) {
  if (chosen_device(config) == Device::cuda) {
#ifdef PARETOFORMER_CUDA
    return cuda::make_losses(layout, parameters, config);
#else
    throw InputError("training.device: \"cuda\": " + *why_no_cuda());
#endif
  }
  return std::make_shared<CpuLosses<float>>(layout, parameters, config.context, config.products,
                                            WeightsAre::fixed);
}

}  // namespace paretoformer::supernet
