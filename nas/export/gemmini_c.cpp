#include "nas/export/gemmini_c.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "nas/export/gemmini_runtime.hpp"
#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Call;
using accel_sim::Matrix;
using accel_sim::Operator;
using accel_sim::OperatorKind;
using accel_sim::Program;
using accel_sim::Tile;

constexpr std::int64_t kMostBytes = std::int64_t{128} << 20;
constexpr int kBytesOfLine = 72;

// As characters of string literals; without trigraphs, nor digits that would go on an escape.
std::string in_literals(std::span<const std::int8_t> bytes) {
  std::string text;
  text.reserve(bytes.size() * 4);
  for (std::size_t first = 0; first < bytes.size(); first += kBytesOfLine) {
    text += "\n    \"";
    for (const std::int8_t byte :
         bytes.subspan(first, std::min<std::size_t>(kBytesOfLine, bytes.size() - first))) {
      const auto c = static_cast<unsigned char>(byte);
      const bool plain = c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '?';
      if (plain)
        text += static_cast<char>(c);
      else
        text += {'\\', static_cast<char>('0' + (c >> 6)), static_cast<char>('0' + (c >> 3 & 7)),
                 static_cast<char>('0' + (c & 7))};
    }
    text += '"';
  }
  return text;
}

// The same float.
std::string in_hex(float value) { return fmt::format("{:a}f", value); }

class Writer {
 public:
  Writer(const NetworkProgram& program, const accel_sim::Target& target,
         const GemminiProgram& about)
      : program_(program), target_(target), about_(about) {}

  std::string write() {
    std::string calls;
    std::string_view layer;
    for (const NetworkCall& call : program_.calls) {
      const std::string_view prefix = std::string_view(call.name).substr(0, call.name.find('_'));
      if (call.call.layer >= 0 && prefix != layer)
        calls += fmt::format("  // {}\n", layer = prefix);
      calls += "  " + call_of(call);
    }
    std::string text = head();
    text += kGemminiRuntime;
    text += memory() + tokens() + tables_;
    text += "\nstatic void network(void) {\n" + calls + "}\n" + main();
    return text;
  }

 private:
  std::string head() const {
    return fmt::format(
        "// {}\n// Hardware: {}. Simulated: {} cycles.\n//\n"
        "// Written by paretoformer export. It needs gemmini.h of gemmini-rocc-tests, and from "
        "the\n"
        "// platform a function that writes a character.\n"
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n"
        "#include \"include/gemmini.h\"\n\n"
        "#if DIM != {}\n#error \"this program is for an array of {} x {}\"\n#endif\n"
        "#if BANK_NUM * BANK_ROWS != {} || ACC_ROWS != {}\n"
        "#warning \"gemmini_params.h is of other memories than {} KiB of scratchpad and {} KiB of "
        "accumulator: tiles and cycles will differ\"\n#endif\n",
        about_.title, about_.hardware, about_.cycles, target_.array_size, target_.array_size,
        target_.array_size, rows_of(target_.scratchpad_blocks()),
        rows_of(target_.accumulator_blocks()), target_.scratchpad_kib, target_.accumulator_kib);
  }

  int rows_of(int blocks) const { return blocks * target_.array_size; }

  // All matrices, where the simulator has them; behind them what the loop unroller reads of rows
  // that the last one does not have (LoopMatmul.scala L185).
  std::string memory() const {
    std::string members, values;
    std::int64_t widest = 0;
    for (const NetworkCall& call : program_.calls)
      widest = std::max(widest, call.place.right.stride);
    const std::int64_t beyond = target_.array_size * widest;
    for (const Region& region : program_.regions) {
      members += fmt::format("  int8_t {}[{}];\n", region.name, region.bytes);
      if (region.is_constant)
        values += fmt::format("  .{} ={},\n", region.name,
                              in_literals(program_.memory.at(region.address, region.bytes)));
    }
    const std::int64_t bytes = program_.regions.back().address + program_.regions.back().bytes;
    if (bytes + beyond > kMostBytes)
      throw InputError(fmt::format("the program takes {} bytes of memory: expected at most {}",
                                   bytes + beyond, kMostBytes));
    return fmt::format(
        "\n// All matrices, row by row: weights are inputs x outputs; biases and the mask, int32.\n"
        "static struct {{\n{}  int8_t beyond[{}];\n}} __attribute__((aligned(64))) m = {{\n{}}};\n",
        members, beyond, values);
  }

