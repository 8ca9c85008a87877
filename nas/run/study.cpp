#include "nas/run/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "nas/core/search.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/finetune.hpp"
#include "nas/run/pruned_networks.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Target;

// Memories of the survey's baseline (Sec. 3.4), Gemmini's default for convolutions.
constexpr int kScratchpadKib = 256, kAccumulatorKib = 64;
// Sec. 6.4: distances from the baseline's perplexity, 22.4, and what share of it they are.
constexpr std::pair<const char*, double> kBudgets[] = {{"+0.1", 0.1}, {"+1", 1}};
constexpr std::pair<const char*, double> kShares[] = {{"+0.45 %", 0.0045}, {"+4.5 %", 0.045}};

constexpr double kMost = std::numeric_limits<double>::max();

struct Machine {
  const char* name;
  std::string change;
  Target target;
};

std::vector<Machine> machines_of(const Target& own) {
  Target first = own;
  first.scratchpad_kib = kScratchpadKib;
  first.accumulator_kib = kAccumulatorKib;
  first.nonlinear_units = accel_sim::NonlinearUnits::kHost;
  Target second = first;
  second.scratchpad_kib = own.scratchpad_kib;
  second.accumulator_kib = own.accumulator_kib;
  Target third = second;
  third.nonlinear_units = accel_sim::NonlinearUnits::kOnChip;
  Target fourth = third;
  fourth.tiling = accel_sim::Tiling::kOptimal;
  fourth.fusion = accel_sim::Fusion::kBest;
  fourth.masking = accel_sim::Masking::kBest;
  return {
      {"a",
       fmt::format("{} + {} KiB, the rest in floats on the host", kScratchpadKib, kAccumulatorKib),
       first},
      {"b", fmt::format("{} + {} KiB", own.scratchpad_kib, own.accumulator_kib), second},
      {"c", "integer operators on chip", third},
      {"d", "best tiles, fusion and mask", fourth}};
}

StudyStep step_on(const Machine& machine, const accel_sim::Workload& workload,
                  const Architecture& network, const Objectives& confirmed) {
  StudyStep step{machine.name, machine.change, network, confirmed.perplexity,
                 confirmed.has_int8() ? confirmed.perplexity_int8 : 0};
  for (const accel_sim::OperatorReport& each :
       simulate_network(network, workload, machine.target)) {
    const auto cycles = static_cast<double>(each.report.cost.latency.value());
    step.latency += cycles;
    step.energy_pj += each.report.cost.energy.value();
    if (each.item.op.kind == accel_sim::OperatorKind::kMatmul) step.matmul_latency += cycles;
  }
  return step;
}

StudyChoice best_within(const std::string& budget, double most, const StudyStep& largest,
                        const StudyRival& search) {
  StudyChoice choice{budget, most, largest};
  const StudyStep* const found = cheapest_within(search, most);
  if (found && found->edp() < largest.edp()) choice.step = *found;
  choice.step.name = "e";
  choice.step.change = "searched network, at most " + budget;
  return choice;
}

struct Scored {
  Architecture network;
  Objectives confirmed;
};

StudyRival rival_on(const Machine& machine, const accel_sim::Workload& workload,
                    const std::string& name, const std::vector<Scored>& networks) {
  StudyRival rival{name, std::vector<StudyStep>(networks.size())};
  parallel_tasks(networks.size(), [&](std::size_t i) {
    rival.networks[i] = step_on(machine, workload, networks[i].network, networks[i].confirmed);
  });
  return rival;
}

// The front of the networks of equal layers, confirmed.
std::vector<Scored> uniform_front(const RunFolder& run, ProxyTask& proxy,
                                  CandidateEvaluator& evaluator, const Archive& archive,
                                  const Watch& watch) {
  SearchConfig config = run.config().search;
  config.algorithm = "uniform";
  config.seed_architectures.clear();
  config.patience = 0;
  Archive uniform(archive.objectives(), archive.limits());
  search(proxy.space(), config, run.config().seed, evaluator, uniform, {.watch = watch});
  std::vector<Architecture> networks;
  for (const std::size_t member : uniform.front())
    networks.push_back(uniform.candidates()[member].architecture);
  const std::vector<Objectives> confirmed = confirmed_objectives(
      run, proxy, evaluator.losses(), evaluator.predictor(), uniform, networks);
  std::vector<Scored> scored;
  for (std::size_t i = 0; i < networks.size(); ++i) scored.push_back({networks[i], confirmed[i]});
  return scored;
}

