#include "nas/run/confirmation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "accel_sim/lowering/network_memory.hpp"
#include "accel_sim/simulator.hpp"
#include "nas/core/candidate_evaluator.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/jsonl.hpp"
#include "support/log.hpp"
#include "support/parallel.hpp"
#include "support/statistics.hpp"

namespace paretoformer::nas {
namespace {

// Members confirmed between two writes, by each machine, as candidates of the search.
constexpr std::size_t kMembersAtOnce = 8;
constexpr double kLargest = std::numeric_limits<double>::max();

// One line of confirmed.jsonl.
struct Confirmed {
  double validation_loss = 0;
  std::optional<double> validation_loss_int8;       // nothing where it cannot be quantised
  std::optional<double> latency_cycles, energy_pj;  // both or none
};
using Records = std::map<std::uint64_t, Confirmed>;

Json to_json(std::uint64_t id, const Confirmed& record) {
  Json json{{"id", hex(id)}, {"validation_loss", record.validation_loss}};
  json["validation_loss_int8"] =
      record.validation_loss_int8 ? Json(*record.validation_loss_int8) : Json(nullptr);
  if (record.latency_cycles) {
    json["latency_cycles"] = *record.latency_cycles;
    json["energy_pj"] = *record.energy_pj;
  }
  return json;
}

// Records without costs are of no use where networks are simulated, nor those of versions that did
// not score in int8.
void read_line(const JsonNode& node, bool simulated, Records& records) {
  const JsonObject object(node);
  const std::uint64_t id = id_from_json(object.at("id"));
  Confirmed record;
  record.validation_loss = object.number("validation_loss", 0, kLargest);
  const bool has_int8 = object.has("validation_loss_int8");
  if (has_int8 && !object.at("validation_loss_int8").json().is_null())
    record.validation_loss_int8 = object.number("validation_loss_int8", 0, kLargest);
  const bool has_cost = object.has("latency_cycles");
  if (has_cost) {
    record.latency_cycles = object.number("latency_cycles", 0, kLargest);
    record.energy_pj = object.number("energy_pj", 0, kLargest);
  }
  object.finish();
  if (has_int8 && has_cost == simulated) records[id] = record;
}

Records read_records(const RunFolder& run, bool simulated) {
  Records records;
  read_jsonl(run.confirmed(), [&](const JsonNode& node) { read_line(node, simulated, records); });
  return records;
}

std::vector<Candidate> front_of(const Archive& archive) {
  std::vector<Candidate> members;
  for (std::size_t index : archive.front()) members.push_back(archive.candidates()[index]);
  return members;
}

// What was seen of a candidate, with what is confirmed of it.
Objectives objectives_of(const Objectives& seen, const Confirmed& record) {
  Objectives confirmed = with_loss(seen, record.validation_loss);
  if (record.validation_loss_int8)
    confirmed = with_int8_loss(confirmed, *record.validation_loss_int8);
  if (record.latency_cycles) {
    confirmed.latency = *record.latency_cycles;
    confirmed.energy_pj = *record.energy_pj;
  }
  return confirmed;
}

FinalFront judge(const Archive& archive, const ProxyTask& proxy, const Records& records,
                 const std::string& unsimulated) {
  std::vector<Objectives> confirmed;
  for (const Candidate& member : front_of(archive))
    confirmed.push_back(objectives_of(member.objectives, records.at(member.id)));
  FinalFront front = judge_front(archive, confirmed);
  const auto context = static_cast<std::size_t>(proxy.context());
  front.validation_tokens =
      static_cast<int>((proxy.corpus().validation.size() - 1) / context * context);
  front.unsimulated = unsimulated;
  return front;
}

void confirm_cost(const Architecture& network, const latency_predictor::LatencyPredictor& predictor,
                  Confirmed& record) {
  accel_sim::HardwareCost cost;
  for (const accel_sim::OperatorReport& call :
       simulate_network(network, predictor.workload(), *predictor.hardware()))
    cost += call.report.cost;
  record.latency_cycles = static_cast<double>(cost.latency.value());
  record.energy_pj = cost.energy.value();
}

bool searches_integers(const Archive& archive) {
  const auto is_int8 = [](Objective objective) { return objective == Objective::kPerplexityInt8; };
  return std::any_of(archive.objectives().begin(), archive.objectives().end(), is_int8) ||
         std::any_of(archive.limits().begin(), archive.limits().end(),
                     [&](const Limit& limit) { return is_int8(limit.objective); });
}

// What the members of a front are confirmed with.
struct Confirmer {
  const LossSource& losses;
  const Predictors& predictors;
  bool simulated;
  bool integers;       // are what is searched for
  Records known = {};  // losses by network, whatever it runs on
};

std::uint64_t network_of(const Candidate& member) {
  return architecture_id(without_hardware(member.architecture));
}

// Of the whole text: of the sequences that the search has seen, and of the others.
std::vector<double> whole_losses(const std::vector<Candidate>& members,
                                 const std::vector<Architecture>& networks, const Confirmer& with) {
  const double unseen = with.losses.unseen;
  const double all = with.losses.size(LossPart::kWholeInt8);
  std::vector<double> losses(members.size());
  if (unseen > 0) losses = with.losses.sums(networks, LossPart::kUnseen);
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double of_unseen = unseen > 0 ? losses[i] / unseen : 0;
    losses[i] = (members[i].objectives.validation_loss * (all - unseen) + of_unseen * unseen) / all;
    if (!std::isfinite(losses[i]))
      throw Error("the loss of " + describe(networks[i]) +
                  " on the whole validation text is not finite");
  }
  return losses;
}

// Mean losses in integers; nothing, and a warning, for what cannot be quantised.
std::vector<std::optional<double>> integer_losses(std::span<const Architecture> networks,
                                                  const Confirmer& with) {
  const LossPart part = with.integers ? LossPart::kWholeInt8 : LossPart::kInt8;
  try {
    std::vector<std::optional<double>> losses;
    for (const double sum : with.losses.sums(networks, part))
      losses.emplace_back(sum / with.losses.size(part));
    return losses;
  } catch (const InputError& error) {
    if (networks.size() > 1) {  // which of them?
      std::vector<std::optional<double>> losses;
      for (const Architecture& network : networks)
        losses.push_back(integer_losses({&network, 1}, with)[0]);
      return losses;
    }
    log_warning(error.what());
    return {std::nullopt};
  }
}

void confirm_losses(const std::vector<Candidate>& members, Confirmer& with) {
  std::vector<Candidate> missing;
  std::vector<Architecture> networks;
  for (const Candidate& member : members)
    if (with.known.emplace(network_of(member), Confirmed()).second) {
      missing.push_back(member);
      networks.push_back(without_hardware(member.architecture));
    }
  if (missing.empty()) return;
  const std::vector<double> losses = whole_losses(missing, networks, with);
  const std::vector<std::optional<double>> int8 = integer_losses(networks, with);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    Confirmed& record = with.known[network_of(missing[i])];
    record.validation_loss = losses[i];
    record.validation_loss_int8 = int8[i];
    // What integers add on the sequences that the search has seen.
    if (record.validation_loss_int8 && !with.integers)
      *record.validation_loss_int8 += losses[i] - missing[i].objectives.validation_loss;
  }
}

