// The table of a target's parameters, and the words that some of them are said in.
#pragma once

namespace paretoformer::accel_sim {

// Where softmax, GELU, LayerNorm and the residual add run: in integers on the accelerator, with the
// normaliser and activation units that I-BERT support adds to Gemmini (`has_normalizations`), or in
// floating point on the host CPU.
enum class NonlinearUnits { kHost, kOnChip };

// What stays in the PEs while a block is computed: its weights, or its results. Output-stationary
// matmuls are unrolled by the host, a command at a time (gemmini.h, sp_tiled_matmul_os).
enum class Dataflow { kWeightStationary, kOutputStationary };

// Where the tiles of a matmul and the order of its loops come from: the rule of Gemmini's library,
// or the mapper (simulator.hpp, compile_with_mapper()).
enum class Tiling { kGreedy, kOptimal };

// Whether softmax and LayerNorm work on whole rows of a matmul's results in the accumulator
// (compile.hpp): what Gemmini's library does; never; whenever the rows fit; whichever is better.
enum class Fusion { kLibrary, kOff, kOn, kBest };

// How a causal mask reaches the scores whose softmax is fused with them (compile.hpp): as an int32
// bias of all of them; by row blocks that compute only what they may see; whichever is better.
enum class Masking { kBias, kRowBlocks, kBest };

}  // namespace paretoformer::accel_sim

