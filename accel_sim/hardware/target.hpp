// What a network is compiled for: an accelerator, and what the library on its host chooses. A file
// of hardware holds both.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <vector>

#include "accel_sim/hardware/hardware.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::accel_sim {

// Choices of the software: no engine sees them, for they are in the programs that it runs.
struct Library {
#define PARETOFORMER_MEMBER(type, key, initial, low, high, meaning) type key = initial;
#define PARETOFORMER_SKIP(...)
  PARETOFORMER_TARGET_PARAMETERS(PARETOFORMER_SKIP, PARETOFORMER_MEMBER)
#undef PARETOFORMER_SKIP
#undef PARETOFORMER_MEMBER

  bool operator==(const Library&) const = default;
};

// Goes wherever Hardware is wanted.
struct Target : Hardware, Library {
  bool operator==(const Target&) const = default;

  // Capacities, in blocks, of what the library's tiling rule knows of.
  int tiling_scratchpad_blocks() const;
  int tiling_accumulator_blocks() const;
};

// What a file may hold: a JSON Schema, with the defaults and meanings of all parameters.
Json target_schema();

// Every parameter with its value, in the order of the table; `int4_weights` only if it is true.
Json to_json(const Target& target);

// Identity of the parameter values: equal for equal targets however the file was written.
std::uint64_t target_hash(const Target& target);

// Keys that are absent keep their defaults, or the values of the preset that the key "preset"
// names. Throws InputError for unknown keys, values out of range and memories too small for a
// double-buffered block of each operand.
Target target_from_json(const JsonNode& node);

// Names of the presets in accel_sim/hardware/presets/*.json, which are part of the library.
std::vector<std::string> target_presets();

// A preset by its name, else the file of that path. Throws InputError when it is neither.
Target find_target(std::string_view name_or_path);

}  // namespace paretoformer::accel_sim
