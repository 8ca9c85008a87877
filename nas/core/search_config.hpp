// How a space is searched: the "search" section of a configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

struct SearchConfig {
  std::string algorithm = "evolution";  // one of algorithm_names()
  std::int64_t evaluations = 1600;      // networks evaluated in all
  int population = 40;
  double mutation_rate = 0;       // per gene; 0: the algorithm's own, one over the number of genes
  double crossover_rate = 0.9;    // share of children with two parents
  double immigrant_share = 0.05;  // share of random networks
  int screening = 16;             // children drawn for one that is evaluated; 1: all are
  bool quarter_first = true;      // whether a quarter of the validation text decides on the rest
  int patience = 0;               // generations without progress after which to stop; 0: never
  std::vector<Architecture> seed_architectures;  // evaluated first; without a vocabulary

  bool operator==(const SearchConfig&) const = default;
};

// A generation without progress adds less than this share of the hypervolume.
inline constexpr double kLeastProgress = 1e-3;

const std::vector<std::string>& algorithm_names();

Json to_json(const SearchConfig& config);
// Every key is optional. Throws InputError.
SearchConfig search_config_from_json(const JsonNode& node);

}  // namespace paretoformer::nas
