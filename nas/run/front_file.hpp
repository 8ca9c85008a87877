// What a run found, for programs: front.json, and the networks of the front with their weights.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/core/final_front.hpp"
#include "nas/export/network_export.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// The content of front.json (docs/configuration.md). It depends on nothing but the search: no
// times, no paths.
Json front_json(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                const FinalFront& front);
// What a confirmation says of a member: {"validation_loss", "perplexity", "latency_cycles",
// "energy_pj", "edp"}, without the costs when they are the predicted ones; null when the front is
// not confirmed.
Json confirmed_json(const supernet::Corpus& corpus, const FinalFront& front,
                    const FrontMember& member);

// Adds "perplexity_per_word" and "bits_per_byte" of a mean loss on the validation text, which
// generated text does not have.
void add_per_word_and_byte(Json& json, const supernet::Corpus& corpus, double loss);

// How many members were written, and what was said of each that the format does not have.
struct ExportedFront {
  std::size_t written = 0;
  std::vector<std::string> refused;
};
// Writes the chosen members of the front, as export_network() does by their IDs, and front.json
// into `folder`. Throws what chosen_members() throws, and InputError when the format has none of
// them.
ExportedFront export_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                           const FinalFront& front, const std::filesystem::path& folder,
                           const Exporter& exporter = exporters().front(),
                           const MemberChoice& choice = {});

}  // namespace paretoformer::nas
