// One accelerator: a Gemmini-style weight-stationary array, its memories, bus, host and energies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/json.hpp"

namespace paretoformer::accel_sim {

// Where softmax, GELU, LayerNorm and the residual add run: in integers on the accelerator, with the
// normaliser and activation units that I-BERT support adds to Gemmini (`has_normalizations`), or in
// floating point on the host CPU.
enum class NonlinearUnits { kHost, kOnChip };

// What stays in the PEs while a block is computed: its weights, or its results. Output-stationary
// matmuls are unrolled by the host, a command at a time (gemmini.h, sp_tiled_matmul_os).
enum class Dataflow { kWeightStationary, kOutputStationary };

// Where the tiles of a matmul and the order of its loops come from: the rule of Gemmini's library,
// or the mapper (simulator.hpp, default_schedule()).
enum class Tiling { kGreedy, kOptimal };

// Whether softmax and LayerNorm work on whole rows of a matmul's results in the accumulator
// (scheduler.hpp): what Gemmini's library does; never; whenever the rows fit; whichever is better.
enum class Fusion { kLibrary, kOff, kOn, kBest };

// Every parameter, declared once: X(type, key, default, lowest, highest, meaning). The key in JSON
// is the member's name. Scala files and gemmini.h are those of ucb-bar/gemmini; "Sec. 3.4" is the
// survey's (arXiv 2302.14017). Host cycles are worked out from it: 787 M cycles for a BERT-Base
// layer at length 512 before the I-BERT units were added, times the published share of each
// operator, over its elements. Three constants of the memory were chosen so that the simulator
// comes close to 24 GEMMs measured on RTL (DOSA's FireSim runs,
// tests/accel_sim/rtl_validation_test.cpp): l2_hit_cycles 40, dram_latency_cycles 65 and
// dram_page_miss_cycles 100 lie in the middle of a flat basin (mean error 4 to 5 % for 22 to 60, 55
// to 75 and 90 to 110). Energies are the 40 nm Accelergy fit of DOSA (dataset/dse/energy_model.py),
// per word access.
// clang-format off
#define PARETOFORMER_HARDWARE_PARAMETERS(X)                                                        \
  X(int, array_size, 16, 4, 128,                                                                   \
    "rows and columns of the PE array, a power of two (GemminiConfigs.scala)")                     \
  X(int, scratchpad_kib, 256, 1, 65536,                                                            \
    "int8 operands, half of it per double buffer, a power of two (Configs.scala L107)")            \
  X(int, accumulator_kib, 64, 1, 65536,                                                            \
    "int32 partial sums, half of it per double buffer (Configs.scala L111)")                       \
  X(Dataflow, dataflow, Dataflow::kWeightStationary, 0, 0,                                         \
    "weight_stationary or output_stationary: what the library's matmuls use")                      \
  X(int, tiling_scratchpad_kib, 0, 0, 65536,                                                       \
    "scratchpad that the library's tiling rule knows of; 0: all of it")                            \
  X(int, tiling_accumulator_kib, 0, 0, 65536,                                                      \
    "accumulator that the library's tiling rule knows of; 0: all of it")                           \
  X(bool, operand_reuse, true, 0, 0,                                                               \
    "the library keeps an operand of at most two tiles in the scratchpad (gemmini.h L783-819)")    \
  X(Tiling, tiling, Tiling::kGreedy, 0, 0,                                                         \
    "greedy (the library's rule) or optimal (the mapper's best energy-delay product), of matmuls") \
  X(Fusion, fusion, Fusion::kLibrary, 0, 0,                                                        \
    "softmax and LayerNorm on a matmul's rows in the accumulator: softmax if they fit, never, "    \
    "both if they fit, or per pair what has the lower energy-delay product")                       \
  X(int, scratchpad_banks, 4, 2, 16, "single-ported, half of them per double buffer")              \
  X(int, accumulator_banks, 2, 2, 16, "two-ported, half of them per double buffer")                \
  X(int, load_entries, 8, 1, 64, "reservation station: mvins waiting or running (Configs.scala L56)")\
  X(int, execute_entries, 16, 4, 64, "reservation station: preloads and computes")                 \
  X(int, store_entries, 4, 1, 64, "reservation station: mvouts")                                   \
  X(bool, stores_wait_for_completion, true, 0, 0,                                                  \
    "a store issues when the one before is complete (ReservationStation.scala L378), not issued")  \
  X(int, requests_in_flight, 16, 1, 1024, "DMA requests outstanding, each way (max_in_flight_mem_reqs)")\
  X(int, bus_bytes_per_cycle, 16, 4, 64, "system bus, a power of two (dma_buswidth 128 bit)")      \
  X(int, bus_latency_cycles, 4, 0, 10000, "from the DMA to L2 (an estimate)")                      \
  X(int, l2_kib, 512, 16, 1048576, "L2 cache, lines of 64 bytes, random replacement")              \
  X(int, l2_hit_cycles, 40, 0, 10000,                                                              \
    "from a request at L2 to its first data (chosen on RTL cycles, below)")                        \
  X(int, l2_misses_in_flight, 10, 1, 1024,                                                         \
    "MSHRs: outer latency 40 over 4 beats (inclusive-cache Parameters.scala L294)")                \
  X(int, last_level_kib, 0, 0, 1048576,                                                            \
    "cache in front of the DRAM, 0: none; FireSim's memory model has one of 4096")                 \
  X(double, dram_bytes_per_cycle, 8, 0.125, 4096,                                                  \
    "DRAM bandwidth: a 64-bit outer bus (Chipyard GemminiRocketConfig)")                           \
  X(int, dram_latency_cycles, 65, 0, 100000,                                                       \
    "from a request that misses L2 to its data, its page open (chosen on RTL cycles)")             \
  X(int, dram_banks, 8, 1, 256, "a power of two; consecutive pages lie in consecutive banks (DDR3)") \
  X(int, dram_page_bytes, 8192, 64, 1048576, "open row of a bank, a power of two (DDR3, 64-bit)")  \
  X(int, dram_page_miss_cycles, 100, 0, 10000,                                                     \
    "to close a bank's page and open another (chosen on RTL cycles)")                              \
  X(int, write_latency_cycles, 30, 0, 10000, "from a write request to its acknowledgement")        \
  X(int, call_overhead_cycles, 650, 0, 1000000,                                                    \
    "CPU prologue of an operator (620, cold) and its fence (30), not overlapped")                  \
  X(int, loop_issue_cycles, 60, 0, 100000,                                                         \
    "CPU time to issue the six commands of one LOOP_WS, overlapped with the array")                \
  X(int, command_issue_cycles, 12, 0, 100000,                                                      \
    "CPU time per command of an output-stationary matmul, addresses included (an estimate)")       \
  X(NonlinearUnits, nonlinear_units, NonlinearUnits::kHost, 0, 0,                                  \
    "on_chip (I-BERT normaliser and activation units) or host (floating point on the CPU)")        \
  X(int, norm_command_cycles, 35, 0, 100000,                                                       \
    "CPU time per command of tiled_norm (LayerNorm); 35 fits Sec. 3.4's 7 % as well")              \
  X(int, mvin_scale_elements_per_cycle, 4, 1, 128,                                                 \
    "throughput of the scaling units on the way in (Configs.scala L75-112)")                       \
  X(double, host_softmax_cycles_per_element, 48, 0, 1e6,                                           \
    "host softmax: 19 % of the baseline (Sec. 3.4)")                                               \
  X(double, host_gelu_cycles_per_element, 50, 0, 1e6,                                              \
    "host GELU: 10 % of the baseline (Sec. 3.4)")                                                  \
  X(double, host_layer_norm_cycles_per_element, 40, 0, 1e6,                                        \
    "host LayerNorm: 4 % of the baseline (Sec. 3.4)")                                              \
  X(double, host_residual_add_cycles_per_element, 110, 0, 1e6,                                     \
    "host residual add: 11 % of the baseline (Sec. 3.4), conversions included")                    \
  X(double, host_conversion_cycles_per_element, 35, 0, 1e6,                                        \
    "(de)quantisation of a host operator's input and output: 49 % of the baseline (Sec. 3.4)")     \
  X(double, mac_pj, 0.5608, 0, 1e6, "one int8 multiply-accumulate")                                \
  X(double, pe_register_pj, 0.48746, 0, 1e6, "one access of a PE's weight register")               \
  X(double, accumulator_pj, 1.94, 0, 1e6,                                                          \
    "one 32-bit accumulator access, part that does not depend on capacity")                        \
  X(double, accumulator_pj_per_column_kib, 0.1005, 0, 1e6,                                         \
    "the same, per KiB of one column's slice: accumulator_kib / array_size")                       \
  X(double, scratchpad_pj, 0.49, 0, 1e6,                                                           \
    "one 8-bit scratchpad access, part that does not depend on capacity")                          \
  X(double, scratchpad_pj_per_kib, 0.02513, 0, 1e6, "the same, per KiB of capacity")               \
  X(double, l2_pj_per_byte, 0, 0, 1e6, "one byte between the DMA and L2; 0 as in DOSA, which has none") \
  X(double, dram_pj_per_byte, 100, 0, 1e6, "one byte to or from DRAM")                             \
  X(double, host_pj_per_cycle, 0, 0, 1e6,                                                          \
    "host CPU while it computes an operator; 0 as in DOSA, which leaves the host out")             \
  X(double, static_pj_per_cycle, 0, 0, 1e6,                                                        \
    "leakage and clock tree for every cycle; 0 as in DOSA")
// clang-format on

struct Hardware {
#define PARETOFORMER_MEMBER(type, key, initial, low, high, meaning) type key = initial;
  PARETOFORMER_HARDWARE_PARAMETERS(PARETOFORMER_MEMBER)
#undef PARETOFORMER_MEMBER

