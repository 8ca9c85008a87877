// A run small enough for unit tests: 252 networks, bytes for tokens, weights trained in a moment.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "nas/run/config.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {

inline RunConfig tiny_config(const std::filesystem::path& run) {
  const Json json{
      {"search_space",
       {{"name", "tiny"},
        {"head_width", 16},
        {"depth", {1, 2, 3}},
        {"model_width", {16, 32, 48}},
        {"heads", {1, 2}},
        {"ffn_width", {32, 64}}}},
      {"corpus", {{"train_bytes", 20000}, {"validation_bytes", 2000}, {"tokenizer", "bytes"}}},
      {"training", {{"steps", 12}, {"batch", 4}, {"context", 32}}},
      {"search", {{"population", 12}, {"evaluations", 60}}},
      {"validation_sequences", 8},
      {"run", run.string()}};
  return run_config_from_json(JsonNode(json, "tiny"), "");
}

// The same on a text of words: 6000 bytes of them in a file in `folder`.
inline RunConfig tiny_config_of_words(const std::filesystem::path& folder) {
  RunConfig config = tiny_config(folder / "run");
  std::string text;
  for (int i = 0; text.size() < 6000; ++i)
    text += "word" + std::to_string(i % 97) + (i % 9 ? " " : "\n");
  text.resize(6000);
  config.corpus.generated = false;
  config.corpus.train = config.corpus.validation = folder / "text";
  write_file_atomic(config.corpus.train, text);
  return config;
}

// A new run folder with a trained supernet.
struct TinyRun {
  explicit TinyRun(const RunConfig& config)
      : folder(RunFolder::open(config, false)), proxy(config, {}) {
    folder.keep();
    proxy.train(folder, {});
  }

  RunFolder folder;
  ProxyTask proxy;
};

}  // namespace paretoformer::nas