std::vector<Scored> scored(const PrunedFront& front) {
  std::vector<Scored> result;
  for (const PrunedLoss& each : front.networks) {
    Objectives objectives = with_loss({}, each.loss);
    if (each.loss_int8 > 0) objectives = with_int8_loss(objectives, each.loss_int8);
    result.push_back({each.architecture, objectives});
  }
  return result;
}

struct ToTrain {
  std::string rival, budget;
  const StudyStep* step;
  // Of a pruned network: what it is made with again. Otherwise it begins with its slice.
  PruningWay way = PruningWay::kMagnitude;
  const Architecture* sizes = nullptr;
};

std::size_t nearest(const StudyRival& rival, double edp) {
  const auto distance = [&](const StudyStep& step) { return std::abs(std::log(step.edp() / edp)); };
  const auto found = std::ranges::min_element(rival.networks, {}, distance);
  return static_cast<std::size_t>(found - rival.networks.begin());
}

// `pruned` are the fronts whose networks are those of the third rival and the next.
std::vector<ToTrain> networks_to_train(const Study& study, std::span<const PrunedFront> pruned) {
  const StudyStep& base = study.machines.back();
  std::vector<ToTrain> all{{"largest", "", &base}};
  for (const StudyChoice& choice : study.choices) {
    if (choice.step.network == base.network) continue;  // nothing is better
    const double edp = choice.step.edp();
    const StudyRival& uniform = study.rivals[1];
    all.push_back({study.rivals[0].name, choice.budget, &choice.step});
    all.push_back({uniform.name, choice.budget, &uniform.networks[nearest(uniform, edp)]});
    for (std::size_t i = 0; i < pruned.size(); ++i) {
      const StudyRival& rival = study.rivals[i + 2];
      const std::size_t at = nearest(rival, edp);
      const ToTrain network{rival.name, choice.budget, &rival.networks[at], pruned[i].way,
                            &pruned[i].networks[at].sizes};
      // Tuned masks are those of fisher: the better of the two.
      if (pruned[i].way != PruningWay::kFisherTuned)
        all.push_back(network);
      else if (network.step->counted() < all.back().step->counted())
        all.back() = network;
    }
  }
  return all;
}

std::filesystem::path weights_of(const RunFolder& run, const ToTrain& network) {
  std::string name;
  if (network.sizes) name = network.rival + "-";
  std::erase_if(name, [](char c) { return c == ',' || c == ' '; });
  return run.finetuned() / (name + hex(architecture_id(network.step->network)) + ".safetensors");
}

void train_on(const RunFolder& run, CandidateEvaluator& evaluator, const Pruner& pruner,
              std::span<const PrunedFront> pruned, const supernet::TrainingConfig& config,
              Study& study, const Watch& watch) {
  create_folder(run.finetuned());
  const std::vector<ToTrain> all = networks_to_train(study, pruned);
  const auto count = static_cast<std::int64_t>(all.size());
  const auto say = [&](std::int64_t steps) {
    watch.report({"fine-tuning", steps, count * config.steps, "steps of all networks"});
  };
  const auto counted = [](const FinetuneLosses& losses) {
    return std::exp(losses.int8.value_or(losses.whole));
  };
  study.trained_steps = config.steps;
  for (std::int64_t i = 0; i < count; ++i) {
    const ToTrain& each = all[static_cast<std::size_t>(i)];
    const Architecture& network = each.step->network;
    Candidate candidate;
    candidate.id = architecture_id(network);
    candidate.architecture = network;
    candidate.objectives = cost_of(network, evaluator.predictor(), pruner.proxy().context());
    Finetuning training{candidate, config, supernet::Arithmetic::fp32,
                        FinetuneFiles(weights_of(run, each))};
    if (each.sizes) training.start = pruner.network(each.way, *each.sizes).parameters;
    const FinetuneResult result = finetune_or_read(
        run, pruner.proxy(), training,
        watch.part([&](const Progress& progress) { say(i * config.steps + progress.done); }));
    StudyTrained trained{each.rival, each.budget, counted(result.before), *each.step};
    trained.step.perplexity = std::exp(result.after.whole);
    trained.step.perplexity_int8 = result.after.int8 ? std::exp(*result.after.int8) : 0;
    study.trained.push_back(std::move(trained));
    say((i + 1) * config.steps);
  }
}

