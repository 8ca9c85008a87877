#include "nas/cli/priced_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "accel_sim/workload/hugging_face.hpp"
#include "accel_sim/workload/onnx_network.hpp"
#include "accel_sim/workload/words.hpp"
#include "accel_sim/workload/workload_fields.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/run/config.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

constexpr const char* kDefaultHardware = "gemmini_transformer";
constexpr int kDefaultLength = 512;

// What a file says of the run that it comes from.
struct Origin {
  std::optional<accel_sim::Workload> workload;
  std::optional<accel_sim::Target> hardware;
};

const Json* object_at(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found != json.end() && found->is_object() ? &*found : nullptr;
}

std::optional<std::string> preset_of(std::uint64_t hash) {
  for (const std::string& preset : accel_sim::target_presets())
    if (target_hash(accel_sim::find_target(preset)) == hash) return preset;
  return std::nullopt;
}

Origin origin_of(const Json& json, const std::string& file) {
  Origin origin;
  if (const Json* hardware = object_at(json, "hardware"))
    origin.hardware = accel_sim::target_from_json(JsonNode(*hardware, file, "/hardware"));
  const Json* provenance = object_at(json, "provenance");
  if (!provenance) return origin;
  const JsonObject object(JsonNode(*provenance, file, "/provenance"));
  if (object.has("sequence_length")) {
    accel_sim::Workload workload;
    read_fields(object, accel_sim::kWorkloadFields, workload);
    origin.workload = workload;
  }
  if (!origin.hardware && object.has("hardware_hash"))  // files of before they held it
    if (const auto preset =
            preset_of(std::strtoull(object.string("hardware_hash").c_str(), nullptr, 16)))
      origin.hardware = accel_sim::find_target(*preset);
  return origin;
}

// What front.json calls confirmed, if the file holds it.
void read_confirmed(const Json& json, const std::string& file, PricedNetwork& network) {
  const Json* confirmed = object_at(json, "confirmed");
  if (!confirmed) return;
  const JsonObject object(JsonNode(*confirmed, file, "/confirmed"));
  network.confirms_no_cost = !object.has("latency_cycles") || !object.has("energy_pj");
  if (network.confirms_no_cost) return;
  constexpr double kMost = 9e15;
  network.confirmed = {
      accel_sim::Cycles(static_cast<std::int64_t>(object.number("latency_cycles", 0, kMost))),
      accel_sim::Picojoules(object.number("energy_pj", 0, kMost))};
}

void choose_hardware(const PricingOptions& given, const Origin& origin, const std::string& file,
                     PricedNetwork& network) {
  if (given.hardware) require_utf8(*given.hardware, "--hardware");
  if (given.hardware || !origin.hardware) {
    network.hardware_name = given.hardware.value_or(kDefaultHardware);
    network.hardware = accel_sim::find_target(network.hardware_name);
    return;
  }
  network.hardware = *origin.hardware;
  const std::uint64_t hash = target_hash(network.hardware);
  const bool can_be_named = valid_utf8_prefix(file) == file.size();
  network.hardware_name = preset_of(hash).value_or(can_be_named ? file : hex(hash));
}

void choose_workload(const PricingOptions& given, const Origin& origin, PricedNetwork& network) {
  accel_sim::Workload usual{kDefaultLength, accel_sim::Mode::kPrefill};
  if (network.listed) {
    usual = network.listed->usual;
    if (network.listed->longest > 0)
      usual.sequence_length = std::min(usual.sequence_length, network.listed->longest);
  }
  network.workload = origin.workload.value_or(usual);
  if (given.length) network.workload.sequence_length = *given.length;
  if (given.batch) network.workload.batch = *given.batch;
  if (given.mode) network.workload.mode = accel_sim::kModeWords.value_of(*given.mode, "--mode");
  if (given.mask) network.workload.mask = accel_sim::kMaskWords.value_of(*given.mask, "--mask");
  if (given.biases)
    network.workload.biases = accel_sim::kBiasesWords.value_of(*given.biases, "--biases");
  if (given.nonlinear_inputs)
    network.workload.nonlinear_inputs =
        accel_sim::kNonlinearInputsWords.value_of(*given.nonlinear_inputs, "--nonlinear-inputs");
}

