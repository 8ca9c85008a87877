#include "accel_sim/hardware/target.hpp"

#include <bit>
#include <type_traits>

#include "accel_sim_hardware/embedded_json.hpp"
#include "support/error.hpp"
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
constexpr const auto& words(NonlinearUnits) { return kNonlinearUnitsWords; }
constexpr const auto& words(Dataflow) { return kDataflowWords; }
constexpr const auto& words(Tiling) { return kTilingWords; }
constexpr const auto& words(Fusion) { return kFusionWords; }

void read_value(const JsonNode& node, double low, double high, int& value) {
  value = static_cast<int>(
      node.integer(static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)));
}
void read_value(const JsonNode& node, double low, double high, double& value) {
  value = node.number(low, high);
}
void read_value(const JsonNode& node, double, double, bool& value) { value = node.boolean(); }
template <typename Enum>
void read_value(const JsonNode& node, double, double, Enum& value) {
  value = words(value).read(node);
}

template <typename Value>
Json value_to_json(Value value) {
  if constexpr (std::is_enum_v<Value>) return words(value).word_of(value);
  return value;
}

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

std::vector<TargetParameter> target_parameters() {
  const Target defaults;
  std::vector<TargetParameter> parameters;
#define PARETOFORMER_DESCRIBE(type, key, initial, low, high, meaning) \
  parameters.push_back({#key, #type, value_to_json(defaults.key).dump(), low, high, meaning});
  PARETOFORMER_TARGET_PARAMETERS(PARETOFORMER_DESCRIBE, PARETOFORMER_DESCRIBE)
#undef PARETOFORMER_DESCRIBE
  return parameters;
}

Json to_json(const Target& target) {
  Json json;
#define PARETOFORMER_WRITE(type, key, initial, low, high, meaning) \
  json[#key] = value_to_json(target.key);
  PARETOFORMER_TARGET_PARAMETERS(PARETOFORMER_WRITE, PARETOFORMER_WRITE)
#undef PARETOFORMER_WRITE
  return json;
}

std::uint64_t target_hash(const Target& target) { return hash_text(to_json(target).dump()); }

Target target_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Target target;
  if (object.has("preset")) target = find_target(object.at("preset").choice(target_presets()));
#define PARETOFORMER_READ(type, key, initial, low, high, meaning) \
  if (object.has(#key)) read_value(object.at(#key), low, high, target.key);
  PARETOFORMER_TARGET_PARAMETERS(PARETOFORMER_READ, PARETOFORMER_READ)
#undef PARETOFORMER_READ
  object.finish();
  check(target, node);
  return target;
}

std::vector<std::string> target_presets() { return kPresets.names(); }

Target find_target(const std::string& name_or_path) {
  return target_from_json(kPresets.find(name_or_path).node());
}

}  // namespace paretoformer::accel_sim
