// What the comparison with networks trained alone says, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "nas/run/fidelity.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// The content of fidelity.json: statistics, then every network. It depends on nothing but the run,
// the number of networks and the steps that each was trained alone: no times, no paths. What is
// undefined (a correlation within one depth when no two networks share theirs) is null.
Json fidelity_json(const RunFolder& run, const ProxyTask& proxy,
                   const std::vector<ComparedNetwork>& networks, int steps,
                   const FidelityStatistics& statistics);

// A line per predictor, then the gap; of a text of words also per word and in bits per byte.
std::string fidelity_table(const supernet::Corpus& corpus, const FidelityStatistics& statistics);

}  // namespace paretoformer::nas
