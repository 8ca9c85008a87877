// The operations of the tables measured on RTL, as the simulator runs them.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/workload/operators.hpp"
#include "support/json.hpp"
#include "tests/accel_sim/measured.hpp"

namespace paretoformer::accel_sim {

// The machine of a row: the preset and, as a file of a user's would, what it has otherwise.
inline Json measured_hardware(const MeasuredRow& row) {
  const std::string& name = row.text("hardware");
  Json json{{"preset", "gemmini_soc"}};
  if (name == "sp64acc256")
    json.update({{"scratchpad_kib", 64}, {"accumulator_kib", 256}});
  else if (name == "mesh32")
    json["array_size"] = 32;
  else if (name == "mesh8")
    json.update({{"array_size", 8}, {"scratchpad_kib", 64}, {"accumulator_kib", 32}});
  else if (name == "inflight32")
    json["requests_in_flight"] = 32;
  else if (name == "l2big")
    json["l2_kib"] = 2048;
  else if (name == "l2banks2")
    json["l2_banks"] = 2;
  else if (!name.empty() && name != "sp256acc64")
    throw std::runtime_error("unknown hardware " + name);
  constexpr int kPresetLatency = 40;
  const int latency = row.number("dram_latency");
  if (latency != kPresetLatency)
    json["dram_latency_cycles"] =
        find_target("gemmini_soc").dram_latency_cycles + latency - kPresetLatency;
  if (row.notes("DRAM 4 bytes a cycle")) json["dram_bytes_per_cycle"] = 4;
  return json;
}

inline Target measured_target(const MeasuredRow& row) {
  const Json json = measured_hardware(row);
  return target_from_json({json, "hardware"});
}

// Neither empty nor full. What ran before a row of "l2big" takes less than its 2 MiB, but for the
// last one.
inline bool finds_l2_filling(const MeasuredRow& row) {
  const bool large = row.text("hardware") == "l2big" && row.text("state") == "cold";
  return row.text("l2_before") == "filling" || large;
}

// A row labelled cold that is the second call of two is warm.
inline CacheState measured_state(const MeasuredRow& row) {
  if (row.text("state") == "warm" || row.notes("second call")) return CacheState::kWarm;
  const bool empty = row.text("l2_before") == "empty";
  return empty || finds_l2_filling(row) ? CacheState::kEmpty : CacheState::kCold;
}

// A memory for addresses below `bytes` as the row found it. How far an L2 was filled is not said:
// half as many lines of others came in as it holds, one of three of them written. `read`: as many
// lines that others read came into an empty one.
inline MemorySystem measured_memory(const MeasuredRow& row, const Target& target,
                                    std::int64_t bytes, std::optional<int> read = {}) {
  const int others = read                    ? *read
                     : finds_l2_filling(row) ? target.l2_kib * (1024 / kLineBytes) / 2
                                             : 0;
  const std::int64_t first = bytes / kLineBytes + 1;
  MemorySystem memory(target, (first + others) * kLineBytes,
                      read ? CacheState::kEmpty : measured_state(row));
  for (std::int64_t line = first; line < first + others; ++line) {
    if (!read && line % kOthersPerWritten == 0)
      memory.write_whole(line, 0);
    else
      memory.fetch(line, 0);
  }
  memory.begin_call();
  return memory;
}

// What a matmul or an operator by itself is called in the tables.
inline std::optional<Operator> measured_operator(const MeasuredRow& row) {
  const std::string& kind = row.text("kind");
  const int m = row.number("m"), k = row.number("k"), n = row.number("n");
  if (kind == "resadd" || kind == "resadd_scaled")
    return elementwise(OperatorKind::kResidualAdd, m, n);
  if (kind == "norm_layernorm") return elementwise(OperatorKind::kLayerNorm, m, n);
  if (kind == "norm_softmax") return elementwise(OperatorKind::kSoftmax, m, n);
  const bool is_gemm = kind.rfind("gemm", 0) == 0;
  if (!is_gemm && kind.rfind("fused_", 0) != 0) return std::nullopt;
  Operator op = matmul(m, k, n);
  if (row.number("transpose_b") == 1) op.right = RightOperand::kTransposedActivations;
  if (kind.rfind("fused_softmax", 0) == 0) op.activation = Activation::kSoftmax;
  if (kind == "fused_layernorm") op.activation = Activation::kLayerNorm;
  if (kind == "fused_igelu") op.activation = Activation::kGelu;
  if (kind.find("bias_row") != std::string::npos || row.notes("repeating bias"))
    op.bias = Bias::kRow;
  if (kind == "fused_softmax_masked") op.bias = Bias::kFull;
  return op;
}

// Of an operation with such an operator.
inline Call measured_call(const MeasuredRow& row, const Target& target) {
  const Operator op = *measured_operator(row);
  std::optional<MatmulSchedule> schedule;
  if (row.number("tile_m") > 0)
    schedule = MatmulSchedule(
        blocks(matmul(row.number("tile_m"), row.number("tile_k"), row.number("tile_n")), target));
  Call call = compile(op, target, schedule);
  call.right_stride = row.number("stride_b");
  // tiled_norm reads the sums that a matmul left in DRAM (gemmini.h L3416).
  if (op.kind == OperatorKind::kLayerNorm) call.operand_bytes = kSumBytes;
  // The tables on other hardware say so in the kind, the others in a note.
  if (op.kind == OperatorKind::kResidualAdd)
    call.scaled = row.text("kind") == "resadd_scaled" || row.notes("scales not 1");
  return call;
}

// "... B and result rows 128 apart ...": the stride of the matrix called `name`; 0: packed.
inline std::int64_t noted_stride(const MeasuredRow& row, const std::string& name) {
  const std::string& note = row.text("note");
  // A head of an interleaved matrix: without numbers in a note, or without a note at a latency of
  // 100, where the program is that of 40.
  if (row.number("m") == 64 && row.number("stride_b") == 128 && note.find("apart") == note.npos) {
    if (row.number("k") == 32 && name == "A") return 128;
    if (row.number("n") == 32 && name == "result") return 128;
  }
  if (note == "heads interleaved" && name == "A") return row.number("stride_b");
  const std::string rows = " rows ";
  for (std::size_t at = note.find(rows); at != std::string::npos; at = note.find(rows, at + 1)) {
    const std::size_t comma = note.find_last_of(",;:", at);
    const std::size_t begin = comma == std::string::npos ? 0 : comma;
    const std::string names = " " + note.substr(begin, at - begin) + " ";
    if (names.find(" " + name + " ") != std::string::npos)
      return std::stoi(note.substr(at + rows.size()));
  }
  return 0;
}

// One behind the other, with the strides that the row has.
inline Placement measured_placement(const MeasuredRow& row, const Call& call) {
  const Operator& op = call.program;
  AddressSpace space;
  Placement placement;
  placement.left = space.place(op.rows, op.inner, 1, noted_stride(row, "A"));
  const bool transposed = op.right == RightOperand::kTransposedActivations;
  placement.right = space.place(transposed ? op.columns : op.inner,
                                transposed ? op.inner : op.columns, 1, call.right_stride);
  placement.result =
      space.place(op.rows, op.columns, call.result_bytes, noted_stride(row, "result"));
  if (op.bias != Bias::kNone) placement.bias = space.place_bias(op);
  placement.bytes = space.bytes();
  return placement;
}

inline std::int64_t run_once(const Program& program, const Target& target, MemorySystem& memory,
                             bool by_cycle = false) {
  return by_cycle ? run_reference_engine(program, target, memory, kDefaultCycleLimit).cycles
                  : run_fast_engine(program, target, memory).cycles;
}

// The whole run of the row's operation. `by_cycle`: with the reference engine.
inline std::int64_t simulated_cycles(const MeasuredRow& row, bool by_cycle = false) {
  const Target target = measured_target(row);
  const Call call = measured_call(row, target);
  std::optional<Placement> placement;
  if (call.program.kind == OperatorKind::kMatmul) placement = measured_placement(row, call);
  const Program program = lower(call, target, placement ? &*placement : nullptr);
  const CacheState state = measured_state(row);
  MemorySystem memory = measured_memory(row, target, program.bytes);
  if (row.notes("A warm")) {
    const std::int64_t bytes = placement->left.stride * call.program.rows;
    for (std::int64_t line = 0; line * 64 < bytes; ++line) memory.fetch(line, 0);
    memory.begin_call();
  }
  if (state == CacheState::kWarm) run_once(program, target, memory, by_cycle);
  return run_once(program, target, memory, by_cycle);
}

// "fused_softmax 128x64x128 transposed, rows of B 768 apart, tile 80,64,96, warm, latency 100".
inline std::string measured_name(const MeasuredRow& row) {
  std::string name;
  if (row.text("kind") != "gemm") name = row.text("kind") + " ";
  name += row.text("m") + "x" + (row.text("k").empty() ? "" : row.text("k") + "x") + row.text("n");
  if (row.number("transpose_b") == 1) name += " transposed";
  const int packed = row.number(row.number("transpose_b") == 1 ? "k" : "n");
  if (row.number("stride_b") != packed) name += " stride " + row.text("stride_b");
  if (row.number("tile_m") > 0)
    name += " tile " + row.text("tile_m") + "," + row.text("tile_k") + "," + row.text("tile_n");
  name += " " + row.text("state");
  if (row.text("state") == "cold" && !row.text("l2_before").empty())
    name += ", L2 " + row.text("l2_before");
  if (row.number("dram_latency") != 40) name += ", latency " + row.text("dram_latency");
  return name;
}

}  // namespace paretoformer::accel_sim
