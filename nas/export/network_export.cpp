#include "nas/export/network_export.hpp"

#include "supernet/model/network_file.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

void export_network(const std::filesystem::path& stem, const Candidate& candidate,
                    const accel_sim::Target& hardware, const Json& provenance,
                    const supernet::ParameterLayout& layout, const std::vector<float>& parameters,
                    const Json& confirmed) {
  const auto file = [&](const char* extension) {
    std::filesystem::path path = stem;
    return path += extension;
  };
  Json json = to_json(candidate);
  if (!confirmed.is_null()) json["confirmed"] = confirmed;
  json["hardware"] = to_json(hardware);
  json["provenance"] = provenance;
  json["weights"] = file(".safetensors").filename().string();
  write_file_atomic(file(".json"), to_text(json));
  save_network(file(".safetensors"), layout, parameters, candidate.architecture,
               {{"id", hex(candidate.id)},
                {"validation_loss", Json(candidate.objectives.validation_loss).dump()},
                {"provenance", provenance.dump()}});
}

}  // namespace paretoformer::nas
