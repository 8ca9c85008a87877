// How a space is searched: the "search" section of a configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// What each is, and its range: search_schema().
struct SearchConfig {
  std::string algorithm = "evolution";  // one of algorithm_names()
  std::int64_t evaluations = 1600;
  int population = 40;
  double mutation_rate = 0;
  double crossover_rate = 0.9;
  double immigrant_share = 0.05;
  int screening = 16;
  bool quarter_first = true;
  int patience = 0;
  std::vector<Architecture> seed_architectures;  // without a vocabulary

  bool operator==(const SearchConfig&) const = default;
};

// A generation without progress adds less than this share of the hypervolume.
inline constexpr double kLeastProgress = 1e-3;

const std::vector<std::string>& algorithm_names();

// The section as a JSON Schema, with the defaults and meanings of its keys.
Json search_schema();
Json to_json(const SearchConfig& config);
// Every key is optional. Throws InputError.
SearchConfig search_config_from_json(const JsonNode& node);

}  // namespace paretoformer::nas
