#include "support/communicator.hpp"

#include <gtest/gtest.h>

#include "tests/support/thread_ranks.hpp"

namespace paretoformer {
namespace {

TEST(Communicator, BroadcastAndGatherReachAllRanksDependOnThreads) {
  for (const int size : {1, 2, 3, 4, 5, 8, 13}) {
    std::vector<std::string> got(static_cast<std::size_t>(size));
    std::vector<std::string> all;
    on_thread_ranks(size, [&](Communicator& self) {
      const int rank = self.rank();
      got[static_cast<std::size_t>(rank)] = self.broadcast(rank == 0 ? "said" : "");
      std::vector<std::string> gathered = self.gather(std::to_string(rank));
      if (rank == 0) all = std::move(gathered);
    });
    ASSERT_EQ(all.size(), static_cast<std::size_t>(size));
    for (int rank = 0; rank < size; ++rank) {
      EXPECT_EQ(got[static_cast<std::size_t>(rank)], "said");
      EXPECT_EQ(all[static_cast<std::size_t>(rank)], std::to_string(rank));
    }
  }
}

}  // namespace
}  // namespace paretoformer
