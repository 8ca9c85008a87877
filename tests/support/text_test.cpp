#include "support/text.hpp"

#include <gtest/gtest.h>

namespace paretoformer {
namespace {

TEST(Printable, TextStaysAsItIs) {
  for (const std::string text : {"", "plain", "caf\u00e9 \u4e2d \U0001f600", "a\\nb"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(printable_lines(text), text);
  }
}

TEST(Printable, ControlCharactersAreEscaped) {
  EXPECT_EQ(printable("\x1b[31mred\n\ttwo\r"), "\\u001b[31mred\\n\\ttwo\\r");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\u0000b");
  EXPECT_EQ(printable("\x7f\u009b2J"), "\\u007f\\u009b2J");  // DEL, and a C1 that begins a sequence
  EXPECT_EQ(printable("\u202e\u2066\u2028\ufeff"), "\\u202e\\u2066\\u2028\\ufeff");
  EXPECT_EQ(printable("\u202f\u200d"), "\u202f\u200d");  // a narrow space, a joiner
}

TEST(Printable, BytesThatAreNoCharactersAreEscaped) {
  EXPECT_EQ(printable("caf\xe9 x"), "caf\\xe9 x");
  EXPECT_EQ(printable("\x9b\xc2"), "\\x9b\\xc2");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(Printable, LinesStayLines) {
  EXPECT_EQ(printable_lines("a\n\x1b\nb\n"), "a\n\\u001b\nb\n");
  EXPECT_EQ(printable(printable("\n\x1b\xff")), printable("\n\x1b\xff"));
}

TEST(Shortened, NeverCutsACharacter) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  EXPECT_EQ(shortened("ab\u4e2d", 4), "ab...");
  EXPECT_EQ(shortened("ab\u4e2dc", 5), "ab\u4e2d...");
}

}  // namespace
}  // namespace paretoformer
