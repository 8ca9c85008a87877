// Weights of four bits: those of a matrix of an integer network whose int8 weights are products of
// a number of four bits and a multiplier that a group of them shares.
//
// As in QServe's progressive groups (Lin et al. 2024, arXiv 2405.04532, section 4.1): in the int8
// grid of the matrix, whose one scale is S_w, w8 = m w4 with w4 from -7 to 7 and a whole m. What
// unpacks them multiplies small integers, and everything behind it is as for weights of 8 bits. A
// group is kInt4Group inputs of one output. m is from 1 to 16, so that it has four bits as well,
// and multipliers lie in rows like those of weights: 4 + 4 / kInt4Group = 4.25 bits per weight.
// QServe's m has eight bits; docs/results.md has what the groups' size is worth.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/quantization/folded_network.hpp"

namespace paretoformer::supernet {

inline constexpr int kMostInt4 = 7;
inline constexpr int kMostMultiplier = 16;

// Of what a matrix multiplies: the sum of x x^T over the vectors x that it was given.
class SecondMoments {
 public:
  // Rows of `columns` values, always of as many.
  void add(std::span<const float> rows, int columns);
  void add(const SecondMoments& other);

  bool empty() const { return sums_.empty(); }
  const std::vector<double>& sums() const { return sums_; }  // [columns][columns]

 private:
  int columns_ = 0;
  std::vector<double> sums_;
};

// Of a layer's matrices: query, key and value share theirs.
struct LayerMoments {
  SecondMoments norm1, context, norm2, gelu;

  void add(const LayerMoments& other);
};

struct Int4Weights {
  float scale = 0;                        // S_w
  std::vector<std::int8_t> weight;        // [outputs][inputs], w8
  std::vector<std::uint8_t> multipliers;  // [outputs][groups]
};

// The largest weight becomes 7 * 16. A group's m has the least squared error of its outputs, were
// inputs independent, and every weight is the nearest one that there is, after what rounding the
// inputs before it has changed in the output has been spread over those after it: GPTQ (Frantar et
// al. 2022, arXiv 2210.17323, algorithm 1), whose Hessian is the inputs' second moments, with 1 %
// of their mean added to the diagonal, as there. Empty moments are those of independent inputs of
// one size, with which all is plain rounding to the nearest. Throws InputError for a weight that is
// not finite.
Int4Weights to_int4(const Linear& linear, const SecondMoments& inputs, int group = kInt4Group);

}  // namespace paretoformer::supernet
