#include "tests/fuzz/targets.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/mapper/mapping_file.hpp"
#include "accel_sim/workload/hugging_face.hpp"
#include "accel_sim/workload/networks.hpp"
#include "accel_sim/workload/onnx_network.hpp"
#include "accel_sim/workload/profile.hpp"
#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "latency_predictor/learned/learned_model.hpp"
#include "latency_predictor/measurements.hpp"
#include "latency_predictor/paretoformer.h"
#include "latency_predictor/tables.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cluster/loss_tasks.hpp"
#include "nas/core/layer_losses.hpp"
#include "nas/export/onnx_model.hpp"
#include "nas/export/onnx_network.hpp"
#include "nas/report/html_report.hpp"
#include "nas/run/comparison.hpp"
#include "nas/run/config.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/loss_cache.hpp"
#include "nas/run/run_search.hpp"
#include "supernet/model/network_file.hpp"
#include "supernet/model/safetensors.hpp"
#include "supernet/training/convergence.hpp"
#include "supernet/training/training_run.hpp"
#include "support/checksum.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::fuzz {
namespace {

using Seeds = std::vector<std::string>;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

// Everything lies in one folder, the working folder, too.
const std::filesystem::path& folder() {
  static const TemporaryFolder folder;
  static const bool here = (std::filesystem::current_path(folder.path()), true);
  require(here, "no folder");
  return folder.path();
}

std::filesystem::path put(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  return path;
}

std::filesystem::path file_of(const std::string& content, const std::string& name = "input") {
  return put(folder() / name, content);
}

// What `write` writes to a file.
template <typename Write>
std::string written(const Write& write) {
  const std::filesystem::path path = folder() / "written";
  write(path);
  return read_file(path);
}

// What from_json() reads from a text; written and read again it is the same.
template <typename FromJson>
auto read_twice(const std::string& text, FromJson from_json) {
  const Json json = parse_json(text, "input");
  auto value = from_json(JsonNode(json, "input"));
  try {
    const Json again = parse_json(to_text(to_json(value)), "again");
    require(from_json(JsonNode(again, "again")) == value, "it does not come back as it was");
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    require(false, "what was written cannot be read");
  }
  return value;
}

// --- what the files are of

const Architecture kNetwork{48, 16, 256, {{2, 64}, {1, 32}}};

const nas::RunConfig& config() {
  static const nas::RunConfig config = [] {
    file_of(std::string(600, 'a') + " text\n", "text");
    const Json json{
        {"search_space",
         {{"name", "tiny"},
          {"head_width", 16},
          {"depth", {1, 2, 3}},
          {"model_width", {16, 32, 48}},
          {"heads", {1, 2}},
          {"ffn_width", {32, 64}}}},
        {"corpus", {{"train", "text"}, {"validation", "text"}, {"tokenizer", "bytes"}}},
        {"training", {{"steps", 12}, {"batch", 4}, {"context", 32}}},
        {"limits", {{"parameters", 1e9}}},
        {"search",
         {{"population", 12}, {"evaluations", 60}, {"seed_architectures", Json::array()}}},
        {"run", (folder() / "run").string()}};
    return nas::run_config_from_json(JsonNode(json, "config"), "");
  }();
  return config;
}

const nas::ProxyTask& proxy() {
  static const nas::ProxyTask proxy(config(), {});
  return proxy;
}

const nas::RunFolder& run() {
  static nas::RunFolder run = [] {
    nas::RunFolder run = nas::RunFolder::open(config(), false);
    run.keep();
    return run;
  }();
  return run;
}

const latency_predictor::LatencyPredictor& measured() {
  static const latency_predictor::LatencyPredictor predictor = [] {
    latency_predictor::LookupTable table(latency_predictor::LatencyPredictor::device_hash("board"),
                                         latency_predictor::kMeasuredModel);
    for (const accel_sim::Operator& op :
         latency_predictor::operators_of(proxy().space(), config().workload))
      table.insert(op, {accel_sim::Cycles(10), accel_sim::Picojoules::from_femtojoules(20)});
    return latency_predictor::LatencyPredictor("board", config().workload, std::move(table));
  }();
  return predictor;
}

nas::Candidate candidate(int ffn_width = 64) {
  nas::Candidate candidate;
  candidate.architecture = kNetwork;
  candidate.architecture.layers[0].ffn_width = ffn_width;
  candidate.id = architecture_id(candidate.architecture);
  candidate.objectives = {.validation_loss = 1.5,
                          .perplexity = std::exp(1.5),
                          .latency = 1000.0 + ffn_width,
                          .energy_pj = 77.5,
                          .parameters = 12345,
                          .peak_memory_bytes = 678,
                          .macs = 91011};
  candidate.parents = {1, 2};
  candidate.quarter_loss = 1.25;
  return candidate;
}

nas::Archive archive() {
  nas::Archive archive(config().objectives, config().limits);
  archive.add(candidate());
  return archive;
}

const supernet::ParameterLayout& layout() {
  static const supernet::ParameterLayout layout({8, 4, 11, {{2, 12}, {1, 16}}}, 6);
  return layout;
}

// --- targets

// The text of a predictor under a checksum that fits: or else nothing behind it would be tried.
std::string summed(const std::string& text) {
  constexpr Checksum kSum{",\n  \"checksum\": \"", "\"\n}\n"};
  return kSum.added_to(text.substr(0, text.rfind(kSum.before)));
}

std::string predictor_text() {
  static const std::string text = written([](const auto& path) {
    latency_predictor::LookupTable table(target_hash(accel_sim::Target()), "simulator");
    latency_predictor::InPlaceCosts costs;
    for (const accel_sim::TransformerOperator& item :
         accel_sim::transformer_operators(kNetwork, {32})) {
      table.insert(item.op, {accel_sim::Cycles(10), accel_sim::Picojoules::from_femtojoules(20)});
      costs[std::string(item.role)][latency_predictor::placed(item)] = {
          accel_sim::Cycles(9), accel_sim::Picojoules::from_femtojoules(21)};
    }
    latency_predictor::LatencyPredictor(accel_sim::Target(), {32}, std::move(table),
                                        std::move(costs))
        .save(path.string());
  });
  return text;
}

void read_predictor(const std::string& input) {
  const latency_predictor::LatencyPredictor predictor =
      latency_predictor::LatencyPredictor::load(file_of(summed(input)).string());
  predictor.predict(kNetwork);
}

std::string learned_text() {
  static const std::string text = [] {
    latency_predictor::FitOptions options;
    options.space = SearchSpace::find("quickstart");
    options.shortest = 32;
    options.longest = 64;
    options.samples = 20;
    options.combinations = 12;
    return fit(options).text();
  }();
  return text;
}

void read_learned(const std::string& input) {
  const latency_predictor::LearnedModel model =
      latency_predictor::LearnedModel::load(file_of(summed(input)));
  model.predict(kNetwork, {32}, model.content().base);
}

Seeds measurement_seeds() {
  std::string text = "operator,latency_us,energy_uj\n";
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators(kNetwork, {32}))
    if (text.find(describe(item.op)) == std::string::npos)
      text += describe(item.op) + ",12.5,0.25\n";
  return {text, latency_predictor::measurement_template({accel_sim::matmul(3, 4, 5)})};
}

