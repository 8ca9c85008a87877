// One network as files that other programs read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "nas/core/candidate.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/text/tokenizer.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

struct ExportedNetwork {
  const Candidate& candidate;
  const accel_sim::Target& hardware;
  const accel_sim::Workload& workload;
  const Json& provenance;
  const supernet::ParameterLayout& layout;
  const std::vector<float>& parameters;  // of the layout: the network's are cut from them
  supernet::Batch calibration;           // training text on which it is quantised
  std::span<const std::int32_t> text;    // other text, of which programs and examples take tokens
  const supernet::Tokenizer& tokenizer;  // of both
  Json config;                           // the run's, as to_json() says
  Json confirmed = nullptr;              // what confirmed_json() says
};

struct Exporter {
  std::string_view name;    // on the command line
  std::string_view suffix;  // of the file's name, behind the ID
  std::string_view meaning;
  void (*write)(const std::filesystem::path& path, const ExportedNetwork& network);
  bool int8 = false;  // whether it is of the quantised network
};
// All of them, the first being the usual one. To add one is to add a row.
std::span<const Exporter> exporters();

// What the weights' file says of itself.
std::map<std::string, std::string> network_metadata(const ExportedNetwork& network);

// Writes STEM.json (architecture, objectives, hardware, provenance, an example with its loss, the
// other file), and the weights, or the program, as STEM and the suffix. Throws InputError for a
// network, hardware or workload that the format does not have.
void export_network(const std::filesystem::path& stem, const ExportedNetwork& network,
                    const Exporter& exporter = exporters().front());

}  // namespace paretoformer::nas
