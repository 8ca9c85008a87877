#include "supernet/model/trained_weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "supernet/model/network_file.hpp"
#include "supernet/model/safetensors.hpp"
#include "supernet/training/training_run.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::supernet {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Two heads of 3 and FFNs of 5 and 4 channels.
const Architecture kStoredNetwork{6, 3, 7, {{2, 5}, {2, 4}}};
constexpr int kStoredPositions = 4;

// The tensors of a GPT-2, random.
class Gpt2File {
 public:
  explicit Gpt2File(const std::string& prefix = "", int positions = kStoredPositions)
      : prefix_(prefix) {
    const std::int64_t d = kStoredNetwork.model_width;
    add("wte.weight", {kStoredNetwork.vocabulary, d});
    add("wpe.weight", {positions, d});
    add("ln_f.weight", {d});
    add("ln_f.bias", {d});
    for (int l = 0; l < kStoredNetwork.depth(); ++l) {
      const std::string layer = "h." + std::to_string(l) + ".";
      const std::int64_t f = kStoredNetwork.layers[static_cast<std::size_t>(l)].ffn_width;
      for (const char* norm : {"ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias"})
        add(layer + norm, {d});
      add(layer + "attn.c_attn.weight", {d, 3 * d});
      add(layer + "attn.c_attn.bias", {3 * d});
      add(layer + "attn.c_proj.weight", {d, d});
      add(layer + "attn.c_proj.bias", {d});
      add(layer + "mlp.c_fc.weight", {d, f});
      add(layer + "mlp.c_fc.bias", {f});
      add(layer + "mlp.c_proj.weight", {f, d});
      add(layer + "mlp.c_proj.bias", {d});
    }
  }

  void add(const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    tensors_.push_back({prefix_ + name, std::move(shape), {}});
    values_.emplace_back(static_cast<std::size_t>(size));
    for (float& value : values_.back()) value = static_cast<float>(random_.normal());
  }

  // Row-major, of one or two dimensions.
  float at(const std::string& name, int row, int column = 0) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (tensors_[i].name == prefix_ + name) {
        const std::int64_t columns = tensors_[i].shape.size() > 1 ? tensors_[i].shape[1] : 1;
        return values_[i][static_cast<std::size_t>(row * columns + column)];
      }
    throw Error("no tensor " + name);
  }

  std::vector<float>& last() { return values_.back(); }
  void write(const fs::path& path) {
    for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].values = values_[i];
    write_safetensors(path, tensors_, {});
  }

 private:
  std::string prefix_;
  Random random_{3};
  std::vector<NamedTensor> tensors_;
  std::vector<std::vector<float>> values_;
};

