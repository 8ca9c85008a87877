#include "support/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/unfinished.hpp"

namespace paretoformer {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kNewFile = 0666;  // less the umask
constexpr std::string_view kUnfinished = ".paretoformer-", kUnfinishedEnd = ".tmp";
constexpr std::size_t kHexDigits = 16;

[[noreturn]] void fail(const fs::path& path, const char* what) {
  const int why = errno;
  throw Error(path.string() + ": cannot " + what + ": " + std::strerror(why));
}

// Closed at the end of its life if not before.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  // Some file systems tell of a failed write only now.
  void close(const fs::path& path) {
    if (::close(std::exchange(number_, -1)) != 0 && errno != EINTR) fail(path, "close");
  }

 private:
  int number_;
};

int open_file(const fs::path& path, int flags, mode_t mode = 0) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

struct stat status_of(int descriptor, const fs::path& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(path, "read the status of the file");
  return status;
}

void flush_to_disk(int descriptor, const fs::path& path) {
  while (::fsync(descriptor) != 0)
    if (errno != EINTR) fail(path, "flush");
}

// Makes the names in it last.
void flush_folder_of(const fs::path& path) {
  const fs::path parent = path.parent_path(), folder = parent.empty() ? "." : parent;
  const Descriptor opened(open_file(folder, O_RDONLY | O_DIRECTORY));
  // One may write in a folder that one may not read; some file systems cannot flush folders.
  if (!opened && errno == EACCES) return;
  if (!opened) fail(path, "open its folder");
  if (::fsync(opened.get()) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
    fail(path, "flush its folder");
}

// Where a chain of symbolic links ends, whether or not anything is there; `path` itself when it is
// no link. A name of an open descriptor, as /dev/stdout leads to, is not followed: the link says
// what is open there, not a place.
fs::path followed(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::error_code error;
  for (int links = 0; links <= kMostLinks; ++links) {
    if (!fs::is_symlink(path, error)) return path;
    if (fs::canonical(path.parent_path(), error) == "/proc/" + std::to_string(::getpid()) + "/fd")
      return path;
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  errno = ELOOP;
  fail(path, "follow the link");
}

// N, when `path`, which is a link all the same, is /proc/self/fd/N.
std::optional<int> open_descriptor(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error)) return std::nullopt;
  const std::string name = path.filename().string();
  int number = -1;
  const auto [end, why] = std::from_chars(name.data(), name.data() + name.size(), number);
  return why == std::errc() && *end == '\0' ? std::optional(number) : std::nullopt;
}

void write_pieces(int descriptor, const std::vector<std::string_view>& pieces,
                  const fs::path& path) {
  for (const std::string_view piece : pieces) write_all(descriptor, piece, path);
}

// Name and descriptor of a new file beside `path`, locked while it is being written.
std::pair<fs::path, int> create_beside(const fs::path& path, mode_t mode) {
  for (;;) {
    std::uint64_t number = 0;
    if (::getentropy(&number, sizeof number) != 0) fail(path, "draw a random name");
    fs::path name = path.parent_path() / (std::string(kUnfinished) + hex(number));
    name += kUnfinishedEnd;
    const int descriptor = open_file(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (descriptor < 0 && errno == EEXIST) continue;
    if (descriptor < 0) fail(path, "create file");
    ::flock(descriptor, LOCK_EX | LOCK_NB);
    return {std::move(name), descriptor};
  }
}

// As they were, as far as we are allowed to.
void keep_owner_and_mode(int descriptor, const struct stat& old, const fs::path& path) {
  const struct stat now = status_of(descriptor, path);
  constexpr auto kSameUser = static_cast<uid_t>(-1);
  constexpr auto kSameGroup = static_cast<gid_t>(-1);
  const bool group = now.st_gid == old.st_gid || ::fchown(descriptor, kSameUser, old.st_gid) == 0;
  // Only root may give files away.
  [[maybe_unused]] const int owner =
      now.st_uid == old.st_uid ? 0 : ::fchown(descriptor, old.st_uid, kSameGroup);
  const mode_t mode = old.st_mode & (group ? 0777U : 0707U);  // no other group may read it now
  if (::fchmod(descriptor, mode) != 0 && errno != EPERM) fail(path, "set permissions");
}

void replace_file(const fs::path& path, const struct stat* old,
                  const std::vector<std::string_view>& pieces) {
  auto [temporary, number] = create_beside(path, old ? 0600 : kNewFile);
  Descriptor file(number);
  Unfinished unfinished(temporary);
  if (old) keep_owner_and_mode(file.get(), *old, path);
  write_pieces(file.get(), pieces, path);
  flush_to_disk(file.get(), path);
  file.close(path);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "replace file");
  unfinished.keep();
  flush_folder_of(path);
}

