#include "nas/core/algorithms.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "nas/core/knapsack.hpp"
#include "nas/core/screening.hpp"
#include "support/error.hpp"
#include "support/random.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::uint64_t kProposalStream = 0x65766f6c7665;
// Draws per child asked for, before a generation gives up drawing.
constexpr std::size_t kTriesPerChild = 50;
// The largest space whose unseen networks are listed when drawing no longer finds them.
constexpr std::int64_t kEnumerable = 1 << 20;
// Kim et al. 2023, Sec. 6.4.2.
constexpr double kSurveyMutationRate = 0.2;
// Real et al. 2019 draw 25 of a population of 100. They evaluate what is free next; here a fraction
// of a population at a time keeps all processors busy.
constexpr int kRegularizedSample = 4;
constexpr int kRegularizedBatch = 5;

// Indices of candidates in the archive.
using Members = std::vector<std::size_t>;

// The children of one generation, each accepted once only.
class Brood {
 public:
  Brood(const SearchState& state, std::size_t wanted) : wanted_(wanted) {
    for (const Candidate& candidate : state.archive.candidates())
      if (candidate.generation < state.generation) seen_.insert(candidate.id);
  }

  bool full() const { return children_.size() >= wanted_; }
  std::size_t wanted() const { return wanted_; }
  std::size_t missing() const { return wanted_ - children_.size(); }
  bool is_new(const Architecture& network) const {
    return seen_.count(architecture_id(network)) == 0;
  }
  void offer(const Architecture& network, std::vector<std::uint64_t> parents = {}) {
    const std::uint64_t id = architecture_id(network);
    if (!full() && seen_.insert(id).second) children_.push_back({id, network, std::move(parents)});
  }
  std::vector<Proposal> take() { return std::move(children_); }

 private:
  std::size_t wanted_;
  std::unordered_set<std::uint64_t> seen_;
  std::vector<Proposal> children_;
};

struct Parent {
  std::size_t member;
  Standing standing;
};

// From whom an algorithm breeds, and how.
struct Breeding {
  std::vector<Parent> pool;    // the best first
  std::size_t tournament = 2;  // so many are drawn, and the best of them is a parent
  double crossover_rate = 0;
  double mutation_rate = 0;  // per gene; 0: one over the number of genes
  bool single_gene = false;  // one gene changes, whatever the rate
  double immigrant_share = 0;
  std::size_t children = 0;

  explicit Breeding(const SearchConfig& config)
      : children(static_cast<std::size_t>(config.population)) {}
};

// Candidates of earlier generations. Ordered by id, so that nothing depends on the order in which
// parallel evaluations came in.
Members earlier_candidates(const SearchState& state) {
  const std::vector<Candidate>& candidates = state.archive.candidates();
  Members earlier;
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (candidates[i].generation < state.generation &&
        state.space.contains(candidates[i].architecture))
      earlier.push_back(i);
  std::sort(earlier.begin(), earlier.end(),
            [&](std::size_t a, std::size_t b) { return candidates[a].id < candidates[b].id; });
  return earlier;
}

// The `size` members that violate the limits least.
Members least_violating(const Archive& archive, Members members, std::size_t size) {
  const auto violation_of = [&](std::size_t i) {
    return violation(archive.candidates()[i].objectives, archive.limits());
  };
  std::stable_sort(members.begin(), members.end(),
                   [&](std::size_t a, std::size_t b) { return violation_of(a) < violation_of(b); });
  members.resize(std::min(members.size(), size));
  return members;
}

// The front of the members that keep the soft limits as well, then that of all. While nothing keeps
// all limits, those that violate them least stand in for the former.
Members front_of(const SearchState& state, const Members& members) {
  Members front = state.archive.front(members, true);
  if (front.empty())
    front =
        least_violating(state.archive, members, static_cast<std::size_t>(state.config.population));
  const std::unordered_set<std::size_t> chosen(front.begin(), front.end());
  for (std::size_t member : state.archive.front(members))
    if (!chosen.count(member)) front.push_back(member);
  return front;
}

// The members as parents, the best first.
std::vector<Parent> ranked(const Archive& archive, const Members& members) {
  const std::vector<Standing> standings = archive.standings(members);
  std::vector<Parent> parents;
  for (std::size_t i = 0; i < members.size(); ++i) parents.push_back({members[i], standings[i]});
  std::stable_sort(parents.begin(), parents.end(),
                   [](const Parent& a, const Parent& b) { return better(a.standing, b.standing); });
  return parents;
}

// Who lives after the last generation, when after each generation `survivors` of the population
// and its children live on.
template <typename Survivors>
Members population(const SearchState& state, const Members& earlier, Survivors survivors) {
  const std::vector<Candidate>& candidates = state.archive.candidates();
  std::vector<Members> generations(static_cast<std::size_t>(state.generation));
  for (std::size_t i : earlier)
    generations[static_cast<std::size_t>(candidates[i].generation)].push_back(i);
  Members living;
  for (const Members& children : generations) {
    living.insert(living.end(), children.begin(), children.end());
    std::sort(living.begin(), living.end(),
              [&](std::size_t a, std::size_t b) { return candidates[a].id < candidates[b].id; });
    living = survivors(living);
  }
  return living;
}

