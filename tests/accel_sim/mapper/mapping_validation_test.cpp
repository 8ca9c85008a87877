// Compares the mapper with what the survey prints of random mappings (arXiv 2302.14017, Sec. 5.5),
// and its cost model with the cycle simulator.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_search.hpp"
#include "accel_sim/mapper/mapping_spread.hpp"
#include "accel_sim/simulator.hpp"

namespace paretoformer {
namespace {

struct PublishedSpread {
  const char* name;
  Workpiece work;
  double tenth_percentile;   // of EDP, over the best of 100 000
  double percent_within_3x;  // 0: not printed
};
const std::array<PublishedSpread, 4> kPublished = {{
    {"BERT projection 512x768x768", matmul_workpiece(512, 768, 768), 9.42, 1.70},
    {"BERT FFN W1 512x768x3072", matmul_workpiece(512, 768, 3072), 9.84, 1.48},
    {"ResNet-50 3x3, 512 channels, 7x7", {{7, 7, 512, 512, 3, 3}, 1}, 7.44, 1.58},
    {"ResNet-50 1x1, 2048 channels, 7x7", {{7, 7, 512, 2048, 1, 1}, 1}, 12.06, 2.62},
}};

TEST(SurveyMappings, SpreadOfRandomMappings) {
  const Hardware hardware = find_hardware("gemmini_cnn");
  for (const Factors factors : {Factors::kPerfect, Factors::kBlocks}) {
    std::printf("mapspace %s, EDP of 100 000 uniform valid mappings on gemmini_cnn\n",
                name(factors));
    for (const PublishedSpread& published : kPublished) {
      const Mapspace space(published.work, hardware, factors);
      const MappingSpread spread = mapping_spread(space, MappingObjective::kEdp, 100'000, 1);
      const double exact = best_mapping(space, MappingObjective::kEdp).cost.edp();
      std::printf(
          "%-34s 10th pct/best %6.2f (published %5.2f), within 3x %5.2f %% (%4.2f %%), "
          "10^%.2f; over the exact best %6.2f, %5.2f %%; %.3g mappings, %.1f %% valid\n",
          published.name, spread.tenth_percentile_over(spread.best()), published.tenth_percentile,
          100 * spread.share_within(3, spread.best()), published.percent_within_3x,
          spread.orders_of_magnitude(), spread.tenth_percentile_over(exact),
          100 * spread.share_within(3, exact), space.size(),
          100 * 1e5 / static_cast<double>(spread.draws));
    }
  }
}

TEST(MappingCost, CyclesOfTheSimulator) {
  struct Row {
    int m, k, n;
  };
  for (const char* preset : {"gemmini_dosa", "gemmini_cnn", "gemmini_transformer"}) {
    const Hardware hardware = find_hardware(preset);
    const int size = hardware.array_size;
    for (const auto& [m, k, n] : {Row{128, 768, 768},
                                  {128, 64, 128},
                                  {128, 3072, 768},
                                  {1, 2048, 1000},
                                  {512, 768, 768},
                                  {512, 768, 3072},
                                  {512, 64, 512},
                                  {512, 512, 64}}) {
      const Workpiece work = matmul_workpiece(m, k, n);
      const Mapspace space(work, hardware, Factors::kBlocks);
      const MappingCostModel model(work, hardware);
      const auto compare = [&](const char* what, const Mapping& mapping) {
        SimulationOptions options;
        options.tile =
            MatmulTile{ceil_divide(mapping.tile[kP], size), ceil_divide(mapping.tile[kC], size),
                       ceil_divide(mapping.tile[kK], size)};
        const MappingCost cost = model(mapping);
        const SimulationReport simulated = simulate(matmul(m, k, n), hardware, options);
        const double cycles = static_cast<double>(simulated.cost.latency.value());
        std::printf(
            "%s %4dx%4dx%4d %-7s %-62s %9.0f %9.0f %+6.1f %%  c %9.0f m %9.0f | %6.1f %6.1f uJ\n",
            preset, m, k, n, what, describe(mapping, work).c_str(), cost.cycles, cycles,
            100 * (cost.cycles / cycles - 1), cost.compute, cost.memory, cost.energy_pj * 1e-6,
            simulated.cost.energy.value() * 1e-6);
      };
      compare("latency", best_library_mapping(space, MappingObjective::kLatency).mapping);
      compare("EDP", best_library_mapping(space, MappingObjective::kEdp).mapping);
      compare("greedy", greedy_mapping(work, hardware));
    }
  }
}

}  // namespace
}  // namespace paretoformer
