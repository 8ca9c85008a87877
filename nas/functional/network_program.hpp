// A quantised network as the accelerator runs it: the calls of the compiled network, each at its
// place in one memory, with what the host configures for it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/program.hpp"
#include "nas/functional/functional_case.hpp"
#include "nas/functional/interpreter.hpp"
#include "nas/functional/memories.hpp"
#include "supernet/quantization/quantized_network.hpp"

namespace paretoformer::nas {

// A run of a call; what is repeated is there as often, for every head or each of q, k and v.
struct NetworkCall {
  std::string name;  // "layer0_query", "head"
  accel_sim::Call call;
  accel_sim::Placement place;
  CallConstants constants;
  float score_scale = 0;  // of a fused softmax, from which `constants.exp` follow
};

// A matrix of the memory.
struct Region {
  std::string name;
  std::int64_t address = 0;
  std::int64_t bytes = 0;
  bool is_constant = false;  // a weight, a bias, a table or the mask; else what the run writes
};

struct NetworkProgram {
  MainMemory memory;            // before the run: constants, and zeros
  std::vector<Region> regions;  // by address, not overlapping
  std::vector<NetworkCall> calls;
  accel_sim::Matrix logits;  // rows x columns of int32
  int rows = 0, columns = 0;
};

// What a quantised network is executed for: accel_sim::kSupernetWorkload of so many tokens.
accel_sim::Workload executed_workload(int length);

// `calls` are those of the network on the target for executed_workload() of as many tokens. Throws
// InputError for a call that cannot be executed as it is priced: on the host, with a mask in row
// blocks (which does not hide all scores that int8 can have), with fused rows in all of the
// accumulator or with sums that go to DRAM unfinished.
NetworkProgram network_program(const supernet::QuantizedNetwork& network,
                               std::span<const std::int32_t> tokens,
                               const accel_sim::Target& target,
                               const std::vector<accel_sim::Call>& calls);

// The logits, by the interpreter. Throws what Interpreter::run() throws.
std::vector<std::int32_t> run(const NetworkProgram& program, const accel_sim::Target& target);

// The network with random weights, quantised on random tokens, executed on others: whether its
// logits are those of the integer pass, and their checksum. Throws what network_program() throws,
// and InputError for a network without a vocabulary.
FunctionalResult run_random_network(const Architecture& network, int length,
                                    const accel_sim::Target& target,
                                    const std::vector<accel_sim::Call>& calls, std::uint64_t seed);

}  // namespace paretoformer::nas
