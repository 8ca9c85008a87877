// One network as files that other programs read.
#pragma once

#include <filesystem>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "nas/core/candidate.hpp"
#include "supernet/model/parameters.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

// Writes STEM.json (architecture, objectives, hardware, provenance, which also says the workload)
// and STEM.safetensors: the weights of the candidate, cut from those of `layout`. `confirmed` is
// what confirmed_json() says.
void export_network(const std::filesystem::path& stem, const Candidate& candidate,
                    const accel_sim::Target& hardware, const Json& provenance,
                    const supernet::ParameterLayout& layout, const std::vector<float>& parameters,
                    const Json& confirmed = nullptr);

}  // namespace paretoformer::nas
