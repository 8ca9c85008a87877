// The set of Transformers a search may build: depth and one shared model width, and per layer a
// head count and an FFN width, each from a list of choices.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer {

// Every function that takes an architecture throws InputError when the space does not contain it.
class SearchSpace {
 public:
  // Reads {"depth", "model_width", "heads", "ffn_width"}, each a list of increasing positive
  // integers or {"from", "to", "step"}, and optionally "name" ("custom"), "head_width" (64) and
  // "vocabulary" (none). Throws InputError.
  static SearchSpace from_json(const JsonNode& node);
  // A preset by its name, or else a file. Throws InputError, naming the closest preset.
  static SearchSpace find(const std::string& name_or_path);
  static std::vector<std::string> preset_names();
  // The choices as plain lists; from_json gives an equal space back.
  Json to_json() const;

  const std::string& name() const { return name_; }
  int head_width() const { return head_width_; }
  // The vocabulary of every network of the space; 0: networks are Transformer layers only.
  int vocabulary() const { return vocabulary_; }
  // The same space for a text of that many tokens, which is known only once the tokeniser is.
  SearchSpace with_vocabulary(int vocabulary) const;
  // Increasing lists.
  const std::vector<int>& depths() const { return depths_; }
  const std::vector<int>& model_widths() const { return model_widths_; }
  const std::vector<int>& heads() const { return heads_; }
  const std::vector<int>& ffn_widths() const { return ffn_widths_; }

  // Number of distinct networks; throws Error beyond 2^63 - 1.
  std::int64_t count() const;
  // The smaller of that number and `limit`; never throws.
  std::int64_t count_up_to(std::int64_t limit) const;
  // The index-th network, 0 <= index < count(), in a fixed order, shallow networks first; index_of
  // is its inverse. Both throw Error for an index beyond 2^63 - 1.
  Architecture at(std::int64_t index) const;
  std::int64_t index_of(const Architecture& architecture) const;
  // Visits every network in that order, until `visit` returns false.
  void enumerate(const std::function<bool(const Architecture&)>& visit) const;

  Architecture largest() const;
  Architecture smallest() const;
  // The corners: every combination of extreme depth, width, heads and FFN width (16 at most), each
  // once; the smallest network comes first, the largest second.
  std::vector<Architecture> extremes() const;

  // Uniform per gene, depth first (so shallow networks are not crowded out by deep ones).
  Architecture sample(Random& random) const;
  // Number of genes of this network that have a choice: depth, width, heads and FFN of every layer.
  int gene_count(const Architecture& architecture) const;
  // Changes every gene with probability `rate`, at least one; half of the moves go to an adjacent
  // choice, the others anywhere else. Added layers are drawn, removed ones cut. The result differs
  // from the parent; throws Error when the space holds one network only.
  Architecture mutate(const Architecture& parent, double rate, Random& random) const;
  // Uniform crossover, gene by gene; a layer that one parent lacks comes from the other.
  Architecture crossover(const Architecture& a, const Architecture& b, Random& random) const;
  // Every network that differs by one step in one gene (depth: the last layers removed or the last
  // one repeated). Symmetric, except that growing back repeats a layer and need not restore it.
  std::vector<Architecture> neighbours(const Architecture& architecture) const;

  // Whether the network belongs to the space; otherwise `why` (if given) says which gene does not.
  bool contains(const Architecture& architecture, std::string* why = nullptr) const;

  bool operator==(const SearchSpace&) const = default;

 private:
  void require(const Architecture& architecture) const;
  Architecture uniform(int depth, int model_width, Layer layer) const;
  Layer sample_layer(Random& random) const;
  // Networks of one depth and one model width, saturating at 2^63 - 1.
  std::int64_t layer_combinations(int depth) const;

  std::string name_ = "custom";
  int head_width_ = 64;
  int vocabulary_ = 0;
  std::vector<int> depths_, model_widths_, heads_, ffn_widths_;
};

}  // namespace paretoformer
