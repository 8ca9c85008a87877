// Networks as Hugging Face's config.json describes them, against published counts of parameters and
// counts of matmuls by hand.
#include "accel_sim/workload/hugging_face.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/simulator.hpp"
#include "accel_sim/workload/profile.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Json kBert{{"model_type", "bert"},      {"hidden_size", 768},
                 {"num_hidden_layers", 12},   {"num_attention_heads", 12},
                 {"intermediate_size", 3072}, {"hidden_act", "gelu"},
                 {"vocab_size", 30522},       {"max_position_embeddings", 512},
                 {"type_vocab_size", 2}};
const Json kDistilBert{{"model_type", "distilbert"},
                       {"dim", 768},
                       {"n_layers", 6},
                       {"n_heads", 12},
                       {"hidden_dim", 3072},
                       {"activation", "gelu"},
                       {"vocab_size", 30522},
                       {"max_position_embeddings", 512}};
const Json kGpt2{{"model_type", "gpt2"}, {"n_embd", 768},      {"n_layer", 12},
                 {"n_head", 12},         {"n_inner", nullptr}, {"activation_function", "gelu_new"},
                 {"vocab_size", 50257},  {"n_positions", 1024}};
const Json kLlama{
    {"model_type", "llama"},     {"hidden_size", 4096},       {"num_hidden_layers", 32},
    {"num_attention_heads", 32}, {"num_key_value_heads", 32}, {"intermediate_size", 11008},
    {"hidden_act", "silu"},      {"vocab_size", 32000},       {"tie_word_embeddings", false}};
const Json kQwen2{
    {"model_type", "qwen2"},       {"hidden_size", 3584},      {"num_hidden_layers", 28},
    {"num_attention_heads", 28},   {"num_key_value_heads", 4}, {"intermediate_size", 18944},
    {"hidden_act", "silu"},        {"vocab_size", 152064},     {"tie_word_embeddings", false},
    {"use_sliding_window", false}, {"sliding_window", 131072}, {"max_window_layers", 28}};
// A block that is simulated in no time, its keys shared by pairs of heads.
const Json kSmall{{"model_type", "mistral"},  {"hidden_size", 64}, {"num_hidden_layers", 2},
                  {"num_attention_heads", 4}, {"head_dim", 32},    {"num_key_value_heads", 2},
                  {"intermediate_size", 96},  {"vocab_size", 100}, {"hidden_act", "silu"},
                  {"sliding_window", 10}};

Json changed(Json json, const Json& changes) {
  json.update(changes);
  return json;
}

Transformer read(const Json& json) {
  return transformer_from_hugging_face(JsonNode(json, "config.json"));
}

std::int64_t parameters(const Json& json) { return read(json).parameter_count(); }

