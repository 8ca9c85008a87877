// A third gene of layers that only tests have: "groups", which stands in the last three bits of
// Layer::ffn_width, so that FFN widths are multiples of 8.
#pragma once

#include "search_spaces/search_space.hpp"
#include "support/json.hpp"

namespace paretoformer {

inline int groups_of(const Layer& layer) { return layer.ffn_width % 8; }

inline constexpr Gene<Layer> kThreeLayerGenes[] = {
    kLayerGenes[0],
    {"ffn_width", "f", "FFN width", [](const Layer& layer) { return layer.ffn_width / 8 * 8; },
     [](Layer& layer, int value) { layer.ffn_width = value + groups_of(layer); }},
    {"groups", "g", "groups", groups_of,
     [](Layer& layer, int value) { layer.ffn_width += value - groups_of(layer); }}};

// 3 * (12^1 + 12^3) = 5220 networks.
inline SearchSpace three_gene_space() {
  const Json json = parse_json(R"({"depth": [1, 3], "model_width": [32, 48, 64], "heads": [1, 2],
                                   "ffn_width": [64, 128], "groups": [1, 2, 4]})",
                               "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"), kThreeLayerGenes);
}

}  // namespace paretoformer
