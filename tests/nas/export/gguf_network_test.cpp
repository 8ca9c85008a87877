// Networks as GGUF: byte for byte where a file is small enough to write down, its tensors, and what
// it refuses. That llama.cpp runs them is tests/integration/exported_networks_test.cpp's to test.
#include "nas/export/gguf_network.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "nas/export/gguf_file.hpp"
#include "support/error.hpp"
#include "tests/nas/export/bytes_of.hpp"

namespace paretoformer::nas {
namespace {

using supernet::ParameterLayout;
using supernet::Tokenizer;

// Counts are of eight bytes, types of four, tensors at multiples of 32 from the end of the list of
// them, which is filled up to a multiple of 32 as well.
TEST(GgufFile, IsWrittenAsTheFormatSays) {
  GgufFile file;
  file.add("k", std::uint32_t{7});
  file.add("b", std::vector<std::string>{"xy"});
  const std::vector<float> two{1, 2};  // 1.0f is 00 00 80 3f, 2.0f 00 00 00 40
  file.add("v", 1, 2, two);
  file.add("m", 2, 1, two);
  std::string expected =
      "GGUF" + bytes_of({3,          0, 0, 0, /*tensors*/ 2,
                         0,          0, 0, 0, 0,
                         0,          0,
                         /*keys*/ 2, 0, 0, 0, 0,
                         0,          0, 0}) +
      bytes_of({1, 0, 0, 0, 0, 0, 0, 0, 'k', /*uint32*/ 4, 0, 0, 0, 7, 0, 0, 0}) +
      bytes_of({1, 0, 0, 0, 0, 0,   0,  0, 'b', /*array*/ 9, 0, 0, 0, /*of strings*/ 8,
                0, 0, 0, 1, 0, 0,   0,  0, 0,   0,           0, 2, 0, 0,
                0, 0, 0, 0, 0, 'x', 'y'}) +
      bytes_of({1,          0, 0, 0,   0,
                0,          0, 0, 'v', /*dimensions*/ 1,
                0,          0, 0, 2,   0,
                0,          0, 0, 0,   0,
                0,
                /*fp32*/ 0, 0, 0, 0,   /*offset*/ 0,
                0,          0, 0, 0,   0,
                0,          0}) +
      bytes_of({1, 0, 0, 0, 0, 0, 0, 0, 'm', 2, 0, 0, 0,  1, 0, 0, 0, 0, 0, 0, 0,
                2, 0, 0, 0, 0, 0, 0, 0, 0,   0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0});
  ASSERT_EQ(expected.size(), 24u + 17u + 35u + 33u + 41u);
  expected.resize(160);  // 150, filled up
  const std::string data = bytes_of({0, 0, 0x80, 0x3f, 0, 0, 0, 0x40});
  expected += data + std::string(24, '\0') + data + std::string(24, '\0');
  EXPECT_EQ(file.bytes(), expected);
}

// Where the values begin that were last written, with so many bytes of zeros behind them.
const float* floats_at(const std::string& bytes, std::size_t at) {
  return reinterpret_cast<const float*>(bytes.data() + at);
}

// A layer with one of two heads of width 2 and three of five channels, in a model of width 4. What
// is read here is what is last in the file, in its order: ffn_up [5][4], its bias, ffn_down [4][5].
TEST(GgufNetwork, FillsWithZeros) {
  const Architecture network{4, 2, 256, {{2, 5}, {1, 3}}};
  const ParameterLayout layout(network, 6);
  std::vector<float> weights(layout.size());
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i + 1);
  const std::string bytes = gguf_network(layout, weights, network, Tokenizer::bytes(), "n");
  // Backwards: down_bias 4 -> 32 bytes, down 20 -> 96, up_bias 5 -> 32, up 20 -> 96.
  const float* const down = floats_at(bytes, bytes.size() - 32 - 96);
  const float* const up_bias = floats_at(bytes, bytes.size() - 32 - 96 - 32);
  const float* const up = floats_at(bytes, bytes.size() - 32 - 96 - 32 - 96);
  const supernet::LayerOffsets& o = layout.layer(1);
  for (int row = 0; row < 4; ++row)
    for (int c = 0; c < 5; ++c)
      EXPECT_EQ(down[row * 5 + c],
                c < 3 ? weights[o.down + static_cast<std::size_t>(row * 3 + c)] : 0.0F);
  for (int c = 0; c < 5; ++c) {
    EXPECT_EQ(up_bias[c], c < 3 ? weights[o.up_bias + static_cast<std::size_t>(c)] : 0.0F);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(up[c * 4 + i], c < 3 ? weights[o.up + static_cast<std::size_t>(c * 4 + i)] : 0.0F);
  }
}

std::string refusal(const Architecture& network) {
  const ParameterLayout layout(network, 6);
  const std::vector<float> weights(layout.size());
  try {
    gguf_network(layout, weights, network, Tokenizer::bytes(), "n");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(GgufNetwork, RefusesWhatTheArchitectureDoesNotHave) {
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal({6, 4, 256, {{1, 3}}}), HasSubstr("width of 6 is no multiple"));
  EXPECT_THAT(refusal({8, 4, 256, {{2, 3}, {3, 3}}}), HasSubstr("layer 1 has 3 heads"));
  EXPECT_EQ(refusal({8, 4, 256, {{2, 3}, {1, 9}}}), "");
}

}  // namespace
}  // namespace paretoformer::nas
