#include "support/hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace paretoformer {
namespace {

// The test vectors that are published with xxHash (cli/xsum_sanity_check.c): prefixes of one
// buffer. Files and caches of earlier versions are found by these numbers.
TEST(Hash, IsXxh3) {
  std::string buffer;
  std::uint64_t byte = 2654435761U;
  for (int i = 0; i < 2048; ++i) {
    buffer.push_back(static_cast<char>(byte >> 56));
    byte *= 11400714785074694797ULL;
  }
  for (const auto& [length, expected] : {std::pair{0, 0x2D06800538D394C2ULL},
                                         {1, 0xC44BDFF4074EECDBULL},
                                         {6, 0x27B56A84CD2D7325ULL},
                                         {12, 0xA713DAF0DFBB77E7ULL},
                                         {24, 0xA3FE70BF9D3510EBULL},
                                         {48, 0x397DA259ECBA1F11ULL},
                                         {80, 0xBCDEFBBB2C47C90AULL},
                                         {195, 0xCD94217EE362EC3AULL},
                                         {403, 0xCDEB804D65C6DEA4ULL},
                                         {2048, 0xDD59E2C3A5F038E0ULL}})
    EXPECT_EQ(hash_bytes(buffer.data(), static_cast<std::size_t>(length)), expected) << length;
  EXPECT_EQ(hash_bytes(buffer.data(), 1, 11400714785074694797ULL), 0x032BE332DD766EF8ULL);
}

TEST(Hash, OfATextIsThatOfItsBytes) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(hash_text(text), hash_bytes(text.data(), 3));
  const std::set<std::uint64_t> all{hash_text("a"), hash_text(text), hash_text(text, 1),
                                    hash_text("a\nb"), hash_text("")};
  EXPECT_EQ(all.size(), 5u);
}

TEST(Hex, HasSixteenLowerCaseDigits) {
  EXPECT_EQ(hex(0), "0000000000000000");
  EXPECT_EQ(hex(0xFEDCBA9876543210ULL), "fedcba9876543210");
  EXPECT_EQ(hex(~0ULL), "ffffffffffffffff");
}

}  // namespace
}  // namespace paretoformer
