#include "nas/core/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nas/core/algorithms.hpp"
#include "support/error.hpp"
#include "support/statistics.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

constexpr Words<SearchEnd, 4> kEndWords{{{SearchEnd::kBudget, "budget"},
                                         {SearchEnd::kExhausted, "exhausted"},
                                         {SearchEnd::kStalled, "stalled"},
                                         {SearchEnd::kPlateau, "plateau"}}};

// Candidates of each machine evaluated between two writes of the history: enough to keep all cores
// busy, few enough to lose little when the process is killed.
constexpr std::size_t kChunk = 8;
// Networks with both losses that it takes before one predicts the other, and the standard
// deviations by which a prediction may be too high.
constexpr std::size_t kLeastForEstimates = 20;
constexpr double kHope = 2;

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

// From the loss on the quarter to another one: on average, and how much less it may yet be.
struct Change {
  Change() = default;
  explicit Change(const std::vector<double>& changes)
      : mean(paretoformer::mean(changes)), hope(kHope * standard_deviation(changes)) {}

  double mean = 0, hope = 0;
};

// How the networks of one generation are evaluated, given all earlier ones.
class Appraisal {
 public:
  Appraisal(const Archive& archive, const SearchConfig& config, int generation)
      : archive_(archive), generation_(generation) {
    if (!config.quarter_first || generation == 0) return;
    const std::vector<std::size_t> members = members_until(archive, generation - 1);
    std::vector<double> fp32, int8;  // what the rest of the text, and integers, add
    for (std::size_t member : members) {
      const Candidate& c = archive.candidates()[member];
      if (!c.quarter_loss || c.estimated) continue;
      fp32.push_back(c.objectives.validation_loss - *c.quarter_loss);
      int8.push_back(c.objectives.validation_loss_int8 - *c.quarter_loss);
    }
    if (fp32.size() < kLeastForEstimates) return;
    fp32_ = Change(fp32);
    int8_ = Change(int8);
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
      const auto with = [&](double fp32, double int8) {
        const Objectives both = with_loss(cost, loss + fp32);
        return evaluator.scores_int8() ? with_int8_loss(both, loss + int8) : both;
      };
      result.push_back({proposals[i].id, networks[i], with(fp32_.mean, int8_.mean), generation_,
                        proposals[i].parents, loss});
      result.back().estimated = hopeless(with(fp32_.mean - fp32_.hope, int8_.mean - int8_.hope));
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
  Change fp32_, int8_;
  std::vector<Point> front_;  // empty: everything is promising
};

}  // namespace

std::string_view name_of(SearchEnd end) { return kEndWords.word_of(end); }

SearchEnd search(const SearchSpace& space, const SearchConfig& config, std::uint64_t seed,
                 CandidateEvaluator& evaluator, Archive& archive, const SearchHooks& hooks) {
  SearchEnd end = SearchEnd::kBudget;
  GenerationRecord record;
  const auto report = [&] {
    hooks.watch.report({"search", static_cast<std::int64_t>(archive.size()), config.evaluations,
                        fmt::format("generation {} front {} hypervolume {:.4f}", record.generation,
                                    record.front, record.hypervolume)});
  };
  report();
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
    for (std::size_t begin = 0, size = 0; begin < proposals.size(); begin += size) {
      if (hooks.watch.stopping())
        throw Interrupted("search stopped after " + std::to_string(archive.size()) +
                          " evaluations");
      size = std::min(kChunk * evaluator.measurers(), proposals.size() - begin);
      std::vector<Candidate> evaluated =
          appraisal.evaluate(std::span(proposals).subspan(begin, size), evaluator);
      if (hooks.on_candidates) hooks.on_candidates(evaluated);
      for (Candidate& candidate : evaluated) archive.add(std::move(candidate));
      report();
    }
    record = record_of(archive, generation);
    if (hooks.on_generation) hooks.on_generation(record);
    volumes.push_back(record.hypervolume);
    if (spent < config.evaluations && stagnant(volumes, config.patience) &&
        !goes_beyond(archive, generation)) {
      end = SearchEnd::kPlateau;
      break;
    }
  }
  return end;
}

}  // namespace paretoformer::nas
