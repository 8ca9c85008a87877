// The verb front.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
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

struct FrontOptions {
  std::string space;  // a preset, a file or a run folder
  std::optional<std::filesystem::path> losses, predictor, output_losses;
  PricingOptions given;
  std::string objective = "latency";
  int members = 0;  // 0: all
};

struct Losses {
  LayerLosses of_layers;
  std::string are;  // of where, in words
  std::optional<double> leave_one_out_error = {};
};

struct Prices {
  LatencyPredictor predictor;
  std::string on;
};

struct Problem {
  SearchSpace space;
  Losses losses;
  Prices prices;
  int positions = 0;  // learned ones, of which parameters are made as well
};

Losses losses_in(const std::filesystem::path& file, const SearchSpace& space) {
  const Json json = read_json(file);
  return {LayerLosses::from_json(JsonNode(json, file.string()), space), "of " + path_text(file)};
}

Losses losses_of_run(const RunFolder& run, const ProxyTask& proxy) {
  const Archive archive = load_evaluated(run, proxy.designs());
  std::vector<Architecture> known;
  std::vector<double> losses;
  for (const Candidate& candidate : archive.candidates()) {
    known.push_back(candidate.architecture);
    losses.push_back(searched_loss(candidate.objectives, archive.objectives()));
  }
  const FittedLosses fitted = fitted_losses(proxy.space(), known, losses);
  return {LayerLosses(proxy.space(), fitted.loss),
          fmt::format("fitted to the {} networks of {}", known.size(), path_text(run.path())),
          fitted.leave_one_out_error};
}

Prices prices(const LatencyPredictor& predictor, const std::string& on) {
  return {predictor, on + " at " + in_words(predictor.workload())};
}

Prices given_prices(const FrontOptions& options, const PricedNetwork& usual) {
  if (options.predictor)
    return prices(LatencyPredictor::load(options.predictor->string()),
                  path_text(*options.predictor));
  return prices(LatencyPredictor(usual.hardware, usual.workload), usual.hardware_name);
}

Problem problem_of_space(const FrontOptions& options) {
  const SearchSpace space = SearchSpace::find(options.space);
  return {space,
          options.losses
              ? losses_in(*options.losses, space)
              : Losses{minus_parameters(space), "minus the parameters, in place of a loss"},
          given_prices(options, usual_pricing(options.given))};
}

// A run's space, its losses by a fit to what it has evaluated, and its prices, unless others are
// given.
Problem problem_of_run(const FrontOptions& options) {
  const RunFolder run = RunFolder::read(options.space);
  const ProxyTask proxy(run.config(), run.cache());
  const bool own_prices = !options.predictor && !options.given.any();
  return {proxy.space(),
          options.losses ? losses_in(*options.losses, proxy.space()) : losses_of_run(run, proxy),
          own_prices ? prices(predictor_of(run, proxy.space()), path_text(run.path()))
                     : given_prices(options, usual_pricing(options.given, &run.config())),
          proxy.context()};
}

struct SolvedFront {
  std::vector<AdditiveNetwork> all;
  std::vector<std::size_t> shown;  // of these
  double pricing_seconds = 0, solving_seconds = 0;
};

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
    return static_cast<double>(problem.prices.predictor.predict(network).latency.value());
  };
  const auto energy = [&](const Architecture& network) {
    return static_cast<double>(problem.prices.predictor.predict(network).energy.femtojoules());
  };
  SolvedFront front;
  const Stopwatch stopwatch;
  problem.prices.predictor.fill(problem.space);
  if (needs_energy(objective) && energy(problem.space.largest()) <= 0)
    throw InputError("--objective: " + name_of(objective) + ": the predictor has no energies");
  front.pricing_seconds = stopwatch.seconds();
  const LayerTerm loss = [&](int width, int index, const Layer& layer) {
    return problem.losses.of_layers.layer(width, index, layer);
  };
  const FrameTerm frame = [&](int depth, int width) {
    return problem.losses.of_layers.frame(depth, width);
  };
  const Architecture smallest = problem.space.smallest();
  const LayerTerm cycles = layer_shares(smallest, latency), joules = layer_shares(smallest, energy);
  front.all = objective == Objective::kEdp
                  ? product_front(problem.space, loss, cycles, joules, frame)
                  : additive_front(problem.space, loss,
                                   objective == Objective::kEnergy ? joules : cycles, frame);
  front.solving_seconds = stopwatch.seconds() - front.pricing_seconds;
  return front;
}

