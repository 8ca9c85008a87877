#include "supernet/model/evaluation.hpp"

#include <gtest/gtest.h>

#include "supernet/kernels/matmul_bf16.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "tests/supernet/lively_parameters.hpp"

namespace paretoformer::supernet {
namespace {

// Weights that are packed once for all networks, and for each as it comes: the same bits.
TEST(CpuLosses, OfFixedWeightsAreThoseOfWeightsThatMayChange) {
  const Json json = parse_json(R"({"head_width": 7, "vocabulary": 29, "depth": [1, 2],
                                   "model_width": [13, 16, 40], "heads": [1, 2, 3],
                                   "ffn_width": [9, 17, 70]})",
                               "space.json");
  const SearchSpace space = SearchSpace::from_json(JsonNode(json, "space.json"));
  constexpr int kContext = 20, kSequences = 30;
  const ParameterLayout layout(space, kContext);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  const std::vector<Architecture> networks{space.largest(),
                                           {13, 7, 29, {{3, 70}}},
                                           {40, 7, 29, {{1, 9}, {2, 17}}},
                                           {16, 7, 29, {{2, 17}, {1, 70}}}};
  Random random(1);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i <= kSequences * kContext; ++i)
    tokens.push_back(static_cast<std::int32_t>(random.below(29)));
  const Batch batch{tokens.data(), tokens.data() + 1, kSequences, kContext};
  for (const Products products : {Products::fp32, Products::bf16}) {
    if (products == Products::bf16 && bf16_unit() == Bf16Unit::none) continue;
    CpuLosses<float> fixed(layout, parameters, kContext, products, WeightsAre::fixed);
    CpuLosses<float> changing(layout, parameters, kContext, products);
    EXPECT_EQ(fixed.sequence_losses(networks, batch), changing.sequence_losses(networks, batch));
  }
}

}  // namespace
}  // namespace paretoformer::supernet
