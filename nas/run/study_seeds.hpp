// Studies of one configuration with several seeds: what they come to together, and how sure that
// is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nas/run/study.hpp"
#include "support/statistics.hpp"

namespace paretoformer::nas {

struct SeedStudy {
  std::string run;  // its folder, for messages
  std::uint64_t seed = 0;
  Study study;
};
// Of the folder of a studied run. Throws InputError.
SeedStudy read_seed_study(const std::filesystem::path& run);

// Estimates are means over the seeds, of factors and perplexities geometric ones, and Student's
// intervals. What a seed lacks is not estimated.
struct StudySeeds {
  struct Choice {
    std::string budget;
    Estimate in_all, search;          // how many times less EDP than a, and than d
    std::optional<Estimate> trained;  // perplexity above the largest network's, both trained on
  };
  struct Rival {
    std::string name;
    // How far its perplexity is above the first rival's, as a share: best_at() each of
    // kStudyEdpFactors.
    std::vector<std::optional<Estimate>> above;
  };
  struct Trained {
    std::string rival;
    // Likewise, of its network at each choice, trained on; the first one's perplexity at the same
    // EDP is on the line through its two trained networks about it (logarithms of both), or the
    // two nearest.
    std::vector<std::optional<Estimate>> above;
    std::optional<Estimate> mean;  // over the choices
  };

  std::vector<std::uint64_t> seeds;
  std::string search;  // the first rival's name
  std::vector<Choice> choices;
  std::vector<Rival> rivals;  // without the first
  std::vector<Trained> trained;
};

// Throws InputError for less than two, for a seed that comes twice, and where networks, prices or
// limits differ: they are of other configurations.
StudySeeds together(std::span<const SeedStudy> studies);

// {"seeds": [N], "search": NAME, "choices": [{"budget", "edp_in_all", "edp_search",
// "trained_perplexity_above"}], "rivals": [{"name", "at_edp": [{"factor", "above"}]}],
// "trained_on": [{"rival", "at_choice": [{"budget", "above"}], "mean_above"}]}, estimates as
// {"mean", "low", "high"} and shares, not percent.
Json to_json(const StudySeeds& seeds);

}  // namespace paretoformer::nas
