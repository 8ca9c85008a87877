// The matmuls of a network as the inputs of other simulators, which can so check our prices.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"
#include "nas/export/network_export.hpp"

namespace paretoformer::nas {

// Rows x inner times inner x columns, so many times, each time with other operands.
struct MatmulRuns {
  std::string name;  // "layers.0.attention.scores", "head"
  std::int64_t runs;
  std::int64_t rows, inner, columns;
  bool weights;  // whether the right operand is known beforehand
};
// In the order in which they run. What other simulators do not know is left out: softmax, GELU,
// LayerNorm, residual adds, embedding, biases and masks.
std::vector<MatmulRuns> matmul_runs(const Architecture& network,
                                    const accel_sim::Workload& workload);

// SCALE-Sim's topology of GEMMs: a line per matmul, its name ending in ".x3" where it runs three
// times; and a configuration of its for `hardware`: array, dataflow, half of the scratchpad for
// each operand, the accumulator for the results, bytes per cycle from DRAM.
std::string scalesim_topology(const std::vector<MatmulRuns>& matmuls);
std::string scalesim_config(const accel_sim::Target& hardware);

// A problem of Timeloop's (version 0.4).
std::string timeloop_problem(const MatmulRuns& matmul);

// An ONNX model of ZigZag's: a MatMul for each, which do not depend on one another, all shapes
// known, no values. Runs of matmuls of activations are its dimension of heads; those of weights are
// nodes of their own.
std::string zigzag_model(const std::vector<MatmulRuns>& matmuls);

// Exporters of these.
void write_scalesim(const std::filesystem::path& topology, const ExportedNetwork& network);
void write_timeloop(const std::filesystem::path& folder, const ExportedNetwork& network);
void write_zigzag(const std::filesystem::path& model, const ExportedNetwork& network);

}  // namespace paretoformer::nas
