// DOSA's four networks (Hong et al., MICRO 2023, Fig. 7) on its hardware space, by its cost model
// or by ours: the best hardware and mappings, beside the random search that it is compared with.
// docs/mapper.md has what it prints.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "accel_sim/hardware/area.hpp"
#include "accel_sim/mapper/mapping_search.hpp"
#include "bench/command_main.hpp"
#include "bench/dosa_model.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/parallel.hpp"

namespace {

using namespace paretoformer;
using namespace paretoformer::accel_sim;

struct Network {
  std::string name;
  std::vector<DosaLayer> layers;
};

// Its layers, each shape once: {{P, Q, C, K, R, S}, stride}, how often. BERT is what DOSA takes it
// for: five shapes of a layer, one head of attention.
std::vector<Network> networks() {
  return {
      {"unet", {{{{570, 570, 1, 64, 3, 3}, 1}, 1},    {{{568, 568, 64, 64, 3, 3}, 1}, 1},
                {{{282, 282, 64, 128, 3, 3}, 1}, 1},  {{{280, 280, 128, 128, 3, 3}, 1}, 1},
                {{{138, 138, 128, 256, 3, 3}, 1}, 1}, {{{136, 136, 256, 256, 3, 3}, 1}, 1},
                {{{66, 66, 256, 512, 3, 3}, 1}, 1},   {{{64, 64, 512, 512, 3, 3}, 1}, 1},
                {{{30, 30, 512, 1024, 3, 3}, 1}, 1},  {{{28, 28, 1024, 1024, 3, 3}, 1}, 1},
                {{{56, 56, 1024, 512, 2, 2}, 1}, 1},  {{{54, 54, 1024, 512, 3, 3}, 1}, 1},
                {{{52, 52, 512, 512, 3, 3}, 1}, 1},   {{{104, 104, 512, 256, 2, 2}, 1}, 1},
                {{{102, 102, 512, 256, 3, 3}, 1}, 1}, {{{100, 100, 256, 256, 3, 3}, 1}, 1},
                {{{200, 200, 256, 128, 2, 2}, 1}, 1}, {{{198, 198, 256, 128, 3, 3}, 1}, 1},
                {{{196, 196, 128, 128, 3, 3}, 1}, 1}, {{{392, 392, 128, 64, 2, 2}, 1}, 1},
                {{{390, 390, 128, 64, 3, 3}, 1}, 1},  {{{388, 388, 64, 64, 3, 3}, 1}, 1},
                {{{388, 388, 64, 2, 1, 1}, 1}, 1}}},
      {"resnet50", {{{{112, 112, 3, 64, 7, 7}, 2}, 1},   {{{56, 56, 64, 64, 1, 1}, 1}, 1},
                    {{{56, 56, 64, 64, 3, 3}, 1}, 3},    {{{56, 56, 64, 256, 1, 1}, 1}, 4},
                    {{{56, 56, 256, 64, 1, 1}, 1}, 2},   {{{56, 56, 256, 128, 1, 1}, 1}, 1},
                    {{{28, 28, 128, 128, 3, 3}, 2}, 1},  {{{28, 28, 128, 512, 1, 1}, 1}, 4},
                    {{{28, 28, 256, 512, 1, 1}, 2}, 1},  {{{28, 28, 512, 128, 1, 1}, 1}, 3},
                    {{{28, 28, 128, 128, 3, 3}, 1}, 3},  {{{28, 28, 512, 256, 1, 1}, 1}, 1},
                    {{{14, 14, 256, 256, 3, 3}, 2}, 1},  {{{14, 14, 256, 1024, 1, 1}, 1}, 6},
                    {{{14, 14, 512, 1024, 1, 1}, 2}, 1}, {{{14, 14, 1024, 256, 1, 1}, 1}, 5},
                    {{{14, 14, 256, 256, 3, 3}, 1}, 5},  {{{14, 14, 1024, 512, 1, 1}, 1}, 1},
                    {{{7, 7, 512, 512, 3, 3}, 2}, 1},    {{{7, 7, 512, 2048, 1, 1}, 1}, 3},
                    {{{7, 7, 1024, 2048, 1, 1}, 2}, 1},  {{{7, 7, 2048, 512, 1, 1}, 1}, 2},
                    {{{7, 7, 512, 512, 3, 3}, 1}, 2},    {{{1, 1, 2048, 1000, 1, 1}, 1}, 1}}},
      {"bert",
       {{{{128, 1, 768, 768, 1, 1}, 1}, 2},
        {{{128, 1, 64, 128, 1, 1}, 1}, 1},
        {{{128, 1, 128, 64, 1, 1}, 1}, 1},
        {{{128, 1, 768, 3072, 1, 1}, 1}, 1},
        {{{128, 1, 3072, 768, 1, 1}, 1}, 1}}},
      {"retinanet", {{{{28, 28, 512, 256, 1, 1}, 1}, 1},  {{{28, 28, 256, 256, 3, 3}, 1}, 2},
                     {{{28, 28, 256, 720, 3, 3}, 1}, 1},  {{{28, 28, 256, 36, 3, 3}, 1}, 1},
                     {{{14, 14, 1024, 256, 1, 1}, 1}, 1}, {{{14, 14, 256, 256, 3, 3}, 1}, 2},
                     {{{14, 14, 256, 720, 3, 3}, 1}, 1},  {{{14, 14, 256, 36, 3, 3}, 1}, 1},
                     {{{7, 7, 2048, 256, 1, 1}, 1}, 1},   {{{7, 7, 256, 256, 3, 3}, 1}, 2},
                     {{{7, 7, 256, 720, 3, 3}, 1}, 1},    {{{7, 7, 256, 36, 3, 3}, 1}, 1},
                     {{{4, 4, 2048, 256, 3, 3}, 2}, 1},   {{{4, 4, 256, 256, 1, 1}, 1}, 1},
                     {{{4, 4, 256, 256, 3, 3}, 1}, 2},    {{{4, 4, 256, 720, 3, 3}, 1}, 1},
                     {{{4, 4, 256, 36, 3, 3}, 1}, 1},     {{{2, 2, 256, 256, 3, 3}, 2}, 1},
                     {{{2, 2, 256, 256, 1, 1}, 1}, 1},    {{{2, 2, 256, 256, 3, 3}, 1}, 2},
                     {{{2, 2, 256, 720, 3, 3}, 1}, 1},    {{{2, 2, 256, 36, 3, 3}, 1}, 1}}},
  };
}

// Edges of the array 2 to 128, memories of 1 KiB to 2 MiB, in powers of two: what DOSA's random
// search draws from (1008).
constexpr int kSmallestEdge = 2, kLargestEdge = 128, kLargestKib = 2048;
constexpr int kRandomHardware = 10, kRandomMappings = 1000;  // its budget

DosaHardware random_hardware(Random& random) {
  const auto power = [&](int low, int count) {
    return 1 << (low + static_cast<int>(random.below(static_cast<std::size_t>(count))));
  };
  DosaHardware hardware;
  hardware.array_size = power(1, 7);
  hardware.scratchpad_kib = power(0, 12);
  hardware.accumulator_kib = power(0, 12);
  return hardware;
}

// As DOSA does it: of every layer the mapping of the lowest EDP of its own.
double random_search(const Network& network, std::uint64_t seed) {
  Random random(seed);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRandomHardware; ++i) {
    const DosaHardware hardware = random_hardware(random);
    DosaTotal total;
    for (const DosaLayer& layer : network.layers) {
      DosaTotal lowest{std::numeric_limits<double>::infinity(), 1};
      for (const DosaCost& cost :
           random_dosa_mappings(layer.work, hardware, kRandomMappings, random)) {
        const DosaTotal each{cost.cycles, cost.energy_pj(hardware)};
        if (each.edp() < lowest.edp()) lowest = each;
      }
      total.cycles += layer.count * lowest.cycles;
      total.energy_pj += layer.count * lowest.energy_pj;
    }
    best = std::min(best, total.edp());
  }
  return best;
}

