// Between a training's parameters and a pass that sees the int8 network which they become.
//
// Before a step the parameters are folded and every folded matrix is rounded to the int8 numbers
// that quantize() would give it now. Activations keep the scales that they are given: those of a
// calibration, which is as much work as some steps. After the step the gradient of the folded
// weights becomes that of the parameters: 0 where rounding clipped a weight, otherwise as it is
// (the straight-through estimator), through the transpose of the fold. Biases are not rounded: they
// are int32, in steps far finer than those of what they are added to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "supernet/model/rounding.hpp"
#include "supernet/quantization/folded_network.hpp"

namespace paretoformer::supernet {

template <class T>
class RoundedNetwork {
 public:
  // `own` is the layout of one network with a tied head and must outlive it; passes are over at
  // most `rows` tokens.
  RoundedNetwork(const ParameterLayout& own, int rows);

  // Of activations, as QuantizedNetwork has them: Sites::all(), of which the tables' are not used.
  void set_scales(std::vector<float> scales);
  const std::vector<float>& scales() const { return scales_; }

  // Folds parameters and rounds them. Needs scales. Throws InputError where one is not finite.
  void round(const std::vector<T>& parameters);

  // What a pass works on, after round(), and where it puts the gradient.
  const ParameterLayout& layout() const { return folded_; }
  const T* weights() const { return weights_.data(); }
  const Rounding<T>& rounding() const { return rounding_; }
  std::vector<T>& gradient() { return gradient_; }

  // From that gradient, which it changes, to that of the parameters.
  void pull_back(const std::vector<T>& parameters, std::vector<T>& gradient);

 private:
  // Rows of `columns` that are rounded with one scale.
  struct Block {
    std::size_t offset;
    int rows, columns;
  };
  float scale_of(const std::vector<Block>& blocks) const;
  void round_blocks(const std::vector<Block>& blocks, float scale);

  const ParameterLayout& own_;
  ParameterLayout folded_;
  std::vector<std::vector<Block>> matrices_;  // all but the tables
  Rounding<T> rounding_;
  std::vector<float> scales_;
  std::vector<T> weights_, gradient_;
  std::vector<std::uint8_t> inside_;  // of all matrices
};

}  // namespace paretoformer::supernet
