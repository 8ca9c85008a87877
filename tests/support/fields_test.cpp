#include "support/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.hpp"

namespace paretoformer {
namespace {

enum class Colour { kRed, kBlue };
constexpr Words<Colour, 2> kColours{{{Colour::kRed, "red"}, {Colour::kBlue, "blue"}}};

const std::vector<std::string>& names() {
  static const std::vector<std::string> all = {"ann", "bob"};
  return all;
}

struct Base {
  int whole = 3;
  bool operator==(const Base&) const = default;
};
struct Settings : Base {
  double part = 0.5;
  std::uint64_t large = 1;
  bool flag = false;
  Colour colour = Colour::kBlue;
  std::string name = "bob";
  bool operator==(const Settings&) const = default;
};

constexpr std::tuple kFields{
    Field{"whole", &Settings::whole, Range{1, 8}, "a member of the base"},
    Field{"part", &Settings::part, Range{0, 1}, "a share"},
    Field{"large", &Settings::large, Range<std::int64_t>{0, INT64_MAX}, "a seed"},
    Field{"flag", &Settings::flag, AnyFlag{}, "yes or no"},
    Field{"colour", &Settings::colour, AnyWord(kColours), "a word"},
    Field{"name", &Settings::name, AnyName{names}, "a name"}};

Settings read(const std::string& text) {
  const Json json = parse_json(text, "file");
  const JsonNode node(json, "file");
  const JsonObject object(node);
  Settings settings;
  read_fields(object, kFields, settings);
  object.finish();
  return settings;
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Fields, AbsentOnesKeepTheirValuesAndWhatIsWrittenIsReadBack) {
  EXPECT_EQ(read("{}"), Settings{});
  Settings changed;
  changed.whole = 8;
  changed.part = 0.1;
  changed.large = INT64_MAX;
  changed.flag = true;
  changed.colour = Colour::kRed;
  changed.name = "ann";
  const std::string text = write_fields(kFields, changed).dump();
  EXPECT_EQ(text, R"({"whole":8,"part":0.1,"large":9223372036854775807,"flag":true,"colour":"red",)"
                  R"("name":"ann"})");
  EXPECT_EQ(read(text), changed);
}

TEST(Fields, ErrorsNameThePathTheValueAndWhatIsAllowed) {
  EXPECT_EQ(error_of(R"({"whole": 9})"),
            "file: /whole: 9 is out of range: expected an integer from 1 to 8");
  EXPECT_THAT(error_of(R"({"part": 1.5})"), testing::HasSubstr("/part: 1.5 is out of range"));
  EXPECT_THAT(error_of(R"({"flag": 1})"), testing::HasSubstr("/flag: 1 has the wrong type"));
  EXPECT_THAT(error_of(R"({"colour": "rd"})"), testing::HasSubstr("did you mean \"red\"?"));
  EXPECT_THAT(error_of(R"({"name": "bo"})"), testing::HasSubstr("did you mean \"bob\"?"));
  EXPECT_THAT(error_of(R"({"hole": 1})"), testing::HasSubstr("did you mean \"whole\"?"));
}

TEST(Fields, SchemaAndTableSayTheSame) {
  const Json schema = schema_of(kFields, Settings());
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["properties"]["whole"], Json::parse(R"({"type": "integer", "minimum": 1,
      "maximum": 8, "default": 3, "description": "a member of the base"})"));
  EXPECT_EQ(schema["properties"]["colour"], Json::parse(R"({"enum": ["red", "blue"],
      "default": "blue", "description": "a word"})"));
  EXPECT_EQ(table_of(schema), R"(| key | default | range | meaning |
|---|---|---|---|
| `whole` | 3 | 1 to 8 | a member of the base |
| `part` | 0.5 | 0 to 1 | a share |
| `large` | 1 | 0 to 9223372036854775807 | a seed |
| `flag` | false | true, false | yes or no |
| `colour` | `blue` | `red`, `blue` | a word |
| `name` | `bob` | `ann`, `bob` | a name |
)");
}

}  // namespace
}  // namespace paretoformer