struct Found {
  DosaHardware hardware;
  DosaTotal total{std::numeric_limits<double>::infinity(), 1};
};

// The mappings of all layers on arrays of one size.
class OnArray {
 public:
  OnArray(const Network& network, int array_size) : array_size_(array_size) {
    for (const DosaLayer& layer : network.layers) {
      mappings_.push_back(dosa_mappings(layer.work, array_size));
      counts_.push_back(layer.count);
    }
  }
  void try_sizes(int scratchpad_kib, int accumulator_kib, Found& best) const {
    const DosaHardware hardware{array_size_, scratchpad_kib, accumulator_kib};
    const DosaTotal total = best_total(mappings_, counts_, hardware);
    if (total.edp() < best.total.edp()) best = {hardware, total};
  }

 private:
  int array_size_;
  std::vector<std::vector<DosaCost>> mappings_;
  std::vector<int> counts_;
};

Found best_of_powers(const Network& network) {
  Found best;
  for (int edge = kSmallestEdge; edge <= kLargestEdge; edge *= 2) {
    const OnArray array(network, edge);
    for (int scratchpad = 1; scratchpad <= kLargestKib; scratchpad *= 2)
      for (int accumulator = 1; accumulator <= kLargestKib; accumulator *= 2)
        array.try_sizes(scratchpad, accumulator, best);
  }
  return best;
}

