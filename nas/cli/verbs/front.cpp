// The verb front.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/priced_network.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/core/layer_losses.hpp"
#include "nas/core/objectives.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using latency_predictor::LatencyPredictor;
using Clock = std::chrono::steady_clock;

struct FrontOptions {
  std::string space;  // a preset, a file or a run folder
  std::optional<std::filesystem::path> losses, predictor, output_losses;
  PricingOptions given;
  std::string objective = "latency";
  int members = 0;  // 0: all
};

// Where networks come from, what they lose and what they cost.
struct Problem {
  SearchSpace space;
  LayerLosses losses;
  std::string losses_are;  // of where, in words
  std::optional<double> leave_one_out_error;
  LatencyPredictor predictor;
  std::string on;
};

LayerLosses losses_in(const std::filesystem::path& file, const SearchSpace& space) {
  const Json json = read_json(file);
  return LayerLosses::from_json(JsonNode(json, file.string()), space);
}

std::string priced_on(const std::string& hardware, const accel_sim::Workload& workload) {
  return hardware + " at " + in_words(workload);
}

std::optional<LatencyPredictor> given_predictor(const FrontOptions& options) {
  if (!options.predictor) return std::nullopt;
  return LatencyPredictor::load(options.predictor->string());
}

Problem problem_of_space(const FrontOptions& options) {
  const SearchSpace space = SearchSpace::find(options.space);
  LayerLosses losses = options.losses ? losses_in(*options.losses, space) : minus_parameters(space);
  const std::string losses_are = options.losses ? "of " + path_text(*options.losses)
                                                : "minus the parameters, in place of a loss";
  if (const auto predictor = given_predictor(options))
    return {space, losses,     losses_are,
            {},    *predictor, priced_on(path_text(*options.predictor), predictor->workload())};
  const PricedNetwork priced = usual_pricing(options.given);
  return {space,
          losses,
          losses_are,
          {},
          LatencyPredictor(priced.hardware, priced.workload),
          priced_on(priced.hardware_name, priced.workload)};
}

// A run's space, its losses by a fit to what it has evaluated, and its prices, unless others are
// given.
Problem problem_of_run(const FrontOptions& options) {
  const RunFolder run = RunFolder::read(options.space);
  const ProxyTask proxy(run.config(), run.cache());
  const SearchSpace& space = proxy.space();
  const bool own = !options.predictor && !options.given.any();
  const PricedNetwork priced = usual_pricing(options.given, run.config());
  const LatencyPredictor predictor = options.predictor ? *given_predictor(options)
                                     : own             ? predictor_of(run, space)
                                           : LatencyPredictor(priced.hardware, priced.workload);
  const std::string on = options.predictor
                             ? priced_on(path_text(*options.predictor), predictor.workload())
                         : own ? priced_on(path_text(options.space), predictor.workload())
                               : priced_on(priced.hardware_name, priced.workload);
  if (options.losses)
    return {
        space, losses_in(*options.losses, space), "of " + path_text(*options.losses), {}, predictor,
        on};
  const Archive archive = load_evaluated(run, proxy.designs());
  std::vector<Architecture> known;
  std::vector<double> losses;
  for (const Candidate& candidate : archive.candidates()) {
    known.push_back(candidate.architecture);
    losses.push_back(searched_loss(candidate.objectives, archive.objectives()));
  }
  const FittedLosses fitted = fitted_losses(space, known, losses);
  return {space,
          LayerLosses(space, fitted.loss),
          fmt::format("fitted to the {} networks of {}", known.size(), path_text(options.space)),
          fitted.leave_one_out_error,
          predictor,
          on};
}

