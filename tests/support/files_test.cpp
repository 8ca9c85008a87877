#include "support/files.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "support/error.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(Files, AtomicWriteReplacesAndLeavesNothingBehind) {
  write_file_atomic(folder_ / "a", "old");
  write_file_atomic(folder_ / "a", std::vector<std::string_view>{"ne", "w"});
  EXPECT_EQ(read_file(folder_ / "a"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, FailedWriteKeepsTheOldFileAndNamesIt) {
  // The target is a folder, so the final rename fails after the temporary file was written.
  fs::create_directories(folder_ / "a" / "b");
  try {
    write_file_atomic(folder_ / "a", "new");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "a").string()), std::string::npos);
  }
  EXPECT_TRUE(fs::exists(folder_ / "a" / "b"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

// Stands in for a full disk: no file of this process may grow beyond `bytes`.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

TEST_F(Files, FullDiskIsAnErrorAndKeepsWhatWasThere) {
  write_file_atomic(folder_ / "a", "old");
  LineLog log(folder_ / "log");
  log.append("one\n");
  {
    const FileSizeLimit limit(8);
    EXPECT_THROW(write_file_atomic(folder_ / "a", std::string(100, 'x')), Error);
    EXPECT_THROW(log.append(std::string(100, 'x') + "\n"), Error);
  }
  EXPECT_EQ(read_file(folder_ / "a"), "old");
  EXPECT_EQ(LineLog(folder_ / "log").lines(), std::vector<std::string>{"one"});
}

TEST_F(Files, MissingFileIsAnInputError) { EXPECT_THROW(read_file(folder_ / "none"), InputError); }

TEST_F(Files, LineLogDropsALineThatACrashCutShort) {
  { std::ofstream(folder_ / "log") << "one\ntwo\nthr"; }
  LineLog log(folder_ / "log");
  EXPECT_EQ(log.lines(), (std::vector<std::string>{"one", "two"}));
  log.append("three\n");
  EXPECT_EQ(read_file(folder_ / "log"), "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace paretoformer
