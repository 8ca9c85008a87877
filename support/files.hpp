// Files that are either whole or absent: atomic replacement, and append-only logs of lines.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace paretoformer {

// Throws InputError naming the path when it does not exist or cannot be read.
std::string read_file(const std::filesystem::path& path);

// Writes to a temporary name beside `path`, flushes it to disk and renames it over `path`: after a
// crash or a full disk the old content is still there. Throws Error naming the path.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
// The same, with the content in several pieces written one after the other.
void write_file_atomic(const std::filesystem::path& path,
                       const std::vector<std::string_view>& pieces);

// A file of whole lines; a last line that a crash cut short is dropped when the file is opened
// again.
class LineLog {
 public:
  // Opens or creates `path`. Throws Error naming the path.
  explicit LineLog(const std::filesystem::path& path);
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  // Whole lines that were there when the file was opened.
  const std::vector<std::string>& lines() const { return lines_; }
  // Appends `text`, which is one or more lines, each ending in '\n', and returns when it is on the
  // disk. Throws Error (a full disk).
  void append(std::string_view text);
  // The two halves of that: what is written survives the process, what is flushed a power cut too.
  void write(std::string_view text);
  void flush();

 private:
  std::filesystem::path path_;
  std::vector<std::string> lines_;
  int descriptor_ = -1;
};

}  // namespace paretoformer
