#include "nas/evolution.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "support/random.hpp"

namespace paretoformer {
namespace {

constexpr std::uint64_t kProposalStream = 0x65766f6c7665;
// Draws per child asked for, before a generation gives up drawing.
constexpr int kTriesPerChild = 50;
// The largest space whose unseen networks are listed when drawing no longer finds them.
constexpr std::int64_t kEnumerable = 1 << 20;

// The children of one generation, each accepted once only.
class Brood {
 public:
  Brood(const Archive& archive, const EvolutionConfig& config, int generation)
      : wanted_(static_cast<std::size_t>(config.population)) {
    for (const Candidate& candidate : archive.candidates())
      if (candidate.generation < generation) seen_.insert(candidate.id);
  }

  bool full() const { return children_.size() >= wanted_; }
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
  const Candidate* candidate;
  Standing standing;
};

// Candidates of earlier generations, as indices into the archive. Ordered by id, so that nothing
// depends on the order in which parallel evaluations came in.
std::vector<std::size_t> earlier_candidates(const SearchSpace& space, const Archive& archive,
                                            int generation) {
  const std::vector<Candidate>& candidates = archive.candidates();
  std::vector<std::size_t> earlier;
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (candidates[i].generation < generation && space.contains(candidates[i].architecture))
      earlier.push_back(i);
  std::sort(earlier.begin(), earlier.end(),
            [&](std::size_t a, std::size_t b) { return candidates[a].id < candidates[b].id; });
  return earlier;
}

// The `size` members that violate the limits least.
std::vector<std::size_t> least_violating(const Archive& archive, std::vector<std::size_t> members,
                                         std::size_t size) {
  const auto violation_of = [&](std::size_t i) {
    return violation(archive.candidates()[i].objectives, archive.limits());
  };
  std::stable_sort(members.begin(), members.end(),
                   [&](std::size_t a, std::size_t b) { return violation_of(a) < violation_of(b); });
  members.resize(std::min(members.size(), size));
  return members;
}

// The front of all earlier generations, that of those among them that keep the soft limits as well,
// and the last generation, best first. While nothing keeps all limits, those that violate them
// least stand in for the front that does.
std::vector<Parent> parent_pool(const SearchSpace& space, const Archive& archive,
                                const EvolutionConfig& config, int generation) {
  const std::vector<Candidate>& candidates = archive.candidates();
  const std::vector<std::size_t> earlier = earlier_candidates(space, archive, generation);
  std::vector<std::size_t> best = archive.front(earlier, true);
  if (best.empty())
    best = least_violating(archive, earlier, static_cast<std::size_t>(config.population));
  std::unordered_set<std::size_t> chosen(best.begin(), best.end());
  for (std::size_t i : archive.front(earlier)) chosen.insert(i);
  std::vector<std::size_t> members;
  for (std::size_t i : earlier)
    if (chosen.count(i) || candidates[i].generation == generation - 1) members.push_back(i);

  const std::vector<Standing> standings = archive.standings(members);
  std::vector<Parent> pool;
  for (std::size_t i = 0; i < members.size(); ++i)
    pool.push_back({&candidates[members[i]], standings[i]});
  std::stable_sort(pool.begin(), pool.end(),
                   [](const Parent& a, const Parent& b) { return better(a.standing, b.standing); });
  return pool;
}

const Candidate& tournament(const std::vector<Parent>& pool, Random& random) {
  const Parent& a = pool[random.below(pool.size())];
  const Parent& b = pool[random.below(pool.size())];
  return *(better(b.standing, a.standing) ? b : a).candidate;
}

void offer_child(const SearchSpace& space, const std::vector<Parent>& pool,
                 const EvolutionConfig& config, Random& random, Brood& brood) {
  const Candidate& mother = tournament(pool, random);
  Architecture child = mother.architecture;
  std::vector<std::uint64_t> parents{mother.id};
  if (random.chance(config.crossover_rate)) {
    const Candidate& father = tournament(pool, random);
    child = space.crossover(child, father.architecture, random);
    if (father.id != mother.id) parents.push_back(father.id);
  }
  const double rate =
      config.mutation_rate > 0 ? config.mutation_rate : 1.0 / space.gene_count(child);
  brood.offer(space.mutate(child, rate, random), std::move(parents));
}

void offer_random(const SearchSpace& space, const EvolutionConfig& config, Random& random,
                  Brood& brood) {
  for (int tries = kTriesPerChild * config.population; tries > 0 && !brood.full(); --tries)
    brood.offer(space.sample(random));
}

void offer_children(const SearchSpace& space, const std::vector<Parent>& pool,
                    const EvolutionConfig& config, Random& random, Brood& brood) {
  for (int tries = kTriesPerChild * config.population; tries > 0 && !brood.full(); --tries) {
    if (random.chance(config.immigrant_share))
      brood.offer(space.sample(random));
    else
      offer_child(space, pool, config, random, brood);
  }
  // Around the best everything drawn is known by now: look at every neighbour, the best's first.
  for (const Parent& parent : pool)
    for (const Architecture& neighbour : space.neighbours(parent.candidate->architecture))
      brood.offer(neighbour, {parent.candidate->id});
}

// What is left of a space small enough to list, in random order.
void offer_the_rest(const SearchSpace& space, Random& random, Brood& brood) {
  if (brood.full() || space.count_up_to(kEnumerable + 1) > kEnumerable) return;
  std::vector<std::int64_t> unseen;
  std::int64_t index = 0;
  space.enumerate([&](const Architecture& network) {
    if (brood.is_new(network)) unseen.push_back(index);
    ++index;
    return true;
  });
  for (std::size_t i = 0; i < unseen.size() && !brood.full(); ++i) {
    std::swap(unseen[i], unseen[i + random.below(unseen.size() - i)]);
    brood.offer(space.at(unseen[i]));
  }
}

}  // namespace

Json to_json(const EvolutionConfig& config) {
  Json json;
  json["algorithm"] = config.algorithm;
  json["population"] = config.population;
  json["generations"] = config.generations;
  json["mutation_rate"] = config.mutation_rate;
  json["crossover_rate"] = config.crossover_rate;
  json["immigrant_share"] = config.immigrant_share;
  return json;
}

EvolutionConfig evolution_config_from_json(const JsonNode& node) {
  constexpr std::int64_t kMost = 1000000;
  const JsonObject object(node);
  EvolutionConfig config;
  config.algorithm = object.choice("algorithm", {"evolution", "random"}, config.algorithm);
  config.population = static_cast<int>(object.integer("population", 1, kMost, config.population));
  config.generations =
      static_cast<int>(object.integer("generations", 1, kMost, config.generations));
  config.mutation_rate = object.number("mutation_rate", 0, 1, config.mutation_rate);
  config.crossover_rate = object.number("crossover_rate", 0, 1, config.crossover_rate);
  config.immigrant_share = object.number("immigrant_share", 0, 1, config.immigrant_share);
  object.finish();
  return config;
}

std::vector<Proposal> propose(const SearchSpace& space, const Archive& archive,
                              const EvolutionConfig& config, int generation, std::uint64_t seed) {
  Random random(seed, {kProposalStream, static_cast<std::uint64_t>(generation)});
  Brood brood(archive, config, generation);
  if (generation == 0) {
    for (const Architecture& corner : space.extremes()) brood.offer(corner);
  } else if (config.algorithm == "evolution" && space.count_up_to(2) > 1) {
    const std::vector<Parent> pool = parent_pool(space, archive, config, generation);
    if (!pool.empty()) offer_children(space, pool, config, random, brood);
  }
  offer_random(space, config, random, brood);
  offer_the_rest(space, random, brood);
  return brood.take();
}

}  // namespace paretoformer