std::string safetensors_text() {
  const std::vector<float> weights(layout().size(), 0.5F);
  return written([&](const auto& path) {
    write_safetensors(path, named_tensors(layout(), weights), {{"key", "value"}});
  });
}

std::string network_text() {
  return written([&](const auto& path) {
    save_network(path, layout(), initial_parameters<float>(layout(), 3), {5, 4, 11, {{1, 9}}}, {});
  });
}

std::string checkpoint_text() {
  supernet::TrainingState<float> state;
  state.step = 41;
  state.parameters = state.m = state.v = initial_parameters<float>(layout(), 3);
  return written([&](const auto& path) { save_checkpoint(path, layout(), state, "abc"); });
}

// A file of tensors whose checksum, by its name in the metadata, is not looked for.
std::string without_checksum(std::string text) {
  const std::size_t at = text.find("\"xxh3\"");
  if (at != std::string::npos) text[at + 1] = 'y';
  return text;
}

const supernet::Tokenizer& trained_tokenizer() {
  static const supernet::Tokenizer tokenizer = supernet::Tokenizer::train_bpe(
      "the cat sat on the mat and the dog sat on the log\nthe cats and the dogs sat\n", 290);
  return tokenizer;
}

std::string there_and_back(const supernet::Tokenizer& tokenizer, const std::string& text) {
  const std::vector<std::int32_t> tokens = tokenizer.encode(text);
  for (const std::int32_t token : tokens)
    require(token >= 0 && token < tokenizer.vocabulary_size(), "no token");
  return tokenizer.decode(tokens);
}

