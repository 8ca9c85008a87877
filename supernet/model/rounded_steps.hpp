// Steps of the passes of supernet/model/network_steps.hpp whose results may be rounded to int8. A
// pass that does not round has sites without a scale, where nothing happens, or what is done in
// fp32.
#pragma once

#include <algorithm>
#include <cstddef>

#include "supernet/kernels/kernels.hpp"
#include "supernet/model/network.hpp"

namespace paretoformer::supernet {

// Some rows of a batch, one after the other.
struct RowRange {
  std::ptrdiff_t first;
  int count;

  // Their part of an array of rows of `width`.
  template <class T>
  T* of(T* rows, int width) const {
    return rows + first * width;
  }
};

template <class T>
const LayerSites<RoundedSite<T>>& sites_of(const Pass<T>& pass, std::size_t l) {
  static const LayerSites<RoundedSite<T>> none{};
  return pass.rounding ? pass.rounding->sites.layers[l] : none;
}

// Of the residual stream before layer l, and of the last LayerNorm.
template <class T>
RoundedSite<T> input_site(const Pass<T>& pass, std::size_t l) {
  if (l > 0) return sites_of(pass, l - 1).output;
  return pass.rounding ? pass.rounding->sites.input : RoundedSite<T>{};
}

template <class T>
RoundedSite<T> final_site(const Pass<T>& pass) {
  return pass.rounding ? pass.rounding->sites.norm : RoundedSite<T>{};
}

template <class T>
bool rounds(const RoundedSite<T>& site) {
  return site.scale > T{0};
}

template <class T>
void round_site(const RoundedSite<T>& site, const RowRange& rows, int width, T* x) {
  if (!rounds(site)) return;
  round_to_int8(rows.count, width, width, site.scale, x, site.inside + rows.first * width);
}

template <class T>
void keep_inside(const RoundedSite<T>& site, const RowRange& rows, int width, const T* dx,
                 T* kept) {
  if (!rounds(site)) return;
  where_inside(static_cast<std::size_t>(rows.count) * static_cast<std::size_t>(width),
               site.inside + rows.first * width, dx, kept);
}

// A LayerNorm, with its statistics of all rows.
template <class T>
struct Norm {
  const T *gain, *bias;
  T *mean, *inverse_deviation;
};

template <class T>
void normalise(const Pass<T>& pass, const RoundedSite<T>& input, const RoundedSite<T>& site,
               const RowRange& rows, const Norm<T>& norm, const T* x, T* y) {
  const int d = pass.network.model_width;
  T* const mean = norm.mean + rows.first;
  T* const inverse_deviation = norm.inverse_deviation + rows.first;
  if (!rounds(site))
    return layer_norm(rows.count, d, x, norm.gain, norm.bias, y, mean, inverse_deviation);
  rounded_layer_norm(rows.count, d, x, input.scale / pass.rounding->norm_reads, site.scale, y, mean,
                     inverse_deviation, site.inside + rows.first * d);
}

template <class T>
void activate(const Pass<T>& pass, const LayerSites<RoundedSite<T>>& sites, int rows, int width,
              const T* bias, T* up, T* gelu) {
  if (!rounds(sites.up)) return bias_gelu(rows, width, bias, pass.activations.training, up, gelu);
  rounded_gelu(rows, width, bias, sites.up.scale, sites.gelu.scale, up, gelu);
}

// y = x + (y + bias).
template <class T>
void add_to_stream(const RoundedSite<T>& added, const RoundedSite<T>& sum, const RowRange& rows,
                   int width, const T* x, const T* bias, T* y) {
  if (!rounds(sum)) return add_residual(rows.count, width, x, bias, y);
  rounded_residual(rows.count, width, x, bias, added.scale, sum.scale, y,
                   added.inside + rows.first * width, sum.inside + rows.first * width);
}

// From the gradient of a rounded sum to that of the exact one, in place, and of what was added.
template <class T>
void split_gradient(const RoundedSite<T>& added, const RoundedSite<T>& sum, const RowRange& rows,
                    int width, T* d_sum, T* d_added, T* d_bias) {
  if (!rounds(sum)) return;  // both are d_sum, and layer_norm_backward() has d_bias
  keep_inside(sum, rows, width, d_sum, d_sum);
  keep_inside(added, rows, width, d_sum, d_added);
  add_bias_backward(rows.count, width, d_added, d_bias);
}

template <class T>
void round_heads(const LayerSites<RoundedSite<T>>& sites, const RowRange& rows, int heads,
                 int head_width, T* qkv) {
  if (!rounds(sites.query)) return;
  const std::ptrdiff_t stride = 3 * static_cast<std::ptrdiff_t>(heads) * head_width;
  const T scales[] = {sites.query.scale, sites.key.scale, sites.value.scale};
  for (int part = 0; part < 3 * heads; ++part) {
    const std::ptrdiff_t column = static_cast<std::ptrdiff_t>(part) * head_width;
    round_to_int8(rows.count, head_width, stride, scales[part % 3], qkv + column,
                  sites.query.inside + rows.first * stride + column);
  }
}

// Probabilities have the scale 1 / 127 and need no clipping.
template <class T>
void round_probabilities(const Pass<T>& pass, int queries, int keys, T* p, std::ptrdiff_t stride) {
  if (pass.rounding) round_to_int8<T>(queries, keys, stride, static_cast<T>(1.0 / 127), p, nullptr);
}

}  // namespace paretoformer::supernet