Json to_json(const StudyStep& step) {
  Json json{{"step", step.name},
            {"change", step.change},
            {"id", hex(architecture_id(step.network))},
            {"architecture", to_json(step.network)},
            {"perplexity", step.perplexity}};
  if (step.perplexity_int8 > 0) json["perplexity_int8"] = step.perplexity_int8;
  json["latency_cycles"] = step.latency;
  json["matmul_cycles"] = step.matmul_latency;
  json["energy_pj"] = step.energy_pj;
  json["edp"] = step.edp();
  return json;
}

}  // namespace

const StudyStep* cheapest_within(const StudyRival& rival, double perplexity) {
  const StudyStep* found = nullptr;
  for (const StudyStep& each : rival.networks)
    if (each.counted() <= perplexity && (!found || each.edp() < found->edp())) found = &each;
  return found;
}

const StudyStep* best_at(const StudyRival& rival, double edp) {
  const StudyStep* found = nullptr;
  for (const StudyStep& each : rival.networks)
    if (each.edp() <= edp && (!found || each.counted() < found->counted())) found = &each;
  return found;
}

StudyMargin margin(const StudyRival& first, const StudyRival& rival) {
  StudyMargin result;
  for (const StudyStep& each : rival.networks) {
    const StudyStep* const best = best_at(first, each.edp());
    if (!best || best_at(rival, each.edp())->counted() < each.counted()) continue;
    const double above = each.counted() / best->counted() - 1;
    result.least = result.networks == 0 ? above : std::min(result.least, above);
    result.most = result.networks == 0 ? above : std::max(result.most, above);
    result.mean += above;
    const bool same = each.network == best->network && above == 0;
    result.same += same;
    result.above += above > 0;
    ++result.networks;
  }
  if (result.networks > 0) result.mean /= static_cast<double>(result.networks);
  return result;
}

Study make_study(const RunFolder& run, ProxyTask& proxy, CandidateEvaluator& evaluator,
                 const Archive& archive, const FinalFront& front, const StudyOptions& options,
                 const Watch& watch) {
  if (!front.confirmed)
    throw InputError(run.path().string() + ": the front is not confirmed yet; finish it with " +
                     "search --resume");
  if (!front.unsimulated.empty())
    throw InputError(run.path().string() + ": a study simulates networks: " + front.unsimulated);
  const latency_predictor::LatencyPredictor& predictor = evaluator.predictor();
  const accel_sim::Workload& workload = predictor.workload();
  const std::vector<Machine> machines = machines_of(*predictor.hardware());
  const Architecture largest = proxy.space().largest();
  const Objectives confirmed =
      confirmed_objectives(run, proxy, evaluator.losses(), predictor, archive, {&largest, 1})[0];
  Study study;
  for (const Machine& machine : machines)
    study.machines.push_back(step_on(machine, workload, largest, confirmed));

  const auto add = [&](const std::string& name, const std::vector<Scored>& networks) {
    study.rivals.push_back(rival_on(machines.back(), workload, name, networks));
  };
  std::vector<Scored> members;
  for (const FrontMember& member : front.members)
    members.push_back({member.candidate.architecture, member.confirmed});
  add(run.config().search.algorithm, members);
  const PrunedScore score =
      asks_for_int8(run.config()) ? PrunedScore::kConfirmationInt8 : PrunedScore::kConfirmation;
  const std::vector<PruningWay> ways = kPruningWords.values();
  add("uniform", uniform_front(run, proxy, evaluator, archive, watch));
  const Pruner pruner(proxy, {});
  const std::vector<PrunedFront> pruned = pruned_fronts(pruner, ways, predictor, score, watch);
  for (const PrunedFront& each : pruned) add(each.name(), scored(each));
  if (!options.alone.empty())
    for (const PrunedFront& each :
         pruned_fronts(Pruner(proxy, options.alone), ways, predictor, score, watch))
      add(each.name() + ", trained alone", scored(each));

  const StudyStep& base = study.machines.back();
  const StudyRival& search = study.rivals.front();
  for (const auto& [name, above] : kBudgets)
    study.choices.push_back(best_within(name, base.counted() + above, base, search));
  for (const auto& [name, share] : kShares)
    study.choices.push_back(best_within(name, base.counted() * (1 + share), base, search));
  if (options.train_on) train_on(run, evaluator, pruner, pruned, *options.train_on, study, watch);
  return study;
}

