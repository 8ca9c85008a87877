#include "accel_sim/hardware/hardware_space.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/error_of.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

HardwareSpace hardware_space_of(const std::string& text) {
  const Json json = parse_json(text, "c.json");
  return HardwareSpace::from_json(JsonNode(json, "c.json", "/hardware_space"),
                                  find_target("gemmini_transformer"));
}

std::string error_in(const std::string& text) {
  return error_of([&] { hardware_space_of(text); });
}

TEST(HardwareSpace, CombinesItsChoicesOverTheBase) {
  const HardwareSpace space =
      hardware_space_of(R"({"nonlinear_units": ["host", "on_chip"], "array_size": [8, 16, 32]})");
  EXPECT_EQ(space.choices(), (std::vector{3, 2}));  // in the order of a target's parameters
  const auto all = space.combinations();
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all.front(), (std::vector{1, 1}));
  EXPECT_EQ(all.back(), (std::vector{3, 2}));
  Target expected = find_target("gemmini_transformer");
  expected.array_size = 8;
  EXPECT_EQ(space.at({1, 2}), expected);
  expected.nonlinear_units = NonlinearUnits::kHost;
  EXPECT_EQ(space.at({1, 1}), expected);
  EXPECT_EQ(space.describe({3, 1}), "array_size 32, nonlinear_units host");
  EXPECT_EQ(space.values({2, 2}), (Json{{"array_size", 16}, {"nonlinear_units", "on_chip"}}));
  EXPECT_THROW(space.at({1}), Error);
}

TEST(HardwareSpace, JsonRoundTripWhateverTheOrderOfKeys) {
  const HardwareSpace one =
      hardware_space_of(R"({"array_size": [8, 16], "scratchpad_kib": [64, 32]})");
  const HardwareSpace two =
      hardware_space_of(R"({"scratchpad_kib": [64, 32], "array_size": [8, 16]})");
  EXPECT_EQ(one.to_json().dump(), two.to_json().dump());
  EXPECT_EQ(hardware_space_of(one.to_json().dump()).to_json().dump(), one.to_json().dump());
}

TEST(HardwareSpace, RefusesWhatIsNoTarget) {
  // 1 KiB are one block of 32 x 32 bytes; a target needs four.
  EXPECT_THAT(error_in(R"({"array_size": [8, 32], "scratchpad_kib": [1, 64]})"),
              AllOf(HasSubstr("c.json: /hardware_space/scratchpad_kib: 1 is too small"),
                    HasSubstr("array_size 32, scratchpad_kib 1 is not")));
  EXPECT_THAT(error_in(R"({"array_size": [12]})"), HasSubstr("expected a power of two"));
  EXPECT_THAT(error_in(R"({"array_sise": [8]})"), HasSubstr("array_sise"));
  EXPECT_THAT(error_in(R"({"array_size": []})"), HasSubstr("has 0 values"));
  EXPECT_THAT(error_in(R"({"array_size": [8, 8]})"), HasSubstr("appears twice"));
  EXPECT_THAT(error_in(R"({"preset": ["gemmini_cnn"]})"), HasSubstr("preset"));
  EXPECT_THAT(error_in("{}"), HasSubstr("has 0 keys"));
  EXPECT_THAT(error_in(R"({"array_size": 8})"), HasSubstr("/hardware_space/array_size"));
  EXPECT_THAT(error_in(R"({"dataflow": ["weight_stationary", "none"]})"), HasSubstr("none"));
}

}  // namespace
}  // namespace paretoformer::accel_sim
