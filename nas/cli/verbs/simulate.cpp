// The verb `simulate`.
#include <fmt/format.h>

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/engines/trace.hpp"
#include "accel_sim/hardware/area.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_file.hpp"
#include "accel_sim/words.hpp"
#include "accel_sim/workload/words.hpp"
#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/operator_calls.hpp"
#include "nas/cli/priced_network.hpp"
#include "nas/cli/progress.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/functional/functional_case.hpp"
#include "nas/functional/network_program.hpp"
#include "nas/report/simulation_report.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

struct SimulateOptions {
  std::optional<std::string> architecture;  // either a file
  OperatorOptions one;                      // or an operator
  std::optional<std::string> mapping;       // or a mapping's file
  PricingOptions given;
  std::string engine = "fast";
  std::string state{// of the caches
                    accel_sim::kCacheStateWords.word_of(accel_sim::EngineOptions().state)};
  std::int64_t cycle_limit =
      accel_sim::kDefaultCycleLimit;  // of the reference engine, per operator
  std::optional<std::string> trace;   // a file to write
  bool functional = false;            // execute the operator's instructions with values, too
};

// A span of the trace is a transfer of at most a kilobyte on a 16 x 16 array, and takes about a
// hundred bytes: a file of less than half a gigabyte.
constexpr std::int64_t kLargestTracedTraffic = std::int64_t{1} << 32;

// Each once.
Simulation simulate_calls(const std::vector<accel_sim::Call>& calls,
                          const accel_sim::Target& hardware, const accel_sim::EngineOptions& how) {
  Simulation simulation{hardware, {}};
  for (const accel_sim::Call& call : calls)
    simulation.operators.push_back({call, simulate(call, hardware, how)});
  return simulation;
}

Simulation simulate_mapping(const std::string& path, const accel_sim::Target& hardware,
                            const accel_sim::EngineOptions& how) {
  const auto [work, mapping] = read_mapping(path, hardware);
  try {
    accel_sim::Call call = compile(matmul_of(work), hardware, schedule_of(mapping, work, hardware));
    call.role = "gemm";
    return simulate_calls({call}, hardware, how);
  } catch (const InputError& error) {
    throw InputError(path + ": " + error.what());
  }
}

// What is simulated, and what is said of it.
struct Answer {
  Simulation simulation;
  std::string hardware_name;
  std::string title;
  std::string note;  // may be empty
  Json about;
  std::function<void(const accel_sim::CallTraces& traces)>
      again;  // simulates it all once more, traced
};

Answer answer_on_operator(const SimulateOptions& options, const accel_sim::EngineOptions& how) {
  Answer answer;
  answer.hardware_name = options.given.hardware.value_or("gemmini_transformer");
  require_utf8(answer.hardware_name, "--hardware");
  const accel_sim::Target hardware = accel_sim::find_target(answer.hardware_name);
  answer.simulation = options.one.any()
                          ? simulate_calls(calls_of(options.one, hardware), hardware, how)
                          : simulate_mapping(*options.mapping, hardware, how);
  const std::vector<accel_sim::OperatorReport>& operators = answer.simulation.operators;
  answer.title = describe(operators[0].item.op);
  answer.again = [=](const accel_sim::CallTraces& traces) {
    for (const auto& [call, report] : operators) simulate(call, hardware, how, traces(call.op));
  };
  return answer;
}

// With progress on standard error.
WholeSimulation simulate_shown(const char* title, const PricedNetwork& network,
                               accel_sim::NetworkOptions how) {
  ProgressBar bar(ProgressBar::Begin::kWhenLong);
  const accel_sim::CallsDone show = [&](std::int64_t done, std::int64_t total) {
    bar.show({title, done, total, "calls of operators"});
  };
  how.done = &show;
  return simulate_whole(network, how);
}

