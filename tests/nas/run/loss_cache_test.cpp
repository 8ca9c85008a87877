#include "nas/run/loss_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/error.hpp"
#include "support/files.hpp"
#include "tests/captured_log.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kKey = 77;
constexpr std::size_t kRecord = 32;

class LossCacheTest : public ::testing::Test {
 protected:
  TemporaryFolder box_;
  std::filesystem::path path_ = box_ / "losses.cache";
};

TEST_F(LossCacheTest, KeepsSumsBySubset) {
  {
    LossCache cache(path_, kKey);
    EXPECT_EQ(cache.size(), 0u);
    cache.add({{1, LossPart::kQuarter, 0.25},
               {1, LossPart::kRest, 1.5},
               {2, LossPart::kQuarter, 3.0},
               {2, LossPart::kInt8, 4.5}});
    EXPECT_EQ(cache.find(1, LossPart::kRest), 1.5);
  }
  LossCache cache(path_, kKey);
  EXPECT_EQ(cache.size(), 4u);
  EXPECT_EQ(cache.find(1, LossPart::kQuarter), 0.25);
  EXPECT_EQ(cache.find(1, LossPart::kRest), 1.5);
  EXPECT_EQ(cache.find(2, LossPart::kQuarter), 3.0);
  EXPECT_EQ(cache.find(2, LossPart::kRest), std::nullopt);
  EXPECT_EQ(cache.find(2, LossPart::kInt8), 4.5);
}

// As a user who may not write: root may always.
class AnotherUser {
 public:
  AnotherUser() { changed_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  ~AnotherUser() {
    if (changed_) static_cast<void>(::seteuid(0));
  }

 private:
  bool changed_;
};

TEST_F(LossCacheTest, WhereItCannotBeWrittenItIsRead) {
  namespace fs = std::filesystem;
  {
    LossCache(path_, kKey).add({{1, LossPart::kRest, 1.5}});
  }
  const std::string before = read_file(path_);
  fs::create_directory(box_ / "empty");
  for (const fs::path& folder : {box_.path(), box_ / "empty"})
    fs::permissions(folder, fs::perms(0555));
  fs::permissions(path_, fs::perms(0444));
  {
    const AnotherUser user;
    LossCache cache(path_, kKey);
    EXPECT_TRUE(cache.read_only());
    EXPECT_EQ(cache.find(1, LossPart::kRest), 1.5);
    cache.add({{2, LossPart::kRest, 2.5}});
    EXPECT_EQ(cache.find(2, LossPart::kRest), 2.5);

    LossCache none(box_ / "empty/losses.cache", kKey);
    EXPECT_TRUE(none.read_only());
    EXPECT_EQ(none.size(), 0u);
    none.add({{2, LossPart::kRest, 2.5}});
    EXPECT_EQ(none.find(2, LossPart::kRest), 2.5);
  }
  for (const fs::path& folder : {box_.path(), box_ / "empty"})
    fs::permissions(folder, fs::perms(0755));
  EXPECT_EQ(read_file(path_), before);
  EXPECT_FALSE(fs::exists(box_ / "empty/losses.cache"));
  fs::permissions(path_, fs::perms(0644));
  EXPECT_FALSE(LossCache(path_, kKey).read_only());
}

TEST_F(LossCacheTest, LossesOfOtherWeightsOrSequencesLieBesideEachOther) {
  { LossCache(path_, kKey).add({{1, LossPart::kRest, 1.5}}); }
  {
    LossCache other(path_, kKey + 1);
    EXPECT_EQ(other.size(), 0u);
    other.add({{1, LossPart::kRest, 2.5}});
  }
  EXPECT_EQ(LossCache(path_, kKey).find(1, LossPart::kRest), 1.5);
  EXPECT_EQ(LossCache(path_, kKey + 1).find(1, LossPart::kRest), 2.5);
}

TEST_F(LossCacheTest, ARecordThatAnotherProcessLeftUnfinishedIsDropped) {
  LossCache cache(path_, kKey);
  cache.add({{1, LossPart::kRest, 1.5}});
  std::filesystem::resize_file(path_, 2 * kRecord + 5);  // its disk was full
  CapturedLog said;
  cache.add({{2, LossPart::kRest, 2.5}});
  EXPECT_THAT(said.text(), HasSubstr("losses.cache: the last record was cut short"));
  const LossCache all(path_, kKey);
  EXPECT_EQ(all.find(1, LossPart::kRest), 1.5);
  EXPECT_EQ(all.find(2, LossPart::kRest), 2.5);
}

TEST_F(LossCacheTest, CutAnywhereItKeepsWholeRecords) {
  { LossCache(path_, kKey).add({{1, LossPart::kRest, 1.5}, {2, LossPart::kRest, 2.5}}); }
  const std::string whole = read_file(path_);
  ASSERT_EQ(whole.size(), 3 * kRecord);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_file_atomic(path_, whole.substr(0, size));
    LossCache cache(path_, kKey);
    EXPECT_EQ(cache.size(), size < 2 * kRecord ? 0u : size / kRecord - 1);
    cache.add({{3, LossPart::kQuarter, 9}});
    EXPECT_EQ(LossCache(path_, kKey).find(3, LossPart::kQuarter), 9) << size;
  }
}

