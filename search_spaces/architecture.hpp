// One Transformer of the space: model width, and head count, FFN width and bits per weight of every
// layer.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "support/json_fwd.hpp"

namespace paretoformer {

// The largest width (of all heads of a layer together, too) or vocabulary, and the greatest depth,
// that are accepted from outside.
inline constexpr int kLargestSize = 1 << 20;
inline constexpr int kMostLayers = 1024;
// Keys of the hardware that a search may choose, and values of each.
inline constexpr int kMostHardwareGenes = 12;
inline constexpr int kMostHardwareChoices = 64;

inline constexpr int kInt8Bits = 8;
// Inputs of a matrix whose weights of four bits share a multiplier of an output: as many as
// Gemmini's array has rows. A larger group would need fewer bits in DRAM (4 + 4 / 16 for each
// weight), but no fewer on the way in, where a block of rows comes with all of its multipliers.
inline constexpr int kInt4Group = 16;

// Its numbers are genes, rows of the table of search_spaces/gene.hpp.
struct Layer {
  int heads = 0;                // attention heads, each Architecture::head_width wide
  int ffn_width = 0;            // hidden width of the feed-forward block
  int weight_bits = kInt8Bits;  // of its matrices on the accelerator: 8, or 4

  bool operator==(const Layer&) const = default;
};

// A plain value, canonical by construction: it holds active layers only. The q, k, v projections
// go from model_width to heads * head_width, the output projection back.
struct Architecture {
  int model_width = 0;
  int head_width = 64;
  int vocabulary = 0;  // 0: Transformer layers only; else embedding and language-model head count
  std::vector<Layer> layers;
  // What it runs on, where a search chooses that, too: for every key of the run's hardware space
  // the number of a choice, from 1. No loss depends on it.
  std::vector<int> hardware = {};

  int depth() const { return static_cast<int>(layers.size()); }

  bool operator==(const Architecture&) const = default;
};

// Stable 64-bit identity: equal for equal architectures, on every machine and in every version.
std::uint64_t architecture_id(const Architecture& architecture);

// The network alone, which losses are of.
Architecture without_hardware(Architecture architecture);

// Trainable parameters: per layer the four projections, the two FFN matrices, their biases and two
// LayerNorms; the final LayerNorm; with a vocabulary, the (tied) token embedding, and `positions`
// learned position vectors.
std::int64_t parameter_count(const Architecture& architecture, int positions = 0);

// Whether layers have weights of four bits.
bool has_int4(const Architecture& architecture);

// "d=96 h=[4,2,3] f=[384,128,256]": one line for tables and messages; "b=[8,4,8]" follows where a
// layer has other than 8 bits per weight.
std::string describe(const Architecture& architecture);

Json to_json(const Architecture& architecture);

// Reads {"model_width": 672, "layers": [{"heads": 12, "ffn_width": 1280}, ...]} with optional
// "weight_bits" (8) of a layer, "head_width" (64), "vocabulary" (none), "hardware" (none, else a
// list of numbers) and "depth": the number of active layers, beyond which layers are inactive and
// are cut. Throws InputError.
Architecture architecture_from_json(const JsonNode& node);
// That as a JSON Schema, with the meanings of the keys.
Json architecture_schema();

}  // namespace paretoformer
