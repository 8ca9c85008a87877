// The header that every consumer includes takes a third of a second to compile, most of it for
// <vector> and <string_view>. Any of these, as libstdc++ and the libraries mark them, takes as long
// again.
#include "latency_predictor/latency_predictor.hpp"

constexpr const char* kHeavyHeaders[] = {
#ifdef _GLIBCXX_ALGORITHM
    "algorithm",
#endif
#ifdef _GLIBCXX_CMATH
    "cmath",
#endif
#ifdef _GLIBCXX_FILESYSTEM
    "filesystem",
#endif
#ifdef _GLIBCXX_FUNCTIONAL
    "functional",
#endif
#ifdef _GLIBCXX_IOSTREAM
    "iostream",
#endif
#ifdef _GLIBCXX_MAP
    "map",
#endif
#ifdef _GLIBCXX_MEMORY
    "memory",
#endif
#ifdef _GLIBCXX_REGEX
    "regex",
#endif
#ifdef _GLIBCXX_STRING
    "string",
#endif
#ifdef _GLIBCXX_UNORDERED_MAP
    "unordered_map",
#endif
#ifdef INCLUDE_NLOHMANN_JSON_FWD_HPP_
    "nlohmann/json_fwd.hpp",
#endif
#ifdef __TBB_detail__config_H
    "oneTBB",
#endif
    nullptr};

#include <gtest/gtest.h>

TEST(LatencyPredictorHeader, IncludesNothingHeavy) { EXPECT_STREQ(kHeavyHeaders[0], nullptr); }
