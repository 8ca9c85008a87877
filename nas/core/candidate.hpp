// One evaluated network: what it is, what it scored, and which networks it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nas/core/objectives.hpp"
#include "search_spaces/architecture.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

struct Candidate {
  std::uint64_t id = 0;  // architecture_id(architecture)
  Architecture architecture;
  Objectives objectives;
  int generation = 0;
  std::vector<std::uint64_t> parents = {};  // none, one or two ids
  // On a quarter of the validation sequences (nats per token), where that was looked at first.
  std::optional<double> quarter_loss = {};
  // The loss is an estimate from that quarter: even a hopeful one was not good enough for the rest.
  bool estimated = false;

  bool operator==(const Candidate&) const = default;
};

// {"id", "generation", "parents", "architecture", "objectives"}, with "quarter_loss" where there is
// one and "estimated" where it is true: a line of history.jsonl is
// to_json(candidate).dump(). Ids are strings of 16 hexadecimal digits. Throws Error when a value is
// not finite.
Json to_json(const Candidate& candidate);
// The exact inverse. Throws InputError, also when the id is not that of the architecture.
Candidate candidate_from_json(const JsonNode& node);

// Reads 16 lower-case hexadecimal digits. Throws InputError.
std::uint64_t id_from_json(const JsonNode& node);

}  // namespace paretoformer::nas
