// The set of Transformers a search may build: depth and one shared model width, and per layer a
// head count and an FFN width, each from a list of choices.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer {

class SearchSpace {
 public:
  // Reads {"name", "head_width", "depth", "model_width", "heads", "ffn_width"}; each of the last
  // four is a list of increasing positive integers or {"from", "to", "step"}. Throws InputError.
  static SearchSpace from_json(const JsonNode& node);
  static SearchSpace read(const std::filesystem::path& path);
  Json to_json() const;

  const std::string& name() const { return name_; }
  int head_width() const { return head_width_; }
  // Increasing lists.
  const std::vector<int>& depths() const { return depths_; }
  const std::vector<int>& model_widths() const { return model_widths_; }
  const std::vector<int>& heads() const { return heads_; }
  const std::vector<int>& ffn_widths() const { return ffn_widths_; }

  // Number of distinct networks; throws Error beyond 2^63 - 1.
  std::int64_t count() const;
  // The index-th network, 0 <= index < count(), in a fixed order; index_of is its inverse.
  Architecture at(std::int64_t index) const;
  std::int64_t index_of(const Architecture& architecture) const;
  // Visits every network in that order, until `visit` returns false.
  void enumerate(const std::function<bool(const Architecture&)>& visit) const;

  Architecture largest() const;
  Architecture smallest() const;
  // The corners: every combination of extreme depth, width, heads and FFN width (16 at most).
  std::vector<Architecture> extremes() const;

  // Uniform per gene, depth first (so shallow networks are not crowded out by deep ones).
  Architecture sample(Random& random) const;
  // Changes every gene with probability `rate`, at least one; half of the moves go to an adjacent
  // choice, the others anywhere. Added layers are drawn, removed ones cut.
  Architecture mutate(const Architecture& parent, double rate, Random& random) const;
  // Uniform crossover, gene by gene.
  Architecture crossover(const Architecture& a, const Architecture& b, Random& random) const;
  // Every network that differs by one step in one gene (depth: the last layer removed or repeated).
  std::vector<Architecture> neighbours(const Architecture& architecture) const;

  // Whether the network belongs to the space; otherwise `why` (if given) says which gene does not.
  bool contains(const Architecture& architecture, std::string* why = nullptr) const;

 private:
  std::string name_;
  int head_width_ = 64;
  std::vector<int> depths_, model_widths_, heads_, ffn_widths_;
};

}  // namespace paretoformer