  std::string tokens() const {
    std::string text = "\nstatic const int32_t tokens[] = {";
    for (std::size_t i = 0; i < about_.tokens.size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : i % 16 == 0 ? ",\n    " : ", ", about_.tokens[i]);
    return text + "};\n";
  }

  // The place of a matrix, as int8_t*.
  std::string at(const Matrix& matrix) const { return at(matrix.address); }
  std::string at(std::int64_t address) const {
    const auto after =
        std::upper_bound(program_.regions.begin(), program_.regions.end(), address,
                         [](std::int64_t a, const Region& region) { return a < region.address; });
    const Region& region = *(after - 1);
    if (address == region.address) return "m." + region.name;
    return fmt::format("m.{} + {}", region.name, address - region.address);
  }

  std::string call_of(const NetworkCall& call) {
    if (const std::string_view why = obstacle_to_export(call.call, target_); !why.empty())
      throw InputError(std::string(call.call.role) +
                       " cannot be written as it is priced: " + std::string(why));
    const Operator& op = call.call.op;
    switch (op.kind) {
      case OperatorKind::kMatmul:
        return is_librarys(call) ? librarys_matmul(call) : tiles_of_matmul(call);
      case OperatorKind::kEmbedding:
        return embedding(call);
      case OperatorKind::kLayerNorm:
        return fmt::format("layer_norm({}, {}, {}, {}, {}, {}, {});\n", op.rows, op.columns,
                           tile_of(call).rows, call.call.reads, at(call.place.left),
                           at(call.place.result), in_hex(call.constants.scale));
      case OperatorKind::kGelu:
        return fmt::format("gelu({}, {}, {}, {}, {}, {}, {}, {}, {});\n", op.rows, op.columns,
                           tile_of(call).rows, tile_of(call).columns, at(call.place.left),
                           at(call.place.result), call.constants.gelu.b, call.constants.gelu.c,
                           in_hex(call.constants.scale));
      case OperatorKind::kResidualAdd:
        return fmt::format("residual_add({}, {}, {}, {}, {}, {}, {}, {}, {}, {});\n", op.rows,
                           op.columns, tile_of(call).rows, tile_of(call).columns,
                           at(call.place.left), in_hex(call.constants.left_scale),
                           at(call.place.right), in_hex(call.constants.right_scale),
                           at(call.place.result), in_hex(call.constants.scale));
      case OperatorKind::kSoftmax:
      case OperatorKind::kRmsNorm:
      case OperatorKind::kSilu:
      case OperatorKind::kRotary:
      case OperatorKind::kArithmetic:
        break;
    }
    throw Error(std::string(call.call.role) + " is not what an exported program calls");
  }

  Tile tile_of(const NetworkCall& call) const {
    return lower(call.call, target_, &call.place).tiles.front();
  }

  std::string embedding(const NetworkCall& call) const {
    if (call.constants.left_scale != 1 || call.constants.right_scale != 1)
      throw Error("tokens and positions are not in one step");
    return fmt::format("embedding({}, {}, {}, tokens, {}, {}, {}, {});\n", call.call.op.rows,
                       call.call.op.columns, tile_of(call).rows, at(call.place.right),
                       at(call.place.left), at(call.place.result), in_hex(call.constants.scale));
  }

  // Whether tiled_matmul_auto() does what is priced.
  bool is_librarys(const NetworkCall& call) const {
    return call.call.search_steps >= 0 && target_.operand_reuse &&
           target_.tiling_scratchpad_kib + target_.tiling_accumulator_kib == 0;
  }

  static const char* activation_of(const NetworkCall& call) {
    return call.call.fused == accel_sim::Normalisation::kSoftmax ? "SOFTMAX" : "NO_ACTIVATION";
  }
  static bool is_transposed(const Operator& op) {
    return op.right == accel_sim::RightOperand::kTransposedActivations;
  }
  static std::string or_null(bool there, const std::string& place) {
    return there ? place : "NULL";
  }
  // In elements.
  static std::int64_t stride(const Matrix& matrix) { return matrix.stride / matrix.element_bytes; }

