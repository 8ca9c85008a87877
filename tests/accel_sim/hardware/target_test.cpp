#include "accel_sim/hardware/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

Target target_of(const std::string& text) {
  const Json json = parse_json(text, "hw.json");
  return target_from_json(JsonNode(json, "hw.json"));
}

std::string target_error(const std::string& text) {
  return error_of([&] { target_of(text); });
}

TEST(HardwareJson, AbsentKeysKeepTheirDefaultsAndTheRoundTripKeepsAll) {
  EXPECT_EQ(target_of("{}"), Target{});
  Target changed;
  changed.scratchpad_kib = 64;
  changed.dram_bytes_per_cycle = 6.5;
  changed.nonlinear_units = NonlinearUnits::kOnChip;
  EXPECT_EQ(target_of(to_text(to_json(changed))), changed);
}

TEST(HardwareJson, UnknownKeysAndValuesAreNamed) {
  EXPECT_THAT(target_error(R"({"scratchpad_kb": 64})"),
              HasSubstr("hw.json: /scratchpad_kb: unknown key (did you mean \"scratchpad_kib\"?)"));
  EXPECT_THAT(target_error(R"({"nonlinear_units": "on_chp"})"), HasSubstr("\"on_chip\""));
  EXPECT_THAT(target_error(R"({"array_size": 20})"), HasSubstr("power of two"));
  EXPECT_THAT(target_error(R"({"scratchpad_kib": 96})"), HasSubstr("power of two"));
  EXPECT_THAT(target_error(R"({"scratchpad_kib": 64.5})"), HasSubstr("expected an integer"));
}

TEST(HardwareJson, EveryNumberHasARange) {
  const Json all = target_schema();
  for (const auto& [key, schema] : all["properties"].items()) {
    EXPECT_FALSE(schema["description"].get<std::string>().empty()) << key;
    if (!schema.contains("minimum")) continue;
    EXPECT_THAT(target_error("{\"" + key + "\": -1}"), HasSubstr("out of range"));
    EXPECT_THAT(target_error("{\"" + key + "\": \"x\"}"), HasSubstr("wrong type"));
  }
}

TEST(HardwareJson, EveryPresetIsDocumented) {
  const std::string text = read_file(PARETOFORMER_SOURCE_DIR "/docs/simulator.md");
  for (const std::string& preset : target_presets())
    EXPECT_NE(text.find("\n| `" + preset + "` |"), std::string::npos) << preset;
}

TEST(HardwareJson, MemoriesMustHoldADoubleBufferedBlock) {
  // Two buffers of one 128x128 int32 block need 128 KiB; 64 KiB hold a single one.
  EXPECT_THAT(target_error(R"({"array_size": 128, "accumulator_kib": 64})"),
              HasSubstr("/accumulator_kib: 64 is too small for array_size 128"));
  EXPECT_NO_THROW(target_of(R"({"array_size": 128, "accumulator_kib": 128})"));
  // Two buffers of two 32x32 int8 blocks need 4 KiB.
  EXPECT_THAT(target_error(R"({"array_size": 32, "scratchpad_kib": 2})"), HasSubstr("too small"));
}

TEST(HardwareJson, APresetGivesTheValuesThatAreNotSaid) {
  Target expected = find_target("gemmini_transformer");
  expected.fusion = Fusion::kOn;
  EXPECT_EQ(target_of(R"({"fusion": "on", "preset": "gemmini_transformer"})"), expected);
  EXPECT_THAT(target_error(R"({"preset": "gemini"})"), HasSubstr("/preset: \"gemini\""));
}

TEST(HardwareHash, DependsOnValuesAlone) {
  EXPECT_EQ(target_hash(target_of(R"({"scratchpad_kib": 256})")), target_hash(Target{}));
  const Json all = target_schema();
  for (const auto& [key, schema] : all["properties"].items()) {
    if (key == "preset") continue;
    Json json = to_json(Target{});
    Json& value = json[key];
    if (schema.contains("enum")) {
      value = schema["enum"].back();
    } else if (schema["type"] == "boolean") {
      value = !schema["default"].get<bool>();  // which may be left out
    } else if (key.starts_with("tiling_")) {
      value = 32;
    } else {
      value = value.get<int>() * 2;  // powers of two stay powers of two
      if (value == 0) value = 1;
    }
    EXPECT_NE(target_hash(target_from_json(JsonNode(json, "x"))), target_hash(Target{})) << key;
  }
}

TEST(HardwarePresets, AreTheConfigurationsOfTheCaseStudy) {
  EXPECT_THAT(target_presets(), IsSupersetOf({"gemmini_cnn", "gemmini_transformer"}));
  std::set<std::uint64_t> distinct;
  for (const std::string& preset : target_presets())
    EXPECT_TRUE(distinct.insert(target_hash(find_target(preset))).second) << preset;
  const Target cnn = find_target("gemmini_cnn");
  EXPECT_EQ(cnn.scratchpad_blocks(), 1024);  // 256 KiB of 256-byte blocks
  EXPECT_EQ(cnn.accumulator_blocks(), 64);   // 64 KiB of 1-KiB blocks
  EXPECT_EQ(cnn.nonlinear_units, NonlinearUnits::kHost);
  const Target transformer = find_target("gemmini_transformer");
  EXPECT_EQ(transformer.scratchpad_kib, 64);
  EXPECT_EQ(transformer.accumulator_kib, 256);
  EXPECT_EQ(transformer.nonlinear_units, NonlinearUnits::kOnChip);
  EXPECT_EQ(
      find_target(PARETOFORMER_SOURCE_DIR "/accel_sim/hardware/presets/gemmini_transformer.json"),
      transformer);
}

// The machine measured in RTL simulation, and its variants, which differ by a key.
TEST(HardwarePresets, TheMeasuredSocHasVariantsOfOneKey) {
  const Target soc = find_target("gemmini_soc");
  EXPECT_EQ(soc.array_size, 16);
  EXPECT_EQ(soc.scratchpad_kib, 256);
  EXPECT_EQ(soc.accumulator_kib, 64);
  EXPECT_EQ(soc.nonlinear_units, NonlinearUnits::kOnChip);
  EXPECT_EQ(soc.last_level_kib, 0);
  EXPECT_EQ(soc.dram_page_miss_cycles, 0);
  EXPECT_FALSE(soc.stores_wait_for_completion);
  Target wide = soc;
  wide.array_size = 32;
  EXPECT_EQ(target_of(R"({"preset": "gemmini_soc", "array_size": 32})"), wide);
  for (const char* key :
       {R"("array_size": 8)", R"("scratchpad_kib": 64)", R"("accumulator_kib": 256)",
        R"("requests_in_flight": 32)", R"("bus_bytes_per_cycle": 8)", R"("l2_kib": 2048)"})
    EXPECT_NE(target_of(std::string(R"({"preset": "gemmini_soc", )") + key + "}"), soc) << key;
}

TEST(FindHardware, TakesAPathAndSuggestsAPreset) {
  const TemporaryFolder folder;
  const auto path = folder / "hardware_test.json";
  write_file_atomic(path, R"({"array_size": 8})");
  EXPECT_EQ(find_target(path.string()).array_size, 8);
  try {
    find_target("gemini_cnn");
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("(did you mean \"gemmini_cnn\"?)"));
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