std::vector<Confirmed> confirm(const std::vector<Candidate>& members, Confirmer& with) {
  confirm_losses(members, with);
  std::vector<Confirmed> records(members.size());
  parallel_tasks(members.size(), [&](std::size_t i) {
    const Architecture& network = members[i].architecture;
    records[i] = with.known.at(network_of(members[i]));
    if (with.simulated) confirm_cost(network, with.predictors.of(network), records[i]);
  });
  return records;
}

// Pairs of neighbours of a front whose losses are compared for text_error().
constexpr std::size_t kComparedPairs = 8;

}  // namespace

double text_error(const ProxyTask& proxy, const FinalFront& front) {
  std::vector<Architecture> distinct;  // whatever they run on
  for (const FrontMember& member : front.members) {
    Architecture network = without_hardware(member.candidate.architecture);
    if (std::find(distinct.begin(), distinct.end(), network) == distinct.end())
      distinct.push_back(std::move(network));
  }
  const std::size_t pairs = std::min(kComparedPairs, distinct.size() / 2);
  std::vector<Architecture> networks;
  for (std::size_t i = 0; i < pairs; ++i)
    for (const std::size_t j : {std::size_t{0}, std::size_t{1}})
      networks.push_back(distinct[i * distinct.size() / pairs + j]);
  supernet::Evaluator seen(proxy.losses(), proxy.corpus().validation, proxy.context(),
                           proxy.validation_sequences());
  const std::vector<std::vector<double>> losses = seen.sequence_losses(networks);
  double variance = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    std::vector<double> differences;
    for (std::size_t s = 0; s < losses[2 * i].size(); ++s)
      differences.push_back(losses[2 * i][s] - losses[2 * i + 1][s]);
    const double deviation = standard_deviation(differences);
    variance += deviation * deviation / static_cast<double>(pairs);
  }
  return std::sqrt(variance * proxy.context() / std::max(1, front.validation_tokens));
}

