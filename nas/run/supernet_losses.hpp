// Losses of candidates that are slices of a run's supernet.
#pragma once

#include <cstdint>

#include "nas/core/loss_source.hpp"
#include "nas/run/proxy_task.hpp"

namespace paretoformer::nas {

// The validation losses of slices of the supernet, which must have weights and outlive the result.
LossSource supernet_losses(ProxyTask& proxy);

// A hash of what these depend on but the network: weights, text, sequences and products.
std::uint64_t loss_key(ProxyTask& proxy);

}  // namespace paretoformer::nas
