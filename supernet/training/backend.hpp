// Where a training's weights live and its arithmetic is done: on this processor, or on a GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/kernels/kernels.hpp"
#include "supernet/model/evaluation.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/training_config.hpp"
#include "support/communicator.hpp"

namespace paretoformer::supernet {

// The best weights that a training with patience has had.
template <class T>
struct BestWeights {
  std::int64_t step = 0;  // done when they were these
  double loss = 0;
  int looks = 0;  // since then, at none better
  std::vector<T> parameters;
};

// Everything that a step changes.
template <class T>
struct TrainingState {
  std::int64_t step = 0;
  std::vector<T> parameters, m, v;  // weights and AdamW's moments, same layout
  // The step at which the training was found to be converged and its end began.
  std::optional<std::int64_t> converged = {};
  // Of activations, Sites::all(), when the network is trained as int8 numbers see it.
  std::vector<float> scales = {};
  std::optional<BestWeights<T>> best = {};
  // The training has ended, and its parameters are those that were the best, of this step.
  std::optional<std::int64_t> best_step = {};
};

// The steps that a training in this state has done at its end.
template <class T>
std::int64_t last_step(const TrainingConfig& config, const TrainingState<T>& state) {
  const bool out_of_patience =
      config.patience > 0 && state.best && state.best->looks >= config.patience;
  if (state.best_step || out_of_patience) return state.step;
  return training_steps(config, state.converged);
}

// What the passes of a training see: the weights as they are, or the int8 network that they become
// (supernet/quantization/rounded_network.hpp).
enum class Arithmetic { fp32, int8 };

// A device with the weights and moments of one training, whose host's copy is a TrainingState that
// it was made with: upload() and download() bring one up to date from the other. All that happens
// between them happens on the device. Losses of networks are of its weights (SequenceLosses).
template <class T>
class TrainingBackend : public SequenceLosses {
 public:
  // The host's weights, moments and scales have changed.
  virtual void upload() = 0;
  // The host is to have the device's weights and moments.
  virtual void download() = 0;

  // Gradients of the mean loss of every network on its sequences, summed over the networks, the
  // first of which is the largest of the layout. Returns the hard-label loss (nats per token) of
  // each, valid until the next call. `batch` has config.sequences_per_step(networks.size())
  // sequences, network after network; memory is that of config.batch of them. Throws Error for
  // another batch, or where the first network is not the largest.
  virtual std::span<const double> gradients(const Batch& batch,
                                            std::span<const Architecture> networks) = 0;
  // AdamW with the gradients times step.gradient_scale, scaled down where their norm is more than
  // `clip_norm`; only matrices decay. Returns the norm before clipping; when that is not finite,
  // nothing is applied.
  virtual double apply(const AdamW& step, double clip_norm) = 0;

  // After gradients(): the sum over its networks, of the whole layout. Valid until the next call.
  virtual std::span<const T> gradient() = 0;
  // Another one in its place, for apply().
  virtual void set_gradient(std::span<const T> gradient) = 0;
};

// The ranks that a training is spread over; none by default.
struct TrainingRanks {
  Communicator* all = nullptr;
  // What they are told first, so that they call serve_training() (sharded_backend.hpp).
  std::string call = {};
};

// The device that a configuration asks for on this machine: never automatic.
Device chosen_device(const TrainingConfig& config);
// Why networks cannot be trained or evaluated on a GPU here; none: they can.
std::optional<std::string> why_no_cuda();

// For a training on config.device. Plans all memory. `layout` and `state` must outlive it; `state`
// has parameters, and moments or none yet, which are then zeros. In int8 the layout is that of one
// network. With config.shards above 1 it is a sharded one (sharded_backend.hpp), on `ranks`, if
// there are any. Throws InputError where the device cannot do what is asked for.
template <class T>
std::shared_ptr<TrainingBackend<T>> make_backend(const ParameterLayout& layout,
                                                 const TrainingConfig& config,
                                                 TrainingState<T>& state,
                                                 Arithmetic arithmetic = Arithmetic::fp32,
                                                 const TrainingRanks& ranks = {});

// The mean loss (nats per token) in integers of a slice of some weights: on `scored`, quantised
// with the scales that its activations have on `calibration`. May be called from several threads.
// Throws InputError for a network that cannot be quantised.
using IntegerLoss = std::function<double(const Architecture& network, const Batch& calibration,
                                         const Batch& scored)>;
// On this processor, and on config.device, in sequences of up to config.context tokens. `layout`
// and `parameters` must outlive it; the weights must not change. Throws InputError where the device
// cannot do what is asked for.
IntegerLoss integer_loss_of(const ParameterLayout& layout, const std::vector<float>& parameters);
IntegerLoss make_integer_loss(const ParameterLayout& layout, const std::vector<float>& parameters,
                              const TrainingConfig& config);

// Losses of networks with these weights on config.device, in sequences of config.context tokens,
// with config.products. `layout` and `parameters` must outlive it; the weights must not change.
std::shared_ptr<SequenceLosses> make_losses(const ParameterLayout& layout,
                                            const std::vector<float>& parameters,
                                            const TrainingConfig& config);

}  // namespace paretoformer::supernet
