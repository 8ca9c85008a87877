// The configuration of a run: one JSON document that says what is searched, on which text, for
// which accelerator and how.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/hardware/hardware_space.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "nas/core/objectives.hpp"
#include "nas/core/search_config.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/text/corpus.hpp"
#include "supernet/training/trainer.hpp"

namespace paretoformer::nas {

struct RunConfig {
  SearchSpace space;  // without a vocabulary: that is the tokeniser's
  supernet::CorpusConfig corpus;
  supernet::TrainingConfig training;
  accel_sim::Target hardware;
  accel_sim::HardwareSpace hardware_space;  // over `hardware`; without keys the search chooses none
  accel_sim::Workload workload;
  // A file of LatencyPredictor, whose prices count instead of the simulator's, and the hash of its
  // content; empty: none.
  std::filesystem::path predictor;
  std::string predictor_hash;
  // A run folder whose supernet is used instead of one of the run's own, which must be trained in
  // the same way, but for the seed, on the same text; empty: none.
  std::filesystem::path supernet;
  std::optional<std::uint64_t> supernet_seed;  // of that run; absent: `seed`
  // A file of trained weights of the largest network that the training starts from
  // (supernet/training/warm_start.hpp), and the hash of its content, or of what the training of
  // `supernet` started from; empty: none. The file need not be there any more once it has begun.
  std::filesystem::path start;
  std::string start_hash;
  std::vector<Objective> objectives;
  std::vector<Limit> limits;
  SearchConfig search;
  int validation_sequences = 0;  // 0: all
  std::uint64_t seed = 1;
  std::filesystem::path run;  // the run folder

  // What the network runs on.
  accel_sim::Target hardware_of(const Architecture& network) const {
    return network.hardware.empty() ? hardware : hardware_space.at(network.hardware);
  }
};

// Files in it are relative to `base_folder`. Throws InputError.
RunConfig run_config_from_json(const JsonNode& node, const std::filesystem::path& base_folder);

// That as a JSON Schema, with the defaults and meanings of all keys.
Json run_config_schema();

// Complete and self-contained: defaults written out, spaces and hardware in full.
Json to_json(const RunConfig& config);

// Loads a preset ("quickstart", "wikitext2"), a file, or the config.json of a run folder, applies
// `overrides` ("training.steps=100": a dotted path, a JSON value or a plain string), and reads it.
RunConfig load_run_config(const std::string& name_or_path,
                          const std::vector<std::string>& overrides);

// Everything the weights depend on: space, training, their start, the supernet's seed. The text is
// hashed separately.
std::uint64_t training_hash(const RunConfig& config);
std::uint64_t config_hash(const RunConfig& config);

}  // namespace paretoformer::nas