Answer answer_on_network(const SimulateOptions& options, const accel_sim::EngineOptions& how) {
  const PricedNetwork network = priced_network(*options.architecture, options.given);
  const WholeSimulation whole = simulate_shown("simulate", network, {how});
  Answer answer;
  answer.simulation = {network.hardware, whole.operators};
  answer.hardware_name = network.hardware_name;
  const accel_sim::Workload& workload = network.workload;
  answer.title = describe(network) + " at " + in_words(workload);
  const bool by_cycle = how.engine == accel_sim::Engine::kReference && network.confirmed;
  answer.note = by_cycle && network.is_as_in_run && whole.why_cold.empty()
                    ? "cycle by cycle, while front.json confirms with the fast engine"
                    : note_on(network, total(answer.simulation).cost, whole.why_cold);
  if (network.listed)
    answer.about["network"] = network.listed->description;
  else
    answer.about["architecture"] = to_json(network.architecture);
  answer.about.update(workload_json(workload));
  answer.about["note"] = answer.note.empty() ? Json() : Json(answer.note);
  answer.again = [=](const accel_sim::CallTraces& traces) {
    accel_sim::NetworkOptions traced{how};
    traced.traces = &traces;
    simulate_shown("trace", network, traced);
  };
  return answer;
}

// Of the random numbers of --functional.
constexpr std::uint64_t kFunctionalSeed = 1;

FunctionalResult executed(const Simulation& simulation) {
  const accel_sim::Call& call = simulation.operators[0].item;
  return run(random_case(call, simulation.hardware, kFunctionalSeed), simulation.hardware);
}

FunctionalResult executed(const PricedNetwork& network) {
  const int length = network.workload.sequence_length;
  if (network.listed)
    throw InputError("--functional: " + describe(network) +
                     ": expected an architecture or an exported JSON file");
  if (network.workload != executed_workload(length))
    throw InputError(
        "--functional: networks are executed as they are quantised: expected --mode prefill, "
        "--mask causal, --biases on, --nonlinear-inputs int8 and --batch 1");
  return run_random_network(
      network.architecture, length, network.hardware,
      compile_with_mapper(network.architecture, network.workload, network.hardware,
                          accel_sim::simulated_prices(network.hardware)),
      kFunctionalSeed);
}

// For the report; a result that is wrong is told by the status as well.
void add_functional(const FunctionalResult& result, const char* what, Answer& answer) {
  answer.about["functional"] = {{"equal", result.equal}, {"checksum", hex(result.checksum)}};
  if (!answer.note.empty()) answer.note += "\n";
  answer.note +=
      fmt::format("executed with random {}, its results are {}those of the integer operators ({})",
                  what, result.equal ? "" : "NOT ", hex(result.checksum));
}

// Of every operator the first call is drawn.
void write_trace(const std::string& path, const Answer& answer) {
  std::unordered_map<accel_sim::Operator, accel_sim::Trace, accel_sim::OperatorHash> drawn;
  std::int64_t traffic = 0;
  for (const auto& [item, report] : answer.simulation.operators)
    if (drawn.try_emplace(item.op).second) traffic += report.accesses.l2_bytes;
  if (traffic > kLargestTracedTraffic)
    throw InputError(path + ": the trace would be too large: expected operators that move at " +
                     "most " + std::to_string(kLargestTracedTraffic) + " bytes together");
  std::unordered_set<accel_sim::Operator, accel_sim::OperatorHash> begun;
  answer.again([&](const accel_sim::Operator& op) {
    return begun.insert(op).second ? &drawn.at(op) : nullptr;
  });
  accel_sim::ChromeTrace trace;
  for (const auto& [item, report] : answer.simulation.operators)
    trace.add(item, report.cost.latency, std::exchange(drawn.at(item.op), {}));
  trace.write(path, answer.about);
}

void simulate_and_print(const SimulateOptions& options, const CommonOptions& common) {
  if (!options.architecture && !options.one.any() && !options.mapping)
    throw InputError("simulate: expected an architecture file, --gemm M,K,N, --elementwise " +
                     std::string("KIND,M,N or --mapping FILE (see --help)"));
  if (options.trace && options.trace->empty()) throw InputError("--trace: expected a file name");
  accel_sim::EngineOptions how;
  how.engine = accel_sim::kEngineWords.value_of(options.engine, "--engine");
  how.state = accel_sim::kCacheStateWords.value_of(options.state, "--state");
  how.cycle_limit = options.cycle_limit;

  Answer answer =
      options.architecture ? answer_on_network(options, how) : answer_on_operator(options, how);
  answer.about["hardware"] = {{"name", answer.hardware_name},
                              {"hash", hex(target_hash(answer.simulation.hardware))},
                              {"area_mm2", area(answer.simulation.hardware).total()}};
  answer.about["engine"] = options.engine;
  answer.about["state"] = options.state;
  if (options.trace) write_trace(*options.trace, answer);
  bool is_wrong = false;
  if (options.functional) {
    const FunctionalResult result =
        options.architecture ? executed(priced_network(*options.architecture, options.given))
                             : executed(answer.simulation);
    add_functional(result, options.architecture ? "weights and tokens" : "operands", answer);
    is_wrong = !result.equal;
  }
  if (common.json) {
    Json json = to_json(answer.simulation);
    json.update(answer.about);
    print(to_text(json));
  } else {
    print(answer.title + " on " + printable(answer.hardware_name) + "\n" +
          simulation_table(answer.simulation) + (answer.note.empty() ? "" : answer.note + "\n"));
  }
  if (is_wrong) throw Error("--functional: the instructions compute something else");
}

