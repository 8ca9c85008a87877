#include "support/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace paretoformer {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// Of a valid character.
unsigned code_point(std::string_view character) {
  const unsigned first = byte_at(character, 0);
  if (character.size() == 1) return first;
  unsigned code = first & (0xFFU >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i)
    code = code << 6U | (byte_at(character, i) & 0x3FU);
  return code;
}

bool is_control(unsigned code) {
  const auto between = [code](unsigned low, unsigned high) { return code >= low && code <= high; };
  return code < 0x20 || between(0x7F, 0x9F) ||                                // C0, DEL, C1
         code == 0x61C || between(0x200E, 0x200F) || between(0x202A, 0x202E)  // direction
         || between(0x2066, 0x2069) || between(0x2028, 0x2029) ||             // and line separators
         code == 0xFEFF;                                                      // byte order mark
}

std::string escape_of(unsigned code) {
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  if (code == '\r') return "\\r";
  return fmt::format("\\u{:04x}", code);
}

std::string escaped(std::string_view text, bool keep_lines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0)
      result += fmt::format("\\x{:02x}", byte_at(text, 0));
    else if (const unsigned code = code_point(character);
             is_control(code) && !(keep_lines && code == '\n'))
      result += escape_of(code);
    else
      result += character;
    text.remove_prefix(character.size());
  }
  return result;
}

}  // namespace

// The ranges of the second byte are those of Unicode 15, table 3-7.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xc2   ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return length;
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = character_length(text.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

std::string printable(std::string_view text) { return escaped(text, false); }

std::string printable_lines(std::string_view text) { return escaped(text, true); }

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  std::size_t length = most;
  while (length > 0 && (byte_at(text, length) & 0xC0U) == 0x80U) --length;
  return std::string(text.substr(0, length)) + "...";
}

}  // namespace paretoformer
