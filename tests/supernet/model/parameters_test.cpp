#include "supernet/model/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::supernet {
namespace {

const Architecture kLayoutNetwork{12, 4, 11, {{3, 20}, {2, 16}}};
constexpr int kPositions = 6;

SearchSpace space_of_widths() {
  const Json json{{"name", "test"},          {"head_width", 4}, {"vocabulary", 11},
                  {"depth", {1, 2}},         {"heads", {1, 2}}, {"model_width", {4, 8, 12}},
                  {"ffn_width", {8, 16, 20}}};
  return SearchSpace::from_json(JsonNode(json, "space"));
}

TEST(ParameterLayout, TensorsFillTheArenaMatricesFirst) {
  for (const ParameterLayout& layout : {ParameterLayout(kLayoutNetwork, kPositions),
                                        ParameterLayout(space_of_widths(), kPositions)}) {
    std::size_t end = 0;
    std::set<std::string> names;
    for (const Tensor& tensor : layout.tensors()) {
      EXPECT_EQ(tensor.offset, end) << tensor.name;
      end += tensor.size();
      EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
      const bool vector =
          tensor.name.ends_with(".bias") || tensor.name.find("norm") != std::string::npos;
      EXPECT_EQ(tensor.offset >= layout.matrix_size(), vector) << tensor.name;
    }
    EXPECT_EQ(layout.size(), end);
  }
}

TEST(ParameterLayout, ANetworkAloneHasItsNumberOfParameters) {
  EXPECT_EQ(static_cast<std::int64_t>(ParameterLayout(kLayoutNetwork, kPositions).size()),
            parameter_count(kLayoutNetwork, kPositions));
}

TEST(ParameterLayout, EveryWidthAndDepthHasItsOwnFinalLayerNorm) {
  const ParameterLayout layout(space_of_widths(), kPositions);
  std::set<std::size_t> rows;
  for (const int width : {4, 8, 12})
    for (const int depth : {1, 2}) {
      const Architecture network{width, 4, 11,
                                 std::vector<Layer>(static_cast<std::size_t>(depth), {1, 8})};
      rows.insert(layout.final_norm_row(network));
      EXPECT_EQ(layout.norm_row(network), static_cast<std::size_t>(width / 4 - 1) * 12);
    }
  EXPECT_EQ(rows, (std::set<std::size_t>{0, 12, 24, 36, 48, 60}));
}

TEST(ParameterLayout, TooLargeANetworkIsRefused) {
  EXPECT_THROW(ParameterLayout({1 << 20, 64, 1 << 20, {{1, 1 << 20}}}, 1 << 20), InputError);
}

TEST(InitialParameters, AreSpreadAsTheirTensorsAsk) {
  const Architecture network{96, 32, 200, {{3, 384}}};
  const ParameterLayout layout(network, 64);
  const std::vector<double> parameters = initial_parameters<double>(layout, 1);
  std::map<std::string, double> squares;
  for (const Tensor& tensor : layout.tensors()) {
    double sum = 0;
    for (std::size_t i = 0; i < tensor.size(); ++i)
      sum += parameters[tensor.offset + i] * parameters[tensor.offset + i];
    squares[tensor.name] = sum / static_cast<double>(tensor.size());
  }
  // Thousands of values: a variance within a tenth.
  EXPECT_NEAR(squares.at("token_embedding.weight") * 2 * 96, 1, 0.1);
  EXPECT_NEAR(squares.at("layers.0.attention.qkv.weight") * 96, 1, 0.1);
  EXPECT_NEAR(squares.at("layers.0.ffn.up.weight") * 96, 1, 0.1);
  // Layers begin as the identity.
  EXPECT_EQ(squares.at("layers.0.attention.output.weight"), 0);
  EXPECT_EQ(squares.at("layers.0.ffn.down.weight"), 0);
  EXPECT_EQ(squares.at("layers.0.ffn.norm.weight"), 1);
  EXPECT_EQ(squares.at("final_norm.weight"), 1);
  EXPECT_EQ(squares.at("layers.0.ffn.up.bias"), 0);
  EXPECT_NE(initial_parameters<double>(layout, 2), parameters);
}

// A slice is the upper left corner of every matrix; of what each width has its own, its row.
TEST(Extract, TakesThePrefixOfEveryTensor) {
  const ParameterLayout supernet(space_of_widths(), kPositions);
  std::vector<double> parameters(supernet.size());
  std::iota(parameters.begin(), parameters.end(), 0.0);  // every value says where it is from
  const Architecture network{8, 4, 11, {{1, 16}}};
  const ParameterLayout target(network, kPositions);
  const std::vector<double> slice = extract(supernet, parameters, target);
  ASSERT_EQ(slice.size(), target.size());
  for (const Tensor& tensor : target.tensors()) {
    const auto source = std::find_if(supernet.tensors().begin(), supernet.tensors().end(),
                                     [&](const Tensor& each) { return each.name == tensor.name; });
    ASSERT_NE(source, supernet.tensors().end());
    const std::size_t own_row = tensor.name.starts_with("final_norm")            ? 2U * 12
                                : tensor.name.find("norm.") != std::string::npos ? 12U
                                                                                 : 0U;
    for (int row = 0; row < tensor.rows; ++row)
      for (int column = 0; column < tensor.columns; ++column)
        ASSERT_EQ(slice[tensor.offset + static_cast<std::size_t>(row * tensor.columns + column)],
                  static_cast<double>(source->offset + own_row +
                                      static_cast<std::size_t>(row * source->columns + column)))
            << tensor.name << " " << row << ", " << column;
  }
  EXPECT_THROW(extract(target, slice, supernet), Error);
}

}  // namespace
}  // namespace paretoformer::supernet