struct SolvedFront {
  std::vector<AdditiveNetwork> all;
  std::vector<std::size_t> shown;  // of these
  double pricing_seconds = 0, solving_seconds = 0;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// So many of `size`, the ends among them, evenly spread.
std::vector<std::size_t> evenly(std::size_t size, std::size_t wanted) {
  std::vector<std::size_t> chosen;
  const std::size_t count = wanted == 0 ? size : std::min(size, wanted);
  for (std::size_t i = 0; i < count; ++i)
    chosen.push_back(count == 1 ? 0 : i * (size - 1) / (count - 1));
  return chosen;
}

SolvedFront solved(const Problem& problem, Objective objective) {
  // Whole numbers, whose sums are exact: cycles or femtoseconds, and femtojoules.
  const auto latency = [&](const Architecture& network) {
    return static_cast<double>(problem.predictor.predict(network).latency.value());
  };
  const auto energy = [&](const Architecture& network) {
    return static_cast<double>(problem.predictor.predict(network).energy.femtojoules());
  };
  SolvedFront front;
  const Clock::time_point start = Clock::now();
  problem.predictor.fill(problem.space);
  if (needs_energy(objective) && energy(problem.space.largest()) <= 0)
    throw InputError("--objective: " + name_of(objective) + ": the predictor has no energies");
  front.pricing_seconds = seconds_since(start);
  const LayerTerm loss = [&](int width, int index, const Layer& layer) {
    return problem.losses.layer(width, index, layer);
  };
  const FrameTerm frame = [&](int depth, int width) { return problem.losses.frame(depth, width); };
  const Architecture smallest = problem.space.smallest();
  const LayerTerm cycles = layer_shares(smallest, latency), joules = layer_shares(smallest, energy);
  front.all = objective == Objective::kEdp
                  ? product_front(problem.space, loss, cycles, joules, frame)
                  : additive_front(problem.space, loss,
                                   objective == Objective::kEnergy ? joules : cycles, frame);
  front.solving_seconds = seconds_since(start) - front.pricing_seconds;
  return front;
}

Json json_of(const SolvedFront& front, const Problem& problem, Objective objective) {
  Json json{{"format", "paretoformer.additive_front.1"},
            {"space", problem.space.name()},
            {"networks", problem.space.count_up_to(std::numeric_limits<std::int64_t>::max())},
            {"objective", name_of(objective)},
            {"losses", problem.losses_are},
            {"priced_on", problem.on},
            {"members", front.all.size()}};
  if (problem.leave_one_out_error) json["leave_one_out_error"] = *problem.leave_one_out_error;
  json["front"] = Json::array();
  for (const std::size_t i : front.shown) {
    const Architecture& network = front.all[i].architecture;
    const accel_sim::HardwareCost cost = problem.predictor.predict(network);
    json["front"].push_back(
        {{"id", hex(architecture_id(network))},
         {"architecture", to_json(network)},
         {"loss", front.all[i].loss},
         {key_of(Objective::kLatency, problem.predictor.in_time()),
          problem.predictor.latency(cost)},
         {key_of(Objective::kEnergy), cost.energy.value()},
         {key_of(Objective::kEdp), problem.predictor.latency(cost) * cost.energy.value()},
         {key_of(Objective::kParameters), parameter_count(network)}});
  }
  return json;
}

std::string text_of(const SolvedFront& front, const Problem& problem, Objective objective) {
  const bool in_time = problem.predictor.in_time();
  std::string text =
      fmt::format("{}: {} networks; losses {}; prices of {}\n", problem.space.name(),
                  problem.space.count_up_to(std::numeric_limits<std::int64_t>::max()),
                  problem.losses_are, problem.on);
  if (problem.leave_one_out_error)
    text += fmt::format("what the fit says of a network that it has not seen is off by {:.4f}\n",
                        *problem.leave_one_out_error);
  text += fmt::format("{:>14} {:>16} {:>12} {:>12} {:>12}   network\n", "loss",
                      in_time ? "latency/ns" : "cycles", "energy/uJ",
                      in_time ? "pJ*ns" : "pJ*cycles", "parameters");
  for (const std::size_t i : front.shown) {
    const auto& [network, loss, unused] = front.all[i];
    const accel_sim::HardwareCost cost = problem.predictor.predict(network);
    const double latency = problem.predictor.latency(cost), energy = cost.energy.value();
    text += fmt::format("{:>14.10g} {:>16.{}f} {:>12.3f} {:>12.5g} {:>12}   {}\n", loss, latency,
                        in_time ? 3 : 0, energy * 1e-6, latency * energy, parameter_count(network),
                        describe(network));
  }
  return text +
         fmt::format(
             "{} of {} networks on the exact front of loss and {}; operators priced in {:.2f} s, "
             "front in {:.2f} s\n",
             front.shown.size(), front.all.size(), name_of(objective), front.pricing_seconds,
             front.solving_seconds);
}

constexpr int kScreen = 12;

void solve(const FrontOptions& options, const CommonOptions& common) {
  const auto threads = limit_threads(common);
  const Json name = options.objective;
  const Objective objective = objective_from_json(JsonNode(name, "--objective"));
  const bool is_run = std::filesystem::is_directory(options.space);
  const Problem problem = is_run ? problem_of_run(options) : problem_of_space(options);
  if (options.output_losses)
    write_file_atomic(*options.output_losses, to_text(problem.losses.to_json()));
  SolvedFront front = solved(problem, objective);
  const int wanted = options.members == 0 && !common.json ? kScreen : options.members;
  front.shown = evenly(front.all.size(), static_cast<std::size_t>(wanted));
  print(common.json ? to_text(json_of(front, problem, objective))
                    : text_of(front, problem, objective));
}

}  // namespace

void add_front(CLI::App& app, CommonOptions& common) {
  const auto owned = std::make_shared<FrontOptions>();
  FrontOptions& options = *owned;
  CLI::App* verb = app.add_subcommand(
      "front", "The exact front of all networks of a space, for given losses of its layers");
  verb->add_option("SPACE", options.space,
                   "Search space: preset or JSON file; or a run folder, to whose networks losses "
                   "are fitted")
      ->required();
  verb->add_option("--losses", options.losses,
                   "JSON file of what each layer adds to the loss (default: the run's, or minus "
                   "the number of parameters)");
  verb->add_option("--objective", options.objective, "latency, energy or edp")
      ->check(CLI::IsMember({"latency", "energy", "edp"}))
      ->capture_default_str();
  verb->add_option("--members", options.members,
                   "So many of the front, evenly spread (default: 12, and with --json all)")
      ->check(CLI::Range(1, 1'000'000'000));
  verb->add_option("--output-losses", options.output_losses,
                   "Write what each layer adds to this file, which --losses reads");
  CLI::Option* predictor = verb->add_option(
      "--predictor", options.predictor,
      "Predictor file of predictor build or import, which says hardware and workload");
  for (CLI::Option* each : add_pricing(verb, options.given)) each->excludes(predictor);
  verb->get_option("--hardware")->excludes(predictor);
  add_common(verb, common);
  verb->callback([owned, &common] { solve(*owned, common); });
}

}  // namespace paretoformer::nas
