// The verb `simulate`.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/engines/trace.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_file.hpp"
#include "accel_sim/words.hpp"
#include "accel_sim/workload/words.hpp"
#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/priced_network.hpp"
#include "nas/cli/progress.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/simulation_report.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

struct SimulateOptions {
  std::optional<std::string> architecture;  // either a file
  std::optional<std::string> gemm;          // or "M,K,N"
  std::optional<std::string> tile;          // of the latter, in elements
  std::optional<std::string> mapping;       // or a mapping's file
  PricingOptions given;
  std::string engine = "fast";
  std::int64_t cycle_limit =
      accel_sim::kDefaultCycleLimit;  // of the reference engine, per operator
  std::optional<std::string> trace;   // a file to write
};

constexpr int kLargestExtent = 1 << 20;
// A span of the trace is a transfer of at most a kilobyte on a 16 x 16 array, and takes about a
// hundred bytes: a file of less than half a gigabyte.
constexpr std::int64_t kLargestTracedTraffic = std::int64_t{1} << 32;

// Three extents: rows, inner, columns.
using Extents = std::array<int, 3>;

Extents parse_extents(const std::string& option, const std::string& text) {
  Extents extents{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const auto [after, error] = std::from_chars(at, end, extents[i]);
    const bool last = i + 1 == extents.size();
    if (error != std::errc() || extents[i] < 1 || extents[i] > kLargestExtent ||
        (last ? after != end : after == end || *after != ','))
      throw InputError(option + ": \"" + text +
                       "\" is not M,K,N: expected three numbers from 1 to " +
                       std::to_string(kLargestExtent));
    at = after + 1;
  }
  return extents;
}

// Whole blocks that hold so many elements.
accel_sim::MatmulTile to_blocks(const Extents& tile, const accel_sim::Target& hardware) {
  return blocks(accel_sim::matmul(tile[0], tile[1], tile[2]), hardware);
}

Simulation simulate_call(accel_sim::Call call, const accel_sim::Target& hardware,
                         const accel_sim::EngineOptions& how) {
  call.role = "gemm";
  return {hardware, {{call, simulate(call, hardware, how)}}};
}

Simulation simulate_gemm(const SimulateOptions& options, const accel_sim::Target& hardware,
                         const accel_sim::EngineOptions& how) {
  const auto [rows, inner, columns] = parse_extents("--gemm", *options.gemm);
  const accel_sim::Operator op = accel_sim::matmul(rows, inner, columns);
  if (!options.tile) return simulate_call(compile_with_mapper(op, hardware), hardware, how);
  const accel_sim::MatmulTile tile = to_blocks(parse_extents("--tile", *options.tile), hardware);
  return simulate_call(compile(op, hardware, tile), hardware, how);
}

