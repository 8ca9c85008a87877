#include "accel_sim/mapper/library_rule.hpp"

#include <algorithm>

#include "accel_sim/operators.hpp"
#include "accel_sim/program.hpp"

namespace paretoformer {
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

PerDimension<int> convolution_tile(const Workpiece& work, const Hardware& hardware) {
  PerDimension<int> tile = work.extent;
  while (!fits(tile, work, hardware)) cut_largest(tile, hardware.array_size);
  const auto grow = [&](Dimension d) {
    PerDimension<int> larger = tile;
    if (++larger[d] > work.extent[d] || !fits(larger, work, hardware)) return false;
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
                        const Hardware& hardware) {
  Mapping mapping;
  mapping.tile = tile;
  for (const Dimension d : {kP, kQ}) mapping.inner[d] = tile[d];
  for (const Dimension d : {kC, kK}) mapping.inner[d] = std::min(tile[d], hardware.array_size);
  mapping.order = order;
  mapping.reloads = true;
  return mapping;
}

}  // namespace

Mapping library_mapping(const MatmulTile& tile, const Workpiece& matmul, const Hardware& hardware) {
  const auto elements = [&](int blocks, Dimension d) {
    const std::int64_t whole = std::int64_t{blocks} * hardware.array_size;
    return static_cast<int>(std::min<std::int64_t>(whole, matmul.extent[d]));
  };
  PerDimension<int> extents{1, 1, 1, 1, 1, 1};
  extents[kP] = elements(tile.rows, kP);
  extents[kC] = elements(tile.inner, kC);
  extents[kK] = elements(tile.columns, kK);
  return library_mapping(extents, {kQ, kR, kS, kP, kK, kC}, hardware);
}

Mapping greedy_mapping(const Workpiece& work, const Hardware& hardware) {
  if (!work.is_matmul())
    return library_mapping(convolution_tile(work, hardware), {kP, kQ, kK, kR, kS, kC}, hardware);
  const Operator op = matmul(work.extent[kP], work.extent[kC], work.extent[kK]);
  return library_mapping(default_tile(op, hardware), work, hardware);
}

}  // namespace paretoformer
