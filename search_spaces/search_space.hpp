// The set of Transformers a search may build: every gene's value is one of a list of choices.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "search_spaces/gene.hpp"
#include "support/json_fwd.hpp"
#include "support/random.hpp"

namespace paretoformer {

template <typename Owner>
struct GeneChoices {
  Gene<Owner> gene;
  std::vector<int> choices;  // increasing

  int middle() const { return choices[choices.size() / 2]; }
  bool operator==(const GeneChoices&) const = default;
};

// Every function that takes an architecture throws InputError when the space does not contain it.
class SearchSpace {
 public:
  // Reads the choices of "depth" and of every gene, each a list of increasing positive integers or
  // {"from", "to", "step"}, and optionally "name" ("custom"), "head_width" (64) and "vocabulary"
  // (none). A gene that a network's file may leave out may be left out here, too. Throws
  // InputError. Tests bring genes of their own.
  static SearchSpace from_json(const JsonNode& node,
                               std::span<const Gene<Layer>> layer_genes = kLayerGenes);
  // What may be read: a JSON Schema, with the defaults and meanings of all keys.
  static Json schema();
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
  // The same space with 8 bits per weight in all layers: what supernets are trained for, as bits do
  // not show in fp32.
  SearchSpace with_int8_weights() const;
  // The same networks, each on any hardware: with so many choices of each of its keys.
  SearchSpace with_hardware(const std::vector<int>& choices) const;
  // All combinations of those choices; one that is empty where there are none.
  std::vector<std::vector<int>> hardware() const;
  // The same networks on one combination alone.
  SearchSpace only_on(const std::vector<int>& hardware) const;
  // The network on the first choices where it says nothing of its hardware.
  Architecture on_hardware(Architecture network) const;
  // Of layers; 8 alone where the space does not say.
  std::vector<int> weight_bits() const;
  bool has_int4() const;
  // Increasing lists: what prices and slices of a layer depend on beside its own genes.
  const std::vector<int>& depths() const { return network_genes_[0].choices; }
  const std::vector<int>& model_widths() const { return network_genes_[1].choices; }
  const std::vector<GeneChoices<Layer>>& layer_genes() const { return layer_genes_; }

  // Number of distinct networks; throws Error beyond 2^63 - 1.
  std::int64_t count() const;
  // The smaller of that number and `limit`; never throws.
  std::int64_t count_up_to(std::int64_t limit) const;
  // Number of networks of one of the depths, at most 2^63 - 1.
  std::int64_t count_of_depth(int depth) const;
  // The index-th network, 0 <= index < count(), in a fixed order, shallow networks first; index_of
  // is its inverse. Both throw Error for an index beyond 2^63 - 1.
  Architecture at(std::int64_t index) const;
  std::int64_t index_of(const Architecture& architecture) const;
  // Visits every network in that order, until `visit` returns false.
  void enumerate(const std::function<bool(const Architecture&)>& visit) const;

  Architecture largest() const;
  Architecture smallest() const;
  // The corners: every combination of the genes' extremes, the same in all layers, each once; the
  // smallest network comes first, the largest second. All of the hardware counts as one gene.
  std::vector<Architecture> extremes() const;
  // Every network whose layers are all equal, in no order that means anything. Throws Error beyond
  // 2^20 of them.
  std::vector<Architecture> uniform() const;

  // Uniform per gene, depth first (so shallow networks are not crowded out by deep ones).
  Architecture sample(Random& random) const;
  // Number of genes of this network, all layers' together, that have a choice.
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
  std::size_t hardware_genes() const;
  void add_optional(const Gene<Layer>& gene, const JsonNode& node);
  void require(const Architecture& architecture) const;
  // The network of the values that `choose(choices, number of the gene)` gives, in turn.
  template <typename Choose>
  Architecture chosen(Choose choose) const;
  void sample_layer(Layer& layer, Random& random) const;

  std::string name_ = "custom";
  int head_width_ = 64;
  int vocabulary_ = 0;
  std::vector<GeneChoices<Architecture>> network_genes_;  // depth first, the hardware's last
  std::vector<GeneChoices<Layer>> layer_genes_;
};

}  // namespace paretoformer
