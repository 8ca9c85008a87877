#include "nas/core/candidate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

Candidate sample(Random& random) {
  Candidate candidate;
  candidate.architecture = {96, 32, 1000, {{1 + static_cast<int>(random.below(4)), 128}, {2, 64}}};
  candidate.id = architecture_id(candidate.architecture);
  // Values of every size, with all 53 bits in use.
  candidate.objectives.validation_loss = 10 * random.uniform();
  candidate.objectives.perplexity = std::exp(candidate.objectives.validation_loss);
  candidate.objectives.latency = std::exp(60 * random.uniform() - 30);
  candidate.objectives.energy_pj = std::exp(60 * random.uniform());
  candidate.objectives.parameters = static_cast<std::int64_t>(random.below(1ULL << 62));
  candidate.objectives.peak_memory_bytes = static_cast<std::int64_t>(random.below(1ULL << 62));
  candidate.objectives.macs = static_cast<std::int64_t>(random.below(1ULL << 62));
  candidate.generation = static_cast<int>(random.below(100));
  for (std::uint64_t i = random.below(3); i > 0; --i) candidate.parents.push_back(random.next());
  return candidate;
}

TEST(CandidateJson, ALineOfTextRoundTripsExactly) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const Candidate candidate = sample(random);
    const std::string line = to_json(candidate).dump();
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const Json json = parse_json(line, "history.jsonl");
    ASSERT_EQ(candidate_from_json(JsonNode(json, "history.jsonl")), candidate);
  }
}

TEST(CandidateJson, ErrorsNameTheField) {
  Random random(2);
  const Json good = to_json(sample(random));
  const auto error = [&](const std::string& key, const Json& value) -> std::string {
    Json json = good;
    json[key] = value;
    try {
      candidate_from_json(JsonNode(json, "h"));
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  EXPECT_THAT(error("id", "12"), HasSubstr("/id: \"12\" is not an id"));
  EXPECT_THAT(error("id", "00000000000000AB"), HasSubstr("is not an id"));
  EXPECT_THAT(error("id", hex(7)), HasSubstr("/id: \"0000000000000007\" is wrong"));
  EXPECT_THAT(error("parents", Json::array({hex(1), hex(2), hex(3)})), HasSubstr("too long"));
  EXPECT_THAT(error("parents", Json::array({"x"})), HasSubstr("/parents/0"));
  EXPECT_THAT(error("generation", -1), HasSubstr("/generation: -1 is out of range"));
  EXPECT_THAT(error("colour", 1), HasSubstr("/colour: unknown key"));
}

}  // namespace
}  // namespace paretoformer::nas