Breeding evolution(const SearchState& state, const Members& earlier) {
  const Members front = front_of(state, earlier);
  const std::unordered_set<std::size_t> best(front.begin(), front.end());
  Members members;
  for (std::size_t i : earlier)
    if (best.count(i) || state.archive.candidates()[i].generation == state.generation - 1)
      members.push_back(i);
  Breeding breeding(state.config);
  breeding.pool = ranked(state.archive, members);
  breeding.crossover_rate = state.config.crossover_rate;
  breeding.immigrant_share = state.config.immigrant_share;
  return breeding;
}

Breeding nsga2(const SearchState& state, const Members& earlier) {
  const auto survivors = [&](const Members& members) {
    std::vector<Parent> parents = ranked(state.archive, members);
    parents.resize(std::min(parents.size(), static_cast<std::size_t>(state.config.population)));
    Members kept;
    for (const Parent& parent : parents) kept.push_back(parent.member);
    return kept;
  };
  Breeding breeding(state.config);
  breeding.pool = ranked(state.archive, population(state, earlier, survivors));
  breeding.crossover_rate = state.config.crossover_rate;
  return breeding;
}

Breeding survey(const SearchState& state, const Members& earlier) {
  Breeding breeding(state.config);
  breeding.pool = ranked(state.archive, front_of(state, earlier));
  breeding.tournament = 1;
  breeding.mutation_rate = kSurveyMutationRate;
  return breeding;
}

Breeding survey_literal(const SearchState& state, const Members& earlier) {
  const auto survivors = [&](const Members& members) { return front_of(state, members); };
  Breeding breeding = survey(state, population(state, earlier, survivors));
  const auto size = static_cast<std::size_t>(state.config.population);
  breeding.children = size - std::min(size, breeding.pool.size());
  return breeding;
}

Breeding regularized_evolution(const SearchState& state, const Members& earlier) {
  Members youngest = earlier;
  std::stable_sort(youngest.begin(), youngest.end(), [&](std::size_t a, std::size_t b) {
    return state.archive.candidates()[a].generation > state.archive.candidates()[b].generation;
  });
  const int size = state.config.population;
  youngest.resize(std::min(youngest.size(), static_cast<std::size_t>(size)));
  Breeding breeding(state.config);
  breeding.pool = ranked(state.archive, youngest);
  breeding.tournament = static_cast<std::size_t>(std::max(2, size / kRegularizedSample));
  breeding.single_gene = true;
  breeding.children = static_cast<std::size_t>(std::max(1, size / kRegularizedBatch));
  return breeding;
}

// Cheapest first, by the first objective that is a cost; equals by size.
std::vector<Architecture> uniform(const SearchState& state, const Members&) {
  const std::vector<Objective>& objectives = state.archive.objectives();
  const auto found = std::find_if_not(objectives.begin(), objectives.end(), is_perplexity);
  const Objective cost = found == objectives.end() ? Objective::kParameters : *found;
  struct Priced {
    Architecture network;
    double cost;
    std::int64_t parameters;
  };
  std::vector<Priced> priced;
  for (Architecture& network : state.space.uniform()) {
    const Objectives costs = state.cost(network);
    priced.push_back({std::move(network), value(costs, cost), costs.parameters});
  }
  std::stable_sort(priced.begin(), priced.end(), [](const Priced& a, const Priced& b) {
    return std::tie(a.cost, a.parameters) < std::tie(b.cost, b.parameters);
  });
  std::vector<Architecture> networks;
  for (Priced& each : priced) networks.push_back(std::move(each.network));
  return networks;
}

// Where an algorithm's networks come from: parents that it chooses, or a list of its own; by
// itself either is absent, and networks are drawn at random.
struct Algorithm {
  std::string_view name;
  Breeding (*breed)(const SearchState&, const Members& earlier) = nullptr;
  std::vector<Architecture> (*list)(const SearchState&, const Members& earlier) = nullptr;
  bool screens = false;  // whether more children than wanted are made, and the best predicted kept
  bool draws = true;     // whether the list is made up with random networks, and they begin
};
constexpr Algorithm kAlgorithms[] = {{"evolution", evolution, nullptr, true},
                                     {"nsga2", nsga2},
                                     {"survey", survey},
                                     {"survey_literal", survey_literal},
                                     {"regularized_evolution", regularized_evolution},
                                     {"knapsack", nullptr, knapsack},
                                     {"uniform", nullptr, uniform, false, false},
                                     {"random"}};

std::size_t tournament(const Breeding& breeding, Random& random) {
  // The pool is sorted, the best first, but equals have no order.
  std::size_t winner = random.below(breeding.pool.size());
  for (std::size_t i = 1; i < breeding.tournament; ++i) {
    const std::size_t rival = random.below(breeding.pool.size());
    if (better(breeding.pool[rival].standing, breeding.pool[winner].standing)) winner = rival;
  }
  return breeding.pool[winner].member;
}

