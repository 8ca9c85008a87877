// Shapes of nodes, worked out by hand from the descriptions of the operators (onnx.ai).
#include "accel_sim/workload/onnx_shapes.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Numbers = std::vector<std::int64_t>;

OnnxValue of(OnnxShape shape) { return {std::move(shape), false, std::nullopt}; }
OnnxValue list(Numbers numbers) {
  return {{static_cast<std::int64_t>(numbers.size())}, true, std::move(numbers)};
}
OnnxValue number(std::int64_t value) { return {{}, true, Numbers{value}}; }

using Attributes = std::map<std::string, OnnxAttribute>;
OnnxAttribute integer(std::int64_t value) { return {value, "", {}, {}}; }
OnnxAttribute integers(Numbers values) { return {0, "", std::move(values), {}}; }
OnnxAttribute text(std::string value) { return {0, std::move(value), {}, {}}; }

std::vector<OnnxValue> outputs(const std::string& operation, const std::vector<OnnxValue>& inputs,
                               Attributes attributes = {}, std::size_t count = 1) {
  OnnxNode node{"node", operation, "", {}, {}, std::move(attributes)};
  for (std::size_t i = 0; i < inputs.size(); ++i) node.inputs.push_back("in");
  for (std::size_t i = 0; i < count; ++i) node.outputs.push_back("out");
  return output_values({}, node, inputs);
}

OnnxShape shape(const std::string& operation, const std::vector<OnnxValue>& inputs,
                Attributes attributes = {}) {
  return outputs(operation, inputs, std::move(attributes))[0].shape;
}

Numbers numbers(const std::string& operation, const std::vector<OnnxValue>& inputs,
                Attributes attributes = {}) {
  return outputs(operation, inputs, std::move(attributes))[0].numbers.value();
}

TEST(OnnxShapes, Views) {
  const OnnxValue x = of({2, 3, 4});
  EXPECT_THAT(shape("Reshape", {x, list({0, -1})}), ElementsAre(2, 12));
  EXPECT_THAT(shape("Flatten", {x}, {{"axis", integer(2)}}), ElementsAre(6, 4));
  EXPECT_THAT(shape("Transpose", {x}), ElementsAre(4, 3, 2));
  EXPECT_THAT(shape("Transpose", {x}, {{"perm", integers({0, 2, 1})}}), ElementsAre(2, 4, 3));
  EXPECT_THAT(shape("Unsqueeze", {x, list({0, -1})}), ElementsAre(1, 2, 3, 4, 1));
  EXPECT_THAT(shape("Squeeze", {of({1, 3, 1})}), ElementsAre(3));
  EXPECT_THAT(shape("Squeeze", {of({1, 3, 1}), list({-1})}), ElementsAre(1, 3));
  EXPECT_THAT(shape("Expand", {of({3, 1}), list({2, 1, 4})}), ElementsAre(2, 3, 4));
  EXPECT_THAT(shape("Tile", {x, list({1, 2, 1})}), ElementsAre(2, 6, 4));
  EXPECT_THAT(shape("Concat", {x, of({2, 5, 4})}, {{"axis", integer(-2)}}), ElementsAre(2, 8, 4));
  EXPECT_THAT(shape("Gather", {x, of({7, 5})}, {{"axis", integer(1)}}), ElementsAre(2, 7, 5, 4));
  EXPECT_THAT(shape("ReduceMean", {x}, {{"axes", integers({-1})}}), ElementsAre(2, 3, 1));
  EXPECT_THAT(shape("ReduceMean", {x, list({1})}, {{"keepdims", integer(0)}}), ElementsAre(2, 4));
}

TEST(OnnxShapes, Parts) {
  const std::vector<OnnxValue> even = outputs("Split", {of({2, 7})}, {{"axis", integer(1)}}, 3);
  EXPECT_THAT(even[0].shape, ElementsAre(2, 3));
  EXPECT_THAT(even[2].shape, ElementsAre(2, 1));
  const std::vector<OnnxValue> given = outputs("Split", {of({7, 2}), list({4, 3})}, {}, 2);
  EXPECT_THAT(given[1].shape, ElementsAre(3, 2));
  const auto slice = [](std::int64_t start, std::int64_t end, std::int64_t step) {
    return shape("Slice", {of({10}), list({start}), list({end}), list({0}), list({step})}).at(0);
  };
  EXPECT_EQ(slice(2, 5, 1), 3);
  EXPECT_EQ(slice(-3, std::numeric_limits<std::int64_t>::max(), 1), 3);
  EXPECT_EQ(slice(1, 100, 4), 3);  // 1, 5, 9
  EXPECT_EQ(slice(9, std::numeric_limits<std::int64_t>::min(), -1), 10);
  EXPECT_EQ(slice(-1, 2, -3), 3);  // 9, 6, 3
  EXPECT_EQ(slice(5, 2, 1), 0);
}

