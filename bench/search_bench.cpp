// Search algorithms against pagmo2's NSGA-II, on a space whose every loss is on record: the same
// first generation, the same budget and the same measure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>
#include <span>
#include <sstream>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bench/command_main.hpp"
#include "nas/core/algorithms.hpp"
#include "nas/report/comparison_report.hpp"
#include "nas/run/comparison.hpp"
#include "nas/run/config.hpp"
#include "nas/run/run_predictor.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/parallel.hpp"

namespace {

using namespace paretoformer;

constexpr const char* kLosses = PARETOFORMER_SOURCE_DIR "/tests/data/enumerable_losses.txt";
constexpr double kLossUnit = 1e-5;  // nats per token
constexpr int kVocabulary = 512;
constexpr int kQuarter = 32;  // sequences
constexpr int kSequences = 128;

// pagmo 2.18's own settings, which its constructor has as defaults.
constexpr double kPeerCrossover = 0.95;
constexpr double kPeerCrossoverIndex = 10;
constexpr double kPeerMutation = 0.01;
constexpr double kPeerMutationIndex = 50;
// A population that has converged proposes little that is new: so many times the budget is the most
// that is called to fill the budget with distinct networks.
constexpr std::size_t kMostCalls = 20;
constexpr std::uint64_t kInactiveStream = 0x696e61637469;

// Sums of losses over the quarter and the rest, by index in the space.
using LossSums = std::vector<std::array<double, 2>>;

LossSums read_losses(const std::string& path, const SearchSpace& space) {
  std::istringstream text(read_file(path));
  LossSums sums;
  for (double quarter, all; text >> quarter >> all;)
    sums.push_back(
        {kLossUnit * kQuarter * quarter, kLossUnit * (kSequences * all - kQuarter * quarter)});
  if (std::ssize(sums) != space.count())
    throw InputError(path + ": holds losses of " + std::to_string(sums.size()) +
                     " networks, the space has " + std::to_string(space.count()));
  return sums;
}

nas::LossSource recorded(const SearchSpace& space, const LossSums& sums) {
  return {kQuarter, kSequences, [&](std::span<const Architecture> networks, nas::LossPart part) {
            std::vector<double> result;
            for (const Architecture& network : networks)
              result.push_back(sums[static_cast<std::size_t>(space.index_of(network))]
                                   [static_cast<std::size_t>(part)]);
            return result;
          }};
}

// A network as a vector of integers: depth, width, then the genes of every layer there may be, all
// as indices of choices. Genes of layers beyond the depth mean nothing.
class Genome {
 public:
  explicit Genome(const SearchSpace& space) : space_(space) {}

  std::size_t size() const {
    return 2 + space_.layer_genes().size() * static_cast<std::size_t>(space_.depths().back());
  }

  std::vector<double> last() const {
    std::vector<double> genes{last_of(space_.depths()), last_of(space_.model_widths())};
    while (genes.size() < size())
      for (const auto& [gene, choices] : space_.layer_genes()) genes.push_back(last_of(choices));
    return genes;
  }

  // Genes that mean nothing are drawn.
  std::vector<double> encode(const Architecture& network, Random& random) const {
    std::vector<double> genes{place(space_.depths(), network.depth()),
                              place(space_.model_widths(), network.model_width)};
    for (const Layer& layer : network.layers)
      for (const auto& [gene, choices] : space_.layer_genes())
        genes.push_back(place(choices, gene.get(layer)));
    while (genes.size() < size())
      for (const auto& [gene, choices] : space_.layer_genes())
        genes.push_back(static_cast<double>(random.below(choices.size())));
    return genes;
  }

  Architecture decode(const std::vector<double>& genes) const {
    Architecture network{choice(space_.model_widths(), genes[1]), space_.head_width(),
                         space_.vocabulary(), std::vector<Layer>()};
    network.layers.resize(static_cast<std::size_t>(choice(space_.depths(), genes[0])));
    std::size_t at = 2;
    for (Layer& layer : network.layers)
      for (const auto& [gene, choices] : space_.layer_genes())
        gene.set(layer, choice(choices, genes[at++]));
    return network;
  }

 private:
  static double last_of(const std::vector<int>& choices) {
    return static_cast<double>(choices.size() - 1);
  }
  static double place(const std::vector<int>& choices, int value) {
    return static_cast<double>(std::find(choices.begin(), choices.end(), value) - choices.begin());
  }
  static int choice(const std::vector<int>& choices, double gene) {
    return choices[static_cast<std::size_t>(std::lround(gene))];
  }