TEST_F(LossCacheTest, ASpoiltRecordIsPassedOver) {
  { LossCache(path_, kKey).add({{1, LossPart::kRest, 1.5}, {2, LossPart::kRest, 2.5}}); }
  const std::string whole = read_file(path_);
  for (std::size_t at = kRecord; at < 2 * kRecord; ++at) {
    std::string spoilt = whole;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 1);
    write_file_atomic(path_, spoilt);
    CapturedLog said;
    const LossCache cache(path_, kKey);
    EXPECT_THAT(said.text(), AllOf(HasSubstr("losses.cache: 1 losses are known\n"),
                                   HasSubstr("losses.cache: 1 records are of other weights")));
    EXPECT_EQ(cache.find(1, LossPart::kRest), std::nullopt) << at;
    EXPECT_EQ(cache.find(2, LossPart::kRest), 2.5);
  }
}

TEST_F(LossCacheTest, SeveralAtATime) {
  LossCache one(path_, kKey);
  LossCache other(path_, kKey);
  one.add({{1, LossPart::kRest, 1}});
  other.add({{2, LossPart::kRest, 2}});
  one.add({{3, LossPart::kRest, 3}});
  const LossCache all(path_, kKey);
  EXPECT_EQ(all.size(), 3u);
  EXPECT_EQ(all.find(2, LossPart::kRest), 2.0);
}

TEST_F(LossCacheTest, AnotherFileIsNotOverwritten) {
  const std::string text(200, 'x');
  write_file_atomic(path_, text);
  try {
    LossCache(path_, kKey);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("losses.cache: is no cache of losses"));
  }
  EXPECT_EQ(read_file(path_), text);
  write_file_atomic(path_, "notes");
  EXPECT_THROW(LossCache(path_, kKey), InputError);
  EXPECT_EQ(read_file(path_), "notes");
}

TEST_F(LossCacheTest, CachedAsksOnlyForWhatIsUnknown) {
  std::vector<int> asked;
  const LossSource source{1, 4, [&](std::span<const Architecture> networks, LossPart) {
                            std::vector<double> sums;
                            for (const Architecture& network : networks) {
                              asked.push_back(network.model_width);
                              sums.push_back(10.0 * network.model_width);
                            }
                            return sums;
                          }};
  const auto network = [](int width) {
    return Architecture{.model_width = width, .layers = {{1, 64}}};
  };
  LossCache cache(path_, kKey);
  const LossSource remembering = cached(source, cache);
  EXPECT_EQ(remembering.quarter, 1);
  EXPECT_THAT(remembering.sums(std::vector{network(2), network(4)}, LossPart::kRest),
              ElementsAre(20, 40));
  EXPECT_THAT(remembering.sums(std::vector{network(1), network(2), network(3), network(4)},
                               LossPart::kRest),
              ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(asked, ElementsAre(2, 4, 1, 3));
  remembering.sums(std::vector{network(2)}, LossPart::kQuarter);
  EXPECT_THAT(asked, ElementsAre(2, 4, 1, 3, 2));
}

}  // namespace
}  // namespace paretoformer::nas
