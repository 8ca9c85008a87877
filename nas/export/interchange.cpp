#include "nas/export/interchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "nas/export/onnx_model.hpp"
#include "support/files.hpp"

namespace paretoformer::nas {

using accel_sim::OperatorKind;
using accel_sim::TransformerOperator;

std::vector<MatmulRuns> matmul_runs(const Architecture& network,
                                    const accel_sim::Workload& workload) {
  std::vector<MatmulRuns> matmuls;
  for (const TransformerOperator& each : transformer_operators(network, workload)) {
    if (each.op.kind != OperatorKind::kMatmul) continue;
    matmuls.push_back(
        {(each.layer < 0 ? "" : fmt::format("layers.{}.", each.layer)) + std::string(each.role),
         each.repeat, each.op.rows, each.op.inner, each.op.columns, has_weights(each.op)});
  }
  return matmuls;
}

namespace {

// With the number of runs, where there are several.
std::string counted(const MatmulRuns& matmul) {
  return matmul.name + (matmul.runs == 1 ? "" : fmt::format(".x{}", matmul.runs));
}

}  // namespace

std::string scalesim_topology(const std::vector<MatmulRuns>& matmuls) {
  std::string text = "Layer,M,N,K,\n";
  for (const MatmulRuns& each : matmuls)
    text += fmt::format("{},{},{},{},\n", counted(each), each.rows, each.columns, each.inner);
  return text;
}

std::string scalesim_config(const accel_sim::Target& hardware) {
  const int half = std::max(1, hardware.scratchpad_kib / 2);
  const bool weights = hardware.dataflow == accel_sim::Dataflow::kWeightStationary;
  return fmt::format(
      "[general]\nrun_name = paretoformer\n\n"
      "[architecture_presets]\n"
      "ArrayHeight: {}\nArrayWidth: {}\n"
      "IfmapSramSzkB: {}\nFilterSramSzkB: {}\nOfmapSramSzkB: {}\n"
      "IfmapOffset: 0\nFilterOffset: 10000000\nOfmapOffset: 20000000\n"
      "Dataflow: {}\nBandwidth: {:.0f}\n"
      "ReadRequestBuffer: 512\nWriteRequestBuffer: 512\n\n"
      // Keys without which it does not start, at the values of its own examples.
      "[layout]\n"
      "IfmapCustomLayout: False\nIfmapSRAMBankBandwidth: 10\nIfmapSRAMBankNum: 10\n"
      "IfmapSRAMBankPort: 2\nFilterCustomLayout: False\nFilterSRAMBankBandwidth: 10\n"
      "FilterSRAMBankNum: 10\nFilterSRAMBankPort: 2\n\n"
      "[sparsity]\nSparsitySupport: false\nSparseRep: ellpack_block\nOptimizedMapping: false\n"
      "BlockSize: 8\nRandomNumberGeneratorSeed: 40\n\n"
      "[run_presets]\nInterfaceBandwidth: USER\nUseRamulatorTrace: False\n",
      hardware.array_size, hardware.array_size, half, half, hardware.accumulator_kib,
      weights ? "ws" : "os", std::max(1.0, hardware.dram_bytes_per_cycle));
}

std::string timeloop_problem(const MatmulRuns& matmul) {
  return fmt::format(
      "# {}\n"
      "problem:\n"
      "  version: 0.4\n"
      "  shape:\n"
      "    name: matmul\n"
      "    dimensions: [M, N, K]\n"
      "    data_spaces:\n"
      "    - name: A\n"
      "      projection: [[[M]], [[K]]]\n"
      "    - name: B\n"
      "      projection: [[[K]], [[N]]]\n"
      "    - name: Z\n"
      "      projection: [[[M]], [[N]]]\n"
      "      read_write: True\n"
      "  instance:\n"
      "    M: {}\n"
      "    N: {}\n"
      "    K: {}\n",
      counted(matmul), matmul.rows, matmul.columns, matmul.inner);
}

std::string zigzag_model(const std::vector<MatmulRuns>& matmuls) {
  using Type = OnnxModel::Type;
  OnnxModel model;
  // ZigZag takes an operand for activations if a node makes it.
  const auto read = [&](const std::string& name, const std::vector<OnnxModel::Dimension>& shape) {
    model.value(name, Type::float32, shape);
    return model.node("Identity", {model.input(name + ".in", Type::float32, shape)}, name);
  };
  const auto run = [&](const std::string& name, const std::string& left, const std::string& right,
                       const std::vector<OnnxModel::Dimension>& shape) {
    model.output(model.node("MatMul", {left, right}, name), Type::float32, shape);
  };
  for (const MatmulRuns& each : matmuls) {
    const auto& [name, runs, rows, inner, columns, weights] = each;
    if (weights)
      for (std::int64_t i = 0; i < runs; ++i) {
        const std::string one = runs == 1 ? name : fmt::format("{}.{}", name, i);
        run(one, read(one + ".left", {rows, inner}),
            model.input(one + ".weights", Type::float32, {inner, columns}), {rows, columns});
      }
    else
      run(name, read(name + ".left", {std::int64_t{1}, runs, rows, inner}),
          read(name + ".right", {std::int64_t{1}, runs, inner, columns}),
          {std::int64_t{1}, runs, rows, columns});
  }
  return model.bytes("matmuls", {});
}

namespace {

std::vector<MatmulRuns> matmuls_of(const ExportedNetwork& network) {
  return matmul_runs(network.candidate.architecture, network.workload);
}

}  // namespace

void write_scalesim(const std::filesystem::path& topology, const ExportedNetwork& network) {
  write_file_atomic(topology, scalesim_topology(matmuls_of(network)));
  write_file_atomic(std::filesystem::path(topology).replace_extension(".cfg"),
                    scalesim_config(network.hardware));
}

void write_timeloop(const std::filesystem::path& folder, const ExportedNetwork& network) {
  create_folder(folder);
  for (const MatmulRuns& each : matmuls_of(network))
    write_file_atomic(folder / (counted(each) + ".yaml"), timeloop_problem(each));
}

void write_zigzag(const std::filesystem::path& model, const ExportedNetwork& network) {
  write_file_atomic(model, zigzag_model(matmuls_of(network)));
}

}  // namespace paretoformer::nas
