#include "nas/report/training_report.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "nas/report/plot.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

namespace {

// Of the weights that the training ended with, if it chose them.
std::optional<std::int64_t> best_step(std::span<const supernet::ProbeRecord> records) {
  std::optional<std::int64_t> step;
  for (const supernet::ProbeRecord& record : records)
    if (record.best) step = record.step;
  return step;
}

// Of the gaps.
std::string gap_summary(std::span<const supernet::ProbeRecord> records) {
  if (records.back().losses.size() < 2) return "";
  const auto networks = static_cast<int>(records.back().losses.size());
  const auto steps = static_cast<long long>(records.back().step);
  if (const auto since = converged_since(records))
    return fmt::format(
        "convergence: order and loss gaps of {} probe networks are stable since step {} "
        "of {}\n",
        networks, *since, steps);
  const supernet::ProbeChange change = recent_change(records);
  const std::string verdict = fmt::format(
      "convergence: loss gaps of {} probe networks are not converged after {} steps: ", networks,
      steps);
  if (!change.enough_records) return verdict + "too few probes\n";
  if (change.gap <= 0) return verdict + "the largest network is no better than the smallest\n";
  return verdict +
         fmt::format(
             "in the last {} intervals one changed by {:.4f}, {:.1f} % of what smallest and "
             "largest differ by (converged: below {:.0f} %){}\n",
             supernet::kConvergenceIntervals, change.largest, 100 * change.largest / change.gap,
             100 * supernet::kConvergenceTolerance,
             change.same_order ? "" : ", and their order changed");
}

}  // namespace

std::string convergence_summary(std::span<const supernet::ProbeRecord> records) {
  if (records.empty()) return "";
  const auto best = best_step(records);
  return gap_summary(records) +
         (best ? fmt::format("early stopping: the weights are those after step {} of {}\n", *best,
                             records.back().step)
               : "");
}

Json convergence_json(std::span<const supernet::ProbeRecord> records) {
  if (records.empty()) return nullptr;
  const auto since = converged_since(records);
  Json json{{"converged", since.has_value()},
            {"since", since ? Json(*since) : Json(nullptr)},
            {"steps", records.back().step}};
  if (const auto best = best_step(records)) json["best_step"] = *best;
  return json;
}

std::string convergence_svg(std::span<const supernet::ProbeRecord> records,
                            const std::vector<Architecture>& networks) {
  std::vector<Curve> curves;
  for (std::size_t i = 1; i < networks.size(); ++i) {
    curves.push_back({describe(networks[i]) + (i == 1 ? " (smallest)" : ""), {}});
    for (const supernet::ProbeRecord& record : records)
      curves.back().points.emplace_back(static_cast<double>(record.step),
                                        record.losses[i] - record.losses[0]);
  }
  return curves_svg(curves, "Convergence: gaps between the networks of one supernet",
                    "training steps", "loss above the largest network's (nats per token)");
}

std::string speed_summary(const supernet::TrainingConfig& config, std::int64_t steps,
                          double seconds) {
  const auto networks = 2 + static_cast<std::size_t>(config.random_subnetworks);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return fmt::format(
      "training: {:.0f} text tokens per second; peak memory {:.0f} MB\n",
      static_cast<double>(steps * config.sequences_per_step(networks) * config.context) /
          std::max(seconds, 1e-9),
      static_cast<double>(usage.ru_maxrss) * 1024e-6);  // from KiB
}

}  // namespace paretoformer::nas
