// Gemmini's normaliser with values: rows on their way out of the accumulator, in three passes
// (Normalizer.scala). Two rows have their statistics in it at once.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "accel_sim/lowering/instructions.hpp"
#include "supernet/quantization/integer_arithmetic.hpp"

namespace paretoformer::nas {

class Normaliser {
 public:
  // `scale` multiplies results on the way out.
  Normaliser(const supernet::ExpConstants& exp, float scale) : exp_(exp), scale_(scale) {}

  // The elements of one mvout of a row; `y`, as many, is written in the last pass. Throws Error
  // when the pass is not due.
  void pass(const accel_sim::Mvout& mvout, std::span<const std::int32_t> x,
            std::span<std::int8_t> y);

 private:
  struct Statistics {
    accel_sim::NormPass done = accel_sim::NormPass::kNone;
    int count = 0, seen = 0;  // elements: of the row, and of the pass so far
    std::int32_t centre = 0;  // the sum, then the mean; or the largest
    std::int32_t spread = 0;  // the sum of squares, or of exponentials
    float factor = 0;
  };
  void begin(const accel_sim::Mvout& mvout, Statistics& row) const;
  void add(const accel_sim::Mvout& mvout, std::int32_t x, Statistics& row) const;
  void end(const accel_sim::Mvout& mvout, Statistics& row) const;
  std::int32_t result(const accel_sim::Mvout& mvout, std::int32_t x, const Statistics& row) const;

  supernet::ExpConstants exp_;
  float scale_;
  std::array<Statistics, 2> rows_;
};

}  // namespace paretoformer::nas
