#include "nas/objectives.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/error.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

const Objectives kSample{3.1, 22.2, 1000, 5e6, 1234};

template <typename Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(Objective, NamesAndKeys) {
  std::string names, keys;
  for (Objective objective : all_objectives()) {
    names += name_of(objective) + " ";
    keys += key_of(objective) + " ";
    const Json json = name_of(objective);
    EXPECT_EQ(objective_from_json(JsonNode(json, "x")), objective);
  }
  EXPECT_EQ(names, "perplexity latency energy edp parameters ");
  EXPECT_EQ(keys, "perplexity latency_cycles energy_pj edp parameters ");
  const Json wrong = "latancy";
  EXPECT_THAT(error_of([&] { objective_from_json(JsonNode(wrong, "x")); }),
              HasSubstr("did you mean \"latency\"?"));
}

TEST(Objective, Values) {
  EXPECT_EQ(value(kSample, Objective::kPerplexity), 22.2);
  EXPECT_EQ(value(kSample, Objective::kLatency), 1000);
  EXPECT_EQ(value(kSample, Objective::kEnergy), 5e6);
  EXPECT_EQ(value(kSample, Objective::kEdp), 5e9);
  EXPECT_EQ(value(kSample, Objective::kParameters), 1234);
}

TEST(ObjectivesJson, RejectsWhatDoesNotFit) {
  Json json = to_json(kSample);
  json["edp"] = 1.0;
  EXPECT_THAT(error_of([&] { objectives_from_json(JsonNode(json, "x")); }),
              HasSubstr("/edp: 1.0 is wrong"));
  json = to_json(kSample);
  json["energy_pj"] = -1;
  EXPECT_THAT(error_of([&] { objectives_from_json(JsonNode(json, "x")); }),
              HasSubstr("/energy_pj: -1 is out of range"));
  Objectives diverged = kSample;
  diverged.perplexity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(to_json(diverged), Error);
}

TEST(Limits, JsonRoundTripAndErrors) {
  const std::vector<Limit> limits{{Objective::kPerplexity, 30}, {Objective::kEnergy, 2.5e9}};
  const Json json = to_json(limits);
  EXPECT_EQ(limits_from_json(JsonNode(json, "x")), limits);
  const Json zero{{"latency", 0}};
  EXPECT_THAT(error_of([&] { limits_from_json(JsonNode(zero, "x")); }),
              HasSubstr("/latency: 0 is out of range"));
  const Json wrong{{"latancy", 5}};
  EXPECT_THAT(error_of([&] { limits_from_json(JsonNode(wrong, "x")); }),
              HasSubstr("did you mean \"latency\"?"));
}

TEST(Limits, ViolationIsRelativeAndAddsUp) {
  EXPECT_EQ(violation(kSample, {}), 0);
  EXPECT_EQ(violation(kSample, {{Objective::kLatency, 1000}}), 0);
  EXPECT_TRUE(feasible(kSample, {{Objective::kLatency, 1000}}));
  const std::vector<Limit> limits{
      {Objective::kLatency, 500}, {Objective::kEnergy, 4e6}, {Objective::kEdp, 1e10}};
  EXPECT_DOUBLE_EQ(violation(kSample, limits), 1.0 + 0.25);
  EXPECT_FALSE(feasible(kSample, limits));
}

}  // namespace
}  // namespace paretoformer
