// Which networks to evaluate next: evolutionary or random, as a pure function of what is known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nas/archive.hpp"
#include "search_spaces/search_space.hpp"
#include "support/json.hpp"

namespace paretoformer {

struct EvolutionConfig {
  std::string algorithm = "evolution";  // or "random": the same budget of random new networks
  int population = 40;                  // new networks per generation
  int generations = 40;
  double mutation_rate = 0;       // per gene; 0: one over the number of genes
  double crossover_rate = 0.9;    // share of children with two parents
  double immigrant_share = 0.05;  // share of random networks

  bool operator==(const EvolutionConfig&) const = default;
};

Json to_json(const EvolutionConfig& config);
// Every key is optional. Throws InputError.
EvolutionConfig evolution_config_from_json(const JsonNode& node);

struct Proposal {
  std::uint64_t id = 0;  // architecture_id(architecture)
  Architecture architecture;
  std::vector<std::uint64_t> parents;  // none for random networks

  bool operator==(const Proposal&) const = default;
};

// `config.population` new networks, distinct and never proposed before; fewer when the space is
// nearly exhausted, none when the search is over. Generation 0 is the corners of the space, then
// random networks, whatever the algorithm. Later ones: binary tournaments on (rank, crowding) among
// the archive's front and the last population, uniform crossover, mutation, random immigrants.
//
// A pure function of the seed, the generation and the set of candidates of earlier generations, in
// whatever order they were added. Those of this generation and later ones are ignored, so a run
// that stopped in the middle of a generation asks again and evaluates what is missing.
std::vector<Proposal> propose(const SearchSpace& space, const Archive& archive,
                              const EvolutionConfig& config, int generation, std::uint64_t seed);

}  // namespace paretoformer
