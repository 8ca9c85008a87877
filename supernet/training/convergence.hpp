// Whether training still changes how networks compare: losses of the largest network, the smallest
// and some fixed ones between, on the same validation sequences at regular intervals.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "search_spaces/search_space.hpp"
#include "supernet/model/evaluation.hpp"
#include "support/json_fwd.hpp"
#include "support/jsonl.hpp"

namespace paretoformer::supernet {

// The largest and the smallest network, then four between, one from the middle of each quarter of a
// random sample ordered by size; fewer where the space has no four others. Distinct; a pure
// function of (space, seed).
std::vector<Architecture> probe_networks(const SearchSpace& space, std::uint64_t seed);

struct ProbeRecord {
  std::int64_t step = 0;       // steps done
  std::vector<double> losses;  // nats per token: of the largest, the smallest, if any, the others
  // Share of the pairs of networks that are in the same order as in the record before.
  std::optional<double> rank_agreement = {};
  bool converged = false;  // recent_change(...).converged() of the records up to this one
  bool best = false;       // of a training with patience: it kept the weights, as the best so far
};

// {"step", "largest", "smallest", "probes": [...], "rank_agreement", "converged", "best"}
Json to_json(const ProbeRecord& record);
// Throws InputError.
ProbeRecord probe_record_from_json(const JsonNode& node);
// The records of a log; none when there is no file. Throws InputError naming file and line.
std::vector<ProbeRecord> read_probe_records(const std::filesystem::path& path);

// The last kConvergenceIntervals intervals.
inline constexpr std::size_t kConvergenceIntervals = 3;
// Relative to the gap between smallest and largest: early in training all networks are equally bad,
// and any absolute tolerance would hold. What matters to a search is which of two networks is
// better, and by how much of what there is to win; a twentieth of that moves few of them on a
// front.
inline constexpr double kConvergenceTolerance = 0.05;
// Networks closer than this, relative to the same gap, are equally good: which of them is ahead
// changes for ever and means nothing.
inline constexpr double kConvergenceTie = 0.01;

struct ProbeChange {
  bool enough_records = false;
  bool same_order = false;  // in all records of the intervals, but for ties
  double gap = 0;           // of the smallest network to the largest, now
  double largest = 0;       // range of that gap to the largest network which moved most
  bool converged() const {
    return enough_records && same_order && gap > 0 && largest < kConvergenceTolerance * gap;
  }
};
// Of the last records. They are of the same networks.
ProbeChange recent_change(std::span<const ProbeRecord> records);

// The step of the first record from which on all are converged, if the last one is.
std::optional<std::int64_t> converged_since(std::span<const ProbeRecord> records);

// What a training probes, and where it writes the records down.
struct ProbePlan {
  std::vector<Architecture> networks;  // probe_networks(), or the one that is trained
  std::span<const std::int32_t> text;  // for validation; the probes take a part, spread evenly
  std::filesystem::path log;           // one record a line
};

// Probes and keeps the records of one training.
class ConvergenceProbe {
 public:
  // Goes on from the records in the log.
  ConvergenceProbe(ProbePlan plan, std::shared_ptr<SequenceLosses> losses, int context);

  // Losses of the networks now.
  std::vector<double> losses() { return evaluator_.losses(plan_.networks); }
  const std::vector<Architecture>& networks() const { return plan_.networks; }
  // Judges the losses after `step` steps, logs and returns the record. The losses are finite.
  const ProbeRecord& add(std::int64_t step, std::vector<double> losses, bool best);

 private:
  ProbePlan plan_;
  Evaluator evaluator_;
  std::vector<ProbeRecord> records_;
  JsonlWriter log_;
};

}  // namespace paretoformer::supernet