// But for what SentencePiece writes in another way: U+2581, and what is not UTF-8.
void same_text_again(const supernet::Tokenizer& tokenizer, const std::string& text) {
  const std::string back = there_and_back(tokenizer, text);
  require(there_and_back(tokenizer, back) == back, "the text does not come back");
}

void read_tokenizer(const std::string& model) {
  const supernet::Tokenizer tokenizer = supernet::Tokenizer::from_model(model);
  there_and_back(tokenizer, "the cat  sat\n\xe2\x96\x81 \xff");
}

void read_cache(const std::string& input) {
  const nas::LossCache cache(file_of(input), 7);
  cache.find(3, nas::LossPart::kRest);
}

const nas::LossTask kTask{{1, 2}, nas::LossPart::kRest, {kNetwork}};

std::string without_check(std::string text) {
  text.resize(text.rfind(nas::kTaskChecksum.before));
  return text;
}

// With a checksum that is right.
void read_task(const std::string& input) {
  const nas::LossTask task = nas::loss_task_from_text(nas::kTaskChecksum.added_to(input), "input");
  require(nas::loss_task_from_text(task_text(task), "again") == task, "it does not come back");
}

void read_answer(const std::string& input) {
  nas::sums_from_text(kTask, nas::kTaskChecksum.added_to(input), "input");
}

std::string cache_text() {
  return written([](const auto& path) {
    nas::LossCache cache(path, 7);
    cache.add({{3, nas::LossPart::kRest, 1.5}, {4, nas::LossPart::kQuarter, 2.5}});
  });
}

void read_history(const std::string& input) {
  put(run().history(), input);
  load_archive(run(), proxy().space());
}

void read_confirmed(const std::string& input) {
  put(run().confirmed(), input);
  load_final_front(run(), proxy(), measured(), archive());
}

// Training, generations and convergence, as a report shows them.
void read_logs(const std::string& input) {
  for (const auto& path : {run().training_log(), run().generations(), run().convergence()})
    put(path, input);
  const nas::Archive found = archive();
  nas::html_report(report_data(run(), proxy(), measured(), found, predicted_front(found)));
}

// Sizes from the first bytes, a predictor's file from the others.
void call_c(const std::string& input) {
  std::int64_t sizes[7] = {};
  const std::size_t head = std::min(input.size(), sizeof sizes);
  std::memcpy(sizes, input.data(), head);
  paretoformer_error error{};
  paretoformer_predictor* predictor =
      paretoformer_predictor_load(file_of(summed(input.substr(head))).c_str(), &error);
  const std::int64_t heads[] = {sizes[3], sizes[4]}, widths[] = {sizes[5], sizes[6]};
  const paretoformer_architecture network{sizes[0], sizes[1], sizes[2], 2, heads, widths, nullptr};
  paretoformer_cost cost{};
  paretoformer_predict(predictor, &network, &cost, &error);
  std::size_t count = 0;
  paretoformer_breakdown(predictor, &network, nullptr, 0, &count, &error);
  paretoformer_predictor_free(predictor);
  require(std::memchr(error.text, 0, sizeof error.text) != nullptr, "the message has no end");
}

std::string c_seed() {
  const std::int64_t sizes[7] = {48, 16, 256, 2, 1, 64, 32};
  return std::string(reinterpret_cast<const char*>(sizes), sizeof sizes) + predictor_text();
}

Seeds hugging_face_seeds() {
  return {
      R"({"model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "intermediate_size": 96, "hidden_act": "silu", "vocab_size": 100,
              "use_sliding_window": true, "sliding_window": 10, "max_window_layers": 1, "head_dim": null})",
      R"({"model_type": "roberta", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "intermediate_size": 96, "hidden_act": "gelu", "vocab_size": 100, "type_vocab_size": 1,
              "max_position_embeddings": 34, "pad_token_id": 1})",
      R"({"model_type": "opt", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "ffn_dim": 96, "word_embed_proj_dim": 32, "do_layer_norm_before": false, "vocab_size": 100,
              "max_position_embeddings": 34})",
      R"({"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100,
              "n_positions": 32, "activation_function": "gelu_new"})"};
}

