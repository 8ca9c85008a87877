// The verb `map`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_file.hpp"
#include "accel_sim/mapper/mapping_search.hpp"
#include "accel_sim/mapper/mapping_spread.hpp"
#include "accel_sim/mapper/words.hpp"
#include "accel_sim/workload/words.hpp"
#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/priced_network.hpp"
#include "nas/cli/progress.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/plot.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct MapOptions {
  int m = 0, k = 0, n = 0;             // a matmul
  bool int4_weights = false;           // of it
  std::optional<std::string> conv;     // or "P,Q,C,K,R,S[,STRIDE]"
  std::optional<std::string> network;  // or the matmuls of a network's file
  PricingOptions given;                // of it; the hardware is not used
  std::string hardware = "gemmini_transformer";
  std::string objective = "edp";
  std::string mapspace = "perfect";  // of the samples
  std::int64_t samples = 100'000;
  std::uint64_t seed = 1;
  std::optional<std::string> svg;     // a file to write
  std::optional<std::string> output;  // and one for the best mapping
};

constexpr int kLargestOutput = 1 << 16;  // of a convolution
constexpr int kLargestKernel = 32;       // and of its stride

accel_sim::Workpiece parse_convolution(const std::string& text) {
  const std::vector<int> numbers = numbers_in(text, kLargestOutput);
  if (numbers.size() < accel_sim::kDimensions || numbers.size() > accel_sim::kDimensions + 1 ||
      *std::max_element(numbers.begin() + accel_sim::kR, numbers.end()) > kLargestKernel)
    throw InputError("--conv: \"" + text +
                     "\" is not P,Q,C,K,R,S or P,Q,C,K,R,S,STRIDE: expected " +
                     "numbers from 1 to " + std::to_string(kLargestOutput) +
                     ", of kernel and stride to " + std::to_string(kLargestKernel));
  accel_sim::Workpiece work;
  std::copy_n(numbers.begin(), accel_sim::kDimensions, work.extent.begin());
  if (numbers.size() > accel_sim::kDimensions) work.stride = numbers.back();
  return work;
}

accel_sim::Workpiece workpiece(const MapOptions& options) {
  if (options.conv) return parse_convolution(*options.conv);
  if (options.m == 0)
    throw InputError(
        "map: expected --m, --k and --n, or --conv P,Q,C,K,R,S, or a network (see --help)");
  return accel_sim::matmul_workpiece(options.m, options.k, options.n,
                                     options.int4_weights ? 4 : kInt8Bits);
}

// What the verb found.
struct MapAnswer {
  accel_sim::Workpiece work;
  accel_sim::MappingObjective objective;
  accel_sim::FoundMapping best;
  accel_sim::Factors best_in;  // the mapspace that has it
  accel_sim::Mapping best_of_blocks;
  accel_sim::Mapping greedy;
  accel_sim::MappingCost greedy_cost;
  double reference;  // the best of the mapspace of the samples
  double size;       // of that mapspace
  accel_sim::MappingSpread spread;

  double greedy_over_best() const { return greedy_cost.of(objective) / best.cost.of(objective); }
};

// Three parts: the two mapspaces, and the samples of one.
class MapProgress {
 public:
  accel_sim::ShareDone part(const char* name) {
    return [this, name](double share) {
      bar_.show({"map", std::llround(kAll * (parts_ + share) / kParts), kAll, name});
      if (share >= 1) ++parts_;
    };
  }

 private:
  static constexpr std::int64_t kAll = 1000;
  static constexpr int kParts = 3;
  ProgressBar bar_{ProgressBar::Begin::kWhenLong};
  int parts_ = 0;  // that are done
};