std::string why_unsimulated(const latency_predictor::LatencyPredictor& predictor,
                            const SearchSpace& space) {
  if (!predictor.hardware())
    return "the device \"" + predictor.device() + "\" is measured, not described";
  const Architecture largest = space.largest();
  try {
    const accel_sim::Target& hardware = *predictor.hardware();
    accel_sim::NetworkMemory(
        largest, predictor.workload(), hardware,
        compile(largest, predictor.workload(), hardware, simulated_prices(hardware)));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

FinalFront confirm_front(const RunFolder& run, const ProxyTask& proxy, const LossSource& losses,
                         const Predictors& predictors, const Archive& archive, const Watch& watch) {
  const std::string unsimulated = why_unsimulated(predictors.base(), proxy.space());
  Records records = read_records(run, unsimulated.empty());
  JsonlWriter log(run.confirmed());
  const std::vector<Candidate> members = front_of(archive);
  std::vector<Candidate> missing = members;
  std::erase_if(missing, [&](const Candidate& c) { return records.contains(c.id); });
  Confirmer with{losses, predictors, unsimulated.empty(), searches_integers(archive)};
  for (const Candidate& member : members)
    if (records.contains(member.id)) with.known[network_of(member)] = records[member.id];
  const std::size_t at_once = kMembersAtOnce * (losses.measurers ? losses.measurers() : 1);
  const auto report = [&](std::size_t done) {
    watch.report({"confirmation", static_cast<std::int64_t>(done),
                  static_cast<std::int64_t>(members.size()), "members of the front"});
  };
  report(members.size() - missing.size());
  for (std::size_t begin = 0; begin < missing.size(); begin += at_once) {
    const std::size_t done = members.size() - missing.size() + begin;
    if (watch.stopping())
      throw Interrupted("confirmation stopped after " + std::to_string(done) + " of " +
                        std::to_string(members.size()) + " members of the front");
    const std::size_t end = std::min(begin + at_once, missing.size());
    const std::vector<Confirmed> chunk =
        confirm({missing.begin() + static_cast<std::ptrdiff_t>(begin),
                 missing.begin() + static_cast<std::ptrdiff_t>(end)},
                with);
    for (std::size_t i = begin; i < end; ++i) log.write(to_json(missing[i].id, chunk[i - begin]));
    log.flush();
    for (std::size_t i = begin; i < end; ++i) records[missing[i].id] = chunk[i - begin];
    report(done + end - begin);
  }
  return judge(archive, proxy, records, unsimulated);
}

std::vector<Objectives> confirmed_objectives(const RunFolder& run, const ProxyTask& proxy,
                                             const LossSource& losses, const Predictors& predictors,
                                             const Archive& archive,
                                             std::span<const Architecture> networks) {
  const bool simulated = why_unsimulated(predictors.base(), proxy.space()).empty();
  const Records records = read_records(run, simulated);
  std::vector<Objectives> result(networks.size());
  std::vector<Candidate> missing;
  std::vector<std::size_t> at;  // in the result
  for (std::size_t i = 0; i < networks.size(); ++i) {
    Candidate candidate;
    candidate.id = architecture_id(networks[i]);
    candidate.architecture = networks[i];
    if (const Candidate* seen = archive.find(candidate.id)) {
      candidate.objectives = seen->objectives;
    } else {
      CandidateEvaluator evaluator(losses, predictors, proxy.context());
      candidate.objectives = evaluator.evaluate(networks.subspan(i, 1))[0];
    }
    const auto found = records.find(candidate.id);
    if (found != records.end()) {
      result[i] = objectives_of(candidate.objectives, found->second);
    } else {
      missing.push_back(std::move(candidate));
      at.push_back(i);
    }
  }
  if (missing.empty()) return result;
  Confirmer with{losses, predictors, simulated, searches_integers(archive)};
  const std::vector<Confirmed> now = confirm(missing, with);
  for (std::size_t i = 0; i < now.size(); ++i)
    result[at[i]] = objectives_of(missing[i].objectives, now[i]);
  return result;
}

FinalFront load_final_front(const RunFolder& run, const ProxyTask& proxy,
                            const Predictors& predictors, const Archive& archive) {
  if (!std::filesystem::exists(run.confirmed())) return predicted_front(archive);
  const std::string unsimulated = why_unsimulated(predictors.base(), proxy.space());
  const Records records = read_records(run, unsimulated.empty());
  for (const Candidate& member : front_of(archive))
    if (!records.contains(member.id)) return predicted_front(archive);
  return judge(archive, proxy, records, unsimulated);
}

}  // namespace paretoformer::nas