// Published, or what transformers counts of the published weights.
TEST(HuggingFace, ParametersAreThePublishedOnes) {
  EXPECT_EQ(parameters(kBert), 109'482'240);
  EXPECT_EQ(parameters(changed(kBert, {{"model_type", "roberta"},
                                       {"vocab_size", 50265},
                                       {"max_position_embeddings", 514},
                                       {"type_vocab_size", 1}})),
            124'645'632);
  EXPECT_EQ(parameters(kDistilBert), 66'362'880);
  EXPECT_EQ(parameters(kGpt2), 124'439'808);
  EXPECT_EQ(parameters(kLlama), 6'738'415'616);
  EXPECT_EQ(parameters(kQwen2), 7'615'616'512);
  EXPECT_EQ(parameters(changed(kLlama, {{"model_type", "mistral"},
                                        {"num_key_value_heads", 8},
                                        {"intermediate_size", 14336},
                                        {"sliding_window", 4096}})),
            7'241'732'096);
  const Json opt{{"model_type", "opt"},
                 {"hidden_size", 768},
                 {"num_hidden_layers", 12},
                 {"num_attention_heads", 12},
                 {"ffn_dim", 3072},
                 {"activation_function", "relu"},
                 {"word_embed_proj_dim", 768},
                 {"do_layer_norm_before", true},
                 {"vocab_size", 50272},
                 {"max_position_embeddings", 2048}};
  EXPECT_EQ(parameters(opt), 125'239'296);
  EXPECT_EQ(parameters(changed(opt, {{"hidden_size", 1024},
                                     {"num_hidden_layers", 24},
                                     {"num_attention_heads", 16},
                                     {"ffn_dim", 4096},
                                     {"word_embed_proj_dim", 512},
                                     {"do_layer_norm_before", false}})),
            331'196'416);
}

// Weights of matrices, biases and norms that the list of operators reads, counted from its shapes.
TEST(HuggingFace, OperatorsReadEveryParameterOfTheBlocks) {
  for (const Json& json : {kBert, kDistilBert, kGpt2, kLlama, kQwen2}) {
    const Transformer network = read(json);
    Workload workload = listed(network).usual;
    workload.sequence_length = 7;
    std::int64_t sum = 0;
    for (const TransformerOperator& item : transformer_operators(network, workload)) {
      if (item.layer < 0) continue;
      if (has_weights(item.op)) sum += item.repeat * right_bytes(item.op);
      if (item.op.bias == Bias::kRow) sum += item.repeat * item.op.columns;
      if (item.op.kind == OperatorKind::kLayerNorm) sum += 2 * item.op.columns;
      if (item.op.kind == OperatorKind::kRmsNorm) sum += item.op.columns;
    }
    Transformer none = network;
    none.layers = 0;
    EXPECT_EQ(sum, network.parameter_count() - none.parameter_count()) << network.family;
  }
}

// 2 m n k of a matmul of weights, (2k - 1) m n of activations: the survey's way.
TEST(HuggingFace, FlopsAreThoseCountedByHand) {
  constexpr std::int64_t l = 128;
  const auto act_to_act = [](std::int64_t layers, std::int64_t heads, std::int64_t width) {
    return layers * heads * ((2 * width - 1) * l * l + (2 * l - 1) * l * width);
  };
  const Profile llama = profile(listed(read(kLlama)), 128, Mode::kPrefill, false);
  EXPECT_EQ(llama.of(OperatorClass::kProjections).flops, 32 * 4 * 2 * l * 4096 * 4096);
  EXPECT_EQ(llama.of(OperatorClass::kFfn).flops, 32 * 3 * 2 * l * 4096 * 11008);
  EXPECT_EQ(llama.of(OperatorClass::kLanguageModelHead).flops, 2 * l * 4096 * 32000);
  EXPECT_EQ(llama.of(OperatorClass::kActToAct).flops, act_to_act(32, 32, 128));
  const Profile qwen = profile(listed(read(kQwen2)), 128, Mode::kPrefill, false);
  EXPECT_EQ(qwen.of(OperatorClass::kProjections).flops,
            28 * 2 * l * 3584 * (2 * 3584 + 2 * 4 * 128));
  EXPECT_EQ(qwen.of(OperatorClass::kFfn).flops, 28 * 3 * 2 * l * 3584 * 18944);
  EXPECT_EQ(qwen.of(OperatorClass::kActToAct).flops, act_to_act(28, 28, 128));
  EXPECT_EQ(qwen.of(OperatorClass::kLanguageModelHead).flops, 2 * l * 3584 * 152064);
}

TEST(HuggingFace, BertsLayersAreThePresets) {
  for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
    const Profile file = profile(listed(read(kBert)), 300, mode, false);
    const Profile preset =
        profile(std::get<Architecture>(find_model("bert_base").network), 300, mode, false);
    for (const OperatorClass operators :
         {OperatorClass::kProjections, OperatorClass::kActToAct, OperatorClass::kFfn})
      EXPECT_EQ(file.of(operators), preset.of(operators));
  }
}

TEST(HuggingFace, Gpt2IsTheArchitecturesNetwork) {
  const Workload workload{.sequence_length = 64, .mask = Mask::kCausal, .biases = true};
  const std::vector<TransformerOperator> file = transformer_operators(read(kGpt2), workload);
  Architecture architecture{768, 64, 50257, std::vector<Layer>(12, {12, 3072})};
  std::vector<TransformerOperator> ours = transformer_operators(architecture, workload);
  // Its file also adds the positions, which the library's transformer.c leaves out.
  ours.insert(ours.begin() + 1,
              {"embedding.positions", -1, 1, elementwise(OperatorKind::kResidualAdd, 64, 768)});
  ASSERT_EQ(file.size(), ours.size());
  for (std::size_t i = 0; i < file.size(); ++i) {
    EXPECT_EQ(file[i].role, ours[i].role);
    EXPECT_EQ(file[i].op, ours[i].op) << file[i].role;
    EXPECT_EQ(file[i].repeat, ours[i].repeat) << file[i].role;
  }
}

TEST(HuggingFace, GroupsOfHeadsShareKeys) {
  const Transformer network = read(kSmall);
  const auto find = [&](const Workload& workload, std::string_view role) {
    std::vector<TransformerOperator> found;
    for (const TransformerOperator& item : transformer_operators(network, workload))
      if (item.role == role && item.layer <= 0) found.push_back(item);
    return found;
  };
  const auto qkv = find({8}, "attention.qkv");
  ASSERT_EQ(qkv.size(), 2);
  EXPECT_EQ(qkv[0].op, matmul(8, 64, 128));
  EXPECT_EQ(qkv[1].op, matmul(8, 64, 64));
  EXPECT_EQ(qkv[1].repeat, 2);
  EXPECT_EQ(find({8}, "attention.scores")[0].repeat, 4);
  // Two queries against one head of keys, of which the window keeps ten.
  const TransformerOperator decoded = find({30, Mode::kDecode}, "attention.context")[0];
  EXPECT_EQ(decoded.repeat, 2);
  EXPECT_EQ(decoded.op, matmul(2, 10, 32, RightOperand::kActivations));
}

TEST(HuggingFace, WindowsAreOfTheLayersThatHaveThem) {
  EXPECT_EQ(read(changed(kSmall, {{"sliding_window", nullptr}})).block.window, 0);
  Json absent = kSmall;
  absent.erase("sliding_window");
  EXPECT_EQ(read(absent).block.window, 4096);  // what transformers takes
  EXPECT_EQ(read(kQwen2).block.window, 0);
  const Transformer mixed = read(changed(
      kSmall, {{"model_type", "qwen2"}, {"use_sliding_window", true}, {"max_window_layers", 1}}));
  std::vector<int> seen;
  for (const TransformerOperator& item : transformer_operators(mixed, {30, Mode::kDecode}))
    if (item.role == "attention.scores") seen.push_back(item.op.columns);
  EXPECT_THAT(seen, ::testing::ElementsAre(30, 10));
}

TEST(HuggingFace, DecodingSumsOverAllPositionsAcrossTheWindow) {
  const ListedNetwork network = listed(read(kSmall));
  std::int64_t flops = 0;
  for (int position = 1; position <= 33; ++position)
    for (const TransformerOperator& item : network.operators({position, Mode::kDecode}))
      flops += item.repeat * statistics(item.op).flops;
  EXPECT_EQ(profile(network, 33, Mode::kDecode, false).total().flops, flops);
}

TEST(HuggingFace, NothingIsFree) {
  for (const char* hardware : {"gemmini_transformer", "gemmini_cnn"}) {
    const Target target = find_target(hardware);
    for (const OperatorReport& part :
         simulate(listed(read(kSmall)).operators({.sequence_length = 16}), target)) {
      EXPECT_GT(part.report.cost.latency.value(), 0) << part.item.role;
      if (part.item.op.kind == OperatorKind::kRmsNorm || part.item.op.kind == OperatorKind::kSilu ||
          part.item.op.kind == OperatorKind::kRotary ||
          part.item.op.kind == OperatorKind::kArithmetic) {
        EXPECT_EQ(part.item.runs_in, RunsIn::kHost);
        EXPECT_GT(part.report.accesses.dram_bytes, 0);
      }
    }
  }
}

std::string config_error(const Json& json) {
  return error_of([&] { read(json); });
}

TEST(HuggingFace, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(config_error(changed(kBert, {{"model_type", "bart"}})),
              AllOf(HasSubstr("config.json: /model_type: \"bart\""), HasSubstr("llama")));
  Json missing = kLlama;
  missing.erase("intermediate_size");
  EXPECT_THAT(config_error(missing), HasSubstr("\"intermediate_size\" is missing"));
  EXPECT_THAT(config_error(changed(kBert, {{"hidden_size", "768"}})),
              HasSubstr("/hidden_size: \"768\" has the wrong type: expected an integer"));
  EXPECT_THAT(config_error(changed(kBert, {{"num_attention_heads", 11}})),
              HasSubstr("/num_attention_heads: 11 does not divide hidden_size, which is 768"));
  EXPECT_THAT(config_error(changed(kQwen2, {{"num_key_value_heads", 5}})),
              HasSubstr("/num_key_value_heads: 5 does not divide num_attention_heads"));
  EXPECT_THAT(config_error(changed(kBert, {{"hidden_act", "mish"}})),
              HasSubstr("/hidden_act: \"mish\" is not known: expected one of gelu"));
  EXPECT_THAT(config_error(changed(kBert, {{"position_embedding_type", "relative_key"}})),
              HasSubstr("/position_embedding_type"));
  EXPECT_THAT(config_error(changed(kGpt2, {{"add_cross_attention", true}})),
              HasSubstr("/add_cross_attention: true is not priced: expected false"));
  EXPECT_THAT(
      config_error(changed(kBert, {{"model_type", "roberta"}, {"max_position_embeddings", 2}})),
      HasSubstr("/max_position_embeddings: 2 leaves no position"));
  const Transformer bert = read(kBert);
  EXPECT_THROW(transformer_operators(bert, {513}), InputError);
  EXPECT_NO_THROW(transformer_operators(bert, {512}));
}

TEST(HuggingFace, IsAModel) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "config.json").string();
  std::ofstream(file) << kGpt2.dump();
  const Model model = find_model(file);
  EXPECT_EQ(std::get<ListedNetwork>(model.network).description,
            "gpt2: 12 layers, d=768 h=12 f=3072");
}

}  // namespace
}  // namespace paretoformer::accel_sim
