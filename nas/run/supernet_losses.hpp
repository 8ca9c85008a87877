// Losses of candidates that are slices of a run's supernet, in fp32 and in the accelerator's
// integers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nas/core/loss_source.hpp"
#include "nas/run/proxy_task.hpp"
#include "supernet/training/backend.hpp"

namespace paretoformer::nas {

// Sequences of the training text on which every network is calibrated before it is quantised.
inline constexpr int kCalibrationSequences = 64;

// They, of the task's text; as long as task, layout and parameters live.
supernet::Evaluator calibration_sequences(const ProxyTask& proxy);

// The mean losses (nats per token) of slices in integers, each quantised by itself. Parallel
// inside. Throws InputError, which names the network, for one that cannot be quantised.
std::vector<double> int8_losses(const supernet::IntegerLoss& loss,
                                std::span<const Architecture> networks,
                                const supernet::Batch& calibration, const supernet::Batch& scored);

// Of one; nothing, and a warning, where it cannot be quantised.
std::optional<double> int8_loss(const supernet::ParameterLayout& layout,
                                const std::vector<float>& parameters, const Architecture& network,
                                const supernet::Batch& calibration, const supernet::Batch& scored);

// The validation losses of slices of the supernet, which must have weights and outlive the result;
// `int8`: in integers, too.
LossSource supernet_losses(ProxyTask& proxy, bool int8 = false);

// Whether what a run searches for, or its limits, asks for losses in integers.
bool asks_for_int8(const RunConfig& config);

// A hash of what these depend on but the network: weights, text, sequences and products.
std::uint64_t loss_key(ProxyTask& proxy);

}  // namespace paretoformer::nas
