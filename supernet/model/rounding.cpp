#include "supernet/model/rounding.hpp"

namespace paretoformer::supernet {

template <class T>
Rounding<T>::Rounding(const ParameterLayout& layout, int rows, int reads)
    : norm_reads(static_cast<T>(reads)),
      sites(layout.largest().layers.size()),
      d_attention(sites.layers.size()),
      d_ffn(sites.layers.size()) {
  const Architecture& network = layout.largest();
  const auto count = static_cast<std::size_t>(rows);
  const auto d = static_cast<std::size_t>(network.model_width);
  gradients_.resize(2 * sites.layers.size() * count * d);
  for (std::size_t l = 0; l < sites.layers.size(); ++l) {
    d_attention[l] = gradients_.data() + 2 * l * count * d;
    d_ffn[l] = d_attention[l] + count * d;
  }
  std::size_t used = 0;
  // The plan is made twice: first to count, then to hand out addresses.
  const auto plan = [&](std::uint8_t* memory) {
    used = 0;
    const auto take = [&](RoundedSite<T>& site, std::size_t width) {
      if (memory) site.inside = memory + used;
      used += count * width;
    };
    take(sites.input, d);
    take(sites.norm, d);
    for (std::size_t l = 0; l < sites.layers.size(); ++l) {
      LayerSites<RoundedSite<T>>& s = sites.layers[l];
      const auto heads = static_cast<std::size_t>(network.layers[l].heads);
      const std::size_t a = heads * static_cast<std::size_t>(network.head_width);
      take(s.query, 3 * a);
      take(s.context, a);
      for (RoundedSite<T>* site : {&s.norm1, &s.attention, &s.middle, &s.norm2, &s.ffn, &s.output})
        take(*site, d);
    }
  };
  plan(nullptr);
  inside_.resize(used);
  plan(inside_.data());
}

template class Rounding<float>;
template class Rounding<double>;

}  // namespace paretoformer::supernet
