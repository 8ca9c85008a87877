#include "nas/search.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "nas/algorithms.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"
#include "support/line_chain.hpp"
#include "support/random.hpp"
#include "support/statistics.hpp"

namespace paretoformer {
namespace {

// Candidates evaluated between two writes of the history: enough to keep all cores busy, few
// enough to lose little when the process is killed.
constexpr std::size_t kChunk = 8;
// Networks with both losses that it takes before one predicts the other, and the standard
// deviations by which a prediction may be too high.
constexpr std::size_t kLeastForEstimates = 20;
constexpr double kHope = 2;
constexpr std::uint64_t kSampleStream = 41;

// Indices of the candidates of `generation` and earlier ones: the archive of a finished run that is
// read again holds later ones as well.
std::vector<std::size_t> members_until(const Archive& archive, int generation) {
  std::vector<std::size_t> members;
  for (std::size_t i = 0; i < archive.size(); ++i)
    if (archive.candidates()[i].generation <= generation) members.push_back(i);
  return members;
}

GenerationRecord record_of(const Archive& archive, int generation) {
  const Point reference = reference_point(archive);
  const std::vector<std::size_t> members = members_until(archive, generation);
  std::vector<Point> front;
  for (std::size_t member : archive.front(members))
    front.push_back(archive.point(archive.candidates()[member]));
  return {generation, members.size(), front.size(), hypervolume_share(front, reference)};
}

// Whether the last `patience` generations have each added next to nothing.
bool stagnant(const std::vector<double>& volumes, int patience) {
  if (patience == 0 || volumes.size() <= static_cast<std::size_t>(patience)) return false;
  const double before = volumes[volumes.size() - 1 - static_cast<std::size_t>(patience)];
  return volumes.back() <= before * (1 + kLeastProgress);
}

// Whether something is known that comes after `generation`: from a search with more patience.
bool goes_beyond(const Archive& archive, int generation) {
  return std::any_of(archive.candidates().begin(), archive.candidates().end(),
                     [&](const Candidate& c) { return c.generation > generation; });
}

// How the networks of one generation are evaluated, given all earlier ones.
class Appraisal {
 public:
  Appraisal(const Archive& archive, const SearchConfig& config, int generation)
      : archive_(archive), generation_(generation) {
    if (!config.quarter_first || generation == 0) return;
    const std::vector<std::size_t> members = members_until(archive, generation - 1);
    std::vector<double> changes;  // what the rest of the text adds to the loss on the quarter
    for (std::size_t member : members) {
      const Candidate& c = archive.candidates()[member];
      if (c.quarter_loss && !c.estimated)
        changes.push_back(c.objectives.validation_loss - *c.quarter_loss);
    }
    if (changes.size() < kLeastForEstimates) return;
    change_ = mean(changes);
    hope_ = kHope * standard_deviation(changes);
    for (std::size_t member : archive.front(members))
      front_.push_back(archive.point(archive.candidates()[member]));
  }

  std::vector<Candidate> evaluate(std::span<const Proposal> proposals,
                                  CandidateEvaluator& evaluator) const {
    std::vector<Architecture> networks;
    for (const Proposal& proposal : proposals) networks.push_back(proposal.architecture);
    const std::vector<double> quarter = evaluator.quarter_sums(networks);
    std::vector<Candidate> result;
    std::vector<Architecture> promising;
    std::vector<double> promising_quarter;
    for (std::size_t i = 0; i < proposals.size(); ++i) {
      const double loss = quarter[i] / evaluator.quarter();
      const Objectives cost = evaluator.cost(networks[i]);
      result.push_back({proposals[i].id, networks[i], with_loss(cost, loss + change_), generation_,
                        proposals[i].parents, loss});
      result.back().estimated = hopeless(with_loss(cost, loss + change_ - hope_));
      if (result.back().estimated) continue;
      promising.push_back(networks[i]);
      promising_quarter.push_back(quarter[i]);
    }
    if (promising.empty()) return result;
    const std::vector<Objectives> complete = evaluator.complete(promising, promising_quarter);
    auto next = complete.begin();
    for (Candidate& candidate : result)
      if (!candidate.estimated) candidate.objectives = *next++;
    return result;
  }

 private:
  bool hopeless(const Objectives& hopeful) const {
    Candidate candidate;
    candidate.objectives = hopeful;
    const Point point = archive_.point(candidate);
    return std::any_of(front_.begin(), front_.end(),
                       [&](const Point& member) { return dominates(member, point); });
  }

