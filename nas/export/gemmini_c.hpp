// A quantised network as a C program for a machine with Gemmini: weights, scales, tokens, the calls
// of Gemmini's public library that the simulator prices, and the checksum of the logits.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "accel_sim/hardware/target.hpp"
#include "nas/functional/network_program.hpp"

namespace paretoformer::nas {

// Of the logits as they lie in memory: FNV-1a over words of 64 bits, the last one filled up with
// zeros.
std::uint64_t gemmini_checksum(std::span<const std::int32_t> logits);

struct GemminiProgram {
  std::string title;  // of the network, one line
  std::string hardware;
  std::uint64_t checksum = 0;  // that it expects
  std::int64_t cycles = 0;     // that the simulator prices
  std::span<const std::int32_t> tokens;
};

// The text. It includes gemmini.h of gemmini-rocc-tests, needs nothing else but
// `void platform_put(char)`, which writes a character of its report, and returns 0 from main() if
// the checksum is right. A matmul with the library's tile is tiled_matmul_auto(), so that the
// search for the tile is there as it is priced; other tiles, and what the library has no function
// for, are loops and commands of gemmini.h. Throws InputError when it takes more than 128 MiB.
std::string gemmini_c(const NetworkProgram& program, const accel_sim::Target& target,
                      const GemminiProgram& about);

}  // namespace paretoformer::nas
