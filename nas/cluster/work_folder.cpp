#include "nas/cluster/work_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTaskEnd = ".task", kAnswerEnd = ".answer", kClaimMark = ".claim.",
                           kWorkerBegin = "worker.";
constexpr double kSignsPerLease = 6;
constexpr std::int64_t kNanoseconds = 1'000'000'000;

[[noreturn]] void fail(const fs::path& path, const char* what) {
  const int why = errno;
  throw Error(path.string() + ": cannot " + what + ": " + std::strerror(why));
}

std::string random_name() {
  std::uint64_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) throw Error("cannot draw a random name");
  return hex(number);
}

std::string host() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  std::string text = name.data();
  for (char& c : text)
    if (c == '/' || c == '\n') c = '_';
  return text;
}

std::int64_t modified(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return 0;
  return status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec;
}

void remove_quietly(const fs::path& path) { ::unlink(path.c_str()); }

// The number of "NAME.claim.N"; -1 where it is none.
int number_of(std::string_view digits) {
  int number = -1;
  const auto [end, why] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return why == std::errc() && end == digits.data() + digits.size() ? number : -1;
}

}  // namespace

// Touches files now and then, from a thread of its own: their owner computes meanwhile.
class Heartbeat {
 public:
  explicit Heartbeat(double seconds)
      : every_(seconds), thread_([this](const std::stop_token& stop) { beat(stop); }) {}

  void add(const fs::path& file) {
    const std::scoped_lock lock(mutex_);
    files_.insert(file);
  }
  void remove(const fs::path& file) {
    const std::scoped_lock lock(mutex_);
    files_.erase(file);
  }

 private:
  void beat(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stop, every_, [&] { return stop.stop_requested(); })) {
      const std::set<fs::path> files = files_;
      lock.unlock();
      // Without a time of ours, so that a file server takes its own. What fails makes the lease run
      // out, which is what a machine that cannot reach the folder should do.
      for (const fs::path& file : files) ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0);
      lock.lock();
    }
  }

  std::chrono::duration<double> every_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::set<fs::path> files_;
  std::jthread thread_;  // the last: it uses the others
};

Lease::Lease(fs::path file, std::shared_ptr<Heartbeat> heartbeat)
    : path_(std::move(file)), heartbeat_(std::move(heartbeat)), file_(path_) {
  heartbeat_->add(path_);
}

Lease::~Lease() { heartbeat_->remove(path_); }

WorkFolder::WorkFolder(fs::path path, std::string_view kind, double lease_seconds)
    : path_(std::move(path)),
      name_(fmt::format("{}.{}.{}.{}", kind, host(), ::getpid(), random_name())),
      lease_seconds_(lease_seconds) {}

bool WorkFolder::ask_for_the_time() {
  // A file of our own making is also what lets an NFS client see that others changed the folder.
  const fs::path file = path_ / (".clock-" + random_name());
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0 && errno == ENOENT) return false;
  if (descriptor < 0) fail(file, "create file");
  now_ = modified(descriptor);
  ::close(descriptor);
  remove_quietly(file);
  return true;
}

WorkFolder::Content WorkFolder::look() {
  Content content;
  std::error_code error;
  if (!fs::is_directory(path_, error) || !ask_for_the_time()) return content;
  fs::directory_iterator entry(path_, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kWorkerBegin)) {
      content.workers += holder(entry->path()).alive ? 1 : 0;
    } else if (name.ends_with(kTaskEnd)) {
      content.tasks[name.substr(0, name.size() - kTaskEnd.size())].published = true;
    } else if (name.ends_with(kAnswerEnd)) {
      content.tasks[name.substr(0, name.size() - kAnswerEnd.size())].answered = true;
    } else if (const std::size_t at = name.rfind(kClaimMark); at != std::string::npos) {
      Task& task = content.tasks[name.substr(0, at)];
      task.claims = std::max(task.claims, number_of(name.substr(at + kClaimMark.size())) + 1);
    }
  }
  if (error == std::errc::no_such_file_or_directory) return {};  // this moment
  if (error) throw Error(path_.string() + ": cannot read the folder: " + error.message());
  return content;
}

// A lease is "SECONDS NAME", or not written yet.
WorkFolder::Holder WorkFolder::holder(const fs::path& file) const {
  // Opened, because NFS asks the server about a file that is being opened.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::array<char, 512> text{};
  const ssize_t size = ::read(descriptor, text.data(), text.size() - 1);
  const std::int64_t age = now_ - modified(descriptor);
  ::close(descriptor);
  double lease = kLease;
  std::string name;
  if (const char* const space = size > 0 ? std::strchr(text.data(), ' ') : nullptr) {
    const double seconds = std::strtod(text.data(), nullptr);
    if (seconds > 0) lease = seconds;
    name = space + 1;
  }
  return {name, static_cast<double>(age) / kNanoseconds <= lease};
}

std::string WorkFolder::owner(const std::string& task, const Task& state) const {
  if (state.claims == 0) return "";
  const Holder last = holder(claim_file(task, state.claims - 1));
  if (!last.alive) return "";
  return last.name.empty() ? "unknown" : last.name;
}

std::unique_ptr<Lease> WorkFolder::claim(const std::string& task, const Task& state) {
  std::unique_ptr<Lease> result = lease(claim_file(task, state.claims));
  if (!result || state.claims == 0) return result;
  const Holder before = holder(claim_file(task, state.claims - 1));
  if (!before.alive)
    log_warning((before.name.empty() ? "a process" : before.name) +
                ": has not been heard of; its work is done again");
  return result;
}

std::unique_ptr<Lease> WorkFolder::enter() {
  create_folder(path_);
  return lease(path_ / name_);
}

std::unique_ptr<Lease> WorkFolder::lease(const fs::path& file) {
  if (!heartbeat_) heartbeat_ = std::make_shared<Heartbeat>(lease_seconds_ / kSignsPerLease);
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    if (errno == EEXIST) return nullptr;
    fail(file, "create file");
  }
  auto result = std::make_unique<Lease>(file, heartbeat_);
  try {
    write_all(descriptor, fmt::format("{} {}", lease_seconds_, name_), file);
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  ::close(descriptor);
  return result;
}

fs::path WorkFolder::task_file(const std::string& task) const {
  return path_ / (task + std::string(kTaskEnd));
}
fs::path WorkFolder::answer_file(const std::string& task) const {
  return path_ / (task + std::string(kAnswerEnd));
}
fs::path WorkFolder::claim_file(const std::string& task, int number) const {
  return path_ / (task + std::string(kClaimMark) + std::to_string(number));
}

void WorkFolder::remove(const std::string& task, const Task& state) const {
  remove_quietly(task_file(task));
  for (int i = 0; i < state.claims; ++i) remove_quietly(claim_file(task, i));
  remove_quietly(answer_file(task));
}

void WorkFolder::clear() {
  std::error_code error;
  if (!fs::is_directory(path_, error) || !ask_for_the_time()) return;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(path_, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    files.push_back(entry->path());
  for (const fs::path& file : files)
    if (!file.filename().string().starts_with(kWorkerBegin) || !holder(file).alive)
      remove_quietly(file);
  ::rmdir(path_.c_str());  // fails where a worker is
}

}  // namespace paretoformer::nas