void offer_child(const SearchState& state, const Breeding& breeding, Random& random, Brood& brood) {
  const std::vector<Candidate>& candidates = state.archive.candidates();
  const Candidate& mother = candidates[tournament(breeding, random)];
  Architecture child = mother.architecture;
  std::vector<std::uint64_t> parents{mother.id};
  if (random.chance(breeding.crossover_rate)) {
    const Candidate& father = candidates[tournament(breeding, random)];
    child = state.space.crossover(child, father.architecture, random);
    if (father.id != mother.id) parents.push_back(father.id);
  }
  const double rate = breeding.single_gene         ? 0
                      : breeding.mutation_rate > 0 ? breeding.mutation_rate
                                                   : 1.0 / state.space.gene_count(child);
  brood.offer(state.space.mutate(child, rate, random), std::move(parents));
}

void offer_random(const SearchState& state, Random& random, Brood& brood) {
  for (std::size_t tries = kTriesPerChild * brood.wanted(); tries > 0 && !brood.full(); --tries)
    brood.offer(state.space.sample(random));
}

void offer_children(const SearchState& state, const Breeding& breeding, Random& random,
                    Brood& brood) {
  for (std::size_t tries = kTriesPerChild * brood.wanted(); tries > 0 && !brood.full(); --tries) {
    if (random.chance(breeding.immigrant_share))
      brood.offer(state.space.sample(random));
    else
      offer_child(state, breeding, random, brood);
  }
  // Around the best everything drawn is known by now: look at every neighbour, the best's first.
  for (const Parent& parent : breeding.pool) {
    const Candidate& candidate = state.archive.candidates()[parent.member];
    for (const Architecture& neighbour : state.space.neighbours(candidate.architecture))
      brood.offer(neighbour, {candidate.id});
  }
}

// As many new ones as are wanted, spread over the list.
void offer_evenly(std::vector<Architecture> networks, Brood& brood) {
  std::erase_if(networks, [&](const Architecture& network) { return !brood.is_new(network); });
  const std::size_t count = std::min(brood.missing(), networks.size());
  for (std::size_t i = 0; i < count; ++i) brood.offer(networks[i * networks.size() / count]);
}

// What is left of a space small enough to list, in random order.
void offer_the_rest(const SearchState& state, Random& random, Brood& brood) {
  if (brood.full() || state.space.count_up_to(kEnumerable + 1) > kEnumerable) return;
  std::vector<std::int64_t> unseen;
  std::int64_t index = 0;
  state.space.enumerate([&](const Architecture& network) {
    if (brood.is_new(network)) unseen.push_back(index);
    ++index;
    return true;
  });
  for (std::size_t i = 0; i < unseen.size() && !brood.full(); ++i) {
    std::swap(unseen[i], unseen[i + random.below(unseen.size() - i)]);
    brood.offer(state.space.at(unseen[i]));
  }
}

std::vector<Proposal> first_generation(const SearchState& state, const Algorithm& algorithm,
                                       Random& random) {
  const std::vector<Architecture>& seeds = state.config.seed_architectures;
  Brood brood(state, std::max(static_cast<std::size_t>(state.config.population), seeds.size()));
  for (Architecture seed : seeds) {
    seed.vocabulary = state.space.vocabulary();
    brood.offer(state.space.on_hardware(std::move(seed)));
  }
  for (const Architecture& corner : state.space.extremes()) brood.offer(corner);
  if (!algorithm.draws) {
    offer_evenly(algorithm.list(state, {}), brood);
    return brood.take();
  }
  offer_random(state, random, brood);
  offer_the_rest(state, random, brood);
  return brood.take();
}

Breeding breeding_of(const SearchState& state, const Algorithm& algorithm) {
  if (!algorithm.breed) return Breeding(state.config);
  Breeding breeding = algorithm.breed(state, earlier_candidates(state));
  if (state.config.mutation_rate > 0) breeding.mutation_rate = state.config.mutation_rate;
  return breeding;
}

}  // namespace

const std::vector<std::string>& algorithm_names() {
  static const std::vector<std::string> names = names_in(kAlgorithms);
  return names;
}

std::vector<Proposal> propose(const SearchState& state) {
  const SearchConfig& config = state.config;
  Random random(state.seed, {kProposalStream, static_cast<std::uint64_t>(state.generation)});
  const Algorithm& algorithm = row_named(kAlgorithms, config.algorithm, "algorithm");
  if (state.generation == 0) return first_generation(state, algorithm, random);
  if (state.space.count_up_to(2) < 2) return {};
  const Breeding breeding = breeding_of(state, algorithm);
  const bool screens = algorithm.screens && config.screening > 1 && state.cost;
  Brood brood(state,
              breeding.children * (screens ? static_cast<std::size_t>(config.screening) : 1));
  if (algorithm.list) offer_evenly(algorithm.list(state, earlier_candidates(state)), brood);
  if (!breeding.pool.empty()) offer_children(state, breeding, random, brood);
  if (algorithm.draws) {
    offer_random(state, random, brood);
    offer_the_rest(state, random, brood);
  }
  if (!screens) return brood.take();
  return most_promising(state, brood.take(), breeding.children);
}

}  // namespace paretoformer::nas
