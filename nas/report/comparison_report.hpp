// What a comparison of search algorithms found, for people and for programs.
#pragma once

#include <string>

#include "nas/run/comparison.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// Quartiles at every checkpoint, the evaluations at which the median first reaches 99 % of the true
// front, and per checkpoint the p value of a difference from the first contestant.
Json comparison_json(const Comparison& comparison);

// A line per contestant: quartiles at four checkpoints, and how sure the difference from the first
// one is.
std::string comparison_table(const Comparison& comparison);

// A line per network of an enumerated space: its losses on a quarter of the validation sequences
// and on all of them, in units of 1e-5 nats per token.
std::string loss_table(const std::vector<std::array<double, 2>>& losses);

}  // namespace paretoformer::nas
