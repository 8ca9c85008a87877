// What a training pass needs in order to see an int8 network: the scale of every tensor that
// becomes int8, and memory for what its straight-through gradients ask.
//
// The parameters of such a pass are those of a folded network (untied head, LayerNorms without gain
// and bias), their matrices already rounded. After every step of the pass its result is rounded to
// the scale of its site. LayerNorm and GELU are what the integer units compute, in floating point;
// softmax is that of fp32. Backward, the gradient of what clipping changed is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "supernet/model/activation_sites.hpp"
#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

template <class T>
struct RoundedSite {
  T scale{};
  std::uint8_t* inside = nullptr;  // [rows][width]: where clipping changed nothing
};

template <class T>
class Rounding {
 public:
  // For passes of layout.largest() over `rows` tokens. A LayerNorm works in steps of a
  // `norm_reads`-th of those of its input.
  Rounding(const ParameterLayout& layout, int rows, int norm_reads);

  T norm_reads;

  // `inside` of query is that of the rows of q, k and v of all heads, as the pass has them; key and
  // value have none of their own, up and gelu none (the slope of GELU has theirs), nor the tables.
  Sites<RoundedSite<T>> sites;
  // By layer: the gradients [rows][d] of what is added to the residual stream, where it differs
  // from the stream's.
  std::vector<T*> d_attention, d_ffn;

 private:
  std::vector<std::uint8_t> inside_;
  std::vector<T> gradients_;
};

}  // namespace paretoformer::supernet
