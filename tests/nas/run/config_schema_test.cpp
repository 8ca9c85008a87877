#include "nas/run/config_schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "accel_sim/hardware/target.hpp"
#include "nas/run/config.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/files.hpp"

namespace paretoformer::nas {
namespace {

// Whether `json` is what the part of JSON Schema that we use allows; what is not is appended.
void check(const Json& json, const Json& schema, const std::string& path, std::string& wrong) {
  if (schema.contains("anyOf")) {
    for (const Json& each : schema["anyOf"]) {
      std::string of_this;
      check(json, each, path, of_this);
      if (of_this.empty()) return;
    }
    wrong += path + ": none of those\n";
    return;
  }
  if (schema.contains("const") && json != schema["const"]) wrong += path + ": const\n";
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), json) == schema["enum"].end())
    wrong += path + ": enum\n";
  if (schema.contains("minimum") &&
      (json.get<double>() < schema["minimum"] || json.get<double>() > schema["maximum"]))
    wrong += path + ": range\n";
  const std::string type = schema.value("type", "");
  const bool right = type.empty() || (type == "integer" && json.is_number_integer()) ||
                     (type == "number" && json.is_number()) ||
                     (type == "boolean" && json.is_boolean()) ||
                     (type == "string" && json.is_string()) ||
                     (type == "array" && json.is_array()) || (type == "object" && json.is_object());
  if (!right) wrong += path + ": " + type + "\n";
  if (json.is_array() && schema.contains("items"))
    for (const Json& element : json) check(element, schema["items"], path + "/0", wrong);
  if (!json.is_object() || !schema.contains("properties")) return;
  for (const auto& [key, value] : json.items()) {
    if (schema["properties"].contains(key))
      check(value, schema["properties"][key], path + "/" + key, wrong);
    else
      wrong += path + "/" + key + ": unknown\n";
  }
  for (const Json& key : schema.value("required", Json::array()))
    if (!json.contains(key.get<std::string>())) wrong += path + ": lacks " + key.dump() + "\n";
}

std::string wrong_in(const Json& json, const std::string& schema) {
  std::string wrong;
  check(json, find_schema(schema), "", wrong);
  return wrong;
}

// What is written has every key there is, with its default.
TEST(ConfigSchema, AllowsWhatIsWritten) {
  for (const char* preset : {"quickstart", "wikitext2", "enumerable", "survey"}) {
    std::vector<std::string> overrides = {"supernet=elsewhere", "limits.latency=1e9",
                                          "soft_limits.energy=1e15"};
    if (std::string(preset) == "wikitext2" || std::string(preset) == "survey")
      overrides = {"corpus={\"train\": \"a\", \"validation\": \"b\"}"};
    EXPECT_EQ(wrong_in(to_json(load_run_config(preset, overrides)), "configuration"), "") << preset;
  }
  EXPECT_EQ(wrong_in(accel_sim::to_json(accel_sim::Target()), "hardware"), "");
  EXPECT_EQ(wrong_in(SearchSpace::find("survey").to_json(), "search_space"), "");
  EXPECT_EQ(wrong_in(to_json(SearchSpace::find("survey").largest()), "architecture"), "");
}

TEST(ConfigSchema, RefusesWhatTheReaderRefuses) {
  EXPECT_EQ(wrong_in(Json{{"array_size", 256}}, "hardware"), "/array_size: range\n");
  EXPECT_EQ(wrong_in(Json{{"fusion", "most"}}, "hardware"), "/fusion: enum\n");
  EXPECT_EQ(wrong_in(Json{{"step", 1}}, "training"), "/step: unknown\n");
  EXPECT_EQ(wrong_in(Json::object(), "configuration"), ": lacks \"search_space\"\n");
}

// Every key of a configuration that the schema has is one that the reader knows.
TEST(ConfigSchema, HasNoKeyThatIsNotRead) {
  const Json configuration = find_schema("configuration");
  for (const auto& [section, schema] : configuration["properties"].items()) {
    if (!schema.contains("properties")) continue;
    for (const auto& [key, property] : schema["properties"].items()) {
      Json json = {{"search_space", "quickstart"}};
      json[section][key] = Json::array();  // no key may be that, but for a list of networks
      if (section == "corpus" && (key == "train" || key == "validation"))
        json[section] = {{"train", Json::array()}, {"validation", Json::array()}};
      try {
        run_config_from_json(JsonNode(json, "file"), ".");
        EXPECT_EQ(key, "seed_architectures");
      } catch (const InputError& error) {
        EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("unknown key"))) << section;
      }
    }
  }
}

TEST(ConfigSchema, UnknownNamesAreRefusedWithTheKnownOnes) {
  try {
    find_schema("trainin");
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("did you mean \"training\"?"));
  }
}

// scripts/update_docs writes them.
TEST(ConfigSchema, TheTablesOfTheDocumentationAreThose) {
  int tables = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PARETOFORMER_SOURCE_DIR "/docs")) {
    if (entry.path().extension() != ".md") continue;
    const std::string page = read_file(entry.path());
    const std::string begin = "<!-- table: ", end = "<!-- end of table -->\n";
    for (std::size_t at = 0; (at = page.find(begin, at)) != std::string::npos; ++at, ++tables) {
      const std::size_t name = at + begin.size();
      const std::size_t text = page.find(" -->\n", name);
      ASSERT_NE(page.find(end, text), std::string::npos) << entry.path();
      EXPECT_EQ(page.substr(text + 5, page.find(end, text) - text - 5),
                "\n" + table_of(find_schema(page.substr(name, text - name))) + "\n")
          << entry.path();
    }
  }
  EXPECT_EQ(tables, 7);
}

}  // namespace
}  // namespace paretoformer::nas
