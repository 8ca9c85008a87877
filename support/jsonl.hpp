// JSONL files: logs of JSON objects, one a line, in which an edited, removed or moved line is
// noticed when they are read again. A last line that a crash cut short, or that is being written,
// is none.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "support/json_fwd.hpp"

namespace paretoformer {

// Appends to a log. Every line carries, as its last key, a "check": a hash of itself and of the
// check of the line before. Lines that were written without one may come first.
class JsonlWriter {
 public:
  // Opens or creates `path`, as open_to_append(), to go on after its last line, which is not
  // checked; what was cut short after it is dropped, with a warning. Throws Error when it cannot be
  // read, and leaves it as it is then.
  explicit JsonlWriter(const std::filesystem::path& path);
  ~JsonlWriter();
  JsonlWriter(const JsonlWriter&) = delete;
  JsonlWriter& operator=(const JsonlWriter&) = delete;

  // Appends `json`, an object. What is written survives the process, what is flushed a power cut
  // too. Throw Error (a full disk).
  void write(const Json& json);
  void flush();
  void append(const Json& json) {
    write(json);
    flush();
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::string check_;  // of the last line; empty: it has none
};

// Hands what every line holds, but for its check, to `use`, whose errors come first: they say more.
// The node's file is that of `path` with the number of the line. Does nothing when there is no
// file. Throws InputError when a line is no JSON or has been changed.
void read_jsonl(const std::filesystem::path& path, const std::function<void(const JsonNode&)>& use);

// The same, and drops the first line that `keep` refuses with all that come after it.
void cut_jsonl(const std::filesystem::path& path, const std::function<bool(const JsonNode&)>& keep);

}  // namespace paretoformer