Json json_of(const SolvedFront& front, const Problem& problem, Objective objective) {
  Json json{{"format", "paretoformer.additive_front.1"},
            {"space", problem.space.name()},
            {"networks", problem.space.count_up_to(std::numeric_limits<std::int64_t>::max())},
            {"objective", name_of(objective)},
            {"losses", problem.losses.are},
            {"priced_on", problem.prices.on},
            {"members", front.all.size()}};
  if (problem.losses.leave_one_out_error)
    json["leave_one_out_error"] = *problem.losses.leave_one_out_error;
  json["front"] = Json::array();
  for (const std::size_t i : front.shown) {
    const Architecture& network = front.all[i].architecture;
    const accel_sim::HardwareCost cost = problem.prices.predictor.predict(network);
    json["front"].push_back(
        {{"id", hex(architecture_id(network))},
         {"architecture", to_json(network)},
         {"loss", front.all[i].loss},
         {key_of(Objective::kLatency, problem.prices.predictor.in_time()),
          problem.prices.predictor.latency(cost)},
         {key_of(Objective::kEnergy), cost.energy.value()},
         {key_of(Objective::kEdp), problem.prices.predictor.latency(cost) * cost.energy.value()},
         {key_of(Objective::kParameters), parameter_count(network, problem.positions)}});
  }
  return json;
}

std::string text_of(const SolvedFront& front, const Problem& problem, Objective objective) {
  const bool in_time = problem.prices.predictor.in_time();
  std::string text =
      fmt::format("{}: {} networks; losses {}; prices of {}\n", problem.space.name(),
                  problem.space.count_up_to(std::numeric_limits<std::int64_t>::max()),
                  problem.losses.are, problem.prices.on);
  if (problem.losses.leave_one_out_error)
    text += fmt::format("what the fit says of a network that it has not seen is off by {:.4f}\n",
                        *problem.losses.leave_one_out_error);
  text += fmt::format("{:>14} {:>16} {:>12} {:>12} {:>12}   network\n", "loss",
                      in_time ? "latency/ns" : "cycles", "energy/uJ",
                      in_time ? "pJ*ns" : "pJ*cycles", "parameters");
  for (const std::size_t i : front.shown) {
    const auto& [network, loss, unused] = front.all[i];
    const accel_sim::HardwareCost cost = problem.prices.predictor.predict(network);
    const double latency = problem.prices.predictor.latency(cost), energy = cost.energy.value();
    text += fmt::format("{:>14.10g} {:>16.{}f} {:>12.3f} {:>12.5g} {:>12}   {}\n", loss, latency,
                        in_time ? 3 : 0, energy * 1e-6, latency * energy,
                        parameter_count(network, problem.positions), describe(network));
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
  const Json name = options.objective;
  const Objective objective = objective_from_json(JsonNode(name, "--objective"));
  const bool is_run = std::filesystem::is_directory(options.space);
  const Problem problem = is_run ? problem_of_run(options) : problem_of_space(options);
  if (options.output_losses)
    write_file_atomic(*options.output_losses, to_text(problem.losses.of_layers.to_json()));
  SolvedFront front = solved(problem, objective);
  const int wanted = options.members == 0 && !common.json ? kScreen : options.members;
  front.shown = evenly(front.all.size(), static_cast<std::size_t>(wanted));
  print(common.json ? to_text(json_of(front, problem, objective))
                    : text_of(front, problem, objective));
}

}  // namespace

void add_front(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "front", "The exact front of all networks of a space, for given losses of its layers");
  FrontOptions& options = options_of(verb, common, solve);
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
}

}  // namespace paretoformer::nas