MapAnswer answer(const MapOptions& options, const accel_sim::Target& hardware) {
  MapAnswer result;
  result.work = workpiece(options);
  result.objective = accel_sim::kMappingObjectiveWords.value_of(options.objective, "--objective");
  const accel_sim::MappingCostModel model(result.work, hardware);
  MapProgress progress;
  for (const accel_sim::Factors factors :
       {accel_sim::Factors::kBlocks, accel_sim::Factors::kPerfect}) {
    const accel_sim::Mapspace space(result.work, hardware, factors);
    const accel_sim::FoundMapping found =
        best_mapping(space, result.objective, progress.part("thousandths, best mapping"));
    const double cost = found.cost.of(result.objective);
    if (factors == accel_sim::Factors::kBlocks) result.best_of_blocks = found.mapping;
    if (factors == accel_sim::Factors::kBlocks || cost < result.best.cost.of(result.objective)) {
      result.best = found;
      result.best_in = factors;
    }
    if (options.mapspace != accel_sim::kFactorsWords.word_of(factors)) continue;
    result.reference = cost;
    result.size = space.size();
    result.spread = mapping_spread(space, result.objective, options.samples, options.seed,
                                   accel_sim::CostRules::kGemmini,
                                   progress.part("thousandths, random mappings"));
  }
  result.greedy = greedy_mapping(result.work, hardware);
  result.greedy_cost = model(result.greedy);
  return result;
}

Json to_json(const accel_sim::Mapping& mapping, const accel_sim::MappingCost& cost,
             const accel_sim::Workpiece& work) {
  return Json{{"mapping", to_json(mapping, work)},
              {"cycles", std::llround(cost.cycles)},
              {"compute_cycles", std::llround(cost.compute)},
              {"memory_cycles", std::llround(cost.memory)},
              {"energy_pj", cost.energy_pj},
              {"edp", cost.edp()},
              {"dram_bytes", cost.dram_bytes}};
}

Json distribution_json(const MapAnswer& found, const MapOptions& options) {
  const accel_sim::MappingSpread& spread = found.spread;
  return Json{
      {"mapspace", options.mapspace},
      {"mappings", found.size},
      {"samples", options.samples},
      {"valid_share", static_cast<double>(options.samples) / static_cast<double>(spread.draws)},
      {"best_sampled", spread.best()},
      {"worst_sampled", spread.worst()},
      {"orders_of_magnitude", spread.orders_of_magnitude()},
      {"tenth_percentile_over_best", spread.tenth_percentile_over(spread.best())},
      {"share_within_3x", spread.share_within(3, spread.best())},
      {"exact_best", found.reference},
      {"tenth_percentile_over_exact_best", spread.tenth_percentile_over(found.reference)},
      {"share_within_3x_of_exact_best", spread.share_within(3, found.reference)}};
}

Json to_json(const MapAnswer& found, const MapOptions& options, const accel_sim::Target& hardware) {
  Json json{{"workpiece",
             to_json(accel_sim::MappedWorkpiece{found.work, found.best.mapping})["workpiece"]},
            {"objective", options.objective},
            {"hardware", {{"name", options.hardware}, {"hash", hex(target_hash(hardware))}}},
            {"best", to_json(found.best.mapping, found.best.cost, found.work)},
            {"greedy", to_json(found.greedy, found.greedy_cost, found.work)},
            {"distribution", distribution_json(found, options)}};
  json["best"]["mapspace"] = accel_sim::kFactorsWords.word_of(found.best_in);
  json["greedy"]["over_best"] = found.greedy_over_best();
  return json;
}

std::string table(const MapAnswer& found, const MapOptions& options) {
  const auto line = [&](const char* what, const accel_sim::Mapping& mapping,
                        const accel_sim::MappingCost& cost) {
    return fmt::format("{:<8} {:>14.0f} {:>14.3f} {:>12.4g}   {}\n", what, cost.cycles,
                       cost.energy_pj * 1e-6, cost.edp(), describe(mapping, found.work));
  };
  const accel_sim::MappingSpread& spread = found.spread;
  return fmt::format("{:<8} {:>14} {:>14} {:>12}   mapping\n", "", "cycles", "energy/uJ",
                     "pJ*cycles") +
         line("best", found.best.mapping, found.best.cost) +
         line("greedy", found.greedy, found.greedy_cost) +
         fmt::format(
             "The best is of the mapspace \"{}\"; the greedy rule's {} is {:.4g} times its.\n",
             std::string(accel_sim::kFactorsWords.word_of(found.best_in)), options.objective,
             found.greedy_over_best()) +
         fmt::format(
             "{} random valid mappings of \"{}\" ({:.3g} mappings, {:.1f} % of draws valid):\n",
             options.samples, options.mapspace, found.size,
             100 * static_cast<double>(options.samples) / static_cast<double>(spread.draws)) +
         fmt::format("{:>8.2f}  orders of magnitude from best to worst\n",
                     spread.orders_of_magnitude()) +
         fmt::format(
             "{:>8.2f}  10th percentile over the best sample ({:.2f} over the best of the "
             "mapspace)\n",
             spread.tenth_percentile_over(spread.best()),
             spread.tenth_percentile_over(found.reference)) +
         fmt::format("{:>8.2f}  % within 3x of it ({:.2f} %)\n",
                     100 * spread.share_within(3, spread.best()),
                     100 * spread.share_within(3, found.reference));
}