  std::string librarys_matmul(const NetworkCall& call) const {
    const Operator& op = call.call.op;
    const accel_sim::Placement& place = call.place;
    return fmt::format("matmul({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {});\n",
                       op.rows, op.inner, op.columns, at(place.left), stride(place.left),
                       at(place.right), stride(place.right), is_transposed(op),
                       or_null(loads_bias(op), at(place.bias)), op.bias == accel_sim::Bias::kRow,
                       at(place.result), stride(place.result), call.call.result_bytes == 4,
                       activation_of(call), in_hex(call.constants.scale), in_hex(call.score_scale));
  }

  std::string tiles_of_matmul(const NetworkCall& call) {
    const Operator& op = call.call.op;
    const accel_sim::Placement& place = call.place;
    const CallConstants& with = call.constants;
    const bool softmax = call.call.fused == accel_sim::Normalisation::kSoftmax;
    const std::int64_t bias_stride = loads_bias(op) && op.bias == accel_sim::Bias::kFull
                                         ? std::int64_t{op.columns}
                                         : std::int64_t{0};
    tables_ += fmt::format(
        "\nstatic const struct matmul {0} = {{{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, "
        "{11}, {12}}};\nstatic const struct loop {0}_loops[] = {{\n",
        call.name, stride(place.left), stride(place.right), stride(place.result), bias_stride,
        is_transposed(op), call.call.result_bytes == 4, activation_of(call), in_hex(with.scale),
        softmax ? with.exp.ln2 : 0, softmax ? with.exp.inverse_ln2 : 0, softmax ? with.exp.b : 0,
        softmax ? with.exp.c : 0);
    const Program program = lower(call.call, target_, &place);
    for (const Tile& tile : program.tiles)
      tables_ += fmt::format(
          "    {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}}},\n",
          or_null(tile.load_left, at(tile.left)), or_null(tile.load_right, at(tile.right)),
          or_null(tile.load_sums, "(const int32_t *)(" + at(tile.sums) + ")"),
          or_null(tile.store, at(tile.result)), tile.rows, tile.inner, tile.columns,
          tile.left_half + 1, tile.right_half + 1, tile.accumulate);
    tables_ += "};\n";
    return fmt::format("matmul_tiles(&{0}, {0}_loops, {1});\n", call.name, program.tiles.size());
  }

  std::string main() const {
    const std::int64_t bytes = program_.rows * program_.logits.stride;
    return fmt::format(
        "\nint main(void) {{\n"
        "  const uint64_t expected = 0x{:016x}u;\n"
        "  gemmini_flush(0);\n"
        "#ifdef __riscv\n"
        "  // Counted as it is priced: instructions in their cache, L2 full of other lines.\n"
        "  static int8_t others[{}] __attribute__((aligned(64)));\n"
        "  network();\n"
        "  fill_l2(others, sizeof others);\n"
        "#endif\n"
        "  const uint64_t begin = cycles();\n"
        "  network();\n"
        "  const uint64_t end = cycles();\n"
        "  const uint64_t sum = checksum({}, {});\n"
        "  put_text(\"cycles \");\n"
        "  put_number(end - begin, 10);\n"
        "  put_text(\" simulated {}\\nchecksum \");\n"
        "  put_number(sum, 16);\n"
        "  put_text(sum == expected ? \" right\\n\" : \" wrong, expected \");\n"
        "  if (sum == expected) return 0;\n"
        "  put_number(expected, 16);\n"
        "  put_text(\"\\n\");\n"
        "  return 1;\n}}\n",
        about_.checksum, 2 * target_.l2_kib * 1024, at(program_.logits), (bytes + 7) / 8 * 8,
        about_.cycles);
  }

  const NetworkProgram& program_;
  const accel_sim::Target& target_;
  const GemminiProgram& about_;
  std::string tables_;  // of tiles
};

}  // namespace

std::uint64_t gemmini_checksum(std::span<const std::int32_t> logits) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (std::size_t i = 0; i < logits.size(); i += 2) {
    const std::uint64_t low = static_cast<std::uint32_t>(logits[i]);
    const std::uint64_t high =
        i + 1 < logits.size() ? static_cast<std::uint32_t>(logits[i + 1]) : 0;
    hash = (hash ^ (high << 32 | low)) * 0x100000001b3U;
  }
  return hash;
}

std::string gemmini_c(const NetworkProgram& program, const accel_sim::Target& target,
                      const GemminiProgram& about) {
  return Writer(program, target, about).write();
}

}  // namespace paretoformer::nas