struct OperatorArguments {
  CLI::Option* gemm;
  CLI::Option* elementwise;
};

// Adds the options of one operator; returns those of which it needs one.
OperatorArguments add_operator(CLI::App* verb, OperatorOptions& one) {
  CLI::Option* gemm =
      verb->add_option("--gemm", one.gemm, "M,K,N: an M x K matrix times a K x N one");
  verb->add_option("--tile", one.tile, "M,K,N of a tile in elements (default: Gemmini's rule)")
      ->needs(gemm);
  CLI::Option* transpose =
      verb->add_flag("--transpose-b", one.transpose_b, "The second matrix is stored N x K")
          ->needs(gemm);
  CLI::Option* stride =
      verb->add_option("--stride-b", one.stride_b,
                       "Bytes between rows of the second matrix in DRAM (default: packed)")
          ->needs(gemm);
  verb->add_flag("--int4-weights", one.int4_weights, "The second matrix is weights of four bits")
      ->needs(gemm)
      ->excludes(transpose)
      ->excludes(stride);
  verb->add_option("--activation", one.activation,
                   "What results pass as they leave: relu, gelu, softmax or layernorm")
      ->check(CLI::IsMember(activation_words()))
      ->needs(gemm);
  verb->add_option("--bias", one.bias,
                   "int32 that results begin with: a row for all of them, or a full matrix")
      ->check(CLI::IsMember(bias_words()))
      ->needs(gemm);
  CLI::Option* elementwise = verb->add_option(
      "--elementwise", one.elementwise,
      "KIND,M,N: residual_add, softmax or layernorm (of int32 sums), layernorm_int8 or "
      "gelu_int8 of an M x N matrix");
  verb->add_option("--scales", one.scales,
                   "Of a residual add's operands: 1 bypasses the scaling units")
      ->needs(elementwise);
  return {gemm, elementwise};
}

}  // namespace

void add_simulate(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "simulate", "Cycles and energy of one architecture, or one operator, and where they go");
  SimulateOptions& options = options_of(verb, common, simulate_and_print);
  verb->option_defaults()->always_capture_default();
  CLI::Option* network = verb->add_option(
      "ARCHITECTURE", options.architecture,
      "Architecture, exported JSON file, ONNX model or config.json of Hugging Face's, or else an "
      "operator");
  const auto [gemm, elementwise] = add_operator(verb, options.one);
  CLI::Option* mapping = verb->add_option("--mapping", options.mapping,
                                          "A matmul's mapping, as map --output writes it");
  for (CLI::Option* option : add_pricing(verb, options.given))
    option->excludes(gemm, elementwise, mapping);
  verb->add_option("--engine", options.engine, "fast, or reference (cycle by cycle, slow)")
      ->check(CLI::IsMember(accel_sim::kEngineWords.all()));
  verb->add_option("--state", options.state,
                   "What L2 holds at first: empty, cold (lines of others), or warm (what the same "
                   "operator left)")
      ->check(CLI::IsMember(accel_sim::kCacheStateWords.all()));
  verb->add_option("--cycle-limit", options.cycle_limit,
                   "Cycles per operator after which the reference engine gives up")
      ->check(CLI::PositiveNumber);
  verb->add_option("--trace", options.trace, "Write a Chrome trace (ui.perfetto.dev) to this file");
  verb->add_flag("--functional", options.functional,
                 "Execute the instructions as well, on random int8 operands, or of a network on "
                 "random weights and tokens, and compare the results, bit for bit, with the "
                 "integer operators'");
  gemm->excludes(network, elementwise, mapping);
  elementwise->excludes(network, mapping);
  mapping->excludes(network);
  add_common(verb, common);
}

}  // namespace paretoformer::nas
