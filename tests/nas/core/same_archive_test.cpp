// A search is the same in every build: by g++ or clang, optimised or with sanitizers, on one thread
// or on several.
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include <iterator>
#include <string>
#include <vector>

#include "nas/core/search.hpp"
#include "support/hash.hpp"
#include "support/parallel.hpp"
#include "tests/nas/recorded_losses.hpp"

namespace paretoformer::nas {
namespace {

// The ids of everything evaluated, in order; from a release build by g++. Every deliberate change
// of an algorithm, of random numbers or of prices changes them: take the new ones from there.
struct Golden {
  const char* algorithm;
  const char* archive;  // a hash
};
constexpr Golden kGolden[] = {{"evolution", "e3248102000ad3ce"},
                              {"nsga2", "e601b18cbf4c9296"},
                              {"regularized_evolution", "1b21995ebc1ba9a4"},
                              {"knapsack", "ff9325ea750e0bab"},
                              {"survey", "864c019bef3a1cec"},
                              {"random", "8e2e49abfdcfb424"}};

std::string searched(const RecordedLosses& recorded, const char* algorithm) {
  SearchConfig config;
  config.algorithm = algorithm;
  CandidateEvaluator evaluator(recorded.source(), recorded.predictor(), RecordedLosses::kContext);
  Archive archive({Objective::kPerplexity, Objective::kEdp});
  search(recorded.space(), config, 1, evaluator, archive, {});
  EXPECT_EQ(archive.size(), 1600u) << algorithm;
  std::vector<std::uint64_t> ids;
  for (const Candidate& candidate : archive.candidates()) ids.push_back(candidate.id);
  return hex(hash_bytes(ids.data(), ids.size() * sizeof ids[0]));
}

TEST(SameArchive, InEveryBuildAndOnAnyNumberOfThreads) {
  for (std::size_t threads : {1, 2}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const RecordedLosses recorded;  // prices anew
    std::vector<std::string> archives(std::size(kGolden));
    parallel_tasks(archives.size(),
                   [&](std::size_t i) { archives[i] = searched(recorded, kGolden[i].algorithm); });
    for (std::size_t i = 0; i < archives.size(); ++i)
      EXPECT_EQ(archives[i], kGolden[i].archive)
          << kGolden[i].algorithm << ", threads: " << threads;
  }
}

}  // namespace
}  // namespace paretoformer::nas