// From there over whole KiB, on the same array, as DOSA's own search has them, which bounds the
// array alone: one size or both by half, a quarter ... of themselves, as long as that helps. Not
// proven to be the best.
Found refined(const Network& network, const Found& start) {
  Found best = start;
  const OnArray array(network, start.hardware.array_size);
  for (double step = 0.5; step > 1.0 / 512; step /= 2) {
    for (bool better = true; better;) {
      const DosaHardware at = best.hardware;
      const auto moved = [&](int kib, int direction) {
        const int by = std::max(1, static_cast<int>(std::lround(step * kib)));
        return std::max(1, kib + direction * by);
      };
      for (const int a : {-1, 0, 1})
        for (const int b : {-1, 0, 1})
          array.try_sizes(moved(at.scratchpad_kib, a), moved(at.accumulator_kib, b), best);
      better = !(best.hardware == at);
    }
  }
  return best;
}

std::string described(const DosaHardware& hardware) {
  return fmt::format("{}x{}, {} + {}", hardware.array_size, hardware.array_size,
                     hardware.scratchpad_kib, hardware.accumulator_kib);
}

void compare(const Network& network, int seeds, double& log_ratio) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> random;
  for (int seed = 0; seed < seeds; ++seed)
    random.push_back(random_search(network, static_cast<std::uint64_t>(seed)));
  const Clock::time_point start = Clock::now();
  const Found best = best_of_powers(network);
  const std::chrono::duration<double> seconds = Clock::now() - start;
  const Found fine = refined(network, best);
  Found usual;
  OnArray(network, 16).try_sizes(128, 32, usual);
  const double mean =
      std::accumulate(random.begin(), random.end(), 0.0) / static_cast<double>(random.size());
  std::sort(random.begin(), random.end());
  log_ratio += std::log(mean / best.total.edp());
  // pJ x cycles, as uJ x cycles.
  fmt::print(
      "| {} | {:.3g} ({:.3g} to {:.3g}) | {:.3g} | {:.3g} | {} | {:.2f} | {:.3g} | {} | {:.1f} s "
      "|\n",
      network.name, mean * 1e-6, random.front() * 1e-6, random.back() * 1e-6,
      usual.total.edp() * 1e-6, best.total.edp() * 1e-6, described(best.hardware),
      mean / best.total.edp(), fine.total.edp() * 1e-6, described(fine.hardware), seconds.count());
  std::fflush(stdout);
}

// --- by this project's cost model, on the machine that RTL has measured but for three sizes

struct OwnFound {
  Target target;
  double area = 0;
  DosaTotal total{std::numeric_limits<double>::infinity(), 1};
};

Target sized(const DosaHardware& hardware) {
  const Json json{{"preset", "gemmini_soc"},
                  {"array_size", hardware.array_size},
                  {"scratchpad_kib", hardware.scratchpad_kib},
                  {"accumulator_kib", hardware.accumulator_kib}};
  return target_from_json(JsonNode(json, "hardware"));
}

