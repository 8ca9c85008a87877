// What must not stay behind when its making fails, or when a signal ends the process meanwhile.
#pragma once

#include <filesystem>

namespace paretoformer {

// A file or folder that is removed again unless keep() is called.
class Unfinished {
 public:
  // `path` is this process's own: it has just made it.
  explicit Unfinished(std::filesystem::path path);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  void keep();

  // Removes all that there are: for a process that is about to end. Other threads that begin or end
  // one from then on wait for ever, so that none goes on as if nothing had happened.
  static void remove_all();

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

}  // namespace paretoformer
