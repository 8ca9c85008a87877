// One evaluated network: what it is, what it scored, and which networks it came from.
#pragma once

#include <cstdint>
#include <vector>

#include "nas/objectives.hpp"
#include "search_spaces/architecture.hpp"
#include "support/json.hpp"

namespace paretoformer {

struct Candidate {
  std::uint64_t id = 0;  // architecture_id(architecture)
  Architecture architecture;
  Objectives objectives;
  int generation = 0;
  std::vector<std::uint64_t> parents;  // none, one or two ids

  bool operator==(const Candidate&) const = default;
};

// {"id", "generation", "parents", "architecture", "objectives"}: a line of history.jsonl is
// to_json(candidate).dump(). Ids are strings of 16 hexadecimal digits. Throws Error when a value is
// not finite.
Json to_json(const Candidate& candidate);
// The exact inverse. Throws InputError, also when the id is not that of the architecture.
Candidate candidate_from_json(const JsonNode& node);

// Reads 16 lower-case hexadecimal digits. Throws InputError.
std::uint64_t id_from_json(const JsonNode& node);

}  // namespace paretoformer
