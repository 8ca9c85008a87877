#include "supernet/quantization/rounded_network.hpp"

#include <algorithm>
#include <utility>

#include "supernet/kernels/kernels.hpp"
#include "supernet/quantization/quantized_network.hpp"
#include "support/error.hpp"
#include "support/parallel.hpp"

namespace paretoformer::supernet {

template <class T>
RoundedNetwork<T>::RoundedNetwork(const ParameterLayout& own, int rows)
    : own_(own),
      folded_(own.largest(), own.context(), Head::untied),
      rounding_(folded_, rows, kNormReads),
      weights_(folded_.size()),
      gradient_(folded_.size()),
      inside_(folded_.matrix_size()) {
  const int d = folded_.model_width();
  const int hd = folded_.head_width();
  for (int l = 0; l < folded_.largest().depth(); ++l) {
    const LayerOffsets& o = folded_.layer(l);
    for (int which = 0; which < 3; ++which) {
      std::vector<Block> heads;
      for (int row = which * hd; row < 3 * o.attention_width; row += 3 * hd)
        heads.push_back({o.qkv + area(row, d), hd, d});
      matrices_.push_back(std::move(heads));
    }
    matrices_.push_back({{o.output, d, o.attention_width}});
    matrices_.push_back({{o.up, o.ffn_width, d}});
    matrices_.push_back({{o.down, d, o.ffn_width}});
  }
  matrices_.push_back({{folded_.head, folded_.vocabulary(), d}});
}

template <class T>
void RoundedNetwork<T>::set_scales(std::vector<float> scales) {
  const std::vector<RoundedSite<T>*> sites = rounding_.sites.all();
  if (scales.size() != sites.size())
    throw Error(std::to_string(scales.size()) + " scales of activations, expected " +
                std::to_string(sites.size()));
  for (std::size_t i = 0; i < sites.size(); ++i) sites[i]->scale = static_cast<T>(scales[i]);
  scales_ = std::move(scales);
}

template <class T>
float RoundedNetwork<T>::scale_of(const std::vector<Block>& blocks) const {
  Distribution distribution;
  for (const Block& block : blocks) {
    const T* const first = weights_.data() + block.offset;
    const std::vector<float> values(first, first + area(block.rows, block.columns));
    distribution.add(values);
  }
  return distribution.scale(Calibration::kMeanSquare);
}

template <class T>
void RoundedNetwork<T>::round_blocks(const std::vector<Block>& blocks, float scale) {
  for (const Block& block : blocks)
    round_to_int8<T>(block.rows, block.columns, block.columns, static_cast<T>(scale),
                     weights_.data() + block.offset, inside_.data() + block.offset);
}

template <class T>
void RoundedNetwork<T>::round(const std::vector<T>& parameters) {
  if (scales_.empty()) throw Error("a rounded network has no scales yet");
  fold(own_, parameters.data(), folded_, weights_.data());
  const int d = folded_.model_width();
  const std::vector<Block> tokens{{folded_.token_embedding, folded_.vocabulary(), d}};
  const std::vector<Block> positions{{folded_.position_embedding, folded_.context(), d}};
  parallel_tasks(matrices_.size() + 1, [&](std::size_t task) {
    if (task < matrices_.size()) return round_blocks(matrices_[task], scale_of(matrices_[task]));
    const float scale = std::max(scale_of(tokens), scale_of(positions));  // as quantize() has it
    round_blocks(tokens, scale);
    round_blocks(positions, scale);
  });
}

template <class T>
void RoundedNetwork<T>::pull_back(const std::vector<T>& parameters, std::vector<T>& gradient) {
  where_inside(folded_.matrix_size(), inside_.data(), gradient_.data(), gradient_.data());
  fold_backward(own_, parameters.data(), folded_, gradient_.data(), gradient.data());
}

template class RoundedNetwork<float>;
template class RoundedNetwork<double>;

}  // namespace paretoformer::supernet
