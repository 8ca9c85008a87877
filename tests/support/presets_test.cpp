#include "support/presets.hpp"

#include <gmock/gmock.h>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr EmbeddedFile kTexts[] = {{"large", R"({"size": 9})"}, {"small", R"({"size": 1})"}};
constexpr Presets kPresets("shoe", kTexts);

std::string error_of(const std::string& name) {
  try {
    kPresets.find(name);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Presets, AreFoundByName) {
  EXPECT_THAT(kPresets.names(), ElementsAre("large", "small"));
  const Document small = kPresets.find("small");
  EXPECT_EQ(small.json["size"], 1);
  EXPECT_EQ(JsonObject(small.node()).at("size").file(), "preset small");
}

TEST(Presets, OtherNamesAreFiles) {
  const TemporaryFolder folder;
  const std::string path = (folder / "small").string();
  write_file_atomic(path, R"({"size": 5})");
  const Document own = kPresets.find(path);
  EXPECT_EQ(own.json["size"], 5);
  EXPECT_EQ(own.file, path);
}

TEST(Presets, NeitherNamesAllAndTheNearest) {
  EXPECT_EQ(error_of("smal"),
            "shoe \"smal\" is neither a preset (large, small) nor a file (did you mean "
            "\"small\"?)");
  EXPECT_THAT(error_of("boot"), testing::EndsWith("(large, small) nor a file"));
}

TEST(Presets, ANameTooLongForAFileIsNeither) {
  EXPECT_THAT(error_of(std::string(300, 'x')), HasSubstr("is neither a preset"));
}

}  // namespace
}  // namespace paretoformer
