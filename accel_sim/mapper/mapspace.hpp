// The mapspace of a workpiece: every mapping that a rule for its factors allows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "accel_sim/mapper/mapping.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {

std::vector<int> divisors(int n);  // increasing

// Which factors a dimension is cut into.
enum class Factors {
  // All whole divisors at every level, as Timeloop by default: the tile divides the extent, and
  // what the array does at a time divides the tile. Spatial factors are divisors up to array_size,
  // so that many mappings leave part of the array idle.
  kPerfect,
  // What Gemmini's library can run: tiles of any number of whole blocks of array_size channels (and
  // rows of a matmul), and of the other dimensions for each number of tiles the smallest; the last
  // tile may be smaller. The array is full, and all outputs of a tile stream past each block of
  // weights.
  kBlocks,
};

// Told now and then what share of a mapspace, or of its samples, is done; at last, once, 1.
using ShareDone = std::function<void(double share)>;

// A dimension's part of a mapping.
struct Split {
  int tile = 1;
  int inner = 1;

  bool operator==(const Split&) const = default;
  void set(Mapping& mapping, int d) const {
    mapping.tile[d] = tile;
    mapping.inner[d] = inner;
  }
};

// The product of every dimension's splits and of the orders of the loops over tiles, in which unit
// dimensions of the workpiece stand still. Orders that differ only in loops of one tile are
// different mappings, as in Timeloop. Splits that do not fit the memories even with the smallest
// ones of the other dimensions are left out; not all of the rest fit together.
class Mapspace {
 public:
  Mapspace(const Workpiece& work, const Target& target, Factors factors);

  const Workpiece& work() const { return work_; }
  const Target& target() const { return target_; }
  Factors factors() const { return factors_; }

  // By rising tile, then rising inner.
  const std::vector<Split>& splits(Dimension d) const { return splits_[d]; }
  const std::vector<PerDimension<std::uint8_t>>& orders() const { return orders_; }

  // Mappings, whether they fit or not.
  double size() const;

  // One of them, uniformly.
  Mapping draw(Random& random) const;

  // A valid one, uniformly among the valid ones: draws until one fits. The mapping of units always
  // does. `draws`, when given, counts them.
  Mapping sample(Random& random, std::int64_t* draws = nullptr) const;

 private:
  void drop_hopeless_splits();

  Workpiece work_;
  Target target_;
  Factors factors_;
  PerDimension<std::vector<Split>> splits_;
  std::vector<PerDimension<std::uint8_t>> orders_;
};

}  // namespace paretoformer::accel_sim