std::string histogram(const MapAnswer& found, const MapOptions& options) {
  const char* const axis =
      found.objective == accel_sim::MappingObjective::kLatency  ? "latency (cycles)"
      : found.objective == accel_sim::MappingObjective::kEnergy ? "energy (pJ)"
                                                                : "EDP (pJ x cycles)";
  return histogram_svg(found.spread.costs,
                       {{"best", found.best.cost.of(found.objective)},
                        {"greedy", found.greedy_cost.of(found.objective)}},
                       fmt::format("{} random mappings, mapspace \"{}\", on {}", options.samples,
                                   options.mapspace, options.hardware),
                       axis);
}

// The matmuls of a network, each shape once.
struct MappedShape {
  accel_sim::Workpiece work;
  std::int64_t repeat = 0;
  accel_sim::FoundMapping best;
  accel_sim::MappingCost greedy;
};

std::vector<MappedShape> matmuls_of(const PricedNetwork& network) {
  std::vector<MappedShape> shapes;
  const auto list = network.listed ? network.listed->operators(network.workload)
                                   : transformer_operators(network.architecture, network.workload);
  for (const auto& [role, layer, repeat, op] : list) {
    if (op.kind != accel_sim::OperatorKind::kMatmul) continue;
    const accel_sim::Workpiece work = accel_sim::matmul_workpiece(op);
    auto found = std::find_if(shapes.begin(), shapes.end(),
                              [&](const MappedShape& each) { return each.work == work; });
    if (found == shapes.end()) found = shapes.insert(found, {work, 0, {}, {}});
    found->repeat += repeat;
  }
  return shapes;
}

std::vector<MappedShape> mapped(const PricedNetwork& network, accel_sim::MappingObjective objective,
                                const accel_sim::Target& hardware) {
  std::vector<MappedShape> shapes = matmuls_of(network);
  ProgressBar bar(ProgressBar::Begin::kWhenLong);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    bar.show({"map", static_cast<std::int64_t>(i), std::ssize(shapes), "matmuls"});
    MappedShape& each = shapes[i];
    const accel_sim::MappingCostModel model(each.work, hardware);
    for (const accel_sim::Factors factors :
         {accel_sim::Factors::kBlocks, accel_sim::Factors::kPerfect}) {
      const accel_sim::FoundMapping found =
          best_mapping(accel_sim::Mapspace(each.work, hardware, factors), objective);
      if (factors == accel_sim::Factors::kBlocks ||
          found.cost.of(objective) < each.best.cost.of(objective))
        each.best = found;
    }
    each.greedy = model(greedy_mapping(each.work, hardware));
  }
  return shapes;
}

void map_network(const MapOptions& options, const CommonOptions& common,
                 const accel_sim::Target& hardware) {
  const PricedNetwork network = priced_network(*options.network, options.given);
  const accel_sim::MappingObjective objective =
      accel_sim::kMappingObjectiveWords.value_of(options.objective, "--objective");
  const std::vector<MappedShape> shapes = mapped(network, objective, hardware);
  Json list = Json::array();
  std::string table =
      fmt::format("{} at {} on {}\n{:>8} {:>8} {:>8} {:>8} {:>6} {:>14} {:>14} {:>13}   mapping\n",
                  describe(network), in_words(network.workload), options.hardware, "runs", "m", "k",
                  "n", "bits", "best/cycles", "energy/uJ", "greedy/best");
  for (const auto& [work, repeat, best, greedy] : shapes) {
    const int m = work.extent[accel_sim::kP], k = work.extent[accel_sim::kC],
              n = work.extent[accel_sim::kK];
    const double over_best = greedy.of(objective) / best.cost.of(objective);
    table += fmt::format("{:>8} {:>8} {:>8} {:>8} {:>6} {:>14.0f} {:>14.3f} {:>13.4g}   {}\n",
                         repeat, m, k, n, work.weight_bits, best.cost.cycles,
                         best.cost.energy_pj * 1e-6, over_best, describe(best.mapping, work));
    list.push_back({{"runs", repeat},
                    {"m", m},
                    {"k", k},
                    {"n", n},
                    {"weight_bits", work.weight_bits},
                    {"best", to_json(best.mapping, best.cost, work)},
                    {"greedy_over_best", over_best}});
  }
  if (!common.json) return print(table);
  print(
      to_text(Json{{"network", describe(network)},
                   {"objective", options.objective},
                   {"hardware", {{"name", options.hardware}, {"hash", hex(target_hash(hardware))}}},
                   {"matmuls", list}}));
}

