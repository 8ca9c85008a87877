// What a training says of itself when it ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/training/convergence.hpp"
#include "supernet/training/trainer.hpp"

namespace paretoformer::nas {

// Whether and since when the gaps between the probe networks are converged; "" without records.
std::string convergence_summary(std::span<const supernet::ProbeRecord> records);
// {"converged", "since", "steps"}: the steps done; null without records.
Json convergence_json(std::span<const supernet::ProbeRecord> records);

// The gap of every probe network to the largest, the first of `networks`, over the steps. There is
// a record at least.
std::string convergence_svg(std::span<const supernet::ProbeRecord> records,
                            const std::vector<Architecture>& networks);

// Speed of `steps` steps that took `seconds`, and the peak memory of this process.
std::string speed_summary(const supernet::TrainingConfig& config, std::int64_t steps,
                          double seconds);

}  // namespace paretoformer::nas
