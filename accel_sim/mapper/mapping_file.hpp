// Mappings as JSON files.
#pragma once

#include <filesystem>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/mapper/mapping.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::accel_sim {

struct MappedWorkpiece {
  Workpiece work;
  Mapping mapping;
};

// {"text": ..., "dram": [{"dimension": "P", "tiles": 2}, ...], "tile": {"P": 256, ...},
// "array": {"P": 256, ...}, "reloads": false}: loops over tiles, outermost first, without those of
// one tile.
Json to_json(const Mapping& mapping, const Workpiece& work);

// {"workpiece": {"P": ..., "stride": 1}, "mapping": ...}; the workpiece of int4 weights has
// "weight_bits": 4 as well.
Json to_json(const MappedWorkpiece& mapped);

// Dimensions left out are 1; an `array` left out is full; `text` is not read. Throws InputError
// naming the value that is out of range, a loop that is missing or there twice, and a mapping that
// is_valid() refuses.
MappedWorkpiece mapping_from_json(const JsonNode& node, const Target& target);
MappedWorkpiece read_mapping(const std::filesystem::path& path, const Target& target);

}  // namespace paretoformer::accel_sim