void read_hugging_face(const std::string& input) {
  const Json json = parse_json(input, "input");
  const accel_sim::ListedNetwork network =
      listed(accel_sim::transformer_from_hugging_face(JsonNode(json, "input")));
  require(network.parameters > 0, "no parameters");
  for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode})
    profile(network, 32, mode, false);
}

// One of ours, and one with the nodes that it does not have.
Seeds onnx_seeds() {
  const std::vector<float> weights(layout().size(), 0.5F);
  nas::OnnxModel images;
  images.input("x", nas::OnnxModel::Type::float32,
               {"n", std::int64_t{4}, std::int64_t{9}, std::int64_t{9}});
  const std::vector<float> kernel(8 * 2 * 3 * 3);
  images.constant("kernel", {8, 2, 3, 3}, kernel);
  images.constant("axes", {1}, nas::OnnxModel::Shape{1});
  images.node("Conv", {"x", "kernel"}, "y",
              {{"group", std::int64_t{2}}, {"pads", nas::OnnxModel::Shape{1, 1, 1, 1}}});
  images.node("MaxPool", {"y"}, "small", {{"kernel_shape", nas::OnnxModel::Shape{3, 3}}});
  images.node("Sigmoid", {"small"}, "gate");
  images.node("Mul", {"small", "gate"}, "silu");
  images.node("ReduceMean", {"silu", "axes"}, "mean");
  images.node("Sqrt", {"mean"}, "root");
  images.node("Div", {"silu", "root"}, "scaled");
  images.node("Flatten", {"scaled"}, "flat");
  images.node("Shape", {"flat"}, "shape");
  images.node("Expand", {"flat", "shape"}, "last");
  return {nas::onnx_network(layout(), weights, {5, 4, 11, {{1, 9}}}, {}),
          images.bytes("images", {})};
}

void read_onnx(const std::string& input) {
  const accel_sim::ListedNetwork network = listed(accel_sim::onnx_graph(input, "input"));
  for (const auto inputs : {accel_sim::NonlinearInputs::kSums, accel_sim::NonlinearInputs::kInt8}) {
    const auto list = network.operators(
        {.sequence_length = 6, .biases = true, .nonlinear_inputs = inputs, .batch = 2});
    for (const accel_sim::TransformerOperator& item : list)
      require(accel_sim::operator_from_text(describe(item.op)) == item.op,
              "an operator that is none");
  }
}

template <typename Read>
std::function<void(const std::string&)> json_file(const Read& read) {
  return [read](const std::string& input) { read(file_of(input)); };
}

