// The verb `simulate`.
#include <array>
#include <charconv>
#include <unordered_set>

#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_file.hpp"
#include "accel_sim/trace.hpp"
#include "nas/command_io.hpp"
#include "nas/commands.hpp"
#include "nas/simulation_report.hpp"
#include "supernet/tokenizer.hpp"
#include "support/error.hpp"
#include "support/format.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

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
MatmulTile to_blocks(const Extents& tile, const Hardware& hardware) {
  return blocks(matmul(tile[0], tile[1], tile[2]), hardware);
}

Simulation simulate_matmul(const Operator& op, const std::optional<MatmulSchedule>& schedule,
                           const Hardware& hardware, const SimulationOptions& how) {
  SimulationOptions scheduled = how;
  scheduled.schedule = schedule;
  return {hardware, {{{"gemm", -1, 1, op}, simulate(op, hardware, scheduled)}}, schedule};
}

Simulation simulate_gemm(const SimulateOptions& options, const Hardware& hardware,
                         const SimulationOptions& how) {
  const auto [rows, inner, columns] = parse_extents("--gemm", *options.gemm);
  std::optional<MatmulSchedule> schedule;
  if (options.tile) schedule = to_blocks(parse_extents("--tile", *options.tile), hardware);
  return simulate_matmul(matmul(rows, inner, columns), schedule, hardware, how);
}

Simulation simulate_mapping(const std::string& path, const Hardware& hardware,
                            const SimulationOptions& how) {
  const auto [work, mapping] = read_mapping(path, hardware);
  const auto& extent = work.extent;
  try {
    return simulate_matmul(matmul(extent[kP], extent[kC], extent[kK]),
                           schedule_of(mapping, work, hardware), hardware, how);
  } catch (const InputError& error) {
    throw InputError(path + ": " + error.what());
  }
}

void write_trace(const std::string& path, const Simulation& simulation,
                 const SimulationOptions& how, const Json& about) {
  std::unordered_set<Operator, OperatorHash> drawn;
  std::int64_t traffic = 0;
  ChromeTrace trace;
  for (const auto& [item, report] : simulation.operators) {
    Trace spans;
    if (drawn.insert(item.op).second) {
      traffic += report.accesses.l2_bytes;
      if (traffic > kLargestTracedTraffic)
        throw InputError(path + ": the trace would be too large: expected operators that move at " +
                         "most " + std::to_string(kLargestTracedTraffic) + " bytes together");
      SimulationOptions traced = how;
      traced.schedule = simulation.schedule;
      traced.trace = &spans;
      simulate(item.op, simulation.hardware, traced);
    }
    trace.add(item, report.cost.latency, std::move(spans));
  }
  trace.write(path, about);
}

}  // namespace

void simulate_command(const SimulateOptions& options, const CommonOptions& common) {
  if (!options.architecture && !options.gemm && !options.mapping)
    throw InputError(
        "simulate: expected an architecture file, --gemm M,K,N or --mapping FILE (see --help)");
  if (valid_utf8_prefix(options.hardware) < options.hardware.size())
    throw InputError("--hardware: is not valid UTF-8");
  if (options.trace && options.trace->empty()) throw InputError("--trace: expected a file name");
  const Hardware hardware = find_hardware(options.hardware);
  SimulationOptions how;
  how.engine = options.engine == "reference" ? Engine::kReference : Engine::kFast;
  how.cycle_limit = options.cycle_limit;

  Json about;
  std::string title;
  Simulation simulation;
  if (options.gemm || options.mapping) {
    simulation = options.gemm ? simulate_gemm(options, hardware, how)
                              : simulate_mapping(*options.mapping, hardware, how);
    title = describe(simulation.operators[0].item.op);
  } else {
    const Architecture network = architecture_argument(*options.architecture, nullptr);
    const Workload workload{options.length,
                            options.mode == "decode" ? Mode::kDecode : Mode::kPrefill};
    simulation = {hardware, simulate(network, workload, hardware, how), {}};
    about["architecture"] = to_json(network);
    about["sequence_length"] = options.length;
    about["mode"] = options.mode;
    title = describe(network) + format(" at length %d (%s)", options.length, options.mode.c_str());
  }
  about["hardware"] = {{"name", options.hardware}, {"hash", hex(hardware_hash(hardware))}};
  about["engine"] = options.engine;

  if (options.trace) write_trace(*options.trace, simulation, how, about);
  if (common.json) {
    Json json = to_json(simulation);
    json.update(about);
    return print(to_text(json));
  }
  print(title + " on " + path_text(options.hardware) + "\n" + simulation_table(simulation));
}

}  // namespace paretoformer
