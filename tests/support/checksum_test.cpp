#include "support/checksum.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

using ::testing::StartsWith;

constexpr Checksum kChecksum{"checksum ", "\n"};

bool accepts(const std::string& text) {
  try {
    kChecksum.require(text, "table.txt");
    return true;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), StartsWith("table.txt: "));
    return false;
  }
}

TEST(Checksum, IsTheHashOfTheTextBeforeIt) {
  EXPECT_EQ(kChecksum.added_to("a\n"), "a\nchecksum " + hex(hash_text("a\n")) + "\n");
  for (const char* text : {"", "a\n", "checksum checksum \n"})
    EXPECT_TRUE(accepts(kChecksum.added_to(text))) << text;
}

TEST(Checksum, NoticesEveryByteAndEveryCut) {
  const std::string text = kChecksum.added_to("one 1\ntwo 2\n");
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string edited = text;
    edited[i] = static_cast<char>(edited[i] ^ 1);
    EXPECT_FALSE(accepts(edited)) << "byte " << i;
    EXPECT_FALSE(accepts(text.substr(0, i))) << i << " bytes";
  }
  EXPECT_FALSE(accepts(text + "\n"));
  EXPECT_FALSE(accepts(kChecksum.added_to(text) + text));
}

}  // namespace
}  // namespace paretoformer
