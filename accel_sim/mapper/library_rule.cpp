#include "accel_sim/mapper/library_rule.hpp"

#include <algorithm>

#include "accel_sim/workload/operators.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

// The order of the library's arguments, in which equally large dimensions take turns.
constexpr PerDimension<Dimension> kArguments{kP, kQ, kK, kR, kS, kC};

void cut_largest(PerDimension<int>& tile, int size) {
  Dimension largest = kP;
  int extent = -1;
  for (const Dimension d : kArguments) {
    const bool keeps_the_array_full = d == kQ && tile[d] <= size && tile[kP] > 1;
    if (keeps_the_array_full || tile[d] <= extent) continue;
    largest = d;
    extent = tile[d];
  }
  const bool channels = largest == kK || largest == kC;
  // The largest multiple of a block below it.
  tile[largest] = channels ? std::max((extent - 1) / size * size, 1) : extent - 1;
}

PerDimension<int> convolution_tile(const Workpiece& work, const Target& target) {
  PerDimension<int> tile = work.extent;
  while (!fits(tile, work, target)) cut_largest(tile, target.array_size);
  const auto grow = [&](Dimension d) {
    PerDimension<int> larger = tile;
    if (++larger[d] > work.extent[d] || !fits(larger, work, target)) return false;
    tile = larger;
    return true;
  };
  while (grow(kQ)) {
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (const Dimension d : kArguments) grown = grow(d) || grown;
  }
  return tile;
}

Mapping library_mapping(const PerDimension<int>& tile, const PerDimension<std::uint8_t>& order,
                        const Target& target) {
  Mapping mapping;
  mapping.tile = tile;
  fill_array(mapping, target.array_size);
  mapping.order = order;
  mapping.reloads = true;
  return mapping;
}

}  // namespace

Mapping library_mapping(const MatmulTile& tile, const Workpiece& matmul, const Target& target) {
  const auto elements = [&](int blocks, Dimension d) {
    const std::int64_t whole = std::int64_t{blocks} * target.array_size;
    return static_cast<int>(std::min<std::int64_t>(whole, matmul.extent[d]));
  };
  PerDimension<int> extents{1, 1, 1, 1, 1, 1};
  extents[kP] = elements(tile.rows, kP);
  extents[kC] = elements(tile.inner, kC);
  extents[kK] = elements(tile.columns, kK);
  return library_mapping(extents, {kQ, kR, kS, kP, kK, kC}, target);
}

Mapping greedy_mapping(const Workpiece& work, const Target& target) {
  if (!work.is_matmul())
    return library_mapping(convolution_tile(work, target), {kP, kQ, kK, kR, kS, kC}, target);
  return library_mapping(greedy_tile(matmul_of(work), target), work, target);
}

MatmulSchedule schedule_of(const Mapping& mapping, const Workpiece& work, const Target& target) {
  if (!work.is_matmul())
    throw InputError("the simulator runs matmuls: expected Q, R, S and a stride of 1");
  if (!is_valid(mapping, work, target))
    throw InputError("\"" + describe(mapping, work) + "\" is no mapping to this hardware: " +
                     "expected inner factors that divide tiles, and tiles that fit the memories");
  const int size = target.array_size;
  for (const Dimension d : {kP, kC, kK}) {
    const int tile = mapping.tile[d], full = d == kP ? tile : std::min(tile, size);
    const auto refuse = [&](const char* what, int value, const std::string& expected) {
      throw InputError(std::string(what) + " " + kDimensionNames[d] + ": " + std::to_string(value) +
                       " is not what the simulator runs: expected " + expected);
    };
    if (tile % size != 0 && tile != work.extent[d])
      refuse("tile", tile,
             "a multiple of " + std::to_string(size) + " or all " + std::to_string(work.extent[d]));
    if (mapping.inner[d] != full) refuse("array", mapping.inner[d], std::to_string(full));
  }
  const auto in_blocks = [&](Dimension d) { return ceil_divide(mapping.tile[d], size); };
  MatmulSchedule schedule(MatmulTile{in_blocks(kP), in_blocks(kC), in_blocks(kK)});
  auto next = schedule.order.begin();
  for (const std::uint8_t loop : mapping.order) {
    if (loop == kP) *next++ = MatmulLoop::kRows;
    if (loop == kC) *next++ = MatmulLoop::kInner;
    if (loop == kK) *next++ = MatmulLoop::kColumns;
  }
  schedule.reloads = mapping.reloads;
  return schedule;
}

}  // namespace paretoformer::accel_sim