bool is_unfinished(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.size() == kUnfinished.size() + kHexDigits + kUnfinishedEnd.size() &&
         name.starts_with(kUnfinished) && name.ends_with(kUnfinishedEnd) &&
         name.find_first_not_of("0123456789abcdef", kUnfinished.size()) ==
             kUnfinished.size() + kHexDigits;
}

}  // namespace

std::string read_all(int descriptor, const fs::path& path) {
  constexpr std::size_t kLeast = std::size_t{1} << 16;
  const struct stat status = status_of(descriptor, path);
  const bool regular = S_ISREG(status.st_mode);
  std::string content;
  std::size_t size = 0;
  try {
    // One byte more than there should be, so that the next read finds the end.
    content.resize(std::max(regular ? static_cast<std::size_t>(status.st_size) + 1 : 0, kLeast));
    for (;;) {
      if (size == content.size()) content.resize(2 * size);
      const ssize_t count = ::read(descriptor, content.data() + size, content.size() - size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(path, "read file");
      if (count == 0) break;
      size += static_cast<std::size_t>(count);
      if (!regular && size > kLongestPipe)
        throw InputError(path.string() + ": does not end after " + std::to_string(kLongestPipe) +
                         " bytes: expected a file, or less");
    }
  } catch (const std::bad_alloc&) {
    throw Error(path.string() + ": there is not enough memory to read it");
  } catch (const std::length_error&) {
    throw Error(path.string() + ": there is not enough memory to read it");
  }
  content.resize(size);
  return content;
}

std::string read_file(const fs::path& path) {
  const Descriptor file(open_file(path, O_RDONLY));
  const int why = errno;
  if (!file) throw InputError(path.string() + ": cannot open file: " + std::strerror(why));
  if (S_ISDIR(status_of(file.get(), path).st_mode))
    throw InputError(path.string() + ": is a folder, a file was expected");
  return read_all(file.get(), path);
}

std::string read_text_file(const fs::path& path) {
  std::string text = read_file(path);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  return text;
}

void write_all(int descriptor, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "write");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool create_folder(const fs::path& folder) {
  std::error_code error;
  const bool created = fs::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": cannot create folder: " + error.message());
  return created;
}

void write_file_atomic(const fs::path& path, std::string_view content) {
  write_file_atomic(path, std::vector<std::string_view>{content});
}

void write_file_atomic(const fs::path& path, const std::vector<std::string_view>& pieces) {
  const fs::path target = followed(path);
  if (const std::optional<int> number = open_descriptor(target))
    return write_pieces(*number, pieces, path);
  struct stat old {};
  // Of `path`: the kernel knows links that are not to be followed.
  const bool exists = ::stat(path.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) fail(path, "create file");
  if (!exists || S_ISREG(old.st_mode)) return replace_file(target, exists ? &old : nullptr, pieces);
  if (S_ISDIR(old.st_mode)) throw InputError(path.string() + ": is a folder, a file was expected");
  if (S_ISBLK(old.st_mode)) throw InputError(path.string() + ": is a disk, a file was expected");
  Descriptor device(open_file(target, O_WRONLY));
  if (!device) fail(path, "open file");
  write_pieces(device.get(), pieces, path);
  device.close(path);
}

void remove_unfinished_files(const fs::path& folder) {
  std::error_code error, ignored;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (!is_unfinished(path) || !fs::is_regular_file(entry->symlink_status(ignored))) continue;
    const Descriptor file(open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    const bool in_use = file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!in_use) fs::remove(path, ignored);
  }
}

int open_to_append(const fs::path& path) {
  constexpr int kFlags = O_RDWR | O_APPEND | O_NONBLOCK;
  int descriptor = open_file(path, kFlags);
  const bool is_new = descriptor < 0 && errno == ENOENT;
  if (is_new) descriptor = open_file(path, kFlags | O_CREAT, kNewFile);
  if (descriptor < 0 && errno == EISDIR)
    throw InputError(path.string() + ": is a folder, a file was expected");
  if (descriptor < 0) fail(path, "open file");
  try {
    if (!S_ISREG(status_of(descriptor, path).st_mode))
      throw InputError(path.string() + ": is no regular file");
    if (is_new) flush_folder_of(path);
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  return descriptor;
}

void occupy_standard_descriptors() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest that is free is this one. Not in the direction it is used in.
    if (::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY) != number)
      fail("/dev/null", "open file");
  }
}

}  // namespace paretoformer