  bool operator==(const Hardware&) const = default;

  // Capacities in array_size x array_size blocks ("mats"): int8 in the scratchpad, int32 in the
  // accumulator.
  int scratchpad_blocks() const;
  int accumulator_blocks() const;
  // The same, of what the library's tiling rule knows of.
  int tiling_scratchpad_blocks() const;
  int tiling_accumulator_blocks() const;
};

// One line of the table above, for help texts and documentation.
struct HardwareParameter {
  std::string key;
  std::string type;  // "int", "double", "bool" or the name of an enumeration
  std::string initial;
  double low = 0;
  double high = 0;
  std::string meaning;
};
std::vector<HardwareParameter> hardware_parameters();

// Every parameter with its value, in the order of the table.
Json to_json(const Hardware& hardware);

// Identity of the parameter values: equal for equal hardware however the file was written.
std::uint64_t hardware_hash(const Hardware& hardware);

// Keys that are absent keep their defaults, or the values of the preset that the key "preset"
// names. Throws InputError for unknown keys, values out of range and memories too small for a
// double-buffered block of each operand.
Hardware hardware_from_json(const JsonNode& node);

// Names of the presets in accel_sim/hardware/presets/*.json, which are part of the library.
std::vector<std::string> hardware_presets();

// A preset by its name, else the file of that path. Throws InputError when it is neither.
Hardware find_hardware(const std::string& name_or_path);

}  // namespace paretoformer::accel_sim
