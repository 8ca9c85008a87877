// What a run found, for people and for programs.
#pragma once

#include <string>

#include "nas/archive.hpp"
#include "nas/final_front.hpp"
#include "nas/proxy_task.hpp"
#include "nas/run_folder.hpp"
#include "nas/search.hpp"

namespace paretoformer {

// Where results come from: hashes of configuration, hardware, text and weights, and the seed.
Json provenance(const RunFolder& run, const ProxyTask& proxy);

// The search space and the text in one line.
std::string space_summary(const ProxyTask& proxy);

// The content of front.json (docs/configuration.md). It depends on nothing but the search: no
// times, no paths.
Json front_json(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                const FinalFront& front);
// What a confirmation says of a member: {"validation_loss", "perplexity", "latency_cycles",
// "energy_pj", "edp"}, without the costs when they are the predicted ones; null when the front is
// not confirmed.
Json confirmed_json(const Corpus& corpus, const FinalFront& front, const FrontMember& member);

// Adds "perplexity_per_word" and "bits_per_byte" of a mean loss on the validation text, which
// generated text does not have.
void add_per_word_and_byte(Json& json, const Corpus& corpus, double loss);

// One line per member of the front, best perplexity first, compared with the largest network;
// then what was dropped, the knee and the best members, and how far predictions were off.
std::string front_table(const Corpus& corpus, const FinalFront& front, const Objectives& largest);

// Perplexities of the smallest and the largest network between those of trivial models.
std::string perplexity_summary(const ProxyTask& proxy, double smallest, double largest);
std::string separation_summary(const Separation& separation);

// A cost table, one line per operator and layer, of latencies in `unit`.
std::string breakdown_table(const std::vector<OperatorPrediction>& operators, TimeUnit unit);

// Writes STEM.json (architecture, objectives, hardware, provenance, which also says the workload)
// and STEM.safetensors: the weights of the candidate, cut from those of `layout`. `confirmed` is
// what confirmed_json() says.
void export_network(const std::filesystem::path& stem, const Candidate& candidate,
                    const RunConfig& run, const Json& provenance, const ParameterLayout& layout,
                    const std::vector<float>& parameters, const Json& confirmed = nullptr);

// Writes ID.json (architecture, objectives, provenance) and ID.safetensors (its weights) of every
// member of the front, and front.json, into `folder`; returns the number of members.
std::size_t export_front(const RunFolder& run, const ProxyTask& proxy, const Archive& archive,
                         const FinalFront& front, const std::filesystem::path& folder);

}  // namespace paretoformer