// Those of the 1008 that can be: a Gemmini has an edge of 4 or more, and room for two tiles of a
// block each.
std::vector<Target> possible_targets() {
  std::vector<Target> targets;
  for (int edge = kSmallestEdge; edge <= kLargestEdge; edge *= 2)
    for (int scratchpad = 1; scratchpad <= kLargestKib; scratchpad *= 2)
      for (int accumulator = 1; accumulator <= kLargestKib; accumulator *= 2) try {
          targets.push_back(sized({edge, scratchpad, accumulator}));
        } catch (const InputError&) {
        }
  return targets;
}

// `lowest` gives each layer's mapping.
template <typename Lowest>
OwnFound own_total(const Network& network, const Target& target, const Lowest& lowest) {
  OwnFound found{target, area(target).total(), {}};
  for (const DosaLayer& layer : network.layers) {
    const MappingCost cost = lowest(Mapspace(layer.work, target, Factors::kPerfect));
    found.total.cycles += layer.count * cost.cycles;
    found.total.energy_pj += layer.count * cost.energy_pj;
  }
  return found;
}

MappingCost exact(const Mapspace& mapspace) {
  return best_mapping(mapspace, MappingObjective::kEdp).cost;
}

double own_random_search(const Network& network, const std::vector<Target>& targets,
                         std::uint64_t seed) {
  Random random(seed);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRandomHardware; ++i) {
    const Target& target = targets[random.below(targets.size())];
    const OwnFound found = own_total(network, target, [&](const Mapspace& mapspace) {
      const MappingCostModel model(mapspace.work(), target);
      MappingCost lowest = model(mapspace.sample(random));
      for (int j = 1; j < kRandomMappings; ++j) {
        const MappingCost cost = model(mapspace.sample(random));
        if (cost.edp() < lowest.edp()) lowest = cost;
      }
      return lowest;
    });
    best = std::min(best, found.total.edp());
  }
  return best;
}

// The best machine of any size, and the best of no more area than Gemmini's usual one.
void compare_own(const Network& network, int seeds, double& log_ratio) {
  const std::vector<Target> targets = possible_targets();
  std::vector<double> random(static_cast<std::size_t>(seeds));
  parallel_tasks(random.size(), [&](std::size_t seed) {
    random[seed] = own_random_search(network, targets, seed);
  });
  std::vector<OwnFound> found(targets.size());
  parallel_tasks(targets.size(),
                 [&](std::size_t i) { found[i] = own_total(network, targets[i], exact); });
  const OwnFound usual = own_total(network, sized({16, 128, 32}), exact);
  const auto best_within = [&](double most) {
    OwnFound best;
    for (const OwnFound& each : found)
      if (each.area <= most && each.total.edp() < best.total.edp()) best = each;
    return best;
  };
  const OwnFound best = best_within(std::numeric_limits<double>::infinity());
  const OwnFound small = best_within(usual.area);
  const double mean = std::accumulate(random.begin(), random.end(), 0.0) / seeds;
  log_ratio += std::log(mean / best.total.edp());
  const auto on = [](const OwnFound& machine) {
    return fmt::format("{}x{}, {} + {} | {:.2f}", machine.target.array_size,
                       machine.target.array_size, machine.target.scratchpad_kib,
                       machine.target.accumulator_kib, machine.area);
  };
  fmt::print("| {} | {:.3g} | {:.3g} | {:.3g} | {} | {:.2f} | {:.3g} | {} |\n", network.name,
             mean * 1e-6, usual.total.edp() * 1e-6, best.total.edp() * 1e-6, on(best),
             mean / best.total.edp(), small.total.edp() * 1e-6, on(small));
  std::fflush(stdout);
}

// A row of DOSA's data set, of Timeloop and Accelergy, by the names of its columns.
using Row = std::map<std::string, std::string>;

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line.substr(0, line.find('\r')));
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

// "L3[WIO] P28 K8 - L2[WI] N1 K4X - L1[O] K2 Q2 C3X - L0[W] P2": loops of a level, outermost first;
// X: in space. Level 3 is DRAM.
Mapping mapping_of(const std::string& text) {
  Mapping mapping;
  std::vector<std::uint8_t> order;
  std::istringstream stream(text);
  bool in_dram = false;
  for (std::string word; stream >> word;) {
    if (word[0] == 'L') in_dram = word[1] == '3';
    const std::size_t d = std::string(kDimensionNames).find(word[0]);
    if (d == std::string::npos) continue;
    const int factor = std::stoi(word.substr(1));
    if (in_dram)
      order.push_back(static_cast<std::uint8_t>(d));
    else
      mapping.tile[d] *= factor;
    if (word.back() == 'X') mapping.inner[d] = factor;
  }
  for (std::uint8_t d = kDimensions; d-- > 0;)
    if (std::find(order.begin(), order.end(), d) == order.end()) order.insert(order.begin(), d);
  std::copy(order.begin(), order.end(), mapping.order.begin());
  return mapping;
}

