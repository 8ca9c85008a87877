// The one operator that `simulate --gemm` and `--elementwise` are told, as the calls that run it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"

namespace paretoformer::nas {

// As on the command line.
struct OperatorOptions {
  std::optional<std::string> gemm;        // either "M,K,N"
  std::optional<std::string> tile;        // of it, in elements
  bool transpose_b = false;               // B is stored N x K
  bool int4_weights = false;              // B is weights of four bits
  std::optional<std::int64_t> stride_b;   // bytes between its rows in DRAM
  std::optional<std::string> activation;  // a word of activation_words()
  std::optional<std::string> bias;        // of bias_words()

  std::optional<std::string> elementwise;  // or "KIND,M,N"
  std::optional<double> scales;            // of a residual add's operands

  bool any() const { return gemm || elementwise; }
};

std::vector<std::string> activation_words();
std::vector<std::string> bias_words();

// A matmul, and as a call of its own what the normaliser adds to its run; or an element-wise
// operator. Throws InputError for text that is none of it, for what has no meaning together, and
// for an activation that the hardware cannot do as results leave.
std::vector<accel_sim::Call> calls_of(const OperatorOptions& options,
                                      const accel_sim::Target& hardware);

}  // namespace paretoformer::nas
