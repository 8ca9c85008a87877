// The table of genes: the numbers in which networks of a search space differ. What samples,
// changes, counts, names, reads or writes networks loops over it.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "search_spaces/architecture.hpp"

namespace paretoformer {

// A number of a network (Gene<Architecture>) or of each of its layers (Gene<Layer>).
template <typename Owner>
struct Gene {
  std::string_view key;     // in files and messages
  std::string_view letter;  // in describe()
  std::string_view meaning;
  int (*get)(const Owner& owner);
  void (*set)(Owner& owner, int value);
  bool in_heads = false;  // counts heads: those of a layer are bounded together
  // Its only two values, if it is not any number; files that leave the key out mean the second, and
  // nothing is written of it, so that it is in files, texts and identities only where it says
  // something.
  std::array<int, 2> either{};

  // That is accepted from outside.
  int smallest() const { return is_optional() ? either[0] : 1; }
  int largest(int head_width) const {
    return is_optional() ? either[1] : in_heads ? kLargestSize / head_width : kLargestSize;
  }
  bool is_optional() const { return either[1] > 0; }
  bool says_nothing(int value) const { return is_optional() && value == either[1]; }
  bool operator==(const Gene&) const = default;
};

// A gene whose value is a field.
template <typename Owner, int Owner::*field>
constexpr Gene<Owner> gene(std::string_view key, std::string_view letter, std::string_view meaning,
                           bool in_heads = false, std::array<int, 2> either = {}) {
  return {key,
          letter,
          meaning,
          [](const Owner& owner) { return owner.*field; },
          [](Owner& owner, int value) { owner.*field = value; },
          in_heads,
          either};
}

// The number of layers comes first: the genes of layers are of those there are. Cuts the last
// layers, or repeats the last one.
inline constexpr Gene<Architecture> kDepth{
    "depth", "", "layers", [](const Architecture& network) { return network.depth(); },
    [](Architecture& network, int depth) {
      network.layers.resize(static_cast<std::size_t>(depth),
                            network.layers.empty() ? Layer() : network.layers.back());
    }};

inline constexpr Gene<Architecture> kNetworkGenes[] = {
    gene<Architecture, &Architecture::model_width>("model_width", "d",
                                                   "width of the residual stream")};

// The choice of one key of the hardware, of those that a space of hardware has.
template <std::size_t key>
constexpr Gene<Architecture> hardware_gene() {
  return {"hardware", "", "the hardware's choices",
          [](const Architecture& network) {
            return key < network.hardware.size() ? network.hardware[key] : 0;
          },
          [](Architecture& network, int value) {
            if (network.hardware.size() <= key) network.hardware.resize(key + 1);
            network.hardware[key] = value;
          }};
}
inline constexpr auto kHardwareGenes = []<std::size_t... key>(std::index_sequence<key...>) {
  return std::array{hardware_gene<key>()...};
}
(std::make_index_sequence<kMostHardwareGenes>());

inline constexpr Gene<Layer> kWeightBits = gene<Layer, &Layer::weight_bits>(
    "weight_bits", "b", "bits per weight of a layer's matrices", false, {4, kInt8Bits});

inline constexpr Gene<Layer> kLayerGenes[] = {
    gene<Layer, &Layer::heads>("heads", "h", "attention heads of a layer", true),
    gene<Layer, &Layer::ffn_width>("ffn_width", "f",
                                   "hidden width of a layer's feed-forward block"),
    kWeightBits};

}  // namespace paretoformer
