#include "nas/run/run_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "latency_predictor/lookup_table.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/jsonl.hpp"
#include "support/log.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::uint64_t kRepresentativesStream = 41;

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
                      const latency_predictor::LatencyPredictor& predictor) {
  // Every gene adds work and weights, so the smallest network has the lowest cost of all.
  const Architecture network = proxy.space().smallest();
  const Objectives smallest = cost_of(network, predictor, config.training.context);
  for (const Limit& limit : config.limits) {
    if (limit.soft) continue;
    const std::string unmet = "no network of the space meets the limit " +
                              name_of(limit.objective) +
                              " <= " + fmt::format("{:.6g}", limit.maximum) + ": ";
    if (is_perplexity(limit.objective)) {
      // What a network reaches is known only after training; what none can reach is known now.
      const double lowest = proxy.corpus().oracle_perplexity.value_or(1.0);
      if (limit.maximum < lowest)
        throw InputError(unmet + "no model of this text is below " + fmt::format("{:.6g}", lowest));
      continue;
    }
    const double needed = value(smallest, limit.objective);
    if (needed > limit.maximum)
      throw InputError(unmet + "the smallest, " + describe(network) + ", needs " +
                       fmt::format("{:.6g}", needed));
  }
}

namespace {

// What was left out of the measurements of a device is 0 in all of them.
void require_measured(const std::string& where, Objective objective, const RunConfig& config,
                      const latency_predictor::LatencyPredictor& predictor) {
  if (predictor.hardware()) return;
  bool latency = false, energy = false;
  for (const auto& [unused, cost] : predictor.table().entries()) {
    latency = latency || cost.latency > accel_sim::Cycles();
    energy = energy || cost.energy > accel_sim::Picojoules();
  }
  const bool lacks_energy = needs_energy(objective) && !energy;
  if (!lacks_energy && !(needs_latency(objective) && !latency)) return;
  throw InputError(where + ": " + name_of(objective) + " needs " +
                   (lacks_energy ? "energy" : "latency") + ", which device \"" +
                   predictor.device() + "\" (" + config.predictor.string() +
                   ") does not give: choose another objective");
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
  Random random(0, {kRepresentativesStream});
  while (networks.size() < kSome) networks.push_back(space.sample(random));
  return networks;
}

}  // namespace

std::string require_telling(const RunConfig& config, const SearchSpace& space,
                            const latency_predictor::LatencyPredictor& predictor) {
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
    if (is_perplexity(objective)) continue;
    const double first = value(costs.front(), objective);
    if (std::any_of(costs.begin(), costs.end(),
                    [&](const Objectives& cost) { return value(cost, objective) != first; }))
      continue;
    const std::string what = "/objectives/" + std::to_string(i) + ": " + name_of(objective) +
                             fmt::format(" is {:.6g} for all networks of the space: ", first);
    if (first == 0) throw InputError(what + "choose another objective");
    if (costs.size() > 1) text += what + "it chooses nothing, leave it out\n";
  }
  return text;
}

Archive load_archive(const RunFolder& run, const SearchSpace& space) {
  Archive archive(run.config().objectives, run.config().limits);
  read_jsonl(run.history(), [&](const JsonNode& node) {
    Candidate candidate = candidate_from_json(node);
    std::string why;
    if (!space.contains(candidate.architecture, &why))
      throw InputError(node.file() + ": the candidate is not in the search space: " + why);
    if (archive.contains(candidate.id))
      throw InputError(node.file() + ": candidate " + hex(candidate.id) + " appears a second time");
    archive.add(std::move(candidate));
  });
  return archive;
}

Archive load_evaluated(const RunFolder& run, const SearchSpace& space) {
  Archive archive = load_archive(run, space);
  if (archive.size() == 0)
    throw InputError(run.history().string() + ": the run has no evaluated networks yet");
  return archive;
}

FinishedSearch run_search(const RunFolder& run, const ProxyTask& proxy,
                          CandidateEvaluator& evaluator, const SearchHooks& hooks) {
  const RunConfig& config = run.config();
  JsonlWriter history(run.history());
  FinishedSearch result{load_archive(run, proxy.space()), {}, {}};
  const Archive& archive = result.archive;
  if (archive.size() > 0)
    log_info(fmt::format("{}: the search goes on after {} evaluations, in generation {}",
                         run.history().string(), archive.size(),
                         archive.candidates().back().generation));
  std::string generations;
  Pace history_pace, generations_pace;
  SearchHooks logged = hooks;
  logged.on_candidates = [&](std::span<const Candidate> candidates) {
    for (const Candidate& candidate : candidates) history.write(to_json(candidate));
    if (history_pace.due()) history.flush();
    if (hooks.on_candidates) hooks.on_candidates(candidates);
  };
  logged.on_generation = [&](const GenerationRecord& record) {
    generations += to_json(record).dump() + "\n";
    if (generations_pace.due()) write_file_atomic(run.generations(), generations);
    result.last = record;
    if (hooks.on_generation) hooks.on_generation(record);
  };
  result.end = search(proxy.space(), config.search, config.seed, evaluator, result.archive, logged);
  history.flush();
  write_file_atomic(run.generations(), generations);
  return result;
}

}  // namespace paretoformer::nas
