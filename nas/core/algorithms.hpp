// Which networks to evaluate next: every search algorithm, as a pure function of what is known.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/core/search_config.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {

struct Proposal {
  std::uint64_t id = 0;  // architecture_id(architecture)
  Architecture architecture;
  std::vector<std::uint64_t> parents;  // none for random networks

  bool operator==(const Proposal&) const = default;
};

// Everything a network is judged by but its loss and perplexity, exactly and at next to no cost.
using CostFunction = std::function<Objectives(const Architecture&)>;

// What an algorithm knows: the candidates of generations before `generation`, in whatever order
// they were added. Those of this generation and later ones are ignored, so a search that stopped in
// the middle of a generation asks again and evaluates what is missing.
struct SearchState {
  const SearchSpace& space;
  const Archive& archive;
  const SearchConfig& config;
  int generation = 0;
  std::uint64_t seed = 1;
  const CostFunction& cost;
};

// The next generation: new networks, distinct and never proposed before; fewer than usual when the
// space is nearly exhausted, none when the search is over. A pure function of the state.
//
// Generation 0 is the same for all algorithms but uniform: the configuration's seed architectures,
// the corners of the space, then random networks. Later ones, of `population` networks if not said
// otherwise:
//
// evolution: binary tournaments on (rank, crowding) among the front of everything known and the
//   last generation, uniform crossover, mutation, random immigrants; of many such children those
//   that a surrogate of the loss finds most promising (screening.hpp).
// nsga2: Deb et al. 2002: parents and children compete for `population` places by (rank, crowding),
//   binary tournaments among those.
// survey: Kim et al. 2023, Sec. 6.4.2, with an unbounded archive: mutants of the front's members,
//   each as often as the other, 0.2 per gene, no crossover.
// survey_literal: the same as it is written: the front of the population, refilled with its
//   mutants; there are none once the front is as large as the population.
// regularized_evolution: Real et al. 2019: of the youngest `population` networks a quarter is drawn
//   and its best gets a child that differs in one gene, a fifth of a population at a time.
// knapsack: the networks that would be the front if losses were sums over layers, by the exact
//   solver (knapsack.hpp) on a fit of such sums to what is known.
// uniform: networks whose layers are all equal, in every generation spread evenly over those that
// are
//   left in the order of cost, from generation 0 on; none when all are known.
// random: `population` networks of SearchSpace::sample().
std::vector<Proposal> propose(const SearchState& state);

}  // namespace paretoformer::nas
