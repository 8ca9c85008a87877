#include "nas/export/network_export.hpp"

#include "supernet/model/network_file.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"

namespace paretoformer::nas {
namespace {

void write_safetensors(const std::filesystem::path& path, const ExportedNetwork& network) {
  const Candidate& candidate = network.candidate;
  save_network(path, network.layout, network.parameters, candidate.architecture,
               {{"id", hex(candidate.id)},
                {"validation_loss", Json(candidate.objectives.validation_loss).dump()},
                {"provenance", network.provenance.dump()}});
}

constexpr Exporter kExporters[] = {
    {"safetensors", "fp32 weights by name, for PyTorch and others", write_safetensors},
};

}  // namespace

std::span<const Exporter> exporters() { return kExporters; }

void export_network(const std::filesystem::path& stem, const ExportedNetwork& network,
                    const Exporter& exporter) {
  const auto file = [&](std::string_view extension) {
    std::filesystem::path path = stem;
    return (path += ".") += extension;
  };
  const std::filesystem::path weights = file(exporter.name);
  Json json = to_json(network.candidate);
  if (!network.confirmed.is_null()) json["confirmed"] = network.confirmed;
  json["hardware"] = to_json(network.hardware);
  json["provenance"] = network.provenance;
  json["weights"] = weights.filename().string();
  write_file_atomic(file("json"), to_text(json));
  exporter.write(weights, network);
}

}  // namespace paretoformer::nas
