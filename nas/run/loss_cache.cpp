#include "nas/run/loss_cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/log.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

// As they lie in the file, which stays on the machine that wrote it. Records of several keys lie
// side by side: the check of each tells whose it is.
struct Header {
  char name[16] = "pareto.losses.1";
  char unused[16] = {};
};
struct Record {
  std::uint64_t network;
  std::uint64_t part;
  double sum;
  std::uint64_t check;
};
static_assert(sizeof(Header) == sizeof(Record), "records begin at multiples of their size");

std::uint64_t check_of(const Record& record, std::uint64_t key) {
  return hash_bytes(&record, offsetof(Record, check), key);
}

// Holds the file against other processes while it lives.
class FileLock {
 public:
  FileLock(int descriptor, const std::filesystem::path& path, int how = LOCK_EX)
      : descriptor_(descriptor) {
    while (::flock(descriptor_, how) != 0)
      if (errno != EINTR) throw Error(path.string() + ": cannot lock: " + std::strerror(errno));
  }
  ~FileLock() { ::flock(descriptor_, LOCK_UN); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

std::string_view bytes_of(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

// A crash or a full disk may have cut the last record short, of this process or of another; what
// follows must begin at a multiple again.
void drop_tail(int descriptor, const std::filesystem::path& path) {
  const off_t end = ::lseek(descriptor, 0, SEEK_END);
  constexpr auto kSize = static_cast<off_t>(sizeof(Record));
  if (end >= 0 && end % kSize == 0) return;
  if (end < 0 || ::ftruncate(descriptor, end / kSize * kSize) != 0)
    throw Error(path.string() + ": cannot drop an unfinished record: " + std::strerror(errno));
  log_warning(path.string() + ": the last record was cut short, and is dropped");
}

// Whether this process may write the file, or make it.
bool may_write(const std::filesystem::path& path) {
  const auto permitted = [](const std::filesystem::path& place) {
    return ::faccessat(AT_FDCWD, place.c_str(), W_OK, AT_EACCESS) == 0 ||
           (errno != EACCES && errno != EPERM && errno != EROFS);
  };
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return permitted(path);
  return permitted(path.has_parent_path() ? path.parent_path() : ".");
}

}  // namespace

LossCache::LossCache(std::filesystem::path path, std::uint64_t key)
    : path_(std::move(path)), key_(key), read_only_(!may_write(path_)) {
  if (!read_only_)
    descriptor_ = open_to_append(path_);
  else if ((descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) < 0)
    return;
  try {
    const FileLock lock(descriptor_, path_, read_only_ ? LOCK_SH : LOCK_EX);
    read();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

LossCache::~LossCache() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LossCache::read() {
  const std::string content = read_all(descriptor_, path_);
  const Header header;
  if (std::memcmp(content.data(), header.name, std::min(content.size(), sizeof header.name)) != 0)
    throw InputError(path_.string() + ": is no cache of losses of this version; remove it");
  if (!read_only_) {
    drop_tail(descriptor_, path_);
    if (content.size() < sizeof header)
      write_all(descriptor_, bytes_of(&header, sizeof header), path_);
  }
  std::size_t known = 0, others = 0;
  for (std::size_t at = sizeof header; at + sizeof(Record) <= content.size();
       at += sizeof(Record)) {
    Record record;
    std::memcpy(&record, content.data() + at, sizeof record);
    const bool own = record.check == check_of(record, key_) && record.part < kLossParts;
    if (own) sums_[record.part].emplace(record.network, record.sum);
    ++(own ? known : others);
  }
  if (known > 0) log_info(fmt::format("{}: {} losses are known", path_.string(), known));
  if (others > 0)
    log_info(fmt::format(
        "{}: {} records are of other weights, text or sequences, or damaged: passed over",
        path_.string(), others));
}

std::size_t LossCache::size() const {
  std::size_t size = 0;
  for (const auto& sums : sums_) size += sums.size();
  return size;
}

std::optional<double> LossCache::find(std::uint64_t network, LossPart part) const {
  const auto& sums = sums_[static_cast<std::size_t>(part)];
  const auto found = sums.find(network);
  return found == sums.end() ? std::nullopt : std::optional(found->second);
}

void LossCache::add(const std::vector<Entry>& entries) {
  std::vector<Record> records;
  for (const Entry& entry : entries) {
    const auto part = static_cast<std::size_t>(entry.part);
    if (!sums_[part].emplace(entry.network, entry.sum).second) continue;
    records.push_back({entry.network, part, entry.sum, 0});
    records.back().check = check_of(records.back(), key_);
  }
  if (read_only_) return;
  const FileLock lock(descriptor_, path_);
  drop_tail(descriptor_, path_);
  write_all(descriptor_, bytes_of(records.data(), records.size() * sizeof(Record)), path_);
}

LossSource cached(LossSource source, LossCache& cache) {
  LossSource result = source;
  result.sums = [source = std::move(source), &cache](std::span<const Architecture> networks,
                                                     LossPart part) {
    std::vector<double> sums(networks.size());
    std::vector<Architecture> unknown;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < networks.size(); ++i) {
      if (const auto known = cache.find(architecture_id(networks[i]), part)) {
        sums[i] = *known;
        continue;
      }
      unknown.push_back(networks[i]);
      places.push_back(i);
    }
    if (unknown.empty()) return sums;
    const std::vector<double> fresh = source.sums(unknown, part);
    std::vector<LossCache::Entry> entries;
    for (std::size_t i = 0; i < unknown.size(); ++i) {
      sums[places[i]] = fresh[i];
      entries.push_back({architecture_id(unknown[i]), part, fresh[i]});
    }
    cache.add(entries);
    return sums;
  };
  return result;
}

}  // namespace paretoformer::nas
