#include "accel_sim/mapper/mapping_file.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "support/json.hpp"

namespace paretoformer::accel_sim {
namespace {

// Of a convolution, its kernel and its stride: tiles are then counted in 64 bits.
constexpr int kLargestImage = 1 << 16;
constexpr int kLargestKernel = 32;

std::string name_of(int d) { return std::string(1, kDimensionNames[d]); }

int tiles_of(const Mapping& mapping, const Workpiece& work, int d) {
  return ceil_divide(work.extent[d], mapping.tile[d]);
}

// One number per dimension, at most `highest`; those left out are 1.
void read_dimensions(const JsonObject& object, const PerDimension<int>& highest, int dimensions,
                     PerDimension<int>& values) {
  for (int d = 0; d < dimensions; ++d)
    values[d] = static_cast<int>(object.integer(name_of(d), 1, highest[d], 1));
}

Workpiece workpiece_from_json(const JsonNode& node) {
  const JsonObject object(node);
  PerDimension<int> highest;
  highest.fill(kLargestExtent);
  highest[kR] = highest[kS] = kLargestKernel;
  Workpiece work;
  read_dimensions(object, highest, kDimensions, work.extent);
  work.stride = static_cast<int>(object.integer("stride", 1, kLargestKernel, 1));
  if (!work.is_matmul()) {
    for (const Dimension d : {kP, kQ, kC, kK}) highest[d] = kLargestImage;
    read_dimensions(object, highest, kDimensions, work.extent);
  }
  const int bits = static_cast<int>(object.integer("weight_bits", 4, kInt8Bits, kInt8Bits));
  if (bits != kInt8Bits && (bits != 4 || !work.is_matmul()))
    object.at("weight_bits").fail("is not what weights have: expected 8, or 4 in a matmul");
  work.weight_bits = bits;
  object.finish();
  return work;
}

// Of an object of nothing else.
void read_dimensions(const JsonNode& node, const PerDimension<int>& highest, int dimensions,
                     PerDimension<int>& values) {
  const JsonObject object(node);
  read_dimensions(object, highest, dimensions, values);
  object.finish();
}

void read_array(const JsonNode& node, const Target& target, Mapping& mapping) {
  PerDimension<int> highest = mapping.tile;
  for (const Dimension d : {kC, kK}) highest[d] = std::min(highest[d], target.array_size);
  read_dimensions(node, highest, kR, mapping.inner);
}

// Loops of one tile, which need not be there, go outside.
void read_loops(const JsonNode& node, const Workpiece& work, Mapping& mapping) {
  std::vector<std::string> names;
  for (int d = 0; d < kDimensions; ++d) names.push_back(name_of(d));
  std::vector<std::uint8_t> order;
  for (const JsonNode& element : node.elements()) {
    const JsonObject loop(element);
    const JsonNode dimension = loop.at("dimension");
    const auto d = static_cast<std::uint8_t>(
        std::find(names.begin(), names.end(), dimension.choice(names)) - names.begin());
    if (std::find(order.begin(), order.end(), d) != order.end())
      dimension.fail("is there twice: expected one loop per dimension");
    const int tiles = tiles_of(mapping, work, d);
    loop.integer("tiles", tiles, tiles);
    loop.finish();
    order.push_back(d);
  }
  for (std::uint8_t d = 0; d < kDimensions; ++d) {
    if (std::find(order.begin(), order.end(), d) != order.end()) continue;
    if (const int tiles = tiles_of(mapping, work, d); tiles > 1)
      node.fail("has no loop over " + name_of(d) + ": expected one of " + std::to_string(tiles) +
                " tiles");
    order.insert(order.begin(), d);
  }
  std::copy(order.begin(), order.end(), mapping.order.begin());
}

}  // namespace

Json to_json(const Mapping& mapping, const Workpiece& work) {
  Json loops = Json::array(), tile, array;
  for (const std::uint8_t d : mapping.order)
    if (const int tiles = tiles_of(mapping, work, d); tiles > 1)
      loops.push_back({{"dimension", name_of(d)}, {"tiles", tiles}});
  for (int d = 0; d < kDimensions; ++d) tile[name_of(d)] = mapping.tile[d];
  for (int d = 0; d < kR; ++d) array[name_of(d)] = mapping.inner[d];
  return Json{{"text", describe(mapping, work)},
              {"dram", loops},
              {"tile", tile},
              {"array", array},
              {"reloads", mapping.reloads}};
}

Json to_json(const MappedWorkpiece& mapped) {
  Json extents;
  for (int d = 0; d < kDimensions; ++d) extents[name_of(d)] = mapped.work.extent[d];
  extents["stride"] = mapped.work.stride;
  if (mapped.work.weight_bits != kInt8Bits) extents["weight_bits"] = mapped.work.weight_bits;
  return Json{{"workpiece", extents}, {"mapping", to_json(mapped.mapping, mapped.work)}};
}

MappedWorkpiece mapping_from_json(const JsonNode& node, const Target& target) {
  const JsonObject object(node);
  MappedWorkpiece mapped;
  mapped.work = workpiece_from_json(object.at("workpiece"));
  const JsonObject mapping(object.at("mapping"));
  mapping.string("text", "");
  read_dimensions(mapping.at("tile"), mapped.work.extent, kDimensions, mapped.mapping.tile);
  if (mapping.has("array"))
    read_array(mapping.at("array"), target, mapped.mapping);
  else
    fill_array(mapped.mapping, target.array_size);
  read_loops(mapping.at("dram"), mapped.work, mapped.mapping);
  mapped.mapping.reloads = mapping.boolean("reloads", false);
  mapping.finish();
  object.finish();
  if (!fits(mapped.mapping.tile, mapped.work, target))
    mapping.at("tile").fail("does not fit: expected inputs and weights of at most half the " +
                            std::string("scratchpad, sums of at most half the accumulator"));
  if (!is_valid(mapped.mapping, mapped.work, target))
    mapping.at("array").fail("is not valid: expected P and Q that divide the tile's");
  return mapped;
}

MappedWorkpiece read_mapping(const std::filesystem::path& path, const Target& target) {
  const Json json = read_json(path);
  return mapping_from_json(JsonNode(json, path.string()), target);
}

}  // namespace paretoformer::accel_sim
