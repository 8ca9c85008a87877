#include "support/unfinished.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

namespace fs = std::filesystem;

class UnfinishedThings : public testing::Test {
 protected:
  fs::path file(const std::string& name) {
    std::ofstream(temporary_.path() / name) << "text";
    return temporary_.path() / name;
  }
  TemporaryFolder temporary_;
};

TEST_F(UnfinishedThings, GoUnlessTheyAreKept) {
  fs::create_directories(temporary_.path() / "folder" / "inner");
  {
    Unfinished gone(file("gone")), kept(file("kept")), folder(temporary_.path() / "folder");
    kept.keep();
  }
  EXPECT_FALSE(fs::exists(temporary_.path() / "gone"));
  EXPECT_TRUE(fs::exists(temporary_.path() / "kept"));
  EXPECT_FALSE(fs::exists(temporary_.path() / "folder"));
}

using UnfinishedThingsDeathTest = UnfinishedThings;

TEST_F(UnfinishedThingsDeathTest, GoWhenTheProcessIsAboutToEnd) {
  fs::create_directories(temporary_.path() / "folder" / "inner");
  const fs::path gone = file("gone"), kept = file("kept");
  const auto end = [&] {
    Unfinished first(gone);
    Unfinished second(kept);
    Unfinished third(temporary_.path() / "folder");
    second.keep();
    Unfinished::remove_all();
    ::_exit(3);
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(3), "");
  EXPECT_FALSE(fs::exists(gone));
  EXPECT_TRUE(fs::exists(kept));
  EXPECT_FALSE(fs::exists(temporary_.path() / "folder"));
}

}  // namespace
}  // namespace paretoformer