// A graph says itself what it computes.
void require_options_of_graph(const accel_sim::ListedNetwork& graph, const PricingOptions& given) {
  const auto refuse = [](bool is_given, const char* option, const char* why) {
    if (is_given) throw InputError(std::string(option) + ": " + why);
  };
  refuse(given.length && !graph.has_length, "--length", "no size of the graph has that name");
  refuse(given.batch && !graph.has_batch, "--batch", "no size of the graph has that name");
  refuse(given.mode && *given.mode != accel_sim::kModeWords.word_of(accel_sim::Mode::kPrefill),
         "--mode", "all of a graph is computed: expected prefill");
  refuse(given.mask.has_value(), "--mask", "a graph has its own: expected none");
}

}  // namespace

std::string in_words(const accel_sim::Workload& workload) {
  const std::string batch = workload.batch > 1 ? fmt::format(", batch {}", workload.batch) : "";
  const std::string length = workload.sequence_length > 0
                                 ? fmt::format("length {}", workload.sequence_length)
                                 : "its own sizes";
  return fmt::format("{} ({}{}{}{}{})", length,
                     std::string(accel_sim::kModeWords.word_of(workload.mode)), batch,
                     workload.mask == accel_sim::Mask::kCausal ? ", causal mask" : "",
                     workload.biases ? ", biases" : "",
                     workload.nonlinear_inputs == accel_sim::NonlinearInputs::kInt8
                         ? ", LayerNorm and GELU of int8"
                         : "");
}

Json workload_json(const accel_sim::Workload& workload) {
  return {
      {"sequence_length", workload.sequence_length},
      {"batch", workload.batch},
      {"mode", accel_sim::kModeWords.word_of(workload.mode)},
      {"mask", accel_sim::kMaskWords.word_of(workload.mask)},
      {"biases", workload.biases},
      {"nonlinear_inputs", accel_sim::kNonlinearInputsWords.word_of(workload.nonlinear_inputs)}};
}

std::string describe(const PricedNetwork& network) {
  return network.listed ? network.listed->description : describe(network.architecture);
}

PricedNetwork priced_network(const std::filesystem::path& path, const PricingOptions& given) {
  PricedNetwork network;
  const std::string file = path.string();
  const std::string bytes = read_file(path);  // once: it may be a pipe
  Json json;
  if (accel_sim::is_onnx(bytes, file))
    network.listed = listed(accel_sim::onnx_graph(bytes, file));
  else
    json = parse_json(bytes, file);
  if (accel_sim::is_hugging_face(json))
    network.listed = listed(accel_sim::transformer_from_hugging_face(JsonNode(json, file)));
  Origin origin;
  if (!network.listed) {
    network.architecture = architecture_in(json, file, nullptr);
    origin = origin_of(json, file);
    read_confirmed(json, file, network);
  } else if (network.listed->is_graph) {
    require_options_of_graph(*network.listed, given);
  }
  choose_hardware(given, origin, file, network);
  choose_workload(given, origin, network);
  if (origin.workload && origin.hardware) {
    const std::uint64_t hash = target_hash(*origin.hardware);
    network.is_as_in_run =
        network.workload == *origin.workload && network.hardware == *origin.hardware;
    network.run = in_words(*origin.workload) + " on " + preset_of(hash).value_or(hex(hash));
  }
  return network;
}

PricedNetwork usual_pricing(const PricingOptions& given, const RunConfig* run) {
  const Origin origin = run ? Origin{run->workload, run->hardware} : Origin();
  PricedNetwork network;
  choose_hardware(given, origin, run ? run->run.string() : "", network);
  choose_workload(given, origin, network);
  return network;
}

WholeSimulation simulate_whole(const PricedNetwork& network,
                               const accel_sim::NetworkOptions& options) {
  const auto& [architecture, listed, hardware, name, workload, as_in_run, run, confirmed, no_cost] =
      network;
  if (listed)
    return {simulate(listed->operators(workload), hardware, options),
            "a network of another program's file is not placed in memory"};
  try {
    return {simulate_network(architecture, workload, hardware, options), ""};
  } catch (const InputError& error) {
    return {simulate(architecture, workload, hardware, options), error.what()};
  }
}

std::string note_on(const PricedNetwork& network, const accel_sim::HardwareCost& answer,
                    const std::string& why_cold) {
  if (!why_cold.empty()) return "operators by themselves, from cold caches: " + why_cold;
  if (network.confirms_no_cost)
    return "simulated; of this network front.json confirms no cycles and no energy";
  if (!network.confirmed || answer == *network.confirmed) return "";
  if (!network.is_as_in_run) return "not what front.json confirms, which is at " + network.run;
  return fmt::format("not what the file confirms: {} cycles, {:.3f} uJ",
                     network.confirmed->latency.value(), network.confirmed->energy.value() * 1e-6);
}

}  // namespace paretoformer::nas