struct Errors {
  int rows = 0, fit = 0, close_cycles = 0, close_energies = 0;
  double cycles = 0, energy = 0;

  void add(const Row& row) {
    const auto number = [&](const std::string& name) { return std::stoi(row.at(name)); };
    Workpiece work;
    for (std::size_t d = 0; d < kDimensions; ++d)
      work.extent[d] = number(std::string("prob.") + kDimensionNames[d]);
    work.stride = number("prob.Wstride");
    DosaHardware hardware;
    hardware.array_size = number("arch.meshX");
    hardware.scratchpad_kib = number("arch.mem2_entries") / 1024;
    hardware.accumulator_kib = number("arch.mem1_entries") * hardware.array_size / 256;
    const DosaCost cost =
        dosa_cost(work, mapping_of(row.at("mapping.mapping")), hardware.array_size);
    const double cycle_error = std::abs(cost.cycles / std::stod(row.at("target.cycle")) - 1);
    const double energy_error =
        std::abs(cost.energy_pj(hardware) * 1e-6 / std::stod(row.at("target.energy")) - 1);
    ++rows;
    fit += cost.fits(hardware) ? 1 : 0;
    close_cycles += cycle_error < 0.01 ? 1 : 0;
    close_energies += energy_error < 0.01 ? 1 : 0;
    cycles += cycle_error;
    energy += energy_error;
  }
};

void compare_with_timeloop(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error(path.string() + ": cannot be read");
  const std::vector<std::string> names = fields_of(line);
  Errors errors;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = fields_of(line);
    Row row;
    for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) row[names[i]] = fields[i];
    errors.add(row);
  }
  fmt::print(
      "{} mappings, {} of which fit; off by {:.4f} % in cycles and {:.3f} % in energy on average, "
      "by less than 1 % in {:.2f} and {:.2f} % of them\n",
      errors.rows, errors.fit, 100 * errors.cycles / errors.rows, 100 * errors.energy / errors.rows,
      100.0 * errors.close_cycles / errors.rows, 100.0 * errors.close_energies / errors.rows);
}

int run(int argc, char** argv) {
  int seeds = 5;
  std::string only;
  CLI::App app("DOSA's networks, hardware space and cost model, searched exactly");
  app.add_option("--seeds", seeds, "Random searches of each")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--network", only, "unet, resnet50, bert or retinanet (default: all)");
  std::filesystem::path timeloop;
  app.add_option("--timeloop", timeloop,
                 "Instead, compare the cost model with this data/timeloop_dataset/dataset.csv of "
                 "DOSA's repository");
  bool own = false;
  app.add_flag("--own", own, "By this project's cost model instead of DOSA's");
  CLI11_PARSE(app, argc, argv);
  if (!timeloop.empty()) {
    compare_with_timeloop(timeloop);
    return 0;
  }
  const char* const columns =
      own ? "random search | 16x16, 128 + 32 KiB | best | on | mm2 | random / best | of no more "
            "area | on | mm2"
          : "random search (range) | 16x16, 128 + 32 KiB | exact best | on | random / best | in "
            "whole KiB | on | exact search";
  fmt::print(
      "| network | {} |\n|{}\n", columns,
      own ? "---|---|---|---|---|---|---|---|---|---|" : "---|---|---|---|---|---|---|---|---|");
  double log_ratio = 0;
  int count = 0;
  for (const Network& network : networks()) {
    if (!only.empty() && only != network.name) continue;
    (own ? compare_own : compare)(network, seeds, log_ratio);
    ++count;
  }
  if (own) fmt::print("{} machines\n", possible_targets().size());
  fmt::print("random / best, geometric mean: {:.2f}\n", std::exp(log_ratio / count));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return command_main("dosa_bench", [&] { return run(argc, argv); });
}
