#include "supernet/training/convergence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::uint64_t kProbeStream = 4;
constexpr int kProbeSample = 64;
constexpr std::size_t kProbes = 4;
// A few training steps' worth of work: with 40 probes, a few percent of a short training.
constexpr int kProbeSequences = 64;

constexpr double kHighestLoss = 1e300;

// The share of pairs that two records order the same way.
double rank_agreement(const std::vector<double>& a, const std::vector<double>& b) {
  int same = 0, pairs = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = i + 1; j < a.size(); ++j, ++pairs) same += (a[i] < a[j]) == (b[i] < b[j]);
  return static_cast<double>(same) / pairs;
}

}  // namespace

std::vector<Architecture> probe_networks(const SearchSpace& space, std::uint64_t seed) {
  std::vector<Architecture> networks{space.largest()};
  if (!(space.smallest() == networks[0])) networks.push_back(space.smallest());
  Random random(seed, {kProbeStream});
  std::vector<Architecture> sample;
  for (int i = 0; i < kProbeSample; ++i) {
    Architecture network = space.sample(random);
    const auto known = [&](const std::vector<Architecture>& all) {
      return std::find(all.begin(), all.end(), network) != all.end();
    };
    if (!known(networks) && !known(sample)) sample.push_back(std::move(network));
  }
  std::stable_sort(sample.begin(), sample.end(), [](const Architecture& a, const Architecture& b) {
    return parameter_count(a) < parameter_count(b);
  });
  const std::size_t count = std::min(kProbes, sample.size());
  for (std::size_t i = 0; i < count; ++i)
    networks.push_back(sample[(2 * i + 1) * sample.size() / (2 * count)]);
  return networks;
}

Json to_json(const ProbeRecord& record) {
  Json json{{"step", record.step}, {"largest", record.losses[0]}};
  if (record.losses.size() > 1) json["smallest"] = record.losses[1];
  json["probes"] = Json::array();
  for (std::size_t i = 2; i < record.losses.size(); ++i) json["probes"].push_back(record.losses[i]);
  if (record.rank_agreement) json["rank_agreement"] = *record.rank_agreement;
  json["converged"] = record.converged;
  if (record.best) json["best"] = true;
  return json;
}

ProbeRecord probe_record_from_json(const JsonNode& node) {
  const JsonObject object(node);
  ProbeRecord record;
  record.step = object.integer("step", 0, INT64_MAX);
  record.losses = {object.number("largest", 0, kHighestLoss)};
  if (object.has("smallest")) record.losses.push_back(object.number("smallest", 0, kHighestLoss));
  for (const JsonNode& loss : object.at("probes").elements())
    record.losses.push_back(loss.number(0, kHighestLoss));
  if (object.has("rank_agreement")) record.rank_agreement = object.number("rank_agreement", 0, 1);
  record.converged = object.boolean("converged", false);
  record.best = object.boolean("best", false);
  object.finish();
  return record;
}

std::vector<ProbeRecord> read_probe_records(const std::filesystem::path& path) {
  std::vector<ProbeRecord> records;
  read_jsonl(path, [&](const JsonNode& node) {
    records.push_back(probe_record_from_json(node));
    if (records.back().losses.size() != records.front().losses.size())
      node.fail("has another number of networks than the lines before");
  });
  return records;
}

ProbeChange recent_change(std::span<const ProbeRecord> records) {
  ProbeChange change;
  if (records.empty() || records.back().losses.size() < 2) return change;  // no gap
  const std::vector<double>& now = records.back().losses;
  change.gap = now[1] - now[0];
  change.enough_records = records.size() > kConvergenceIntervals;
  if (!change.enough_records) return change;
  const auto recent = records.last(kConvergenceIntervals + 1);
  const double tie = kConvergenceTie * change.gap;
  change.same_order = true;
  for (std::size_t i = 0; i < now.size(); ++i)
    for (std::size_t j = i + 1; j < now.size(); ++j) {
      double low = INFINITY, high = -INFINITY;
      for (const ProbeRecord& record : recent) {
        low = std::min(low, record.losses[j] - record.losses[i]);
        high = std::max(high, record.losses[j] - record.losses[i]);
      }
      if (low < -tie && high > tie) change.same_order = false;
      if (i == 0) change.largest = std::max(change.largest, high - low);
    }
  return change;
}

std::optional<std::int64_t> converged_since(std::span<const ProbeRecord> records) {
  std::optional<std::int64_t> since;
  for (const ProbeRecord& record : records) {
    if (!record.converged) since.reset();
    if (record.converged && !since) since = record.step;
  }
  return since;
}

ConvergenceProbe::ConvergenceProbe(ProbePlan plan, std::shared_ptr<SequenceLosses> losses,
                                   int context)
    : plan_(std::move(plan)),
      evaluator_(std::move(losses), plan_.text, context, kProbeSequences),
      log_(plan_.log) {
  records_ = read_probe_records(plan_.log);
  if (!records_.empty() && records_[0].losses.size() != plan_.networks.size())
    throw InputError(plan_.log.string() + ": has records of " +
                     std::to_string(records_[0].losses.size()) + " networks, expected " +
                     std::to_string(plan_.networks.size()));
}

const ProbeRecord& ConvergenceProbe::add(std::int64_t step, std::vector<double> losses, bool best) {
  ProbeRecord record{step, std::move(losses)};
  record.best = best;
  if (!records_.empty() && record.losses.size() > 1)
    record.rank_agreement = rank_agreement(records_.back().losses, record.losses);
  records_.push_back(std::move(record));
  records_.back().converged = recent_change(records_).converged();
  log_.append(to_json(records_.back()));
  return records_.back();
}

}  // namespace paretoformer::supernet