namespace {

StudyStep step_from_json(const JsonObject& object, const std::string& name) {
  StudyStep step;
  step.name = name;
  step.change = object.string("change");
  step.network = architecture_from_json(object.at("architecture"));
  step.perplexity = object.number("perplexity", 0, kMost);
  if (object.has("perplexity_int8"))
    step.perplexity_int8 = object.number("perplexity_int8", 0, kMost);
  step.latency = object.number("latency_cycles", 0, kMost);
  step.matmul_latency = object.number("matmul_cycles", 0, kMost);
  step.energy_pj = object.number("energy_pj", 0, kMost);
  return step;
}

template <class Read>
void each_of(const JsonNode& list, const Read& read) {
  for (const JsonNode& element : list.elements()) read(JsonObject(element));
}

}  // namespace

Study study_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Study study;
  each_of(object.at("machines"), [&](const JsonObject& each) {
    study.machines.push_back(step_from_json(each, each.string("step")));
  });
  each_of(object.at("choices"), [&](const JsonObject& each) {
    study.choices.push_back({each.string("budget"), each.number("most_perplexity", 0, kMost),
                             step_from_json(each, each.string("step"))});
  });
  if (object.has("rivals"))
    each_of(object.at("rivals"), [&](const JsonObject& each) {
      StudyRival& rival = study.rivals.emplace_back(StudyRival{each.string("name"), {}});
      each_of(each.at("networks"), [&](const JsonObject& step) {
        rival.networks.push_back(step_from_json(step, step.string("step")));
      });
    });
  if (object.has("trained_on")) {
    const JsonObject trained(object.at("trained_on"));
    study.trained_steps = static_cast<int>(trained.integer("steps", 1, INT32_MAX));
    each_of(trained.at("networks"), [&](const JsonObject& each) {
      study.trained.push_back({each.string("rival"), each.string("budget"),
                               each.number("perplexity_before", 0, kMost),
                               step_from_json(each, each.string("step"))});
    });
  }
  if (study.machines.size() < 4) object.at("machines").fail("expected four machines at least");
  return study;
}

Json to_json(const Study& study) {
  Json json{{"machines", Json::array()}, {"choices", Json::array()}, {"rivals", Json::array()}};
  for (const StudyStep& each : study.machines) json["machines"].push_back(to_json(each));
  for (const StudyChoice& each : study.choices) {
    Json choice{{"budget", each.budget}, {"most_perplexity", each.most}};
    choice.update(to_json(each.step));
    json["choices"].push_back(choice);
  }
  for (const StudyRival& each : study.rivals) {
    Json networks = Json::array();
    for (const StudyStep& step : each.networks) networks.push_back(to_json(step));
    json["rivals"].push_back({{"name", each.name}, {"networks", networks}});
  }
  if (study.trained.empty()) return json;
  Json trained = Json::array();
  for (const StudyTrained& each : study.trained) {
    Json network{
        {"rival", each.rival}, {"budget", each.budget}, {"perplexity_before", each.before}};
    network.update(to_json(each.step));
    trained.push_back(network);
  }
  json["trained_on"] = {{"steps", study.trained_steps}, {"networks", trained}};
  return json;
}

}  // namespace paretoformer::nas