class TrainedWeights : public testing::Test {
 protected:
  std::string error_of(const ParameterLayout& layout) const {
    try {
      read_trained_weights(path_, layout);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }

  const ParameterLayout layout_{kStoredNetwork, kStoredPositions};
  TemporaryFolder temporary_;
  fs::path path_ = temporary_ / "weights.safetensors";
};

TEST_F(TrainedWeights, OfAGpt2AreTransposedAndSortedIntoHeads) {
  for (const std::string prefix : {"", "transformer."}) {
    Gpt2File file(prefix, kStoredPositions + 3);
    file.add("h.0.attn.bias", {1, 1, 2, 2});  // a mask, not a weight
    file.write(path_);
    const std::vector<float> weights = read_trained_weights(path_, layout_);
    const auto ours = [&](std::size_t offset, int columns, int row, int column) {
      return weights[offset + static_cast<std::size_t>(row * columns + column)];
    };
    const int d = kStoredNetwork.model_width;
    EXPECT_EQ(ours(layout_.token_embedding, d, 6, 2), file.at("wte.weight", 6, 2));
    EXPECT_EQ(ours(layout_.position_embedding, d, 3, 5), file.at("wpe.weight", 3, 5));
    EXPECT_EQ(ours(layout_.final_gain, 1, 4, 0), file.at("ln_f.weight", 4));
    EXPECT_EQ(ours(layout_.final_bias, 1, 4, 0), file.at("ln_f.bias", 4));
    const LayerOffsets& o = layout_.layer(1);
    // Head 1's k, its third value: row 9 + 3 + 2 of ours, column 6 + 3 + 2 of c_attn.
    EXPECT_EQ(ours(o.qkv, d, 14, 4), file.at("h.1.attn.c_attn.weight", 4, 11));
    EXPECT_EQ(ours(o.qkv_bias, 1, 14, 0), file.at("h.1.attn.c_attn.bias", 11));
    // Head 0's v, its first value: row 6, column 12.
    EXPECT_EQ(ours(o.qkv, d, 6, 0), file.at("h.1.attn.c_attn.weight", 0, 12));
    EXPECT_EQ(ours(o.output, d, 2, 5), file.at("h.1.attn.c_proj.weight", 5, 2));
    EXPECT_EQ(ours(o.output_bias, 1, 2, 0), file.at("h.1.attn.c_proj.bias", 2));
    EXPECT_EQ(ours(o.up, d, 3, 1), file.at("h.1.mlp.c_fc.weight", 1, 3));
    EXPECT_EQ(ours(o.up_bias, 1, 3, 0), file.at("h.1.mlp.c_fc.bias", 3));
    EXPECT_EQ(ours(o.down, 4, 5, 3), file.at("h.1.mlp.c_proj.weight", 3, 5));
    EXPECT_EQ(ours(o.down_bias, 1, 5, 0), file.at("h.1.mlp.c_proj.bias", 5));
    EXPECT_EQ(ours(o.norm1_gain, 1, 1, 0), file.at("h.1.ln_1.weight", 1));
    EXPECT_EQ(ours(o.norm2_bias, 1, 1, 0), file.at("h.1.ln_2.bias", 1));
  }
}

TEST_F(TrainedWeights, OfAnExportedNetwork) {
  const ParameterLayout longer(kStoredNetwork, kStoredPositions + 2);
  const std::vector<float> parameters = initial_parameters<float>(longer, 4);
  save_network(path_, longer, parameters, kStoredNetwork, {});
  EXPECT_EQ(read_trained_weights(path_, layout_), extract(longer, parameters, layout_));
  EXPECT_THAT(error_of({kStoredNetwork, kStoredPositions + 3}),
              HasSubstr("has 6 positions: expected at least"));
  Architecture wider = kStoredNetwork;
  wider.layers[1].ffn_width = 9;
  EXPECT_THAT(error_of({wider, kStoredPositions}),
              HasSubstr("expected the largest network of the space"));
}

TEST_F(TrainedWeights, OfTheLargestNetworkOfACheckpoint) {
  const Json json = parse_json(R"({"head_width": 3, "vocabulary": 7, "depth": [1, 2],
      "model_width": [4, 6], "heads": [1, 2], "ffn_width": [2, 5]})",
                               "space.json");
  const SearchSpace space = SearchSpace::from_json(JsonNode(json, "space.json"));
  const ParameterLayout supernet(space, kStoredPositions + 2);
  TrainingState<float> state;
  state.parameters.resize(supernet.size());
  std::iota(state.parameters.begin(), state.parameters.end(), 0.0F);  // each norm's row is another
  state.m.resize(supernet.size());
  state.v.resize(supernet.size());
  save_checkpoint(path_, supernet, state, "");
  const ParameterLayout own(space.largest(), kStoredPositions);
  EXPECT_EQ(read_trained_weights(path_, own), extract(supernet, state.parameters, own));
  Architecture wider = space.largest();
  wider.layers[0].ffn_width = 6;
  EXPECT_THAT(error_of({wider, kStoredPositions}),
              HasSubstr("tensor layers.0.ffn.up.weight has 5 x 6 values: expected 6 x 6"));
}

TEST_F(TrainedWeights, OfAnotherShapeAreRefused) {
  Gpt2File().write(path_);
  Architecture deeper = kStoredNetwork;
  deeper.layers.push_back({2, 4});
  EXPECT_THAT(error_of({deeper, kStoredPositions}), HasSubstr("has 2 layers: expected"));
  Architecture words = kStoredNetwork;
  words.vocabulary = 8;
  EXPECT_THAT(error_of({words, kStoredPositions}),
              HasSubstr("tensor wte.weight has shape [7,6], expected [8,6]"));
  EXPECT_THAT(error_of({kStoredNetwork, kStoredPositions + 1}),
              HasSubstr("has 4 positions: expected at least"));
  // Heads that are wider together than the network.
  Architecture heads = kStoredNetwork;
  for (Layer& layer : heads.layers) layer.heads = 3;
  EXPECT_THAT(error_of({heads, kStoredPositions}), HasSubstr("c_attn.weight has shape [6,18]"));
}

TEST_F(TrainedWeights, ThatAreNotFiniteAreRefused) {
  Gpt2File file;
  file.last()[2] = NAN;
  file.write(path_);
  EXPECT_THAT(error_of(layout_),
              HasSubstr("h.1.mlp.c_proj.bias holds a number that is not finite"));
}

}  // namespace
}  // namespace paretoformer::supernet
