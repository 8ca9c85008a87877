# Doxygen's INPUT_FILTER: lets it see the plain comments of the headers. `// text` in front of a
# declaration becomes `/// text`, `int x;  // text` becomes `int x;  ///< text`, and the block that
# opens a header is about the file; in the C interface, the same of `/* text */`. What Doxygen would
# take for a command is escaped.
#
# usage: awk -f docs/doxygen_comments.awk HEADER

{ line[NR] = $0 }

# Outside of `code`, the characters that mean something to Doxygen.
function escaped(text,   parts, count, i, result) {
  count = split(text, parts, "`")
  for (i = 1; i <= count; ++i) {
    if (i % 2 == 1 || i == count) gsub(/[\\@<>#%&]/, "\\\\&", parts[i])
    result = result (i > 1 ? "`" : "") parts[i]
  }
  return result
}

# Whether comments from line `n` on stand in front of a declaration.
function documents(n) {
  while (line[n] ~ /^ *\/\//) ++n
  return line[n] !~ /^ *(}|$|#|namespace|public:|private:|protected:)/
}

END {
  head = 1      # in the block that opens the file
  trailing = 0  # the column of a comment behind a member, which may go on below
  for (n = 1; n <= NR; ++n) {
    text = line[n]
    if (text ~ /\/\*/) {  # of the C interface
      head = 0
      sub(/\/\* /, n == 1 ? "/** @file\n * " : text ~ /^ *\/\*/ ? "/** " : "/**< ", text)
    }
    column = index(text, "//")
    before = substr(text, 1, column - 1)
    # No comment, or one in a string, an address, behind a brace or a directive.
    if (column == 0 || before ~ /"[^"]*$|:$|^ *[#}]/) {
      if (column == 0) head = 0
      trailing = 0
      print text
      continue
    }
    comment = substr(text, column + 2)
    sub(/^ /, "", comment)
    comment = escaped(comment)
    if (head) {
      print (n == 1 ? "/// @file\n" : "") "/// " comment
    } else if (before ~ /[^ ]/) {
      trailing = column
      print before "///< " comment
    } else if (column == trailing) {
      print before "///< " comment
    } else {
      trailing = 0
      print before (documents(n) ? "/// " : "// ") comment
    }
  }
}