TEST(OnnxShapes, SizesAreFollowed) {
  EXPECT_THAT(numbers("Shape", {of({2, 3, 4})}), ElementsAre(2, 3, 4));
  EXPECT_THAT(numbers("Shape", {of({2, 3, 4})}, {{"start", integer(1)}, {"end", integer(-1)}}),
              ElementsAre(3));
  EXPECT_THAT(numbers("Gather", {list({2, 3, 4}), number(-1)}), ElementsAre(4));
  EXPECT_THAT(numbers("Slice", {list({2, 3, 4}), list({-1}), list({-4}), list({0}), list({-2})}),
              ElementsAre(4, 2));
  EXPECT_THAT(numbers("Concat", {list({2}), list({3, 4})}), ElementsAre(2, 3, 4));
  EXPECT_THAT(numbers("Mul", {list({2, 3}), number(5)}), ElementsAre(10, 15));
  EXPECT_THAT(numbers("Div", {list({7, 9}), list({2, 3})}), ElementsAre(3, 3));
  EXPECT_THAT(numbers("Where", {list({1, 0}), list({5, 6}), list({7, 8})}), ElementsAre(5, 8));
  EXPECT_THAT(numbers("Range", {number(3), number(10), number(3)}), ElementsAre(3, 6, 9));
  EXPECT_THAT(numbers("Range", {number(3), number(0), number(-2)}), ElementsAre(3, 1));
  EXPECT_THAT(numbers("Range", {number(3), number(3), number(1)}), IsEmpty());
  EXPECT_TRUE(outputs("Shape", {of({2, 3})})[0].is_constant);
  EXPECT_FALSE(outputs("Neg", {of({2, 3})})[0].is_constant);
}

TEST(OnnxShapes, Products) {
  EXPECT_THAT(shape("MatMul", {of({5, 1, 2, 3}), of({4, 3, 6})}), ElementsAre(5, 4, 2, 6));
  EXPECT_THAT(
      shape("Gemm", {of({3, 2}), of({6, 3})}, {{"transA", integer(1)}, {"transB", integer(1)}}),
      ElementsAre(2, 6));
}

TEST(OnnxShapes, Images) {
  const auto conv = [](Attributes attributes) {
    return shape("Conv", {of({1, 4, 9, 9}), of({8, 4, 3, 3})}, std::move(attributes));
  };
  EXPECT_THAT(conv({}), ElementsAre(1, 8, 7, 7));
  EXPECT_THAT(conv({{"pads", integers({1, 0, 1, 0})}, {"strides", integers({2, 1})}}),
              ElementsAre(1, 8, 5, 7));
  EXPECT_THAT(conv({{"dilations", integers({2, 4})}}), ElementsAre(1, 8, 5, 1));
  EXPECT_THAT(conv({{"auto_pad", text("SAME_UPPER")}, {"strides", integers({2, 2})}}),
              ElementsAre(1, 8, 5, 5));
  EXPECT_THAT(shape("Conv", {of({1, 4, 9}), of({6, 2, 3})}, {{"group", integer(2)}}),
              ElementsAre(1, 6, 7));
  EXPECT_THAT(shape("MaxPool", {of({1, 4, 8, 8})},
                    {{"kernel_shape", integers({3, 3})},
                     {"strides", integers({2, 2})},
                     {"ceil_mode", integer(1)}}),
              ElementsAre(1, 4, 4, 4));
  EXPECT_THAT(shape("GlobalAveragePool", {of({1, 4, 8, 8})}), ElementsAre(1, 4, 1, 1));
}

TEST(OnnxShapes, WhatDoesNotFitIsAnError) {
  const OnnxValue x = of({2, 3});
  EXPECT_THROW(shape("Reshape", {x, list({5, -1})}), InputError);
  EXPECT_THROW(shape("Reshape", {x, list({-1, -1})}), InputError);
  EXPECT_THROW(shape("Reshape", {x, list({std::int64_t{1} << 62, 4})}), InputError);
  EXPECT_THROW(shape("Add", {x, of({4, 3})}), InputError);
  EXPECT_THROW(shape("Concat", {x, of({2, 3, 1})}), InputError);
  EXPECT_THROW(shape("Squeeze", {x, list({0})}), InputError);
  EXPECT_THROW(shape("Transpose", {x}, {{"perm", integers({0, 2})}}), InputError);
  EXPECT_THROW(shape("Split", {x, list({1, 3})}), InputError);
  EXPECT_THROW(shape("Tile", {x, list({std::int64_t{1} << 62, 4})}), InputError);
  EXPECT_THROW(shape("ConstantOfShape", {list({std::int64_t{1} << 30, std::int64_t{1} << 31})}),
               InputError);
  EXPECT_THROW(shape("ConstantOfShape", {list({-1})}), InputError);
  EXPECT_THROW(shape("Gather", {list({1, 2}), number(2)}), InputError);
  EXPECT_THROW(shape("Conv", {of({1, 4, 2, 2}), of({8, 4, 3, 3})}), InputError);
  EXPECT_THROW(shape("Conv", {of({1, 4, 9, 9}), of({8, 4, 3, 3})}, {{"group", integer(0)}}),
               InputError);
  EXPECT_THROW(shape("MatMul", {x}), InputError);
  EXPECT_THROW(shape("Add", {x}), InputError);
  EXPECT_THROW(shape("Loop", {x}), InputError);
}

}  // namespace
}  // namespace paretoformer::accel_sim