// Every parameter of a target, declared once and in the order of its file: HW is the machine's, SW
// what the library on its host chooses; (type, key, default, lowest, highest, meaning). The key in
// JSON is the member's name. Scala files and gemmini.h are those of ucb-bar/gemmini; "Sec. 3.4" is
// the survey's (arXiv 2302.14017). Host cycles are worked out from it: 787 M cycles for a BERT-Base
// layer at length 512 before the I-BERT units were added, times the published share of each
// operator, over its elements. The memory's
// constants come from three places: l2_* from single commands on RTL and from the L2's sources;
// dram_latency_cycles and dram_page_miss_cycles by choice, so that the simulator came close to 24
// GEMMs measured on FireSim (DOSA's runs, tests/accel_sim/rtl_validation_test.cpp); and for the
// machine of these 24 itself, the addresses of whose operands are not known, L2 without sets and
// lines that leave it without a word were chosen on them as well (presets/gemmini_dosa.json), so
// that its errors are those of a fit. Energies are the 40 nm Accelergy fit of DOSA
// (dataset/dse/energy_model.py), per word access.
// clang-format off
#define PARETOFORMER_TARGET_PARAMETERS(HW, SW)                                                     \
  HW(int, array_size, 16, 4, 128,                                                                  \
    "rows and columns of the PE array, a power of two (GemminiConfigs.scala)")                     \
  HW(int, scratchpad_kib, 256, 1, 65536,                                                           \
    "int8 operands, half of it per double buffer, a power of two (Configs.scala L107)")            \
  HW(int, accumulator_kib, 64, 1, 65536,                                                           \
    "int32 partial sums, half of it per double buffer (Configs.scala L111)")                       \
  SW(Dataflow, dataflow, Dataflow::kWeightStationary, 0, 0,                                        \
    "weight_stationary or output_stationary: what the library's matmuls use")                      \
  SW(int, tiling_scratchpad_kib, 0, 0, 65536,                                                      \
    "scratchpad that the library's tiling rule knows of; 0: all of it")                            \
  SW(int, tiling_accumulator_kib, 0, 0, 65536,                                                     \
    "accumulator that the library's tiling rule knows of; 0: all of it")                           \
  SW(bool, operand_reuse, true, 0, 0,                                                              \
    "the library keeps an operand of at most two tiles in the scratchpad (gemmini.h L783-819)")    \
  SW(Tiling, tiling, Tiling::kGreedy, 0, 0,                                                        \
    "greedy (the library's rule) or optimal (the mapper's best energy-delay product), of matmuls") \
  SW(Fusion, fusion, Fusion::kLibrary, 0, 0,                                                       \
    "softmax and LayerNorm on a matmul's rows in the accumulator: softmax if they fit, never, "    \
    "both if they fit, or per pair what has the lower energy-delay product")                       \
  SW(Masking, masking, Masking::kBias, 0, 0,                                                       \
    "causal mask of scores with a fused softmax: bias (int32, of all scores), row_blocks (each "   \
    "over the keys that it may see), or best (the lower energy-delay product)")                    \
  HW(int, scratchpad_banks, 4, 2, 16, "single-ported, half of them per double buffer")             \
  HW(int, accumulator_banks, 2, 2, 16, "two-ported, half of them per double buffer")               \
  HW(int, load_entries, 8, 1, 64, "reservation station: mvins waiting or running (Configs.scala L56)")\
  HW(int, execute_entries, 16, 4, 64, "reservation station: preloads and computes")                \
  HW(int, store_entries, 4, 1, 64, "reservation station: mvouts")                                  \
  HW(bool, stores_wait_for_completion, true, 0, 0,                                                 \
    "a store issues when the one before is complete (ReservationStation.scala L378), not issued")  \
  HW(int, requests_in_flight, 16, 1, 1024, "DMA requests outstanding, each way (max_in_flight_mem_reqs)")\
  HW(int, bus_bytes_per_cycle, 16, 4, 64, "system bus, a power of two (dma_buswidth 128 bit)")     \
  HW(int, bus_latency_cycles, 4, 0, 10000, "from the DMA to L2 (an estimate)")                     \
  HW(int, l2_kib, 512, 16, 1048576, "L2 cache, lines of 64 bytes, random replacement")             \
  HW(int, l2_ways, 8, 0, 64,                                                                       \
    "lines of a set (Chipyard WithInclusiveCache); 0: any line anywhere, for rows whose addresses "\
    "are not known")                                                                               \
  HW(int, l2_banks, 1, 1, 64, "consecutive lines lie in consecutive banks (Chipyard WithNBanks)")  \
  HW(int, l2_hit_cycles, 7, 0, 10000,                                                              \
    "from a request at L2 to its first data (RTL: 12 cycles with the bus and a beat)")             \
  HW(int, l2_misses_in_flight, 10, 1, 1024,                                                        \
    "MSHRs of a bank: outer latency 40 over 4 beats (inclusive-cache Parameters.scala L294)")      \
  HW(int, l2_releases_in_flight, 5, 0, 1024,                                                       \
    "lines of a bank on their way out, not yet acknowledged (seen cycle by cycle in RTL); 0: "     \
    "they leave without a word")                                                                   \
  HW(int, last_level_kib, 0, 0, 1048576,                                                           \
    "cache in front of the DRAM, 0: none; FireSim's memory model has one of 4096")                 \
  HW(double, dram_bytes_per_cycle, 8, 0.125, 4096,                                                 \
    "DRAM bandwidth: a 64-bit outer bus (Chipyard GemminiRocketConfig)")                           \
  HW(int, dram_latency_cycles, 65, 0, 100000,                                                      \
    "from a request that misses L2 to its data, its page open (chosen on RTL cycles)")             \
  HW(int, dram_banks, 8, 1, 256, "a power of two; consecutive pages lie in consecutive banks (DDR3)")\
  HW(int, dram_page_bytes, 8192, 64, 1048576, "open row of a bank, a power of two (DDR3, 64-bit)") \
  HW(int, dram_page_miss_cycles, 100, 0, 10000,                                                    \
    "to close a bank's page and open another (chosen on RTL cycles)")                              \
  HW(int, write_latency_cycles, 11, 0, 10000,                                                      \
    "from a write request to its acknowledgement (RTL: 12 cycles with its beat)")                  \
  HW(int, call_overhead_cycles, 262, 0, 1000000,                                                   \
    "CPU prologue of a call whose tile is given, and its fence (30), not overlapped (RTL: what "   \
    "loop, loads, array and stores leave of the 590 cycles of 16 x 16 x 16)")                      \
  HW(int, residual_prologue_cycles, 37, 0, 1000000,                                                \
    "the same of a residual add (RTL: what loop, loads and stores leave of the 400 cycles of "     \
    "16 x 64)")                                                                                    \
  HW(int, tile_search_cycles, 180, 0, 1000000,                                                     \
    "CPU time of the library's search for a tile, besides its guess and steps (RTL: 250 to 310 "   \
    "with the guess)")                                                                             \
  HW(int, tile_guess_cycles, 100, 0, 1000000,                                                      \
    "of its first guess, a root and divisions, unless whole rows are to be normalised (RTL)")      \
  HW(int, tile_search_step_cycles, 40, 0, 1000000,                                                 \
    "the same, per block by which the tile grows over the first guess (RTL)")                      \
  HW(int, loop_issue_cycles, 128, 0, 100000,                                                       \
    "CPU time to issue one LOOP_WS, overlapped with the array (RTL, tiles along k)")               \
  HW(int, result_issue_cycles, 20, 0, 100000,                                                      \
    "the same, more for a tile that begins new results (RTL: 148)")                                \
  HW(int, residual_issue_cycles, 41, 0, 100000,                                                    \
    "the same of a residual add, whose addresses are at hand (an estimate, of what it and the "    \
    "prologue take together)")                                                                     \
  HW(int, command_issue_cycles, 12, 0, 100000,                                                     \
    "CPU time per command of an output-stationary matmul, addresses included (an estimate)")       \
  HW(NonlinearUnits, nonlinear_units, NonlinearUnits::kHost, 0, 0,                                 \
    "on_chip (I-BERT normaliser and activation units) or host (floating point on the CPU)")        \
  HW(int, norm_command_cycles, 29, 0, 100000,                                                      \
    "CPU time per mvout of tiled_norm (RTL: 28 to 29; 35 fits Sec. 3.4's 7 %)")                    \
  HW(int, norm_mvin_cycles, 11, 0, 100000,                                                         \
    "CPU time per mvin of tiled_norm and of loops over int8 rows (RTL: 10.6)")                     \
  HW(int, norm_config_cycles, 23, 0, 100000,                                                       \
    "CPU time per row and pass of tiled_norm, besides (RTL)")                                      \
  HW(int, mvin_scale_elements_per_cycle, 4, 1, 128,                                                \
    "throughput of the scaling units on the way in (Configs.scala L75-112)")                       \
  HW(bool, int4_weights, false, 0, 0,                                                              \
    "an extension of Gemmini: a unit on the way in multiplies weights of four bits out to int8")   \
  HW(double, host_softmax_cycles_per_element, 48, 0, 1e6,                                          \
    "host softmax: 19 % of the baseline (Sec. 3.4)")                                               \
  HW(double, host_gelu_cycles_per_element, 50, 0, 1e6,                                             \
    "host GELU: 10 % of the baseline (Sec. 3.4)")                                                  \
  HW(double, host_layer_norm_cycles_per_element, 40, 0, 1e6,                                       \
    "host LayerNorm: 4 % of the baseline (Sec. 3.4)")                                              \
  HW(double, host_residual_add_cycles_per_element, 110, 0, 1e6,                                    \
    "host residual add: 11 % of the baseline (Sec. 3.4), conversions included")                    \
  HW(double, host_conversion_cycles_per_element, 35, 0, 1e6,                                       \
    "(de)quantisation of a host operator's input and output: 49 % of the baseline (Sec. 3.4)")     \
  HW(double, mac_pj, 0.5608, 0, 1e6, "one int8 multiply-accumulate")                               \
  HW(double, pe_register_pj, 0.48746, 0, 1e6, "one access of a PE's weight register")              \
  HW(double, accumulator_pj, 1.94, 0, 1e6,                                                         \
    "one 32-bit accumulator access, part that does not depend on capacity")                        \
  HW(double, accumulator_pj_per_column_kib, 0.1005, 0, 1e6,                                        \
    "the same, per KiB of one column's slice: accumulator_kib / array_size")                       \
  HW(double, scratchpad_pj, 0.49, 0, 1e6,                                                          \
    "one 8-bit scratchpad access, part that does not depend on capacity")                          \
  HW(double, scratchpad_pj_per_kib, 0.02513, 0, 1e6, "the same, per KiB of capacity")              \
  HW(double, l2_pj_per_byte, 0, 0, 1e6, "one byte between the DMA and L2; 0 as in DOSA, which has none")\
  HW(double, dram_pj_per_byte, 100, 0, 1e6, "one byte to or from DRAM")                            \
  HW(double, host_pj_per_cycle, 0, 0, 1e6,                                                         \
    "host CPU while it computes an operator; 0 as in DOSA, which leaves the host out")             \
  HW(double, static_pj_per_cycle, 0, 0, 1e6,                                                       \
    "leakage and clock tree for every cycle; 0 as in DOSA")
// clang-format on
