// UTF-8, and text from outside made fit for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace paretoformer {

// Length of the well-formed character at the start of non-empty `text`, 0 when it is none.
std::size_t character_length(std::string_view text);
// Offset of the first byte that does not belong to well-formed UTF-8 (no overlong forms, no
// surrogates, nothing above U+10FFFF), or text.size().
std::size_t valid_utf8_prefix(std::string_view text);

// `text` on one line: control characters (line feeds, escape sequences, marks that turn the
// direction of writing) as "\n" or "\u001b", bytes that are no UTF-8 as "\x9b". What is inside a
// JSON string stays the same string. Printable text stays as it is.
std::string printable(std::string_view text);
// The same, keeping the line feeds: of tables and documents.
std::string printable_lines(std::string_view text);

// `text` cut to `most` bytes and "..." when it is longer, never inside a character.
std::string shortened(std::string_view text, std::size_t most);

}  // namespace paretoformer