template <typename FromJson>
std::function<void(const std::string&)> comes_back(FromJson from_json) {
  return [from_json](const std::string& input) { read_twice(input, from_json); };
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> targets = {
      {"json", [] { return Seeds{R"({"a": [1, -2.5e3, "\u00e9\n", true, null], "b": {}})"}; },
       [](const std::string& input) { to_text(parse_json(input, "input")); }},
      {"architecture", [] { return Seeds{to_text(to_json(kNetwork))}; },
       comes_back(architecture_from_json)},
      {"architecture_file",
       [] {
         return Seeds{to_text(to_json(candidate())), to_text(to_json(kNetwork))};
       },
       json_file([](const auto& path) { nas::architecture_argument(path, nullptr); })},
      {"architectures",
       [] {
         const Json list = Json::array({to_json(candidate()), to_json(kNetwork)});
         return Seeds{to_text(list), to_text(Json{{"front", list}})};
       },
       json_file([](const auto& path) { nas::architectures_in(path); })},
      {"search_space", [] { return Seeds{to_text(config().space.to_json())}; },
       [](const std::string& input) {
         const Json json = parse_json(input, "input");
         const SearchSpace space = SearchSpace::from_json(JsonNode(json, "input"));
         const Json again = space.to_json();
         require(SearchSpace::from_json(JsonNode(again, "again")) == space, "another space");
         Random random(1);
         require(space.contains(space.sample(random)), "a sample is not of its space");
         space.count_up_to(1000);
       }},
      {"hardware", [] { return Seeds{to_text(to_json(accel_sim::Target()))}; },
       comes_back(accel_sim::target_from_json)},
      {"mapping",
       [] {
         const accel_sim::Workpiece work = accel_sim::matmul_workpiece(96, 200, 768);
         return Seeds{to_text(
             to_json(accel_sim::MappedWorkpiece{work, greedy_mapping(work, accel_sim::Target())}))};
       },
       json_file([](const auto& path) { read_mapping(path, accel_sim::Target()); })},
      {"model",
       [] {
         return Seeds{
             to_text(Json{{"architecture", to_json(kNetwork)}, {"mode", "decode"}}),
             read_file(PARETOFORMER_SOURCE_DIR "/accel_sim/workload/networks/resnet50.json")};
       },
       json_file([](const auto& path) { accel_sim::find_model(path.string()); })},
      {"hugging_face", hugging_face_seeds, read_hugging_face},
      {"onnx", onnx_seeds, read_onnx},
      {"run_config", [] { return Seeds{to_text(to_json(config()))}; },
       json_file([](const auto& path) { nas::load_run_config(path.string(), {}); })},
      {"override",
       [] {
         return Seeds{
             "training.steps=100", "search_space={\"depth\": [1]}", "hardware.array_size=8",
             "limits.latency=5",
             "hardware_space={\"array_size\": [8, 16], \"dataflow\": [\"output_stationary\"]}"};
       },
       [](const std::string& input) { nas::load_run_config("quickstart", {input}); }},
      {"contestant",
       [] {
         return Seeds{"evolution:screening=1:quarter_first=false", "random", "random:apart=2"};
       },
       [](const std::string& input) { contestant_from_text(input, nas::SearchConfig()); }},
      {"candidate", [] { return Seeds{to_text(to_json(candidate()))}; },
       comes_back(nas::candidate_from_json)},
      {"history",
       [] {
         return Seeds{to_json(candidate()).dump() + "\n" + to_json(candidate(32)).dump() + "\n"};
       },
       read_history},
      {"confirmed",
       [] {
         return Seeds{Json{{"id", to_json(candidate())["id"]}, {"validation_loss", 1.5}}.dump() +
                      "\n"};
       },
       read_confirmed},
      {"logs",
       [] {
         return Seeds{
             R"({"step": 1, "largest": 5.5, "smallest": 5.6, "random": 5.7, "learning_rate": 0.1})"
             "\n",
             R"({"evaluations": 12, "hypervolume": 0.5})"
             "\n",
             to_json(supernet::ProbeRecord{10, {5.1, 5.5, 5.2}}).dump() + "\n"};
       },
       read_logs},
      {"predictor", [] { return Seeds{predictor_text()}; }, read_predictor},
      {"learned_model", [] { return Seeds{learned_text()}; }, read_learned},
      {"measurements", measurement_seeds, json_file([](const auto& path) {
         latency_predictor::read_measurements(path, "board", 1000);
       })},
      {"safetensors",
       [] {
         return Seeds{safetensors_text(), without_checksum(safetensors_text())};
       },
       json_file([](const auto& path) { supernet::read_safetensors(path); })},
      {"network",
       [] {
         return Seeds{network_text(), without_checksum(network_text())};
       },
       json_file([](const auto& path) { supernet::load_network(path); })},
      {"checkpoint",
       [] {
         return Seeds{checkpoint_text(), without_checksum(checkpoint_text())};
       },
       json_file([](const auto& path) { load_checkpoint(path, layout(), "abc"); })},
      {"tokenizer", [] { return Seeds{trained_tokenizer().model()}; }, read_tokenizer},
      {"text",
       [] {
         return Seeds{"the cat  sat\n on\xff \xe2\x96\x81the mat", "\xc3\xa9\xf0\x9f"};
       },
       [](const std::string& input) {
         same_text_again(trained_tokenizer(), input);
         same_text_again(supernet::Tokenizer::bytes(), input);
       }},
      {"layer_losses",
       [] {
         return Seeds{to_text(nas::minus_parameters(config().space).to_json()),
                      R"({"layers": [{"layer": 0, "heads": 1, "loss": 1}, {"layer": 0, "heads": 2,
                          "loss": 0.5}, {"layer": 1, "loss": -1}, {"layer": 2, "loss": 0}]})"};
       },
       json_file([](const auto& path) {
         const Json json = read_json(path);
         nas::LayerLosses::from_json(JsonNode(json, "input"), config().space);
       })},
      {"losses", [] { return Seeds{cache_text()}; }, read_cache},
      {"loss_task", [] { return Seeds{without_check(task_text(kTask))}; }, read_task},
      {"loss_answer", [] { return Seeds{without_check(answer_text(kTask, {1.5}))}; }, read_answer},
      {"c_api", [] { return Seeds{c_seed()}; }, call_c}};
  return targets;
}

}  // namespace paretoformer::fuzz