  const SearchSpace& space_;
};

// What pagmo asked for, as indices in the space.
struct Calls {
  std::vector<std::size_t> all;
  std::vector<std::size_t> distinct;
  std::unordered_set<std::size_t> known;
};

struct Task {
  const SearchSpace& space;
  const std::vector<nas::Point>& points;  // objectives, by index in the space
};

// A problem as pagmo wants it.
struct PeerProblem {
  const Task* task = nullptr;
  Calls* calls = nullptr;

  pagmo::vector_double fitness(const pagmo::vector_double& genes) const {
    const auto index =
        static_cast<std::size_t>(task->space.index_of(Genome(task->space).decode(genes)));
    calls->all.push_back(index);
    if (calls->known.insert(index).second) calls->distinct.push_back(index);
    return task->points[index];
  }
  std::pair<pagmo::vector_double, pagmo::vector_double> get_bounds() const {
    const Genome genome(task->space);
    return {pagmo::vector_double(genome.size(), 0.0), genome.last()};
  }
  pagmo::vector_double::size_type get_nix() const { return Genome(task->space).size(); }
  pagmo::vector_double::size_type get_nobj() const { return task->points.front().size(); }
};

// From the first generation of the project's searches with the same seed, until `budget` distinct
// networks are known, which takes at least as many calls.
Calls run_peer(const Task& task, const nas::SearchConfig& config, double mutation,
               std::uint64_t seed) {
  const auto budget = static_cast<std::size_t>(config.evaluations);
  const auto peer_seed = static_cast<unsigned>(seed);
  Calls calls;
  pagmo::population population(pagmo::problem(PeerProblem{&task, &calls}), 0U, peer_seed);
  const nas::Archive nothing({nas::Objective::kPerplexity});
  Random inactive(seed, {kInactiveStream});
  for (const nas::Proposal& first : nas::propose({task.space, nothing, config, 0, seed, {}}))
    population.push_back(Genome(task.space).encode(first.architecture, inactive));
  const pagmo::nsga2 algorithm(1, kPeerCrossover, kPeerCrossoverIndex, mutation, kPeerMutationIndex,
                               peer_seed);
  while (calls.distinct.size() < budget && calls.all.size() < kMostCalls * budget)
    population = algorithm.evolve(population);
  return calls;
}

// As compare() judges a search: all that is known so far, to six decimals of the true front's.
nas::Race judge(const std::vector<nas::Point>& points, const std::vector<std::size_t>& evaluated,
                const nas::Comparison& comparison) {
  nas::Race race;
  for (std::int64_t checkpoint : comparison.checkpoints) {
    race.evaluations = std::min(evaluated.size(), static_cast<std::size_t>(checkpoint));
    std::vector<nas::Point> known;
    for (std::size_t i = 0; i < race.evaluations; ++i) known.push_back(points[evaluated[i]]);
    const double share =
        nas::hypervolume(known, comparison.reference) / *comparison.true_hypervolume;
    race.hypervolumes.push_back(std::round(share * 1e6) * 1e-6);
  }
  race.work = static_cast<double>(race.evaluations);
  return race;
}

std::vector<nas::Point> all_points(const nas::ComparisonTask& task,
                                   const nas::Comparison& comparison) {
  const nas::Archive order(task.objectives);
  std::vector<nas::Point> points;
  task.space.enumerate([&](const Architecture& network) {
    nas::Candidate candidate;
    candidate.objectives =
        with_loss(nas::cost_of(network, task.predictors.of(network), task.context),
                  comparison.losses[points.size()][1]);
    points.push_back(order.point(candidate));
    return true;
  });
  return points;
}

// Two contestants: the same searches by every call, and by distinct networks.
void add_peer(const nas::ComparisonTask& task, const nas::SearchConfig& config,
              const std::vector<nas::Point>& points, double mutation, nas::Comparison& comparison) {
  const auto seeds = static_cast<std::size_t>(task.seeds);
  std::vector<nas::Race> by_call(seeds), by_network(seeds);
  parallel_tasks(seeds, [&](std::size_t i) {
    const Calls calls = run_peer({task.space, points}, config, mutation, i + 1);
    by_call[i] = judge(points, calls.all, comparison);
    by_network[i] = judge(points, calls.distinct, comparison);
  });
  const std::string name = fmt::format("pagmo nsga2, mutation {:.3g}, ", mutation);
  comparison.contestants.push_back({name + "calls", config});
  comparison.contestants.push_back({name + "distinct", config});
  comparison.races.push_back(std::move(by_call));
  comparison.races.push_back(std::move(by_network));
}

// The configuration of the project's searches says nothing about pagmo's.
Json without_peer_settings(Json json, std::size_t own) {
  for (std::size_t i = own; i < json["algorithms"].size(); ++i)
    json["algorithms"][i].erase("search");
  return json;
}

void print_table(const Json& json) {
  const auto& checkpoints = json["evaluations"];
  std::vector<std::size_t> shown;
  for (std::size_t part : {8, 4, 2, 1})
    shown.push_back(std::max<std::size_t>(1, checkpoints.size() / part) - 1);
  std::string head = "| algorithm |", rule = "|---|", ps;
  for (std::size_t at : shown) {
    const auto evaluations = checkpoints[at].get<std::int64_t>();
    head += fmt::format(" {} |", evaluations);
    ps += fmt::format("{}{}", ps.empty() ? "" : ", ", evaluations);
    rule += "---|";
  }
  std::printf("%s 99 %% at | p at %s |\n%s---|---|\n", head.c_str(), ps.c_str(), rule.c_str());
  for (const Json& each : json["algorithms"]) {
    std::string line = "| " + each["name"].get<std::string>() + " |", p;
    const auto missing = [&](const char* key, std::size_t at) {
      return 100 * (1 - each[key][at].get<double>());
    };
    for (std::size_t at : shown) {
      line += fmt::format(" {:.3f} [{:.3f}, {:.3f}] |", missing("median", at),
                          missing("upper_quartile", at), missing("lower_quartile", at));
      p += fmt::format("{}{:.0e}", p.empty() ? "" : ", ", each["p_value"][at].get<double>());
    }
    const Json& needed = each["evaluations_to_99_percent"];
    line += needed.is_null() ? " never |" : " " + needed.dump() + " |";
    if (&each == &json["algorithms"].front()) p = "-";
    std::printf("%s %s |\n", line.c_str(), p.c_str());
  }
}

int run(int count, char** arguments) {
  CLI::App app("Search algorithms against pagmo2's NSGA-II on recorded losses");
  std::string losses = kLosses;
  std::vector<std::string> objectives, algorithms{"evolution", "nsga2", "random"};
  int seeds = 20;
  bool as_json = false;
  app.add_option("--losses", losses, "Losses of all networks of the space `enumerable`")
      ->capture_default_str();
  app.add_option("--objectives", objectives, "Default: the preset's, perplexity,edp")
      ->delimiter(',');
  app.add_option("--algorithms", algorithms, "As in `paretoformer compare`; p is against the first")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--seeds", seeds, "Searches of each")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_flag("--json", as_json, "Everything, at every checkpoint");
  CLI11_PARSE(app, count, arguments);

  std::vector<std::string> overrides;
  if (!objectives.empty()) overrides.push_back("objectives=" + Json(objectives).dump());
  const nas::RunConfig config = nas::load_run_config("enumerable", overrides);
  const SearchSpace space = config.space.with_vocabulary(kVocabulary);
  const LossSums sums = read_losses(losses, space);
  const latency_predictor::LatencyPredictor predictor = predictor_in_place(config, space);
  nas::ComparisonTask task{.space = space,
                           .objectives = config.objectives,
                           .limits = {},
                           .contestants = {},
                           .seeds = seeds,
                           .step = config.search.population,
                           .budget = config.search.evaluations,
                           .losses = recorded(space, sums),
                           .predictors = predictor,
                           .context = config.training.context,
                           .enumerable = space.count()};
  for (const std::string& text : algorithms)
    task.contestants.push_back(contestant_from_text(text, config.search));
  nas::Comparison comparison = compare(task);
  const std::size_t own = comparison.contestants.size();
  const std::vector<nas::Point> points = all_points(task, comparison);
  for (double mutation : {kPeerMutation, 1.0 / static_cast<double>(Genome(space).size())})
    add_peer(task, config.search, points, mutation, comparison);
  const Json json = without_peer_settings(comparison_json(comparison), own);
  if (as_json)
    std::printf("%s\n", json.dump(2).c_str());
  else
    print_table(json);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  return command_main("search_bench", [=] { return run(count, arguments); });
}
