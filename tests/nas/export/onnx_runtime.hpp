// Losses of exported networks by ONNX Runtime, where scripts/test has installed it.
#pragma once

#include <gtest/gtest.h>
#include <stdio.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {

inline const std::filesystem::path kNode =
    std::filesystem::path(PARETOFORMER_SOURCE_DIR) / "build/node";
inline constexpr const char* kNoOnnxRuntime =
    "no ONNX Runtime: npm install --prefix build/node onnxruntime-node";

inline bool has_onnx_runtime() {
  return std::filesystem::exists(kNode / "node_modules/onnxruntime-node");
}

// A model, and sequences of one length.
struct RunSequences {
  std::filesystem::path model;
  std::vector<std::vector<std::int32_t>> sequences;
};

// The sum of next-token losses of every sequence, in order.
inline std::vector<double> losses_in_onnx_runtime(const std::vector<RunSequences>& runs) {
  const TemporaryFolder folder;
  Json models = Json::array();
  for (const RunSequences& each : runs)
    models.push_back({{"file", each.model.string()}, {"sequences", each.sequences}});
  std::ofstream(folder / "cases.json") << Json{{"models", models}}.dump();
  const std::string command = "cd '" + kNode.string() + "' && node '" + PARETOFORMER_SOURCE_DIR +
                              "/tests/nas/export/onnx_losses.mjs' '" +
                              (folder / "cases.json").string() + "'";
  FILE* const pipe = ::popen(command.c_str(), "r");
  std::string text;
  char part[4096];
  while (const std::size_t count = std::fread(part, 1, sizeof part, pipe)) text.append(part, count);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  std::istringstream lines(text);
  std::vector<double> losses;
  for (double loss = 0; lines >> loss;) losses.push_back(loss);
  return losses;
}

}  // namespace paretoformer::nas
