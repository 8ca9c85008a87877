#include "nas/run/run_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "accel_sim/hardware/area.hpp"
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

namespace {

// Every gene adds work and weights, so the smallest network has the lowest cost of all; on which
// hardware, the sums of its operators say, for which no network is simulated.
Architecture cheapest(Objective objective, const RunConfig& config, const SearchSpace& space) {
  const Architecture smallest = space.smallest();
  Architecture best = smallest;
  double lowest = std::numeric_limits<double>::infinity();
  if (config.hardware_space.empty()) return best;
  for (const std::vector<int>& hardware : config.hardware_space.combinations()) {
    Architecture network = smallest;
    network.hardware = hardware;
    const latency_predictor::LatencyPredictor sums(config.hardware_of(network), config.workload);
    const double own = value(cost_of(network, sums, config.training.context), objective);
    if (own >= lowest) continue;
    lowest = own;
    best = network;
  }
  return best;
}

}  // namespace

void require_feasible(const RunConfig& config, const ProxyTask& proxy,
                      const Predictors& predictors) {
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
    const Architecture network = cheapest(limit.objective, config, proxy.space());
    const double needed =
        value(cost_of(network, predictors.of(network), config.training.context), limit.objective);
    if (needed > limit.maximum)
      throw InputError(unmet + "the smallest, " + describe(network) +
                       (network.hardware.empty()
                            ? ""
                            : " on " + config.hardware_space.describe(network.hardware)) +
                       ", needs " + fmt::format("{:.6g}", needed));
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
  const auto values_of = [&](Objective objective) {
    std::vector<double> values;
    if (objective != Objective::kArea)
      for (const Objectives& cost : costs) values.push_back(value(cost, objective));
    else
      for (const std::vector<int>& hardware : config.hardware_space.combinations())
        values.push_back(accel_sim::area(config.hardware_space.at(hardware)).total());
    return values;
  };
  std::string text;
  for (std::size_t i = 0; i < config.objectives.size(); ++i) {
    const Objective objective = config.objectives[i];
    if (is_perplexity(objective)) continue;
    const std::vector<double> values = values_of(objective);
    const double first = values.front();
    if (std::any_of(values.begin(), values.end(), [&](double each) { return each != first; }))
      continue;
    const std::string what = "/objectives/" + std::to_string(i) + ": " + name_of(objective) +
                             fmt::format(" is {:.6g} for all networks of the space: ", first);
    if (first == 0) throw InputError(what + "choose another objective");
    if (values.size() > 1) text += what + "it chooses nothing, leave it out\n";
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
  FinishedSearch result{load_archive(run, proxy.designs()), {}, {}};
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
  result.end =
      search(proxy.designs(), config.search, config.seed, evaluator, result.archive, logged);
  history.flush();
  write_file_atomic(run.generations(), generations);
  return result;
}

}  // namespace paretoformer::nas
