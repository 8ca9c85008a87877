// Runs the paretoformer binary as a user would, and a tiny run configuration for it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::integration {

namespace fs = std::filesystem;

inline std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) result.push_back(line);
  return result;
}

inline std::size_t line_count(const fs::path& path) {
  const std::string text = content(path);
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

struct Result {
  int status = -1;  // exit status, or minus the signal that ended it
  std::string out, err;
};

struct Limits {
  rlim_t file_bytes = RLIM_INFINITY;     // of the child: a full disk
  std::string standard_output;           // a file; empty: captured
  std::vector<int> closed;               // descriptors
  std::vector<std::string> environment;  // NAME=VALUE, in addition
  std::function<void(pid_t)> meanwhile;  // called while the child runs; may be empty
  std::string binary = PARETOFORMER_BINARY;
};

// A folder of its own for each test, removed afterwards; the child's working folder.
class Sandbox : public TemporaryFolder {
 public:
  // Runs the binary with `arguments` in this folder.
  Result run(const std::vector<std::string>& arguments, const Limits& limits = {}) const {
    static int calls = 0;  // one may run while another does
    const std::string number = std::to_string(calls++);
    const fs::path out = path() / (".stdout" + number), err = path() / (".stderr" + number);
    const std::string target =
        limits.standard_output.empty() ? out.string() : limits.standard_output;
    std::vector<std::string> words{limits.binary};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int out_file = ::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      ::dup2(out_file, STDOUT_FILENO);
      ::dup2(err_file, STDERR_FILENO);
      for (int descriptor : {out_file, err_file}) ::close(descriptor);
      for (int descriptor : limits.closed) ::close(descriptor);
      for (const std::string& variable : limits.environment)
        ::putenv(const_cast<char*>(variable.c_str()));
      const rlimit limit{limits.file_bytes, limits.file_bytes};
      if (::chdir(path().c_str()) == 0 && ::setrlimit(RLIMIT_FSIZE, &limit) == 0)
        ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
    if (limits.meanwhile) limits.meanwhile(child);
    int status = 0;
    ::waitpid(child, &status, 0);
    Result result{WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), {}, content(err)};
    if (limits.standard_output.empty()) result.out = content(out);
    fs::remove(out);
    fs::remove(err);
    return result;
  }

  // The same, with `signal` sent as soon as `moment` is true.
  Result run_and_signal(const std::vector<std::string>& arguments, int signal,
                        const std::function<bool()>& moment) const {
    Limits limits;
    limits.meanwhile = [&](pid_t child) {
      siginfo_t ended{};
      while (!moment()) {
        ended.si_pid = 0;
        ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
        if (ended.si_pid == child) return;  // the test then sees that it ended by itself
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
      ::kill(child, signal);
    };
    return run(arguments, limits);
  }

  // The same on a terminal, whose text is Result::out; standard output goes to the file `output`.
  Result run_on_terminal(const std::string& arguments, const std::string& output) const {
    Limits limits;
    limits.binary = "/bin/sh";
    return run({"-c", "script -qec '" PARETOFORMER_BINARY " " + arguments + " >" + output +
                          "' /dev/null </dev/null"},
               limits);
  }

  // Everything in the folder: relative names, sorted.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(path()))
      names.push_back(fs::relative(entry.path(), path()).string());
    std::sort(names.begin(), names.end());
    return names;
  }
};

// 252 networks, 160 steps, 96 evaluations: a second or two.
inline Json tiny_config() {
  return Json{
      {"search_space",
       {{"name", "tiny"},
        {"head_width", 16},
        {"depth", {1, 2, 3}},
        {"model_width", {16, 32, 48}},
        {"heads", {1, 2}},
        {"ffn_width", {32, 64}}}},
      {"corpus",
       {{"text", "generated"},
        {"train_bytes", 60000},
        {"validation_bytes", 8000},
        {"vocabulary", 330}}},
      {"training", {{"steps", 160}, {"batch", 4}, {"context", 32}, {"checkpoint_seconds", 0.05}}},
      {"search", {{"population", 12}, {"evaluations", 96}}},
      {"validation_sequences", 16},
      {"seed", 3},
      {"run", "run"}};
}

inline Json parse(const std::string& text) { return parse_json(text, "output"); }

}  // namespace paretoformer::integration