  const Archive& archive_;
  int generation_;
  double change_ = 0, hope_ = 0;
  std::vector<Point> front_;  // empty: everything is promising
};

// Waiting for the disk takes as long as evaluating a small network, so it is done at most once a
// second: a process may be killed at any time, and a power cut loses little that a resumed search
// would not find again.
class Pace {
 public:
  bool due() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(1)) return false;
    last_ = now;
    return true;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Json to_json(const GenerationRecord& record) {
  return Json{{"generation", record.generation},
              {"evaluations", record.evaluations},
              {"front", record.front},
              {"hypervolume", record.hypervolume}};
}

}  // namespace

void require_feasible(const RunConfig& config, const ProxyTask& proxy,
                      const LatencyPredictor& predictor) {
  // Every gene adds work and weights, so the smallest network has the lowest cost of all.
  const Architecture network = proxy.space().smallest();
  const Objectives smallest = cost_of(network, predictor, config.training.context);
  for (const Limit& limit : config.limits) {
    if (limit.soft) continue;
    const std::string unmet = "no network of the space meets the limit " +
                              name_of(limit.objective) + " <= " + format("%.6g", limit.maximum) +
                              ": ";
    if (limit.objective == Objective::kPerplexity) {
      // What a network reaches is known only after training; what none can reach is known now.
      const double lowest = proxy.corpus().oracle_perplexity.value_or(1.0);
      if (limit.maximum < lowest)
        throw InputError(unmet + "no model of this text is below " + format("%.6g", lowest));
      continue;
    }
    const double needed = value(smallest, limit.objective);
    if (needed > limit.maximum)
      throw InputError(unmet + "the smallest, " + describe(network) + ", needs " +
                       format("%.6g", needed));
  }
}

namespace {

// Of an energy-delay product both.
bool needs_latency(Objective o) { return o == Objective::kLatency || o == Objective::kEdp; }
bool needs_energy(Objective o) { return o == Objective::kEnergy || o == Objective::kEdp; }

// What was left out of the measurements of a device is 0 in all of them.
void require_measured(const std::string& where, Objective objective, const RunConfig& config,
                      const LatencyPredictor& predictor) {
  if (predictor.hardware()) return;
  bool latency = false, energy = false;
  for (const auto& [unused, cost] : predictor.table().entries()) {
    latency = latency || cost.latency > Cycles();
    energy = energy || cost.energy > Picojoules();
  }
  const bool lacks_energy = needs_energy(objective) && !energy;
  if (!lacks_energy && !(needs_latency(objective) && !latency)) return;
  throw InputError(where + ": " + name_of(objective) + " needs " +
                   (lacks_energy ? "energy" : "latency") + ", which device \"" +
                   predictor.device() + "\" (" + config.predictor.string() +
                   ") does not give: choose " +
                   (lacks_energy && latency ? "latency" : "parameters, macs or peak_memory"));
}

// All networks of a small space; else its corners and a random few.
std::vector<Architecture> representatives(const SearchSpace& space) {
  constexpr int kSome = 256;
  std::vector<Architecture> networks;
  if (space.count_up_to(kSome + 1) <= kSome) {
    space.enumerate([&](const Architecture& network) {
      networks.push_back(network);
      return true;
    });
    return networks;
  }
  networks = space.extremes();
  Random random(0, {kSampleStream});
  while (networks.size() < kSome) networks.push_back(space.sample(random));
  return networks;
}

}  // namespace

std::string require_telling(const RunConfig& config, const SearchSpace& space,
                            const LatencyPredictor& predictor) {
  for (const Limit& limit : config.limits)
    require_measured((limit.soft ? "/soft_limits/" : "/limits/") + name_of(limit.objective),
                     limit.objective, config, predictor);
  for (std::size_t i = 0; i < config.objectives.size(); ++i)
    require_measured("/objectives/" + std::to_string(i), config.objectives[i], config, predictor);

  std::vector<Objectives> costs;
  for (const Architecture& network : representatives(space))
    costs.push_back(cost_of(network, predictor, config.training.context));
  std::string text;
  for (std::size_t i = 0; i < config.objectives.size(); ++i) {
    const Objective objective = config.objectives[i];
    if (objective == Objective::kPerplexity) continue;
    const double first = value(costs.front(), objective);
    if (std::any_of(costs.begin(), costs.end(),
                    [&](const Objectives& cost) { return value(cost, objective) != first; }))
      continue;
    const std::string what = "/objectives/" + std::to_string(i) + ": " + name_of(objective) +
                             format(" is %.6g for all networks of the space: ", first);
    if (first == 0) throw InputError(what + "choose another objective");
    if (costs.size() > 1) text += what + "it chooses nothing, leave it out\n";
  }
  return text;
}

Archive load_archive(const RunFolder& run, const SearchSpace& space) {
  Archive archive(run.config().objectives, run.config().limits);
  if (!std::filesystem::exists(run.history())) return archive;
  // Not through LineLog: reading must not touch the file of a run that is going on.
  const std::string text = read_file(run.history());
  int number = 0;
  LineChain chain;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string where = run.history().string() + ":" + std::to_string(++number);
    const auto add = [&](const JsonNode& node) {
      Candidate candidate = candidate_from_json(node);
      std::string why;
      if (!space.contains(candidate.architecture, &why))
        throw InputError(where + ": the candidate is not in the search space: " + why);
      if (archive.contains(candidate.id))
        throw InputError(where + ": candidate " + hex(candidate.id) + " appears a second time");
      archive.add(std::move(candidate));
    };
    chain.read(std::string_view(text).substr(begin, end - begin), where, add);
  }
  return archive;
}

