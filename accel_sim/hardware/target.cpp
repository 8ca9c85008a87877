#include "accel_sim/hardware/target.hpp"

#include <bit>

#include "accel_sim_hardware/embedded_json.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/presets.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr Presets kPresets("hardware", accel_sim_hardware_json);

constexpr Words<NonlinearUnits, 2> kNonlinearUnitsWords{
    {{NonlinearUnits::kHost, "host"}, {NonlinearUnits::kOnChip, "on_chip"}}};
constexpr Words<Dataflow, 2> kDataflowWords{{{Dataflow::kWeightStationary, "weight_stationary"},
                                             {Dataflow::kOutputStationary, "output_stationary"}}};
constexpr Words<Tiling, 2> kTilingWords{
    {{Tiling::kGreedy, "greedy"}, {Tiling::kOptimal, "optimal"}}};
constexpr Words<Fusion, 4> kFusionWords{{{Fusion::kLibrary, "library"},
                                         {Fusion::kOff, "off"},
                                         {Fusion::kOn, "on"},
                                         {Fusion::kBest, "best"}}};
constexpr Words<Masking, 3> kMaskingWords{
    {{Masking::kBias, "bias"}, {Masking::kRowBlocks, "row_blocks"}, {Masking::kBest, "best"}}};
constexpr const auto& words(NonlinearUnits) { return kNonlinearUnitsWords; }
constexpr const auto& words(Dataflow) { return kDataflowWords; }
constexpr const auto& words(Tiling) { return kTilingWords; }
constexpr const auto& words(Fusion) { return kFusionWords; }
constexpr const auto& words(Masking) { return kMaskingWords; }

constexpr Range<std::int64_t> allowed(int, double low, double high) {
  return {static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)};
}
constexpr Range<double> allowed(double, double low, double high) { return {low, high}; }
constexpr AnyFlag allowed(bool, double, double) { return {}; }
template <typename Enum>
constexpr auto allowed(Enum, double, double) {
  return AnyWord(words(Enum()));
}

#define PARETOFORMER_FIELD(type, key, initial, low, high, meaning) \
  Field{#key, &Target::key, allowed(type(), low, high), meaning},
constexpr std::tuple kFields{
    PARETOFORMER_TARGET_PARAMETERS(PARETOFORMER_FIELD, PARETOFORMER_FIELD)};
#undef PARETOFORMER_FIELD

// What the ranges of single parameters cannot say.
void check(const Target& target, const JsonNode& node) {
  const auto power_of_two = [&](const char* key, int value) {
    if (!std::has_single_bit(static_cast<unsigned>(value)))
      throw InputError(node.file() + ": " + node.path() + "/" + key + ": " + std::to_string(value) +
                       " is out of range: expected a power of two");
  };
  const auto large_enough = [&](const char* key, int kib, int blocks, int needed) {
    if (blocks < needed)
      throw InputError(node.file() + ": " + node.path() + "/" + key + ": " + std::to_string(kib) +
                       " is too small for array_size " + std::to_string(target.array_size) +
                       ": expected room for at least " + std::to_string(needed) +
                       " blocks, there is room for " + std::to_string(blocks));
  };
  power_of_two("array_size", target.array_size);
  power_of_two("scratchpad_kib", target.scratchpad_kib);
  power_of_two("scratchpad_banks", target.scratchpad_banks);
  power_of_two("accumulator_banks", target.accumulator_banks);
  power_of_two("bus_bytes_per_cycle", target.bus_bytes_per_cycle);
  power_of_two("dram_banks", target.dram_banks);
  power_of_two("dram_page_bytes", target.dram_page_bytes);
  // Two buffers, each holding a block of either input; and two of one block of results.
  large_enough("scratchpad_kib", target.scratchpad_kib, target.scratchpad_blocks(), 4);
  large_enough("accumulator_kib", target.accumulator_kib, target.accumulator_blocks(), 2);
  large_enough("scratchpad_kib", target.scratchpad_kib, target.scratchpad_blocks(),
               target.scratchpad_banks);
  if (target.tiling == Tiling::kOptimal && target.dataflow != Dataflow::kWeightStationary)
    throw InputError(node.file() + ": " + node.path() +
                     "/tiling: \"optimal\" is out of range: expected \"greedy\" with an " +
                     "output-stationary dataflow");
  const auto within = [&](const char* key, int kib, int physical, int blocks, int needed) {
    if (kib > physical || blocks < needed)
      throw InputError(node.file() + ": " + node.path() + "/" + key + ": " + std::to_string(kib) +
                       " is out of range: expected room for " + std::to_string(needed) +
                       " blocks and at most the " + std::to_string(physical) + " KiB there are");
  };
  within("tiling_scratchpad_kib", target.tiling_scratchpad_kib, target.scratchpad_kib,
         target.tiling_scratchpad_blocks(), 4);
  within("tiling_accumulator_kib", target.tiling_accumulator_kib, target.accumulator_kib,
         target.tiling_accumulator_blocks(), 2);
}

}  // namespace

int Target::tiling_scratchpad_blocks() const {
  const int known = tiling_scratchpad_kib * 1024 / (array_size * array_size);
  return known > 0 ? known : scratchpad_blocks();
}
int Target::tiling_accumulator_blocks() const {
  const int known = tiling_accumulator_kib * 1024 / (4 * array_size * array_size);
  return known > 0 ? known : accumulator_blocks();
}

Json target_schema() {
  Json schema = schema_of(kFields, Target());
  Json preset = {{"enum", target_presets()},
                 {"description", "whose values absent keys have, instead of their defaults"}};
  schema["properties"]["preset"] = std::move(preset);
  return schema;
}

// Gemmini's own have no such unit, and their files and hashes do not speak of it.
Json to_json(const Target& target) {
  Json json = write_fields(kFields, target);
  if (!target.int4_weights) json.erase("int4_weights");
  return json;
}

std::uint64_t target_hash(const Target& target) { return hash_text(to_json(target).dump()); }

Target target_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Target target;
  if (object.has("preset")) target = find_target(object.at("preset").choice(target_presets()));
  read_fields(object, kFields, target);
  object.finish();
  check(target, node);
  return target;
}

std::vector<std::string> target_presets() { return kPresets.names(); }

Target find_target(std::string_view name_or_path) {
  return target_from_json(kPresets.find(std::string(name_or_path)).node());
}

}  // namespace paretoformer::accel_sim
