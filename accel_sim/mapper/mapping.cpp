#include "accel_sim/mapper/mapping.hpp"

#include <algorithm>
#include <initializer_list>

namespace paretoformer::accel_sim {
namespace {

double product(const Workpiece& work, std::initializer_list<Dimension> dimensions) {
  double result = 1;
  for (const Dimension d : dimensions) result *= work.extent[d];
  return result;
}

// Elements along one axis of the input that `outputs` outputs and `taps` taps of a kernel touch.
std::int64_t span(int outputs, int taps, int stride) {
  return std::int64_t{outputs - 1} * stride + taps;
}

}  // namespace

double Workpiece::macs() const { return product(*this, {kP, kQ, kC, kK, kR, kS}); }
double Workpiece::weights() const { return product(*this, {kC, kK, kR, kS}); }
double Workpiece::outputs() const { return product(*this, {kP, kQ, kK}); }
double Workpiece::inputs() const {
  return static_cast<double>(span(extent[kP], extent[kR], stride)) *
         static_cast<double>(span(extent[kQ], extent[kS], stride)) * extent[kC];
}

Workpiece matmul_workpiece(int rows, int inner, int columns, int weight_bits) {
  Workpiece work;
  work.extent[kP] = rows;
  work.extent[kC] = inner;
  work.extent[kK] = columns;
  work.weight_bits = weight_bits;
  return work;
}

Workpiece matmul_workpiece(const Operator& matmul) {
  const bool int4 = matmul.right == RightOperand::kInt4Weights;
  return matmul_workpiece(matmul.rows, matmul.inner, matmul.columns, int4 ? 4 : kInt8Bits);
}

Operator matmul_of(const Workpiece& work) {
  return matmul(
      work.extent[kP], work.extent[kC], work.extent[kK],
      work.weight_bits == kInt8Bits ? RightOperand::kWeights : RightOperand::kInt4Weights);
}

void fill_array(Mapping& mapping, int array_size) {
  for (const Dimension d : {kP, kQ}) mapping.inner[d] = mapping.tile[d];
  for (const Dimension d : {kC, kK}) mapping.inner[d] = std::min(mapping.tile[d], array_size);
}

TileRows tile_rows(const PerDimension<int>& tile, const Workpiece& work, int array_size) {
  const auto blocks = [array_size](std::int64_t elements) {
    return ceil_divide(elements, array_size);
  };
  const std::int64_t across = blocks(tile[kK]);
  if (work.is_matmul()) {
    const std::int64_t down = blocks(tile[kP]) * array_size;
    const std::int64_t deep = blocks(tile[kC]);
    return {down * deep, deep * array_size * across, down * across};
  }
  const std::int64_t input_rows = std::int64_t{tile[kP]} * work.stride + tile[kR] - 1;
  const std::int64_t input_columns = std::int64_t{tile[kQ]} * work.stride + tile[kS] - 1;
  return {input_rows * input_columns * blocks(tile[kC]),
          std::int64_t{tile[kR]} * tile[kS] * tile[kC] * across,
          std::int64_t{tile[kP]} * tile[kQ] * across};
}

bool fits(const PerDimension<int>& tile, const Workpiece& work, const Target& target) {
  const int size = target.array_size;
  const TileRows needed = tile_rows(tile, work, size);
  const int buffers = buffers_per_memory(target);
  return needed.results <= std::int64_t{target.tiling_accumulator_blocks() / buffers} * size &&
         needed.inputs + needed.weights <=
             std::int64_t{target.tiling_scratchpad_blocks() / buffers} * size;
}

bool is_valid(const Mapping& mapping, const Workpiece& work, const Target& target) {
  PerDimension<bool> seen{};
  for (const std::uint8_t loop : mapping.order) {
    if (loop >= kDimensions || seen[loop]) return false;
    seen[loop] = true;
  }
  for (int d = 0; d < kDimensions; ++d) {
    const int tile = mapping.tile[d];
    const int inner = mapping.inner[d];
    if (inner < 1 || inner > tile || tile > work.extent[d]) return false;
    const bool spatial = d == kC || d == kK;
    if (spatial && inner > target.array_size) return false;
    if ((d == kR || d == kS) && inner != 1) return false;
    if (!spatial && tile % inner != 0) return false;
  }
  return fits(mapping.tile, work, target);
}

std::string describe(const Mapping& mapping, const Workpiece& work) {
  const auto factor = [](int d, int value, const char* suffix = "") {
    return value == 1 ? "" : std::string(" ") + kDimensionNames[d] + std::to_string(value) + suffix;
  };
  std::string text = "DRAM";
  for (const std::uint8_t d : mapping.order)
    text += factor(d, ceil_divide(work.extent[d], mapping.tile[d]));
  text += " | tile";
  for (int d = 0; d < kDimensions; ++d) text += factor(d, mapping.tile[d]);
  text += " | array";
  for (int d = 0; d < kDimensions; ++d)
    text += factor(d, mapping.inner[d], d == kC || d == kK ? "x" : "");
  return text;
}

}  // namespace paretoformer::accel_sim
