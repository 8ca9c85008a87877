// A search algorithm of one's own. The library gives the search space, the prices and the Pareto
// order; the algorithm is here, and nothing of the library is touched.
//
// The question: which networks have the most weights for their latency? That is a search without
// training, in seconds. A real search asks for perplexity instead of weights.
//
// The algorithm is Pareto local search (Paquete, Chiarandini, Stützle 2004): take a network of the
// front that has not been looked at, price all its neighbours, keep what no other dominates, and go
// on, until all of the front have been. Random search with 2000 networks is what it has to beat.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <unordered_set>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/core/pareto.hpp"
#include "search_spaces/search_space.hpp"

namespace {

using namespace paretoformer;

// Every network priced so far is counted; those that no other dominates are kept.
class Archive {
 public:
  struct Member {
    Architecture network;
    nas::Point point;  // latency in cycles, weights that the largest network has in addition
    bool explored = false;
  };

  Archive(const SearchSpace& space, const LatencyPredictor& predictor)
      : predictor_(predictor), most_weights_(parameter_count(space.largest())) {}

  // Prices the network, unless it has been priced before.
  void add(const Architecture& network) {
    if (!seen_.insert(architecture_id(network)).second) return;
    Member member{network, point(network)};
    const auto covers = [](const Member& a, const Member& b) {
      return a.point == b.point || nas::dominates(a.point, b.point);
    };
    for (const Member& other : front_)
      if (covers(other, member)) return;
    std::erase_if(front_, [&](const Member& other) { return covers(member, other); });
    front_.push_back(std::move(member));
  }

  std::size_t priced() const { return seen_.size(); }
  std::vector<Member>& front() { return front_; }

  // The share of the box between the origin and `reference` that the front dominates.
  double hypervolume(const nas::Point& reference) const {
    std::vector<nas::Point> points;
    for (const Member& member : front_) points.push_back(member.point);
    return nas::hypervolume_share(points, reference);
  }

  nas::Point point(const Architecture& network) const {
    return {static_cast<double>(predictor_.predict(network).latency.value()),
            static_cast<double>(most_weights_ - parameter_count(network))};
  }

 private:
  const LatencyPredictor& predictor_;
  std::int64_t most_weights_;
  std::unordered_set<std::uint64_t> seen_;
  std::vector<Member> front_;
};

void pareto_local_search(const SearchSpace& space, std::size_t budget, Archive& archive) {
  archive.add(space.smallest());
  archive.add(space.largest());
  while (archive.priced() < budget) {
    const auto next = std::find_if(archive.front().begin(), archive.front().end(),
                                   [](const Archive::Member& member) { return !member.explored; });
    if (next == archive.front().end()) return;  // a local optimum
    next->explored = true;
    // add() may drop members, so the network is a copy.
    for (const Architecture& neighbour : space.neighbours(Architecture(next->network)))
      if (archive.priced() < budget) archive.add(neighbour);
  }
}

// Numbers are a function of seed and counter, the same on every machine.
void random_search(const SearchSpace& space, std::size_t budget, Archive& archive) {
  archive.add(space.smallest());
  archive.add(space.largest());
  Random random(1);
  while (archive.priced() < budget) archive.add(space.sample(random));
}

void report(const char* name, Archive& archive, const nas::Point& reference) {
  std::printf("%s: %zu networks priced, %zu on the front, hypervolume %.4f\n", name,
              archive.priced(), archive.front().size(), archive.hypervolume(reference));
}

}  // namespace

int main() try {
  const SearchSpace space = SearchSpace::find("quickstart");
  const LatencyPredictor predictor(find_target("gemmini_transformer"),
                                   Workload{64, Mode::kPrefill});
  predictor.fill(space);  // every operator of the space, on all processors; then queries are free

  constexpr std::size_t kBudget = 2000;
  Archive local(space, predictor), random(space, predictor);
  pareto_local_search(space, kBudget, local);
  random_search(space, kBudget, random);

  const nas::Point reference{local.point(space.largest())[0], local.point(space.smallest())[1]};
  report("Pareto local search", local, reference);
  report("random search", random, reference);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
