// Words for the mapper's choices, in files and on the command line.
#pragma once

#include "accel_sim/mapper/mapping_cost.hpp"
#include "accel_sim/mapper/mapspace.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {

inline constexpr Words<Factors, 2> kFactorsWords{
    {{Factors::kPerfect, "perfect"}, {Factors::kBlocks, "blocks"}}};

inline constexpr Words<MappingObjective, 3> kMappingObjectiveWords{
    {{MappingObjective::kLatency, "latency"},
     {MappingObjective::kEnergy, "energy"},
     {MappingObjective::kEdp, "edp"}}};

}  // namespace paretoformer::accel_sim
