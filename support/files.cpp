#include "support/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "support/error.hpp"
#include "support/unfinished.hpp"

namespace paretoformer {
namespace {

std::string reason() { return std::strerror(errno); }

void write_all(int descriptor, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error(path.string() + ": cannot write: " + reason());
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path))
    throw InputError(path.string() + ": is a folder, a file was expected");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(path.string() + ": cannot open file: " + reason());
  std::ostringstream content;
  content << in.rdbuf();
  if (in.bad()) throw InputError(path.string() + ": cannot read file");
  return std::move(content).str();
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  write_file_atomic(path, std::vector<std::string_view>{content});
}

void write_file_atomic(const std::filesystem::path& path,
                       const std::vector<std::string_view>& pieces) {
  const std::filesystem::path temporary =
      path.string() + ".tmp" + std::to_string(static_cast<long>(::getpid()));
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) throw Error(path.string() + ": cannot create file: " + reason());
  Unfinished unfinished(temporary);
  try {
    for (std::string_view piece : pieces) write_all(descriptor, piece, path);
    if (::fsync(descriptor) != 0) throw Error(path.string() + ": cannot flush: " + reason());
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  ::close(descriptor);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    throw Error(path.string() + ": cannot replace file: " + reason());
  unfinished.keep();
}

LineLog::LineLog(const std::filesystem::path& path) : path_(path) {
  std::size_t kept = 0;
  if (std::filesystem::exists(path)) {
    const std::string content = read_file(path);
    for (std::size_t end; (end = content.find('\n', kept)) != std::string::npos; kept = end + 1)
      lines_.push_back(content.substr(kept, end - kept));
  }
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw Error(path.string() + ": cannot open file: " + reason());
  if (::ftruncate(descriptor_, static_cast<off_t>(kept)) != 0) {
    const std::string why = reason();
    ::close(descriptor_);
    throw Error(path.string() + ": cannot drop an unfinished last line: " + why);
  }
}

LineLog::~LineLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LineLog::append(std::string_view text) {
  write(text);
  flush();
}

void LineLog::write(std::string_view text) { write_all(descriptor_, text, path_); }

void LineLog::flush() {
  if (::fdatasync(descriptor_) != 0) throw Error(path_.string() + ": cannot flush: " + reason());
}

}  // namespace paretoformer
