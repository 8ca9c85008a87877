// A training on a GPU: supernet/training/cuda/ behind the interface of back ends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supernet/training/backend.hpp"
#include "supernet/training/cuda/evaluation.hpp"

namespace paretoformer::supernet::cuda {

// Why networks cannot be trained or evaluated on a GPU here; none: they can.
std::optional<std::string> why_unavailable();

// See supernet::make_backend(), make_losses() and make_integer_loss(). Throw InputError for what is
// not there: untied heads (but in integers), very wide models, and where memory is too small.
std::shared_ptr<TrainingBackend<float>> make_backend(const ParameterLayout& layout,
                                                     const TrainingConfig& config,
                                                     TrainingState<float>& state,
                                                     const Limits& limits = {});
std::shared_ptr<SequenceLosses> make_losses(const ParameterLayout& layout,
                                            const std::vector<float>& parameters,
                                            const TrainingConfig& config,
                                            const Limits& limits = {});
IntegerLoss make_integer_loss(const ParameterLayout& layout, const std::vector<float>& parameters,
                              const TrainingConfig& config, const Limits& limits = {});

}  // namespace paretoformer::supernet::cuda
