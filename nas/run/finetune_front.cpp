#include "nas/run/finetune_front.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kMost = 1e300;

}  // namespace

Objective band_objective(const Archive& archive) {
  const std::vector<Objective>& all = archive.objectives();
  const auto found = std::find_if_not(all.begin(), all.end(), is_perplexity);
  if (found == all.end()) throw InputError("--front: the run has no objective that is a cost");
  return *found;
}

std::vector<CostBand> cost_bands(const Archive& archive, int bands, int best) {
  const Objective objective = band_objective(archive);
  const auto cost = [&](const Candidate& c) { return value(c.objectives, objective); };
  const auto loss = [&](const Candidate& c) {
    return searched_loss(c.objectives, archive.objectives());
  };
  double lowest = kMost, highest = 0;
  for (const std::size_t member : archive.front()) {
    lowest = std::min(lowest, cost(archive.candidates()[member]));
    highest = std::max(highest, cost(archive.candidates()[member]));
  }
  std::vector<CostBand> result;
  double least = 0;  // of the first band's, all that is cheaper, too
  for (int band = 1; band <= bands; ++band) {
    const double most = band < bands
                            ? lowest * std::pow(highest / lowest, static_cast<double>(band) / bands)
                            : highest;
    CostBand found{most, {}};
    for (const Candidate& each : archive.candidates())
      if (!each.estimated && cost(each) > least && cost(each) <= most &&
          feasible(each.objectives, archive.limits()))
        found.networks.push_back(each);
    std::stable_sort(found.networks.begin(), found.networks.end(),
                     [&](const Candidate& a, const Candidate& b) { return loss(a) < loss(b); });
    if (found.networks.size() > static_cast<std::size_t>(best))
      found.networks.erase(found.networks.begin() + best, found.networks.end());
    if (!found.networks.empty()) result.push_back(std::move(found));
    least = most;
  }
  return result;
}

const TrainedOn& FrontFinetuning::pick(int band, bool after) const {
  const TrainedOn* found = nullptr;
  for (const TrainedOn& each : networks) {
    if (each.band != band) continue;
    const auto loss = [&](const TrainedOn& of) { return (after ? of.after : of.before).whole; };
    if (!found || loss(each) < loss(*found)) found = &each;
  }
  return *found;
}

FrontFinetuning finetune_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                               const supernet::TrainingConfig& config,
                               supernet::Arithmetic arithmetic, int bands, int best, bool resume,
                               const Watch& watch) {
  FrontFinetuning result{cost_bands(archive, bands, best), {}, {}, {}};
  for (std::size_t band = 0; band < result.bands.size(); ++band)
    for (const Candidate& each : result.bands[band].networks)
      result.networks.push_back({each, static_cast<int>(band), {}, {}});
  if (result.networks.size() < 2)
    throw InputError(run.history().string() + ": too few networks to rank: expected two or more");
  const auto files_of = [&](const TrainedOn& each) {
    return FinetuneFiles(run.finetuned() / (hex(each.network.id) + ".safetensors"));
  };
  for (const TrainedOn& each : result.networks)
    if (const FinetuneFiles files = files_of(each); !resume)
      for (const auto& file : {files.description(), files.checkpoint()})
        if (std::filesystem::exists(file))
          throw InputError(file.string() + ": is there already; use it with --resume");
  create_folder(run.finetuned());
  const auto count = static_cast<std::int64_t>(result.networks.size());
  const std::int64_t steps = config.steps;
  for (std::int64_t i = 0; i < count; ++i) {
    TrainedOn& each = result.networks[static_cast<std::size_t>(i)];
    const FinetuneResult losses =
        finetune_or_read(run, proxy, {each.network, config, arithmetic, files_of(each)},
                         watch.part([&](const Progress& progress) {
                           watch.report({"fine-tuning", i * steps + progress.done, count * steps,
                                         "steps of all networks"});
                         }));
    each.before = losses.before;
    each.after = losses.after;
    watch.report({"fine-tuning", (i + 1) * steps, count * steps, "steps of all networks"});
  }
  std::vector<double> before, after;
  std::vector<int> band;
  for (const TrainedOn& each : result.networks) {
    before.push_back(each.before.whole);
    after.push_back(each.after.whole);
    band.push_back(each.band);
  }
  const auto tau = [&](std::span<const int> stratum) {
    return bootstrap(before.size(), run.config().seed, [&](Draws draws) {
      return kendall_tau({before, after, stratum}, draws);
    });
  };
  result.tau = tau({});
  result.tau_within = tau(band);
  return result;
}

Json to_json(const FrontFinetuning& found, Objective objective) {
  const auto estimate = [](const Estimate& e) {
    const auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(); };
    return Json{{"value", number(e.value)}, {"low", number(e.low)}, {"high", number(e.high)}};
  };
  const auto losses = [](const FinetuneLosses& l) {
    return Json{{"validation_loss", l.whole},
                {"perplexity", std::exp(l.whole)},
                {"perplexity_int8", l.int8 ? Json(std::exp(*l.int8)) : Json(nullptr)}};
  };
  Json json{{"objective", name_of(objective)},
            {"tau", estimate(found.tau)},
            {"tau_within", estimate(found.tau_within)},
            {"bands", Json::array()}};
  for (std::size_t band = 0; band < found.bands.size(); ++band) {
    const int index = static_cast<int>(band);
    Json networks = Json::array();
    for (const TrainedOn& each : found.networks)
      if (each.band == index)
        networks.push_back({{"id", hex(each.network.id)},
                            {"architecture", to_json(each.network.architecture)},
                            {"objectives", to_json(each.network.objectives)},
                            {"before", losses(each.before)},
                            {"after", losses(each.after)}});
    json["bands"].push_back({{"most", found.bands[band].most},
                             {"before", hex(found.pick(index, false).network.id)},
                             {"after", hex(found.pick(index, true).network.id)},
                             {"networks", networks}});
  }
  return json;
}

}  // namespace paretoformer::nas