void map_workpiece(const MapOptions& options, const CommonOptions& common) {
  require_utf8(options.hardware, "--hardware");
  if (options.svg && options.svg->empty()) throw InputError("--svg: expected a file name");
  if (options.output && options.output->empty()) throw InputError("--output: expected a file name");
  const accel_sim::Target hardware = accel_sim::find_target(options.hardware);
  if (options.network) return map_network(options, common, hardware);
  const MapAnswer found = answer(options, hardware);
  if (options.output)
    write_file_atomic(
        *options.output,
        to_text(to_json(accel_sim::MappedWorkpiece{found.work, found.best_of_blocks})));
  if (options.svg) write_file_atomic(*options.svg, histogram(found, options));
  print(common.json ? to_text(to_json(found, options, hardware)) : table(found, options));
}

}  // namespace

void add_map(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand("map",
                                      "The best mapping of a matmul or a convolution to an "
                                      "accelerator, and how others spread; or of "
                                      "every matmul of a network");
  MapOptions& options = options_of(verb, common, map_workpiece);
  verb->option_defaults()->always_capture_default();
  const CLI::Range extent(1, 1 << 20);
  CLI::Option* m = verb->add_option("--m", options.m, "Rows of a matmul")->check(extent);
  CLI::Option* k = verb->add_option("--k", options.k, "Inner extent of the matmul")->check(extent);
  CLI::Option* n = verb->add_option("--n", options.n, "Columns of the matmul")->check(extent);
  m->needs(k, n);
  k->needs(m, n);
  n->needs(m, k);
  CLI::Option* int4 = verb->add_flag("--int4-weights", options.int4_weights,
                                     "Its second matrix is weights of four bits")
                          ->needs(m);
  CLI::Option* conv =
      verb->add_option("--conv", options.conv,
                       "P,Q,C,K,R,S[,STRIDE]: output rows and columns, input and output channels, "
                       "kernel rows and columns");
  conv->excludes(m, int4);
  CLI::Option* network =
      verb->add_option(
              "NETWORK", options.network,
              "Architecture, exported JSON file, ONNX model or config.json of Hugging Face's: its "
              "matmuls")
          ->excludes(m, conv);
  verb->add_option("--length", options.given.length, "Its sequence length (default: as predict)")
      ->check(CLI::Range(1, 1 << 20))
      ->needs(network);
  add_batch(verb, options.given.batch)->needs(network);
  verb->add_option("--mode", options.given.mode, "Its mode (default: as predict)")
      ->check(CLI::IsMember(accel_sim::kModeWords.all()))
      ->needs(network);
  verb->add_option("--hardware", options.hardware, "Preset or JSON file");
  verb->add_option("--objective", options.objective, "latency, energy or edp")
      ->check(CLI::IsMember(accel_sim::kMappingObjectiveWords.all()));
  verb->add_option("--samples", options.samples, "Number of random valid mappings")
      ->excludes(network)
      ->check(CLI::Range(1, 10'000'000));
  verb->add_option(
          "--mapspace", options.mapspace,
          "What samples are drawn from: perfect (divisors as tiles) or blocks (whole blocks)")
      ->excludes(network)
      ->check(CLI::IsMember(accel_sim::kFactorsWords.all()));
  verb->add_option("--seed", options.seed, "Seed of the samples")->excludes(network);
  verb->add_option("--svg", options.svg, "Write a histogram of the samples to this file")
      ->excludes(network);
  verb->add_option("--output", options.output,
                   "Write the best mapping of whole blocks to this file (for simulate --mapping)")
      ->excludes(network);
  add_common(verb, common);
}

}  // namespace paretoformer::nas
