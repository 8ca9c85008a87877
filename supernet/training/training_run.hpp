// A training from start to end: checkpoints, a loss log, and continuation after any interruption.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "supernet/model/parameters.hpp"
#include "supernet/training/convergence.hpp"
#include "supernet/training/trainer.hpp"
#include "support/watch.hpp"

namespace paretoformer::supernet {

// One line of the loss log: losses are hard-label cross-entropies (nats per token) of one batch.
struct TrainingRecord {
  std::int64_t step = 0;  // steps done
  double largest = 0;
  std::optional<double> smallest, random;  // of a sandwich; `random`: mean over the random networks
  double learning_rate = 0;
  double gradient_norm = 0;
};

// Steps between two calibrations of a training in int8.
inline constexpr int kCalibrationInterval = 50;

struct TrainingRun {
  const ParameterLayout& layout;
  // The networks of a step, a pure function of its number, the largest first: a sandwich(), or
  // always layout.largest() alone, which trains a stand-alone network.
  std::function<std::vector<Architecture>(std::int64_t step)> networks;
  TrainingConfig config;
  std::uint64_t seed = 0;
  std::span<const std::int32_t> text;
  std::filesystem::path checkpoint;  // weights and optimiser state, safetensors
  std::filesystem::path log;         // one JSON record a line
  // Identifies what the weights were trained from; a checkpoint with another one is refused.
  std::string fingerprint;
  // Before step 0; empty: initial_parameters(layout, seed).
  std::vector<float> start = {};
  // Probes at regular intervals and at the end whether the gaps between networks are converged, and
  // which weights are the best; config.stop_when_converged and config.patience have no effect
  // without it.
  std::optional<ProbePlan> probes = {};
  // To train layout.largest() in int8: the sequences on which its activations are calibrated, at
  // the start and every kCalibrationInterval steps. As long as the run.
  std::optional<Batch> calibration = {};
  TrainingRanks ranks = {};  // with config.shards above 1
  Watch watch = {};  // told of every step done, of as many as are known to come, and asked in each
};

// Trains until last_step(), starting from the checkpoint if there is one; the weights after n steps
// have the same bits however often the training was interrupted. Returns the weights: with
// config.patience those with the lowest mean loss of the probe networks, which are then the
// checkpoint's.
// Throws Interrupted, with the state saved, when it is to stop; Error naming step and sub-network
// when the training diverges: a loss or the gradient is not finite, or a loss is more than
// 2 log(vocabulary) + 2. A checkpoint is written only once the losses of its weights have been
// found good (at the end: once the weights are finite), so the last one is good then.
std::vector<float> train(const TrainingRun& run);

void save_checkpoint(const std::filesystem::path& path, const ParameterLayout& layout,
                     const TrainingState<float>& state, const std::string& fingerprint);
// Throws InputError naming the file when it is damaged or made from something else.
TrainingState<float> load_checkpoint(const std::filesystem::path& path,
                                     const ParameterLayout& layout, const std::string& fingerprint,
                                     Arithmetic arithmetic = Arithmetic::fp32);

}  // namespace paretoformer::supernet
