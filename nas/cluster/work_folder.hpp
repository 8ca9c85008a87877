// A folder through which processes on several machines share out work, with nothing but a file
// system that all of them see (NFS, say): one small file per task, claim, answer and worker.
//
//   NAME.task           what is to be done
//   NAME.answer         what came of it
//   NAME.claim.N        who is doing it: the N-th who tried. Made with O_EXCL, so that there is one
//   worker.HOST.PID.X   a worker that is ready
//
// Claims and workers are leases: their owner touches them, and whoever has not done so for the time
// that the file names is taken for dead. Times are the file system's own: of files that have just
// been made, so that clocks of machines may differ.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/unfinished.hpp"

namespace paretoformer::nas {

// Seconds without a sign of life after which work is taken over, unless its owner says otherwise:
// much longer than a busy machine or file server keeps anybody waiting.
inline constexpr double kLease = 30;

class Heartbeat;

// A file that says who its owner is, kept young as long as this lives and removed then, also by a
// signal.
class Lease {
 public:
  Lease(std::filesystem::path file, std::shared_ptr<Heartbeat> heartbeat);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  // It is not to be removed.
  void keep() { file_.keep(); }

 private:
  std::filesystem::path path_;
  std::shared_ptr<Heartbeat> heartbeat_;
  Unfinished file_;
};

class WorkFolder {
 public:
  // For a participant of this kind ("worker", "search"); nothing is written yet.
  WorkFolder(std::filesystem::path path, std::string_view kind, double lease_seconds = kLease);

  const std::filesystem::path& path() const { return path_; }
  // KIND.HOST.PID.X, unlike all others'.
  const std::string& name() const { return name_; }

  struct Task {
    bool published = false, answered = false;
    int claims = 0;  // the highest of their numbers, plus 1
  };
  struct Content {
    std::map<std::string, Task> tasks;  // by name, also remains of tasks that are over
    int workers = 0;                    // that have been heard of
  };
  // What is there now. Throws Error when the folder cannot be read.
  Content look();

  // Who has the task; "" when nobody has been heard of who has.
  std::string owner(const std::string& task, const Task& state) const;
  // Claims a task that nobody has, with a warning when somebody had; null when another was faster.
  // Throws Error.
  std::unique_ptr<Lease> claim(const std::string& task, const Task& state);
  // Makes the folder and says in it that this worker is ready, as long as the result lives.
  std::unique_ptr<Lease> enter();

  std::filesystem::path task_file(const std::string& task) const;
  std::filesystem::path answer_file(const std::string& task) const;
  // Removes all files of a task, first the one for which it is claimed.
  void remove(const std::string& task, const Task& state) const;
  // Removes everything but workers that have been heard of, and the folder with the last of them.
  void clear();

 private:
  struct Holder {
    std::string name;  // may be empty
    bool alive = false;
  };
  std::filesystem::path claim_file(const std::string& task, int number) const;
  std::unique_ptr<Lease> lease(const std::filesystem::path& file);
  Holder holder(const std::filesystem::path& file) const;
  bool ask_for_the_time();  // whether there is a folder

  std::filesystem::path path_;
  std::string name_;
  double lease_seconds_;
  std::int64_t now_ = 0;  // ns, of the file system
  std::shared_ptr<Heartbeat> heartbeat_;
};

}  // namespace paretoformer::nas
