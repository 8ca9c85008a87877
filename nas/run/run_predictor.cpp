#include "nas/run/run_predictor.hpp"

#include <filesystem>
#include <utility>

#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "latency_predictor/predictor_check.hpp"
#include "nas/run/confirmation.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

latency_predictor::LatencyPredictor load_for(const RunConfig& config,
                                             const std::filesystem::path& file) {
  latency_predictor::LatencyPredictor predictor =
      latency_predictor::LatencyPredictor::load(file.string());
  const auto fail = [&](const char* what) {
    throw InputError(file.string() + ": was made for another " + what +
                     " than the configuration's");
  };
  if (predictor.hardware() && *predictor.hardware() != config.hardware) fail("hardware");
  if (predictor.workload() != config.workload) fail("workload");
  return predictor;
}

// The predictor of a file that is to price all networks of `space`.
latency_predictor::LatencyPredictor checked(latency_predictor::LatencyPredictor predictor,
                                            const std::filesystem::path& file,
                                            const SearchSpace& space) {
  try {
    predictor.fill(space);
  } catch (const Error& error) {
    throw InputError(file.string() + ": was not made for the space \"" + space.name() +
                     "\": " + error.what());
  }
  return predictor;
}

}  // namespace

latency_predictor::LatencyPredictor predictor_of(const RunConfig& config) {
  if (config.predictor.empty())
    return latency_predictor::LatencyPredictor(config.hardware, config.workload);
  return load_for(config, config.predictor);
}

latency_predictor::LatencyPredictor predictor_in_place(const RunConfig& config,
                                                       const SearchSpace& space) {
  latency_predictor::LatencyPredictor sums = predictor_of(config);
  if (!config.predictor.empty()) return checked(std::move(sums), config.predictor, space);
  if (const std::string why = why_unsimulated(sums, space); !why.empty()) {
    log_warning(
        "networks are priced as plain sums of their operators, for they cannot be simulated as a "
        "whole: " +
        why);
    return sums;
  }
  sums.fill(space);
  return {
      config.hardware, config.workload, sums.table(),
      latency_predictor::simulate_in_place(space, config.workload, config.hardware, config.seed)};
}

latency_predictor::LatencyPredictor predictor_of(const RunFolder& run, const SearchSpace& space) {
  std::error_code ignored;
  if (run.config().predictor.empty() && std::filesystem::exists(run.predictor(), ignored))
    return checked(load_for(run.config(), run.predictor()), run.predictor(), space);
  return predictor_in_place(run.config(), space);
}

namespace {

RunConfig on_hardware(RunConfig config, const std::vector<int>& combination) {
  config.hardware = config.hardware_space.at(combination);
  config.hardware_space = {};
  return config;
}

}  // namespace

Predictors predictors_in_place(const RunConfig& config, const SearchSpace& space) {
  if (config.hardware_space.empty()) return predictor_in_place(config, space);
  return {predictor_in_place(config, space), [config, space](const std::vector<int>& hardware) {
            return predictor_in_place(on_hardware(config, hardware), space);
          }};
}

Predictors predictors_of(const RunFolder& run, const SearchSpace& space) {
  const RunConfig& config = run.config();
  if (config.hardware_space.empty()) return predictor_of(run, space);
  const std::filesystem::path folder = run.predictors();
  return {predictor_of(run, space), [config, space, folder](const std::vector<int>& hardware) {
            const RunConfig one = on_hardware(config, hardware);
            const std::filesystem::path file = folder / (hex(target_hash(one.hardware)) + ".json");
            std::error_code ignored;
            if (std::filesystem::exists(file, ignored))
              return checked(load_for(one, file), file, space);
            latency_predictor::LatencyPredictor made = predictor_in_place(one, space);
            if (std::filesystem::exists(folder.parent_path() / "config.json", ignored)) {
              create_folder(folder);
              made.save(file.string());
            }
            return made;
          }};
}

}  // namespace paretoformer::nas
