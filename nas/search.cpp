#include "nas/search.hpp"

#include <algorithm>
#include <cmath>

#include "accel_sim/network_memory.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

// Candidates evaluated between two writes of the history: enough to keep all cores busy, few
// enough to lose little when the process is killed.
constexpr std::size_t kChunk = 8;
constexpr double kReferenceMargin = 1.1;

GenerationRecord record_of(const Archive& archive, int generation) {
  const Point reference = reference_point(archive);
  double box = 1;
  for (double side : reference) box *= side;
  return {generation, archive.size(), archive.front().size(), archive.hypervolume(reference) / box};
}

Json to_json(const GenerationRecord& record) {
  return Json{{"generation", record.generation},
              {"evaluations", record.evaluations},
              {"front", record.front},
              {"hypervolume", record.hypervolume}};
}

}  // namespace

LatencyPredictor predictor_of(const RunConfig& config) {
  if (config.predictor.empty()) return LatencyPredictor(config.hardware, config.workload);
  LatencyPredictor predictor = LatencyPredictor::load(config.predictor);
  const auto fail = [&](const char* what) {
    throw InputError(config.predictor.string() + ": was made for another " + what +
                     " than the configuration's");
  };
  if (predictor.hardware() && *predictor.hardware() != config.hardware) fail("hardware");
  if (predictor.workload() != config.workload) fail("workload");
  return predictor;
}

CandidateEvaluator::CandidateEvaluator(ProxyTask& proxy, LatencyPredictor predictor)
    : proxy_(proxy), predictor_(std::move(predictor)) {}

Objectives cost_of(const Architecture& network, const LatencyPredictor& predictor, int context) {
  const HardwareCost cost = predictor.predict(network);
  Objectives objectives;
  objectives.latency_cycles = static_cast<double>(cost.latency.value());
  objectives.energy_pj = cost.energy.value();
  objectives.parameters = parameter_count(network, context);
  objectives.peak_memory_bytes = peak_memory(network, predictor.workload(), predictor.hardware());
  objectives.macs = macs(network, predictor.workload());
  return objectives;
}

std::vector<Objectives> CandidateEvaluator::evaluate(std::span<const Architecture> networks) {
  const std::vector<double> losses = proxy_.evaluator().losses(networks);
  std::vector<Objectives> results;
  results.reserve(networks.size());
  for (std::size_t i = 0; i < networks.size(); ++i) {
    if (!std::isfinite(losses[i]))
      throw Error("the validation loss of " + describe(networks[i]) + " is not finite");
    results.push_back(cost_of(networks[i], predictor_, proxy_.context()));
    results.back().validation_loss = losses[i];
    results.back().perplexity = std::exp(losses[i]);
  }
  return results;
}

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

Archive load_archive(const RunFolder& run, const SearchSpace& space) {
  Archive archive(run.config().objectives, run.config().limits);
  if (!std::filesystem::exists(run.history())) return archive;
  // Not through LineLog: reading must not touch the file of a run that is going on.
  const std::string text = read_file(run.history());
  int number = 0;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string where = run.history().string() + ":" + std::to_string(++number);
    const Json json = parse_json(std::string_view(text).substr(begin, end - begin), where);
    Candidate candidate = candidate_from_json(JsonNode(json, where));
    std::string why;
    if (!space.contains(candidate.architecture, &why))
      throw InputError(where + ": the candidate is not in the search space: " + why);
    if (archive.contains(candidate.id))
      throw InputError(where + ": candidate " + hex(candidate.id) + " appears a second time");
    archive.add(std::move(candidate));
  }
  return archive;
}

Point reference_point(const Archive& archive) {
  Point reference(archive.objectives().size(), 0.0);
  for (const Candidate& candidate : archive.candidates()) {
    if (candidate.generation != 0) continue;
    const Point point = archive.point(candidate);
    for (std::size_t i = 0; i < point.size(); ++i)
      reference[i] = std::max(reference[i], kReferenceMargin * point[i]);
  }
  return reference;
}

Archive run_search(const RunFolder& run, const ProxyTask& proxy, CandidateEvaluator& evaluator,
                   const SearchHooks& hooks) {
  const RunConfig& config = run.config();
  LineLog history(run.history());  // drops a line that a crash cut short
  Archive archive = load_archive(run, proxy.space());
  std::string generations;
  for (int generation = 0; generation < config.search.generations; ++generation) {
    std::vector<Proposal> missing =
        propose(proxy.space(), archive, config.search, generation, config.seed);
    if (missing.empty()) break;  // every network of the space is known
    std::erase_if(missing, [&](const Proposal& p) { return archive.contains(p.id); });
    for (std::size_t begin = 0; begin < missing.size(); begin += kChunk) {
      if (hooks.stop && hooks.stop())
        throw Interrupted("search stopped after " + std::to_string(archive.size()) +
                          " evaluations");
      const std::size_t end = std::min(begin + kChunk, missing.size());
      std::vector<Architecture> networks;
      for (std::size_t i = begin; i < end; ++i) networks.push_back(missing[i].architecture);
      const std::vector<Objectives> objectives = evaluator.evaluate(networks);
      std::string lines;
      std::vector<Candidate> evaluated;
      for (std::size_t i = begin; i < end; ++i) {
        evaluated.push_back({missing[i].id, missing[i].architecture, objectives[i - begin],
                             generation, missing[i].parents});
        lines += to_json(evaluated.back()).dump() + "\n";
      }
      history.append(lines);
      for (Candidate& candidate : evaluated) archive.add(std::move(candidate));
      if (hooks.on_evaluations) hooks.on_evaluations(archive.size(), archive);
    }
    // Of the candidates up to this generation only: the archive of a finished run that is read
    // again holds later ones as well.
    Archive so_far(config.objectives, config.limits);
    for (const Candidate& candidate : archive.candidates())
      if (candidate.generation <= generation) so_far.add(candidate);
    const GenerationRecord record = record_of(so_far, generation);
    generations += to_json(record).dump() + "\n";
    write_file_atomic(run.generations(), generations);
    if (hooks.on_generation) hooks.on_generation(record);
  }
  return archive;
}

}  // namespace paretoformer
