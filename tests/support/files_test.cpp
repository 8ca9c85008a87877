#include "support/files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <thread>

#include "support/error.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

template <typename Exception>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Exception& error) {
    return error.what();
  }
  return "no error";
}

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777U;
}

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

TEST_F(Files, FoldersAreCreatedOnceOrNamed) {
  EXPECT_TRUE(create_folder(folder_ / "a" / "b"));
  EXPECT_FALSE(create_folder(folder_ / "a" / "b"));
  write_file_atomic(folder_ / "file", "");
  EXPECT_THAT(message_of<Error>([&] { create_folder(folder_ / "file" / "c"); }),
              HasSubstr((folder_ / "file" / "c").string() + ": cannot create folder: "));
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
  {
    const FileSizeLimit limit(8);
    EXPECT_THROW(write_file_atomic(folder_ / "a", std::string(100, 'x')), Error);
  }
  EXPECT_EQ(read_file(folder_ / "a"), "old");
}

TEST_F(Files, MissingFileIsAnInputError) { EXPECT_THROW(read_file(folder_ / "none"), InputError); }

// Reading one's own memory at address 0 is an input/output error, in a file that is a regular one.
constexpr const char* kUnreadable = "/proc/self/mem";

TEST_F(Files, AFailedReadIsNotTheEnd) {
  const std::string expected = "/proc/self/mem: cannot read file: Input/output error";
  EXPECT_EQ(message_of<Error>([] { read_file(kUnreadable); }), expected);
}

TEST_F(Files, OnlyFilesAreRead) {
  EXPECT_THAT(message_of<InputError>([&] { read_file(folder_); }), HasSubstr("is a folder"));
  EXPECT_THAT(message_of<InputError>([&] { read_file(folder_ / "none"); }),
              HasSubstr("none: cannot open file: No such file"));
  EXPECT_EQ(read_file("/dev/null"), "");
  EXPECT_EQ(read_file("/proc/self/comm").empty(), false);  // a file that says it is empty
}

TEST_F(Files, AByteOrderMarkIsNoText) {
  { std::ofstream(folder_ / "a") << "\xef\xbb\xbfone\xef\xbb\xbf"; }
  EXPECT_EQ(read_text_file(folder_ / "a"), "one\xef\xbb\xbf");
  EXPECT_EQ(read_file(folder_ / "a").size(), 9u);
}

TEST_F(Files, APipeIsReadToItsEnd) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const std::string text(300000, 'x');  // more than a pipe holds
  std::thread writer([&] { std::ofstream(folder_ / "pipe") << text; });
  EXPECT_EQ(read_file(folder_ / "pipe"), text);
  writer.join();
}

TEST_F(Files, AnExistingFileKeepsItsPermissions) {
  write_file_atomic(folder_ / "a", "old");
  const mode_t usual = mode_of(folder_ / "a");
  EXPECT_EQ(usual & 0600U, 0600u);
  for (const mode_t mode : {0600U, 0640U, 0444U, 0777U}) {
    ASSERT_EQ(::chmod((folder_ / "a").c_str(), mode), 0);
    write_file_atomic(folder_ / "a", "new");
    EXPECT_EQ(mode_of(folder_ / "a"), mode);
  }
}

TEST_F(Files, ALinkLeadsToWhatIsReplaced) {
  fs::create_directory(folder_ / "sub");
  write_file_atomic(folder_ / "sub/file", "old");
  fs::create_symlink("sub/file", folder_ / "link");
  fs::create_symlink(folder_ / "link", folder_ / "absolute");
  fs::create_symlink("sub/later", folder_ / "dangling");
  write_file_atomic(folder_ / "absolute", "new");
  write_file_atomic(folder_ / "dangling", "fresh");
  EXPECT_EQ(read_file(folder_ / "sub/file"), "new");
  EXPECT_EQ(read_file(folder_ / "sub/later"), "fresh");
  for (const char* link : {"link", "absolute", "dangling"})
    EXPECT_TRUE(fs::is_symlink(folder_ / link)) << link;
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "sub"), {}), 2);

  fs::create_symlink("circle", folder_ / "circle");
  EXPECT_THAT(message_of<Error>([&] { write_file_atomic(folder_ / "circle", "x"); }),
              HasSubstr("circle: cannot follow the link"));
}

TEST_F(Files, APipeIsWrittenToAndStaysAPipe) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  std::string found;
  std::thread reader([&] { found = read_file(folder_ / "pipe"); });
  write_file_atomic(folder_ / "pipe", "through");
  reader.join();
  EXPECT_EQ(found, "through");
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe"));
  // A private one: the test itself may run as a user who could replace the system's.
  if (::mknod((folder_ / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) return;
  std::ofstream probe(folder_ / "null");
  if (!probe) return;  // a file system without devices
  write_file_atomic(folder_ / "null", "nowhere");
  EXPECT_TRUE(fs::is_character_file(folder_ / "null"));
}

TEST_F(Files, AnOpenDescriptorIsWrittenToWhereItStands) {
  const int file = ::open((folder_ / "a").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "one ", 4), 4);
  for (const std::string folder : {"/dev/fd/", "/proc/self/fd/"})
    write_file_atomic(folder + std::to_string(file), "two ");
  ASSERT_EQ(::write(file, "three", 5), 5);
  ::close(file);
  EXPECT_EQ(read_file(folder_ / "a"), "one two two three");
}

TEST_F(Files, WhatAKilledProcessLeftIsRemovedAndNothingElse) {
  const std::string left = ".paretoformer-0123456789abcdef.tmp";
  const std::string in_use = ".paretoformer-fedcba9876543210.tmp";
  const std::vector<std::string> others{"notes.tmp1", "front.json.tmp123", ".paretoformer-.tmp",
                                        ".paretoformer-0123456789abcdeg.tmp",
                                        "x.paretoformer-0123456789abcdef.tmp"};
  for (const std::string& name : others) {
    std::ofstream(folder_ / name) << "mine";
  }
  { std::ofstream(folder_ / left) << "half"; }
  const int writer = ::open((folder_ / in_use).c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::flock(writer, LOCK_EX), 0);
  remove_unfinished_files(folder_);
  remove_unfinished_files(folder_ / "none");
  EXPECT_FALSE(fs::exists(folder_ / left));
  EXPECT_TRUE(fs::exists(folder_ / in_use));
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  ::close(writer);
  remove_unfinished_files(folder_);
  EXPECT_FALSE(fs::exists(folder_ / in_use));
}

}  // namespace
}  // namespace paretoformer
