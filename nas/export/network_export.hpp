// One network as files that other programs read.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "nas/core/candidate.hpp"
#include "supernet/model/parameters.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

struct ExportedNetwork {
  const Candidate& candidate;
  const accel_sim::Target& hardware;
  const Json& provenance;  // which also says the workload
  const supernet::ParameterLayout& layout;
  const std::vector<float>& parameters;  // of the layout: the network's are cut from them
  Json confirmed = nullptr;              // what confirmed_json() says
};

// A format of weights.
struct Exporter {
  std::string_view name;  // on the command line, and the extension of its files
  std::string_view meaning;
  void (*write)(const std::filesystem::path& path, const ExportedNetwork& network);
};
// All of them, the first being the usual one. To add one is to add a row.
std::span<const Exporter> exporters();

// Writes STEM.json (architecture, objectives, hardware, provenance, the file of the weights), and
// the weights as STEM.NAME.
void export_network(const std::filesystem::path& stem, const ExportedNetwork& network,
                    const Exporter& exporter = exporters().front());

}  // namespace paretoformer::nas
