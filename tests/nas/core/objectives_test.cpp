#include "nas/core/objectives.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

const Objectives kSample{3.1, 22.2, 3.2, 24.5, 1000, 5e6, 1234, 7700, 88000};

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
  EXPECT_EQ(names,
            "perplexity perplexity_int8 latency energy edp parameters peak_memory macs area ");
  EXPECT_EQ(keys,
            "perplexity perplexity_int8 latency_cycles energy_pj edp parameters peak_memory_bytes "
            "macs area_mm2 ");
  const Json wrong = "latancy";
  EXPECT_THAT(error_of([&] { objective_from_json(JsonNode(wrong, "x")); }),
              HasSubstr("did you mean \"latency\"?"));
}

TEST(Objective, Values) {
  EXPECT_EQ(value(kSample, Objective::kPerplexity), 22.2);
  EXPECT_EQ(value(kSample, Objective::kPerplexityInt8), 24.5);
  EXPECT_EQ(value(kSample, Objective::kLatency), 1000);
  EXPECT_EQ(value(kSample, Objective::kEnergy), 5e6);
  EXPECT_EQ(value(kSample, Objective::kEdp), 5e9);
  EXPECT_EQ(value(kSample, Objective::kParameters), 1234);
  EXPECT_EQ(value(kSample, Objective::kPeakMemory), 7700);
  EXPECT_EQ(value(kSample, Objective::kMacs), 88000);
}

TEST(Objective, AreShownWithTheirUnits) {
  std::string all, labels;
  for (Objective objective : all_objectives()) {
    all += shown(kSample, objective) + ", ";
    labels += label_of(objective) + ", ";
  }
  EXPECT_EQ(all,
            "perplexity 22.2000, perplexity in int8 24.5000, latency 1000 cycles, energy 5 uJ, "
            "energy-delay product 5000000000 pJ x cycles, parameters 1234, peak memory 7700 bytes, "
            "multiply-accumulates 88000, area 0 mm2, ");
  EXPECT_EQ(labels,
            "perplexity, perplexity in int8, latency (cycles), energy (pJ), energy-delay product "
            "(pJ x cycles), "
            "parameters, peak memory (bytes), multiply-accumulates, area (mm2), ");
  Objectives in_time = kSample;
  in_time.in_time = true;
  in_time.latency = 8613.1;
  EXPECT_EQ(shown(in_time, Objective::kLatency), "latency 8613.100 ns");
  EXPECT_EQ(key_of(Objective::kLatency, true), "latency_ns");
  EXPECT_EQ(label_of(Objective::kEdp, true), "energy-delay product (pJ x ns)");
  const Json json = to_json(in_time);
  EXPECT_EQ(json["latency_ns"], 8613.1);
  EXPECT_FALSE(json.contains("latency_cycles"));
  EXPECT_EQ(objectives_from_json(JsonNode(json, "x")), in_time);
}

TEST(ObjectivesJson, IntegersAreLeftOutWhereTheyWereNotScored) {
  const Json both = to_json(kSample);
  EXPECT_EQ(both["validation_loss_int8"], 3.2);
  EXPECT_EQ(both["perplexity_int8"], 24.5);
  EXPECT_EQ(objectives_from_json(JsonNode(both, "x")), kSample);
  Objectives fp32 = kSample;
  fp32.validation_loss_int8 = fp32.perplexity_int8 = 0;
  EXPECT_FALSE(fp32.has_int8());
  const Json alone = to_json(fp32);
  EXPECT_FALSE(alone.contains("validation_loss_int8") || alone.contains("perplexity_int8"));
  EXPECT_EQ(objectives_from_json(JsonNode(alone, "x")), fp32);
  Json half = both;
  half.erase("perplexity_int8");
  EXPECT_THAT(error_of([&] { objectives_from_json(JsonNode(half, "x")); }),
              HasSubstr("perplexity_int8"));
}

TEST(ObjectivesJson, TheAreaIsLeftOutWhereTheHardwareIsNoChoice) {
  EXPECT_FALSE(kSample.has(Objective::kArea));
  EXPECT_FALSE(to_json(kSample).contains("area_mm2"));
  Objectives chosen = kSample;
  chosen.area_mm2 = 0.625;
  const Json json = to_json(chosen);
  EXPECT_EQ(json["area_mm2"], 0.625);
  EXPECT_EQ(objectives_from_json(JsonNode(json, "x")), chosen);
  EXPECT_EQ(shown(chosen, Objective::kArea), "area 0.6250 mm2");
}

TEST(Objective, TheSearchedLossIsThatOfTheFirstPerplexity) {
  using enum Objective;
  EXPECT_EQ(searched_loss(kSample, {kEdp, kPerplexity}), 3.1);
  EXPECT_EQ(searched_loss(kSample, {kEdp, kPerplexityInt8, kPerplexity}), 3.2);
  EXPECT_EQ(searched_loss(kSample, {kEdp, kMacs}), 3.1);
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
  for (const char* key : {"peak_memory_bytes", "macs"}) {
    json = to_json(kSample);
    json.erase(key);
    EXPECT_EQ(error_of([&] { objectives_from_json(JsonNode(json, "history.jsonl:3")); }),
              "history.jsonl:3: /: key \"" + std::string(key) + "\" is missing");
  }
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

TEST(Limits, SoftOnesHaveAnObjectOfTheirOwn) {
  const std::vector<Limit> limits{
      {Objective::kLatency, 900}, {Objective::kLatency, 500, true}, {Objective::kMacs, 1e6, true}};
  EXPECT_EQ(to_json(limits), (Json{{"latency", 900.0}}));
  const Json soft = to_json(limits, true);
  EXPECT_EQ(soft, (Json{{"latency", 500.0}, {"macs", 1e6}}));
  EXPECT_EQ(limits_from_json(JsonNode(soft, "x"), true), (std::vector{limits[1], limits[2]}));
  EXPECT_TRUE(has_soft(limits));
  EXPECT_FALSE(has_soft({limits[0]}));
}

TEST(Limits, ViolationIsRelativeAndAddsUp) {
  EXPECT_EQ(violation(kSample, {}), Violation{});
  EXPECT_EQ(violation(kSample, {{Objective::kLatency, 1000}}), Violation{});
  EXPECT_TRUE(feasible(kSample, {{Objective::kLatency, 1000}}));
  const std::vector<Limit> limits{
      {Objective::kLatency, 500}, {Objective::kEnergy, 4e6}, {Objective::kEdp, 1e10}};
  EXPECT_EQ(violation(kSample, limits), (Violation{1.0 + 0.25, 0}));
  EXPECT_FALSE(feasible(kSample, limits));
}

TEST(Limits, SoftOnesAreCountedApart) {
  const std::vector<Limit> limits{{Objective::kLatency, 1000},
                                  {Objective::kLatency, 800, true},
                                  {Objective::kMacs, 44000, true},
                                  {Objective::kParameters, 1234, true}};
  EXPECT_EQ(violation(kSample, limits), (Violation{0, 0.25 + 1.0}));
  EXPECT_TRUE(feasible(kSample, limits));
  EXPECT_EQ(excess_json(kSample, limits), (Json{{"latency", 200.0}, {"macs", 44000.0}}));
  EXPECT_EQ(excess_json(kSample, {limits[0]}), Json::object());
  EXPECT_LT((Violation{0, 5}), (Violation{0.1, 0}));
  EXPECT_LT((Violation{0.1, 0}), (Violation{0.1, 1}));
}

}  // namespace
}  // namespace paretoformer::nas