Simulation simulate_mapping(const std::string& path, const accel_sim::Target& hardware,
                            const accel_sim::EngineOptions& how) {
  const auto [work, mapping] = read_mapping(path, hardware);
  const auto& extent = work.extent;
  try {
    const accel_sim::Operator op =
        accel_sim::matmul(extent[accel_sim::kP], extent[accel_sim::kC], extent[accel_sim::kK]);
    return simulate_call(compile(op, hardware, schedule_of(mapping, work, hardware)), hardware,
                         how);
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

Answer answer_on_matmul(const SimulateOptions& options, const accel_sim::EngineOptions& how) {
  Answer answer;
  answer.hardware_name = options.given.hardware.value_or("gemmini_transformer");
  if (valid_utf8_prefix(answer.hardware_name) < answer.hardware_name.size())
    throw InputError("--hardware: is not valid UTF-8");
  const accel_sim::Target hardware = accel_sim::find_target(answer.hardware_name);
  answer.simulation = options.gemm ? simulate_gemm(options, hardware, how)
                                   : simulate_mapping(*options.mapping, hardware, how);
  const accel_sim::Call call = answer.simulation.operators[0].item;
  answer.title = describe(call.op);
  answer.again = [=](const accel_sim::CallTraces& traces) {
    simulate(call, hardware, how, traces(call.op));
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
  const std::string mode(accel_sim::kModeWords.word_of(network.workload.mode));
  answer.title = describe(network.architecture) +
                 fmt::format(" at length {} ({})", network.workload.sequence_length, mode);
  const bool by_cycle = how.engine == accel_sim::Engine::kReference && network.confirmed;
  answer.note = by_cycle && network.is_as_in_run && whole.why_cold.empty()
                    ? "cycle by cycle, while front.json confirms with the fast engine"
                    : note_on(network, total(answer.simulation).cost, whole.why_cold);
  answer.about["architecture"] = to_json(network.architecture);
  answer.about["sequence_length"] = network.workload.sequence_length;
  answer.about["mode"] = mode;
  answer.about["note"] = answer.note.empty() ? Json() : Json(answer.note);
  answer.again = [=](const accel_sim::CallTraces& traces) {
    accel_sim::NetworkOptions traced{how};
    traced.traces = &traces;
    simulate_shown("trace", network, traced);
  };
  return answer;
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
  if (!options.architecture && !options.gemm && !options.mapping)
    throw InputError(
        "simulate: expected an architecture file, --gemm M,K,N or --mapping FILE (see --help)");
  if (options.trace && options.trace->empty()) throw InputError("--trace: expected a file name");
  accel_sim::EngineOptions how;
  how.engine = accel_sim::kEngineWords.value_of(options.engine, "--engine");
  how.cycle_limit = options.cycle_limit;

  Answer answer =
      options.architecture ? answer_on_network(options, how) : answer_on_matmul(options, how);
  answer.about["hardware"] = {{"name", answer.hardware_name},
                              {"hash", hex(target_hash(answer.simulation.hardware))}};
  answer.about["engine"] = options.engine;
  if (options.trace) write_trace(*options.trace, answer);
  if (common.json) {
    Json json = to_json(answer.simulation);
    json.update(answer.about);
    return print(to_text(json));
  }
  print(answer.title + " on " + printable(answer.hardware_name) + "\n" +
        simulation_table(answer.simulation) + (answer.note.empty() ? "" : answer.note + "\n"));
}

}  // namespace

void add_simulate(CLI::App& app, CommonOptions& common) {
  const auto owned = std::make_shared<SimulateOptions>();
  SimulateOptions& options = *owned;
  CLI::App* verb = app.add_subcommand(
      "simulate", "Cycles and energy of one architecture, or one matmul, and where they go");
  verb->option_defaults()->always_capture_default();
  CLI::Option* network =
      verb->add_option("ARCHITECTURE", options.architecture,
                       "Architecture or exported JSON file, or else --gemm or --mapping");
  CLI::Option* gemm =
      verb->add_option("--gemm", options.gemm, "M,K,N: an M x K matrix times a K x N one");
  verb->add_option("--tile", options.tile, "M,K,N of a tile in elements (default: Gemmini's rule)")
      ->needs(gemm);
  CLI::Option* mapping = verb->add_option("--mapping", options.mapping,
                                          "A matmul's mapping, as map --output writes it");
  for (CLI::Option* option : add_pricing(verb, options.given)) option->excludes(gemm, mapping);
  verb->add_option("--engine", options.engine, "fast, or reference (cycle by cycle, slow)")
      ->check(CLI::IsMember(accel_sim::kEngineWords.all()));
  verb->add_option("--cycle-limit", options.cycle_limit,
                   "Cycles per operator after which the reference engine gives up")
      ->check(CLI::PositiveNumber);
  verb->add_option("--trace", options.trace, "Write a Chrome trace (ui.perfetto.dev) to this file");
  gemm->excludes(network, mapping);
  mapping->excludes(network);
  add_common(verb, common);
  verb->callback([owned, &common] { simulate_and_print(*owned, common); });
}

}  // namespace paretoformer::nas