const char* name_of(SearchEnd end) {
  switch (end) {
    case SearchEnd::kBudget:
      return "budget";
    case SearchEnd::kExhausted:
      return "exhausted";
    case SearchEnd::kStalled:
      return "stalled";
    case SearchEnd::kPlateau:
      return "plateau";
  }
  return "";
}

void search(const SearchSpace& space, const SearchConfig& config, std::uint64_t seed,
            CandidateEvaluator& evaluator, Archive& archive, const SearchHooks& hooks) {
  SearchEnd end = SearchEnd::kBudget;
  const CostFunction cost = [&](const Architecture& network) { return evaluator.cost(network); };
  std::vector<double> volumes;  // by generation
  std::int64_t spent = 0;       // in earlier generations
  for (int generation = 0; spent < config.evaluations; ++generation) {
    std::vector<Proposal> proposals = propose({space, archive, config, generation, seed, cost});
    if (proposals.empty()) {
      const auto known = static_cast<std::int64_t>(archive.size());
      end = space.count_up_to(known + 1) <= known ? SearchEnd::kExhausted : SearchEnd::kStalled;
      break;
    }
    proposals.resize(
        std::min(proposals.size(), static_cast<std::size_t>(config.evaluations - spent)));
    spent += static_cast<std::int64_t>(proposals.size());
    std::erase_if(proposals, [&](const Proposal& p) { return archive.contains(p.id); });
    const Appraisal appraisal(archive, config, generation);
    for (std::size_t begin = 0; begin < proposals.size(); begin += kChunk) {
      if (hooks.stop && hooks.stop())
        throw Interrupted("search stopped after " + std::to_string(archive.size()) +
                          " evaluations");
      const std::size_t size = std::min(kChunk, proposals.size() - begin);
      std::vector<Candidate> evaluated =
          appraisal.evaluate(std::span(proposals).subspan(begin, size), evaluator);
      if (hooks.on_candidates) hooks.on_candidates(evaluated);
      for (Candidate& candidate : evaluated) archive.add(std::move(candidate));
      if (hooks.on_evaluations) hooks.on_evaluations(archive.size());
    }
    const GenerationRecord record = record_of(archive, generation);
    if (hooks.on_generation) hooks.on_generation(record);
    volumes.push_back(record.hypervolume);
    if (spent < config.evaluations && stagnant(volumes, config.patience) &&
        !goes_beyond(archive, generation)) {
      end = SearchEnd::kPlateau;
      break;
    }
  }
  if (hooks.on_end) hooks.on_end(end);
}

Archive run_search(const RunFolder& run, const ProxyTask& proxy, CandidateEvaluator& evaluator,
                   const SearchHooks& hooks) {
  const RunConfig& config = run.config();
  LineLog history(run.history());  // drops a line that a crash cut short
  LineChain chain(history.lines());
  Archive archive = load_archive(run, proxy.space());
  std::string generations;
  Pace history_pace, generations_pace;
  SearchHooks logged = hooks;
  logged.on_candidates = [&](std::span<const Candidate> candidates) {
    std::string lines;
    for (const Candidate& candidate : candidates) lines += chain.line(to_json(candidate));
    history.write(lines);
    if (history_pace.due()) history.flush();
    if (hooks.on_candidates) hooks.on_candidates(candidates);
  };
  logged.on_generation = [&](const GenerationRecord& record) {
    generations += to_json(record).dump() + "\n";
    if (generations_pace.due()) write_file_atomic(run.generations(), generations);
    if (hooks.on_generation) hooks.on_generation(record);
  };
  search(proxy.space(), config.search, config.seed, evaluator, archive, logged);
  history.flush();
  write_file_atomic(run.generations(), generations);
  return archive;
}

}  // namespace paretoformer
